"""`am instrument`: an APK's dex on the desktop JVM, with stand-ins for the framework's classes."""

# ruff: noqa: PTH103, PTH108

import os
import signal
import subprocess
import sys
import threading

import dalvik

FRAMEWORK = "/fake/desktop/framework"
_RUNNING = f"{dalvik.STATE}/app_"


def run(apk, package, name, extras, *, raw):
    """Run one instrumentation; `am` waits for it, and the app lives on where `am` is killed."""
    data, external = f"/data/app/data-{package}", f"/sdcard/Android/data/{package}/files"
    os.makedirs(data, exist_ok=True)
    media = f"/sdcard/Android/media/{package}"
    os.makedirs(external, exist_ok=True)
    os.makedirs(media, exist_ok=True)
    arguments = [part for pair in extras.items() for part in pair]
    app = dalvik.start(
        [],
        [FRAMEWORK, *dalvik.jars(apk)],
        ["dev.edgedeploy.fake.Instrument", name, data, external, media, *arguments],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    with open(_RUNNING + package, "w") as file:
        file.write(str(app.pid))
    # An app's stderr goes into the log alone.
    kept = []
    reader = threading.Thread(target=lambda: kept.extend(dalvik.logged(app)))
    reader.start()
    ended = False
    for line in app.stdout:
        text = line.decode()
        is_result = text.startswith(("INSTRUMENTATION_RESULT", "INSTRUMENTATION_CODE"))
        ended = ended or text.startswith("INSTRUMENTATION_CODE")
        if raw or is_result:
            sys.stdout.write(text)
            sys.stdout.flush()
    reader.join()
    app.wait()
    os.unlink(_RUNNING + package)
    if not ended:
        for line in kept:
            dalvik.log(app.pid, "E", "AndroidRuntime", line.decode(errors="replace").rstrip())
        print("INSTRUMENTATION_RESULT: shortMsg=Process crashed.\nINSTRUMENTATION_CODE: 0")
    return 0


def force_stop(package):
    """Kill the app, if it runs."""
    try:
        with open(_RUNNING + package) as file:
            os.kill(int(file.read()), signal.SIGKILL)
    except (OSError, ValueError):
        pass
