#!/system/bin/sh
# The size of the kernel's pages, which a test can set.
[ "$1" = PAGESIZE ] || exit 1
cat /fake/state/page_size 2>/dev/null || echo 4096
