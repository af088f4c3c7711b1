#!/system/bin/sh
# svc power stayon true|false|usb|ac|wireless
if [ "$1 $2" = "power stayon" ]; then
  case "$3" in true) value=7 ;; false) value=0 ;; usb) value=2 ;; ac) value=1 ;; *) value=4 ;; esac
  exec settings put global stay_on_while_plugged_in $value
fi
exit 0
