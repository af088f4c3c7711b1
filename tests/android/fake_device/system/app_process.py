#!/usr/bin/python3 -IS
"""app_process [-D…|-X…] DIR CLASS [ARGUMENT…]: the dex files of CLASSPATH on a desktop JVM.

Dex goes through enjarify, kept by sha256. A library on the phone whose SONAME the desktop has a
build of is replaced by that for this process alone (a bind mount in a namespace of its own); what
is for another processor stays, and does not load.
"""

import os
import sys

sys.path.insert(0, "/fake/lib")
import dalvik


def main() -> int:
    options, words = [], sys.argv[1:]
    while words and words[0].startswith("-"):
        options.append(words.pop(0))
    if len(words) < 2:
        print("Error: no class name or --zygote supplied.", file=sys.stderr)
        return 255
    classes = [path for path in os.environ.get("CLASSPATH", "").split(":") if path]
    dalvik.run(options, [jar for path in classes for jar in dalvik.jars(path)], words[1:])
    return 0


sys.exit(main())
