"""`sync:`: push, pull, stat and list, with the rights of the phone's shell user.

Source: AOSP packages/modules/adb/SYNC.TXT, file_sync_protocol.h and daemon/file_sync_service.cpp.
"""

# Paths are bytes here, as adb sends them.
# ruff: noqa: PTH103, PTH108, PTH116, PTH118, PTH120, PTH208

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path

from .wire import LinkLostError, Stream

SHELL_USER = 2000
_MAXIMUM_DATA = 64 * 1024


def sync(stream: Stream, root: Path, pushed: Callable[[str, int], None]) -> None:
    """Serve one `sync:` stream; `pushed` hears of each push's path, and of the bytes that come."""
    _become_shell_user()
    stream.accept()
    while True:
        try:
            word, length = struct.unpack("<4sI", stream.read_exactly(8))
        except LinkLostError:
            if stream.link.lost.is_set():
                raise
            return
        argument = stream.read_exactly(length)
        if word == b"QUIT":
            return
        if word == b"SEND":
            _send(stream, root, argument, pushed)
            continue
        path = _inside(root, argument)
        if word == b"STAT":
            stream.write(struct.pack("<4s3I", word, *_old_stat(path)))
        elif word in {b"STA2", b"LST2"}:
            stream.write(_new_stat(word, path, follow=word == b"STA2"))
        elif word in {b"LIST", b"LIS2"}:
            _list(stream, path, new=word == b"LIS2")
        elif word == b"RECV":
            _receive(stream, path)
        else:
            _fail(stream, f"unknown command {word.decode(errors='replace')}")
            return


def _become_shell_user() -> None:
    """File access of this thread alone becomes the shell user's, without root's rights."""
    libc = ctypes.CDLL(None)
    libc.setfsgid(SHELL_USER)
    libc.setfsuid(SHELL_USER)


def _inside(root: Path, path: bytes) -> bytes:
    return os.fsencode(root) + os.path.normpath(b"/" + path.lstrip(b"/"))


def _fail(stream: Stream, message: str) -> None:
    data = message.encode()
    stream.write(struct.pack("<4sI", b"FAIL", len(data)) + data)


def _old_stat(path: bytes) -> tuple[int, int, int]:
    try:
        found = os.lstat(path)
    except OSError:
        return 0, 0, 0
    return found.st_mode, found.st_size & 0xFFFFFFFF, int(found.st_mtime) & 0xFFFFFFFF


def _new_stat(word: bytes, path: bytes, *, follow: bool) -> bytes:
    layout = struct.Struct("<4sIQQIIIIQqqq")
    try:
        found = os.stat(path) if follow else os.lstat(path)
    except OSError as error:
        return layout.pack(word, error.errno or 5, *([0] * 10))
    return layout.pack(
        word,
        0,
        found.st_dev,
        found.st_ino,
        found.st_mode,
        found.st_nlink,
        found.st_uid,
        found.st_gid,
        found.st_size,
        int(found.st_atime),
        int(found.st_mtime),
        int(found.st_ctime),
    )


def _list(stream: Stream, path: bytes, *, new: bool) -> None:
    try:
        names = os.listdir(path)
    except OSError:
        names = []
    for name in names:
        one = os.path.join(path, name)
        if new:
            entry = _new_stat(b"DNT2", one, follow=False)
        else:
            entry = struct.pack("<4s3I", b"DENT", *_old_stat(one))
        stream.write(entry + struct.pack("<I", len(name)) + name)
    stream.write(b"DONE" + bytes(72 if new else 16))


def _receive(stream: Stream, path: bytes) -> None:
    try:
        with open(path, "rb") as file:
            while data := file.read(_MAXIMUM_DATA):
                stream.write(struct.pack("<4sI", b"DATA", len(data)) + data)
    except OSError as error:
        _fail(stream, f"open failed: {error.strerror}")
        return
    stream.write(struct.pack("<4sI", b"DONE", 0))


def _send(stream: Stream, root: Path, argument: bytes, pushed: Callable[[str, int], None]) -> None:
    name, _, mode = argument.rpartition(b",")
    path = _inside(root, name)
    pushed(os.fsdecode(name), 0)
    failure = None
    descriptor = None
    try:
        descriptor = _create(path, int(mode) & 0o777)
    except OSError as error:
        failure = f"couldn't create file: {error.strerror}"
    if failure:
        _fail(stream, failure)
    try:
        while True:
            word, length = struct.unpack("<4sI", stream.read_exactly(8))
            if word == b"DONE":
                break
            if word != b"DATA" or length > _MAXIMUM_DATA:
                _fail(
                    stream, "oversize data message" if word == b"DATA" else "invalid data message"
                )
                raise LinkLostError
            data = stream.read_exactly(length)
            pushed("", length)
            if descriptor is not None and not failure:
                try:
                    _write_all(descriptor, data)
                except OSError as error:
                    failure = f"write failed: {error.strerror}"
                    _fail(stream, failure)
    except LinkLostError:
        # adbd removes what it has of a file when the link goes away.
        if descriptor is not None:
            os.close(descriptor)
            os.unlink(path)
        raise
    if descriptor is not None:
        os.close(descriptor)
        if failure:
            os.unlink(path)
        else:
            os.utime(path, (length, length))
    if not failure:
        stream.write(struct.pack("<4sI", b"OKAY", 0))


def _create(path: bytes, mode: int) -> int:
    try:
        found = os.lstat(path)
        if stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode):
            os.unlink(path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), 0o771, exist_ok=True)
    # adbd gives the group and the others the owner's rights of reading and executing.
    mode |= (mode >> 3) & 0o070 | (mode >> 6) & 0o007
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, mode)
    return descriptor


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
