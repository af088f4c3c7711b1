#!/usr/bin/python3 -IS
"""pm, cmd and am: installed packages, and instrumentations on the desktop JVM."""

# ruff: noqa: PTH103, PTH105, PTH108, PTH110, PTH119, PTH208

import os
import shutil
import subprocess
import sys

sys.path.insert(0, "/fake/lib")
import dalvik
import instrumentation

PACKAGES = "/data/app"


def main() -> int:
    name, words = os.path.basename(sys.argv[0]), sys.argv[1:]
    if name == "cmd":
        if words[:1] != ["package"]:
            print(f"cmd: Can't find service: {' '.join(words[:1])}", file=sys.stderr)
            return 20
        name, words = "pm", words[1:]
    if name == "am":
        return am(words)
    if words[:1] == ["install"]:
        return install(words[1:])
    if words[:1] == ["uninstall"]:
        return uninstall([word for word in words[1:] if not word.startswith("-")])
    if words[:2] == ["list", "packages"]:
        for package in installed():
            if not words[2:] or words[-1] in package:
                print(f"package:{package}")
        return 0
    if words[:1] == ["path"]:
        if words[-1] not in installed():
            return 1
        print(f"package:{PACKAGES}/{words[-1]}-1/base.apk")
        return 0
    print(f"Unknown command: {' '.join(words)}", file=sys.stderr)
    return 255


def installed():
    return sorted(name[:-2] for name in os.listdir(PACKAGES) if name.endswith("-1"))


def install(words):
    size, path = None, None
    while words:
        word = words.pop(0)
        if word == "-S":
            size = int(words.pop(0))
        elif word in {"-i", "--user", "--abi"}:
            words.pop(0)
        elif not word.startswith("-"):
            path = word
    part = f"{PACKAGES}/.{os.getpid()}.apk"
    try:
        with open(part, "wb") as file:
            if size is None:
                with open(path, "rb") as source:
                    shutil.copyfileobj(source, file)
            else:
                while size > 0 and (data := sys.stdin.buffer.read(min(size, 1 << 20))):
                    file.write(data)
                    size -= len(data)
    except OSError as error:
        if os.path.exists(part):
            os.unlink(part)
        print(f"Failure [INSTALL_FAILED_INSUFFICIENT_STORAGE: {error.strerror}]")
        return 1
    failure = dalvik.faults()["pm_fails"]
    package = subprocess.run(
        ["/usr/bin/aapt2", "dump", "packagename", part], capture_output=True, text=True, check=False
    ).stdout.strip()
    if not package and not failure:
        failure = "INSTALL_PARSE_FAILED_NOT_APK: Failed to parse base.apk"
    if failure:
        os.unlink(part)
        print(f"Failure [{failure}]")
        return 1
    os.makedirs(f"{PACKAGES}/{package}-1", exist_ok=True)
    os.replace(part, f"{PACKAGES}/{package}-1/base.apk")
    print("Success")
    return 0


def uninstall(names):
    instrumentation.force_stop(names[0])
    if names[0] not in installed():
        print("Failure [DELETE_FAILED_INTERNAL_ERROR]")
        return 1
    shutil.rmtree(f"{PACKAGES}/{names[0]}-1")
    shutil.rmtree(f"{PACKAGES}/data-{names[0]}", ignore_errors=True)
    for kind in ("data", "media"):
        shutil.rmtree(f"/sdcard/Android/{kind}/{names[0]}", ignore_errors=True)
    print("Success")
    return 0


def am(words):
    if words[:1] == ["force-stop"]:
        instrumentation.force_stop(words[-1])
        return 0
    if words[:1] != ["instrument"]:
        print(f"Error: unknown command '{' '.join(words[:1])}'", file=sys.stderr)
        return 255
    extras, component, raw = {}, None, False
    words = words[1:]
    while words:
        word = words.pop(0)
        if word == "-e":
            key = words.pop(0)
            extras[key] = words.pop(0)
        elif word == "-r":
            raw = True
        elif not word.startswith("-"):
            component = word
    package, _, name = component.partition("/")
    apk = f"{PACKAGES}/{package}-1/base.apk"
    failure = dalvik.faults()["am_fails"]
    if failure:
        print(failure)
        return 1
    if not os.path.exists(apk):
        print("android.util.AndroidException: INSTRUMENTATION_FAILED: " + component)
        return 1
    if name.startswith("."):
        name = package + name
    return instrumentation.run(apk, package, name, extras, raw=raw)


sys.exit(main())
