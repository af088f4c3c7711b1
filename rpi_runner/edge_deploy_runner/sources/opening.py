"""Where pictures come from: `open_source("camera:0")` and what it gives, frame by frame.

| text | what it is |
| --- | --- |
| a photo, a folder, a glob | photos, one frame each, in the order of their paths |
| `watch:FOLDER` | photos that appear in the folder, as soon as they are whole |
| `camera:N`, `/dev/videoN` | a V4L2 camera, a USB webcam for example |
| `picamera:N` | a camera on the Pi's ribbon cable, through the system's picamera2 |
| a video file | every picture of it, through the system's ffmpeg |
| a GIF, WebP or PNG with many pictures | every one of them |
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.photos import expand_photo
from edge_deploy_runner.preprocessing import open_photo

from .frames import Decode, Frame, FrameSource, Reports, SeenFiles

VIDEO_SUFFIXES = frozenset(
    {
        ".3gp", ".avi", ".flv", ".h264", ".h265", ".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv",
        ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv",
    }
)  # fmt: skip
_ANIMATED_SUFFIXES = frozenset({".apng", ".gif", ".png", ".webp"})


class PhotoSource(FrameSource):
    """Photos, folders and globs: one frame a photo."""

    def __init__(self, text: str, reports: Reports, decode: Decode = open_photo) -> None:
        super().__init__(text, reports)
        self._decode = decode
        self._photos: list[Path] = []

    def open(self) -> None:
        """List the photos; raises `BadInputError` where there are none."""
        self._photos = expand_photo(self.name)

    def frames(self) -> Iterator[Frame]:
        """One frame a photo, decoded when its image is asked for."""
        for number, path in enumerate(self._photos):
            if self.stopped.is_set():
                return
            self.reports.alive()
            decode = partial(self._decode, path)
            yield Frame(str(path), decode, number, time.monotonic(), path)


def camera_path(text: str) -> str | None:
    """The device that `camera:N` or `/dev/videoN` names; None for other texts."""
    match = re.fullmatch(r"camera:(\d+)", text)
    if match:
        return f"/dev/video{int(match.group(1))}"
    return text if re.fullmatch(r"/dev/(video\d+|v4l/.+)", text) else None


def open_source(
    text: str,
    *,
    reports: Reports | None = None,
    existing: str = "skip",
    give_up_s: float = 60.0,
    size: tuple[int, int] = (640, 480),
    frames_per_second: float | None = None,
    decode: Decode = open_photo,
    seen: SeenFiles | None = None,
) -> FrameSource:
    """The source that `text` names, to be used as a context manager; see the module's table.

    `existing` says what a watched folder does with photos that are there already: "skip" or
    "process"; `give_up_s` how long it waits for a half-written one after that last grew; `seen`
    carries its memory from one watch to the next. `size` (width, height) and `frames_per_second`
    are asked of cameras, which may give others. `decode` opens photos. A file whose name looks
    like a camera is `./camera:0`.
    """
    reports = reports or Reports()
    device = camera_path(text)
    if device is not None:
        from .v4l2 import CameraSource

        return CameraSource(device, reports, size, frames_per_second)
    scheme, colon, rest = text.partition(":")
    if scheme == "watch" and colon:
        from .watching import WatchedFolder

        if not rest:
            raise BadInputError("watch: needs a folder, as in watch:/home/pi/photos")
        return WatchedFolder(Path(rest), reports, existing, give_up_s, decode=decode, seen=seen)
    if scheme == "picamera":
        from .picamera import PiCameraSource

        if colon and not rest.isdigit():
            raise BadInputError(f"{text!r} names no camera; use picamera:0")
        return PiCameraSource(int(rest or 0), reports, size, frames_per_second)
    if scheme == "camera" and colon:
        raise BadInputError(f"{text!r} names no camera; use camera:0 or /dev/video0")
    suffix = Path(text).suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        from .video import VideoSource

        return VideoSource(Path(text), reports)
    if suffix in _ANIMATED_SUFFIXES and Path(text).is_file():
        from .video import AnimationSource, picture_count

        if picture_count(Path(text)) > 1:
            return AnimationSource(Path(text), reports)
    return PhotoSource(text, reports, decode)
