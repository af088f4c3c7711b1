#!/system/bin/sh
# Not Python: the suffix only marks files that become tools of the phone.
if [ $# = 0 ]; then exec cat /fake/state/properties; fi
while IFS= read -r line; do
  case $line in "[$1]: ["*) line=${line#"[$1]: ["}; echo "${line%]}"; exit 0 ;; esac
done < /fake/state/properties
echo "$2"
