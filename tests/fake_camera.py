"""A V4L2 driver as far as its ioctls go; its memory is a real file, mapped as a camera's would be.

The layouts are written out here a second time, from the kernel's header.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from edge_deploy_runner.sources import v4l2

_WIDE = struct.calcsize("P") == 8
_PIX_AT = 8 if _WIDE else 4
_BUFFER_SIZE = 88 if _WIDE else 68
_MEMORY_AT = 60 if _WIDE else 48  # then the offset, then the length
_NUMBERS = {0: "querycap", 2: "enum_fmt", 5: "s_fmt", 8: "reqbufs", 9: "querybuf", 15: "qbuf",
            17: "dqbuf", 18: "streamon", 19: "streamoff", 22: "s_parm"}  # fmt: skip


class FakeCamera:
    """`formats` maps four letters to the size it gives; frames are put in by the test."""

    def __init__(
        self, folder: Path, formats: dict[str, tuple[int, int]], buffer_bytes: int = 4096,
        capabilities: int = 0x04000001, colorimetry: tuple[int, int, int] = (1, 0, 0),
    ) -> None:  # fmt: skip
        self.path = folder / "video0"
        self.formats = formats
        self.buffer_bytes = -(-buffer_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        self.path.write_bytes(bytes(4 * self.buffer_bytes))
        self.capabilities = capabilities
        self.colorimetry = colorimetry
        self.chosen = ""
        self.streaming = False
        self.queued: deque[int] = deque()
        self.filled: deque[tuple[int, int, int]] = deque()
        self.interval: tuple[int, int] | None = None
        self.failure: int | None = None
        self.before_dequeue: Callable[[], None] = lambda: None

    def install(self, monkeypatch: object) -> FakeCamera:
        """Answer v4l2's ioctls from now on."""
        monkeypatch.setattr(v4l2, "fcntl", SimpleNamespace(ioctl=self.ioctl))  # type: ignore[attr-defined]
        return self

    def fill(self, data: bytes, flags: int = 0) -> bool:
        """Deliver a frame, as the hardware does; False where no buffer is free."""
        if not self.queued:
            return False
        index = self.queued.popleft()
        with self.path.open("r+b") as file:
            file.seek(index * self.buffer_bytes)
            file.write(data)
        self.filled.append((index, len(data), flags))
        return True

    def ioctl(self, descriptor: int, request: int, record: bytes) -> bytes:
        """Answer one request as the kernel would."""
        os.fstat(descriptor)  # it must be open
        assert request >> 16 & 0x3FFF == len(record), "the request's size is not the record's"
        assert request >> 8 & 0xFF == ord("V")
        if self.failure is not None:
            raise OSError(self.failure, os.strerror(self.failure))
        name = _NUMBERS[request & 0xFF]
        answer: bytes = getattr(self, f"_{name}")(bytearray(record))
        assert len(answer) == len(record)
        return answer

    def _querycap(self, record: bytearray) -> bytes:
        record[:6], record[16:24] = b"vivid\0", b"A camera"
        struct.pack_into("=II", record, 84, self.capabilities | 0x80000000, self.capabilities)
        return bytes(record)

    def _enum_fmt(self, record: bytearray) -> bytes:
        index, kind = struct.unpack_from("=II", record)
        assert kind == 1
        if index >= len(self.formats):
            raise OSError(errno.EINVAL, "no more")
        record[44:48] = list(self.formats)[index].ljust(4).encode()
        return bytes(record)

    def _s_fmt(self, record: bytearray) -> bytes:
        if self.streaming:
            raise OSError(errno.EBUSY, "streaming")
        name = bytes(record[_PIX_AT + 8 : _PIX_AT + 12]).decode()
        if name not in self.formats:
            name = next(iter(self.formats))
        self.chosen = name
        width, height = self.formats[name]
        colorspace, encoding, quantization = self.colorimetry
        struct.pack_into(
            "=II4sIIIIIIII", record, _PIX_AT, width, height, name.encode(), 1, 2 * width,
            2 * width * height, colorspace, 0, 0, encoding, quantization,
        )  # fmt: skip
        return bytes(record)

    def _reqbufs(self, record: bytearray) -> bytes:
        count, kind, memory = struct.unpack_from("=III", record)
        assert (kind, memory) == (1, 1)
        struct.pack_into("=I", record, 0, min(count, 4))
        return bytes(record)

    def _querybuf(self, record: bytearray) -> bytes:
        (index,) = struct.unpack_from("=I", record)
        offset = index * self.buffer_bytes
        struct.pack_into(
            "=QI" if _WIDE else "=II", record, _MEMORY_AT + 4, offset, self.buffer_bytes
        )
        return bytes(record)

    def _qbuf(self, record: bytearray) -> bytes:
        (index,) = struct.unpack_from("=I", record)
        assert index not in self.queued
        self.queued.append(index)
        return bytes(record)

    def _dqbuf(self, record: bytearray) -> bytes:
        self.before_dequeue()
        if self.failure is not None:
            raise OSError(self.failure, os.strerror(self.failure))
        if not self.filled:
            raise OSError(errno.EAGAIN, "nothing yet")
        index, used, flags = self.filled.popleft()
        struct.pack_into("=I4xII", record, 0, index, used, flags)
        return bytes(record)

    def _streamon(self, record: bytearray) -> bytes:
        self.streaming = True
        return bytes(record)

    def _streamoff(self, record: bytearray) -> bytes:
        self.streaming = False
        return bytes(record)

    def _s_parm(self, record: bytearray) -> bytes:
        self.interval = struct.unpack_from("=II", record, 12)
        return bytes(record)
