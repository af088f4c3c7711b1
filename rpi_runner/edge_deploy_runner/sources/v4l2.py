"""V4L2 cameras, with the standard library: the kernel's own interface, frames in mapped memory.

Layouts and numbers are those of the kernel's `videodev2.h`; two structures differ between 32 and
64 bits. Documentation: https://docs.kernel.org/userspace-api/media/v4l/v4l2.html
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import select
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from edge_deploy_runner.errors import DeviceError

from .frames import Frame, FrameSource, Reports
from .pixel_formats import FORMATS, PixelFormat, to_image

_VIDEO_CAPTURE = 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE, and V4L2_CAP_VIDEO_CAPTURE
_CAP_MULTIPLANAR = 0x1000
_CAP_STREAMING = 0x04000000
_CAP_DEVICE_CAPS = 0x80000000
_MEMORY_MMAP = 1
_BUFFER_ERROR = 0x40
_BUFFERS = 4
_CAPABILITY = struct.Struct("=16s32s32sIII12x")
_FORMAT_DESCRIPTION = struct.Struct("=III32sII12x")
_REQUEST = struct.Struct("=IIII4x")
_PARAMETER = struct.Struct("=IIIII184x")
_QUANTIZATION_FULL = 1
_QUANTIZATION_LIMITED = 2
_COLORSPACE_JPEG = 7
_MATRICES = {1: "bt601", 2: "bt709", 3: "bt601", 4: "bt709", 6: "bt2020", 7: "bt2020"}
_MATRIX_OF_COLORSPACE = {3: "bt709", 10: "bt2020", 12: "bt709"}
# A camera that was pulled out answers with one of these.
_GONE = (errno.ENODEV, errno.ENXIO, errno.EIO, errno.ENOENT)


@dataclass(frozen=True)
class Layout:
    """The structures whose size depends on the machine's words."""

    format_: struct.Struct
    buffer: struct.Struct

    @classmethod
    def of_words(cls, bits: int) -> Layout:
        """The layout for programs of 32 or 64 bits."""
        wide = bits == 64
        # The union in v4l2_format holds pointers: 8 bytes aligned where those have 8.
        format_ = struct.Struct("=I4x12I152x" if wide else "=I12I152x")
        # index type bytesused flags field, timeval, timecode, sequence memory, offset, length
        buffer = struct.Struct("=5I4x16x16x2IQI4xi4x" if wide else "=5I8x16x2III4xi")
        return cls(format_, buffer)


LAYOUT = Layout.of_words(8 * struct.calcsize("P"))


def request_code(direction: str, number: int, size: int) -> int:
    """The number of an ioctl of V4L2: "r", "w" or "rw", its number and its structure's bytes."""
    bits = {"w": 1, "r": 2, "rw": 3}[direction]
    return bits << 30 | size << 16 | ord("V") << 8 | number


QUERYCAP = request_code("r", 0, _CAPABILITY.size)
ENUM_FMT = request_code("rw", 2, _FORMAT_DESCRIPTION.size)
S_FMT = request_code("rw", 5, LAYOUT.format_.size)
REQBUFS = request_code("rw", 8, _REQUEST.size)
QUERYBUF = request_code("rw", 9, LAYOUT.buffer.size)
QBUF = request_code("rw", 15, LAYOUT.buffer.size)
DQBUF = request_code("rw", 17, LAYOUT.buffer.size)
STREAMON = request_code("w", 18, 4)
STREAMOFF = request_code("w", 19, 4)
S_PARM = request_code("rw", 22, _PARAMETER.size)


class CameraHung(DeviceError):
    """A camera that is there, was opened, and gives no frames."""

    hung = True


def four_letters(code: int) -> str:
    """The name of a pixel format, as "YUYV"."""
    return struct.pack("=I", code & 0x7FFFFFFF).decode("latin-1").rstrip()


def format_code(name: str) -> int:
    """The number of a pixel format."""
    return int(struct.unpack("=I", name.ljust(4).encode("latin-1"))[0])


