#!/usr/bin/python3 -IS
"""logcat over what app_process saw: -d -c -v brief|threadtime|tag -t N -s --pid, filters."""

# ruff: noqa: PTH110

import json
import os
import sys
import time

LOG = "/fake/state/log"
LEVELS = "VDIWEF"


def main() -> int:
    arguments = sys.argv[1:]
    form, dump, tail, pid, silent, filters = "threadtime", False, None, None, False, []
    while arguments:
        word = arguments.pop(0)
        if word in {"-c", "--clear"}:
            open(LOG, "w").close()
            return 0
        if word in {"-d"}:
            dump = True
        elif word in {"-v", "--format"}:
            form = arguments.pop(0)
        elif word.startswith("-v"):
            form = word[2:]
        elif word in {"-t", "-T"}:
            value = arguments.pop(0)
            tail = int(value) if value.isdigit() else None
            dump = dump or word == "-t"
        elif word in {"-b", "--buffer"}:
            arguments.pop(0)
        elif word.startswith("--pid"):
            pid = int(word.partition("=")[2] or arguments.pop(0))
        elif word == "-s":
            silent = True
        elif not word.startswith("-"):
            filters.append(word)
    wanted = {}
    for one in filters:
        tag, _, level = one.partition(":")
        wanted[tag] = level or "V"
    if silent:
        wanted.setdefault("*", "S")
    if not os.path.exists(LOG):
        open(LOG, "a").close()
    with open(LOG) as log:
        lines = [json.loads(line) for line in log]
        lines = [line for line in lines if shown(line, wanted, pid)]
        for line in lines[-tail:] if tail else lines:
            print(written(line, form))
        sys.stdout.flush()
        while not dump:
            line = log.readline()
            if not line:
                time.sleep(0.05)
            elif shown(json.loads(line), wanted, pid):
                print(written(json.loads(line), form), flush=True)
    return 0


def shown(line, wanted, pid):
    if pid is not None and line["pid"] != pid:
        return False
    level = wanted.get(line["tag"], wanted.get("*", "V"))
    return level != "S" and LEVELS.index(line["level"]) >= LEVELS.index(level)


def written(line, form):
    level, tag, pid, text = line["level"], line["tag"], line["pid"], line["message"]
    if form == "brief":
        return f"{level}/{tag:<8}({pid:5}): {text}"
    if form == "tag":
        return f"{level}/{tag}: {text}"
    if form == "raw":
        return text
    moment = time.localtime(line["time"])
    fraction = f"{line['time'] % 1:.3f}"[1:]
    when = time.strftime("%m-%d %H:%M:%S", moment) + fraction
    return f"{when} {pid:5} {pid:5} {level} {tag:<8}: {text}"


sys.exit(main())
