#!/system/bin/sh
# input keyevent CODE: only what turns the screen on and off.
case "$1 $2" in
  "keyevent 224" | "keyevent KEYCODE_WAKEUP" | "keyevent WAKEUP") echo Awake > /fake/state/kept/wakefulness ;;
  "keyevent 223" | "keyevent KEYCODE_SLEEP" | "keyevent SLEEP") echo Asleep > /fake/state/kept/wakefulness ;;
  "keyevent 26" | "keyevent KEYCODE_POWER" | "keyevent POWER")
    if [ "$(cat /fake/state/kept/wakefulness)" = Awake ]; then echo Asleep; else echo Awake; fi > /fake/state/kept/new
    mv /fake/state/kept/new /fake/state/kept/wakefulness ;;
esac
