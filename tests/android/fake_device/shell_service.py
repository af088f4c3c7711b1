"""`shell:` and `exec:`: a command in the phone's root, over shell protocol v2 or as bare bytes.

Source: AOSP packages/modules/adb/shell_protocol.h and daemon/shell_service.cpp.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Sequence
from typing import IO

from .wire import LinkLostError, Stream

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN, WINDOW_SIZE = range(6)
_CHUNK = 1 << 15


def shell(stream: Stream, start: Callable[[str], Sequence[str]], *, crlf: bool) -> None:
    """Serve one `shell…:command` or `exec:command` stream.

    `start` gives the argument vector that runs a command in the phone's root. `crlf` ends lines as
    the terminal of old phones does.
    """
    words, _, command = stream.name.partition(":")
    options = words.split(",")
    if "v2" in options:
        _shell_v2(stream, start(command), terminal="pty" in options)
    else:
        _bare(stream, start(command), crlf=crlf and options[0] == "shell")


def _shell_v2(stream: Stream, argv: Sequence[str], *, terminal: bool) -> None:
    process, to_child, outputs = _terminal(argv) if terminal else _pipes(argv)
    stream.accept()
    sending = threading.Lock()

    def send(kind: int, data: bytes) -> None:
        with sending:
            stream.write(struct.pack("<BI", kind, len(data)) + data)

    def forward(kind: int, source: IO[bytes]) -> None:
        try:
            while data := _read(source):
                send(kind, data)
        except LinkLostError:
            _hang_up(process)
        finally:
            source.close()

    def feed() -> None:
        try:
            while True:
                kind, length = struct.unpack("<BI", stream.read_exactly(5))
                data = stream.read_exactly(length)
                if kind == STDIN:
                    try:
                        to_child.write(data)
                        to_child.flush()
                    except (OSError, ValueError):
                        continue
                elif kind == CLOSE_STDIN:
                    _close(to_child)
                elif kind == WINDOW_SIZE and terminal:
                    rows, columns = (int(n) for n in data.split(b",")[0].split(b"x"))
                    size = struct.pack("4H", rows, columns, 0, 0)
                    fcntl.ioctl(to_child, termios.TIOCSWINSZ, size)
        except LinkLostError:
            # As adbd does when the other side goes away.
            _hang_up(process)
            _close(to_child)

    threading.Thread(target=feed, daemon=True).start()
    forwards = [
        threading.Thread(target=forward, args=(kind, source)) for kind, source in outputs.items()
    ]
    for thread in forwards:
        thread.start()
    for thread in forwards:
        thread.join()
    code = process.wait()
    _close(to_child)
    send(EXIT, bytes([0x80 | -code if code < 0 else code & 0xFF]))


def _bare(stream: Stream, argv: Sequence[str], *, crlf: bool) -> None:
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    to_child, source = process.stdin, process.stdout
    stream.accept()

    def feed() -> None:
        try:
            while data := stream.read():
                to_child.write(data)
                to_child.flush()
        except LinkLostError:
            _hang_up(process)
        except OSError:
            pass
        finally:
            _close(to_child)

    threading.Thread(target=feed, daemon=True).start()
    try:
        while data := _read(source):
            stream.write(data.replace(b"\n", b"\r\n") if crlf else data)
    except LinkLostError:
        _hang_up(process)
    finally:
        source.close()
        process.wait()


def _pipes(
    argv: Sequence[str],
) -> tuple[subprocess.Popen[bytes], IO[bytes], dict[int, IO[bytes]]]:
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    return process, process.stdin, {STDOUT: process.stdout, STDERR: process.stderr}


def _terminal(
    argv: Sequence[str],
) -> tuple[subprocess.Popen[bytes], IO[bytes], dict[int, IO[bytes]]]:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["/usr/bin/setsid", "--ctty", "--wait", *argv],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    reader = os.fdopen(ours, "rb", buffering=0)
    return process, os.fdopen(os.dup(ours), "wb", buffering=0), {STDOUT: reader}


def _read(source: IO[bytes]) -> bytes:
    try:
        return os.read(source.fileno(), _CHUNK)
    except (OSError, ValueError):
        # A terminal whose last process has gone.
        return b""


def _close(file: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        file.close()


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGHUP)
