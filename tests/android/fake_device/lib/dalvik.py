"""Dex on a desktop JVM, for app_process and am. Runs on the phone, under the host's Python."""

# ruff: noqa: PTH104, PTH110, PTH118, PTH208

import contextlib
import ctypes
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

CACHE, DESKTOP, STATE = "/fake/cache", "/fake/desktop", "/fake/state"
JAVA = "/fake/java/bin/java"
_NEW_MOUNTS, _BIND = 0x20000, 0x1000
_X86_64 = 62
_LOGGED = re.compile(r"(VERBOSE|DEBUG|INFO|WARNING|ERROR): (.*)")


def jars(path):
    """The jars that stand for one entry of CLASSPATH: its dex files converted, and itself.

    What has no classes.dex gives nothing, as on a phone.
    """
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with zipfile.ZipFile(path) as archive:
            if "classes.dex" not in archive.namelist():
                return []
    except (OSError, zipfile.BadZipFile):
        return []
    converted = f"{CACHE}/{digest}.jar"
    if not os.path.exists(converted):
        # Other phones convert at the same time, and their process ids may be the same as ours.
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            copy, part = f"{folder}/classes.apk", f"{folder}/classes.jar"
            shutil.copy(path, copy)
            done = subprocess.run(
                ["/usr/bin/python3", "-O", "-m", "enjarify.main", "-f", "-o", part, copy],
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            if done.returncode or ", 0 classes had errors" not in done.stdout:
                sys.exit(f"enjarify could not convert {path}: {done.stdout[-2000:]}")
            os.rename(part, converted)
    return [converted, path]


def run(options, classpath, words):
    """Run a main class on the JVM; never returns.

    This process waits for the JVM and ends as it ended, so that all of its stderr is out by then.
    """
    parent = os.getpid()
    jvm = start(options, classpath, words, preexec_fn=lambda: _die_with(parent))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, lambda number, _: jvm.send_signal(number))
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    for line in logged(jvm):
        with contextlib.suppress(OSError):
            os.write(2, line)
    code = jvm.wait()
    if code < 0:
        died_of = faults()["crash_signal"] or -code
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if died_of != signal.SIGKILL:
            signal.signal(died_of, signal.SIG_DFL)
        os.kill(os.getpid(), died_of)
    os._exit(code)


def start(options, classpath, words, **settings):
    """The JVM with the phone's libraries mapped; a crash comes when the fault says."""
    _map_libraries()
    java = [JAVA, "-Xshare:auto", "-XX:-UsePerfData", "-XX:ErrorFile=/tmp/java_%p.log"]
    java += ["-Xrs", "-XX:+UseSerialGC", "-Xmx512m", *options, "-cp", ":".join(classpath), *words]
    environment = {**os.environ, "EDGE_DEPLOY_LITERT_LIBRARY": f"{DESKTOP}/libLiteRt.so"}
    jvm = subprocess.Popen(java, stderr=subprocess.PIPE, env=environment, **settings)
    open(f"{STATE}/run_started", "w").close()
    if faults()["crash_signal"]:
        crash = threading.Timer(faults()["crash_after_s"], jvm.kill)
        crash.daemon = True
        crash.start()
    return jvm


def faults():
    """The faults that are in force."""
    with open(f"{STATE}/faults.json") as file:
        return json.load(file)


def _die_with(parent):
    """A JVM must not live on where this process is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


def _map_libraries():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS):
        sys.exit(f"no mounts of its own: {os.strerror(ctypes.get_errno())}")
    ours = set(os.listdir(DESKTOP))
    for top in ("/data/local/tmp", "/data/media/0"):
        for path in (
            os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names
        ):
            soname = _android_library(path)
            if soname in ours:
                source = f"{DESKTOP}/{soname}".encode()
                if libc.mount(source, os.fsencode(path), None, _BIND, None):
                    sys.exit(f"cannot map {path}: {os.strerror(ctypes.get_errno())}")
    libc.prctl(47, 4, 0, 0, 0)  # PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL


def _android_library(path):
    """The SONAME of an x86_64 shared object, or None."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
            if head[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", head, 18)[0] != _X86_64:
                return None
            (table,) = struct.unpack_from("<Q", head, 32)
            size, count = struct.unpack_from("<HH", head, 54)
            file.seek(table)
            programs = [struct.unpack_from("<IIQQQQQQ", file.read(size)) for _ in range(count)]
            entries = {}
            for kind, _, offset, _, _, length, _, _ in programs:
                if kind == 2:
                    file.seek(offset)
                    data = file.read(length)
                    for tag, value in struct.iter_unpack("<QQ", data):
                        entries.setdefault(tag, value)
            if 14 not in entries or 5 not in entries:
                return None
            for kind, _, offset, address, _, length, _, _ in programs:
                if kind == 1 and address <= entries[5] < address + length:
                    file.seek(offset + entries[5] - address + entries[14])
                    return file.read(256).partition(b"\0")[0].decode()
    except (OSError, struct.error):
        pass
    return None


def logged(jvm):
    """Lines of its stderr, after what the runtime logs in them went into the phone's log."""
    for line in jvm.stderr:
        match = _LOGGED.match(line.decode(errors="replace").rstrip("\n"))
        if match:
            tag = "litert" if match[2].startswith("[") else "tflite"
            log(jvm.pid, match[1][0], tag, match[2])
        yield line


def log(pid, level, tag, message):
    """Add one line to the phone's log."""
    entry = {"time": time.time(), "pid": pid, "level": level, "tag": tag, "message": message}
    data = (json.dumps(entry) + "\n").encode()
    descriptor = os.open(f"{STATE}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(descriptor, data)
    os.close(descriptor)
