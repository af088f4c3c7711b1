#!/system/bin/sh
# settings get|put|delete|list NAMESPACE [KEY [VALUE]]; one file for each key.
folder=/fake/state/settings/$2
case "$1" in
  get) if [ -f "$folder/$3" ]; then cat "$folder/$3"; else echo null; fi ;;
  put) mkdir -p "$folder"; echo "$4" > "$folder/$3" ;;
  delete) if [ -f "$folder/$3" ]; then rm "$folder/$3"; echo "Deleted 1 rows"; else echo "Deleted 0 rows"; fi ;;
  list) for file in "$folder"/*; do [ -f "$file" ] && echo "${file##*/}=$(cat "$file")"; done; exit 0 ;;
  *) echo "usage: settings [get|put|delete|list] ..." >&2; exit 1 ;;
esac