def parse_format(raw: bytes, layout: Layout = LAYOUT) -> PixelFormat:
    """What the driver settled on, from a `v4l2_format`.

    YUV is BT.601 of limited range unless the driver says otherwise.
    """
    fields = layout.format_.unpack(raw)
    width, height, code, line = fields[1], fields[2], fields[3], fields[5]
    colorspace, encoding, quantization = fields[7], fields[10], fields[11]
    matrix = _MATRICES.get(encoding) or _MATRIX_OF_COLORSPACE.get(colorspace, "bt601")
    full = quantization == _QUANTIZATION_FULL or (
        quantization != _QUANTIZATION_LIMITED and colorspace == _COLORSPACE_JPEG
    )
    return PixelFormat(four_letters(code), width, height, line, matrix, full)


class CameraSource(FrameSource):
    """A V4L2 camera; of frames that piled up in the driver only the newest is given.

    Raises `DeviceError` with one sentence where the camera is missing, busy, may not be opened,
    speaks no format that we read, or is unplugged; `CameraHung` where no frame comes for
    `timeout_s`.
    """

    live = True
    endless = True

    def __init__(
        self,
        path: str,
        reports: Reports | None = None,
        size: tuple[int, int] = (640, 480),
        frames_per_second: float | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        super().__init__(path, reports or Reports())
        self.size = size
        self.frames_per_second = frames_per_second
        self.timeout_s = timeout_s
        self.format: PixelFormat | None = None
        self._device = -1
        self._buffers: list[mmap.mmap] = []

    def open(self) -> None:
        """Open the camera, agree on a format, and start it."""
        try:
            self._device = os.open(self.name, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise DeviceError(_open_sentence(self.name, error)) from error
        try:
            self._check_capability()
            self.format = self._negotiate()
            self._set_rate()
            self._map_buffers()
            self._ioctl(STREAMON, struct.pack("=I", _VIDEO_CAPTURE))
        except OSError as error:
            self.close()
            if error.errno == errno.EBUSY:
                raise DeviceError(
                    f"the camera {self.name} is in use by another program; end that one first"
                ) from error
            raise DeviceError(f"the camera {self.name} cannot be started: {error}") from error
        except DeviceError:
            self.close()
            raise

    def close(self) -> None:
        """Stop the camera and give its memory back."""
        if self._device < 0:
            return
        with contextlib.suppress(OSError):  # it may be gone
            self._ioctl(STREAMOFF, struct.pack("=I", _VIDEO_CAPTURE))
        for buffer in self._buffers:
            buffer.close()
        self._buffers = []
        os.close(self._device)
        self._device = -1

    def frames(self) -> Iterator[Frame]:
        """The newest frame each time one is asked for."""
        form = self.format
        if form is None:
            raise DeviceError(f"the camera {self.name} has not been opened")
        number = 0
        last = time.monotonic()
        while not self.stopped.is_set():
            try:
                data = self._newest() if self._wait(0.5) else None
            except OSError as error:
                raise DeviceError(self._gone_sentence(error)) from error
            if data is None:
                if time.monotonic() - last > self.timeout_s:
                    raise CameraHung(
                        f"the camera {self.name} has given no frame for {self.timeout_s:g} s; "
                        "unplug it and plug it in again, or try another port or cable"
                    )
                self.stopped.wait(0.005)  # where the driver says ready and has nothing
                continue
            self.reports.alive()
            last = time.monotonic()
            yield Frame(f"{self.name}#{number}", partial(to_image, data, form), number, last)
            number += 1
            last = time.monotonic()  # the time that the caller took is not the camera's

    def _ioctl(self, request: int, record: bytes) -> bytes:
        return fcntl.ioctl(self._device, request, record)

    def _check_capability(self) -> None:
        try:
            raw = self._ioctl(QUERYCAP, bytes(_CAPABILITY.size))
        except OSError as error:
            raise DeviceError(
                f"{self.name} is no camera ({error.strerror}); see `ls /dev/video*`"
            ) from error
        _, card, _, _, capabilities, device = _CAPABILITY.unpack(raw)
        kinds = device if capabilities & _CAP_DEVICE_CAPS else capabilities
        name = card.split(b"\0")[0].decode("utf-8", "replace")
        if not kinds & _VIDEO_CAPTURE or not kinds & _CAP_STREAMING:
            why = "gives several planes" if kinds & _CAP_MULTIPLANAR else "captures no video"
            raise DeviceError(
                f"{self.name} ({name}) {why}; a Pi's ribbon-cable camera is picamera:0, a USB "
                "camera may have another number"
            )

    def _offered(self) -> list[str]:
        names = []
        for index in range(64):
            request = _FORMAT_DESCRIPTION.pack(index, _VIDEO_CAPTURE, 0, b"", 0, 0)
            try:
                raw = self._ioctl(ENUM_FMT, request)
            except OSError as error:
                if error.errno in _GONE:
                    raise
                break  # EINVAL: no more of them
            names.append(four_letters(_FORMAT_DESCRIPTION.unpack(raw)[4]))
        return names

    def _negotiate(self) -> PixelFormat:
        offered = self._offered()
        for name in FORMATS:
            if name not in offered:
                continue
            asked = LAYOUT.format_.pack(
                _VIDEO_CAPTURE, *self.size, format_code(name), 0, 0, 0, 0, 0, 0, 0, 0, 0
            )
            form = parse_format(self._ioctl(S_FMT, asked))
            # USB 2 carries few raw pixels: large pictures come faster as JPEG, and some only so.
            smaller = form.width * form.height < self.size[0] * self.size[1]
            if form.name == name and not (smaller and "MJPG" in offered and name != "MJPG"):
                return form
        raise DeviceError(
            f"the camera {self.name} gives {', '.join(offered) or 'no format'}, none of "
            f"{', '.join(FORMATS)}; a Pi's ribbon-cable camera is picamera:0"
        )

    def _set_rate(self) -> None:
        if not self.frames_per_second:
            return
        interval = round(1_000_000 / self.frames_per_second)
        request = _PARAMETER.pack(_VIDEO_CAPTURE, 0, 0, interval, 1_000_000)
        with contextlib.suppress(OSError):  # many cameras have one rate only
            self._ioctl(S_PARM, request)

    def _buffer(self, index: int) -> bytes:
        return LAYOUT.buffer.pack(index, _VIDEO_CAPTURE, 0, 0, 0, 0, _MEMORY_MMAP, 0, 0, 0)

    def _map_buffers(self) -> None:
        raw = self._ioctl(REQBUFS, _REQUEST.pack(_BUFFERS, _VIDEO_CAPTURE, _MEMORY_MMAP, 0))
        count = _REQUEST.unpack(raw)[0]
        if not count:
            raise DeviceError(f"the camera {self.name} has no memory for frames")
        for index in range(count):
            fields = LAYOUT.buffer.unpack(self._ioctl(QUERYBUF, self._buffer(index)))
            offset, length = fields[7], fields[8]
            self._buffers.append(
                mmap.mmap(self._device, length, mmap.MAP_SHARED, mmap.PROT_READ, offset=offset)
            )
            self._ioctl(QBUF, self._buffer(index))

    def _wait(self, seconds: float) -> bool:
        """Whether a frame is there; a camera that is gone is reported by the call after this."""
        poll = select.poll()
        poll.register(self._device, select.POLLIN | select.POLLERR | select.POLLHUP)
        return bool(poll.poll(1000 * seconds))

    def _newest(self) -> bytes | None:
        """The bytes of the newest frame in the driver; older ones are given back and counted."""
        newest: tuple[int, int] | None = None
        while True:
            try:
                raw = self._ioctl(DQBUF, self._buffer(0))
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EINTR):
                    break
                raise
            fields = LAYOUT.buffer.unpack(raw)
            index, used, flags = fields[0], fields[2], fields[3]
            if flags & _BUFFER_ERROR or not used:
                self._ioctl(QBUF, self._buffer(index))
                continue
            if newest is not None:
                self.dropped += 1
                self._ioctl(QBUF, self._buffer(newest[0]))
            newest = (index, used)
        if newest is None:
            return None
        index, used = newest
        data = self._buffers[index][:used]
        self._ioctl(QBUF, self._buffer(index))
        return data

    def _gone_sentence(self, error: OSError) -> str:
        if error.errno in _GONE:
            return f"the camera {self.name} is gone ({error.strerror}); plug it in again"
        return f"the camera {self.name} failed: {error.strerror or error}; plug it in again"


def _open_sentence(path: str, error: OSError) -> str:
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return f"there is no camera at {path}; plug one in, and see `ls /dev/video*`"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"the camera {path} may not be opened; add yourself to the group video"
    if error.errno == errno.EBUSY:
        return f"the camera {path} is in use by another program; end that one first"
    return f"the camera {path} cannot be opened: {error.strerror or error}"
