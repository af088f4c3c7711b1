"""Video files through the system's ffmpeg; GIF, WebP and PNG that move through Pillow."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from PIL import Image

from edge_deploy_runner.errors import BadInputError, DeviceError
from edge_deploy_runner.preprocessing import LARGEST_PHOTO_PIXELS

from .frames import Frame, FrameSource, Reports

_HEADER = re.compile(rb"P6\n(\d+) (\d+)\n255\n")
_LONGEST_HEADER = 32


class VideoSource(FrameSource):
    """Every picture of a video file, in order, turned upright as the file says.

    Raises `DeviceError` where ffmpeg is missing and `BadInputError` for a file that it cannot
    read, or cannot read to its end.
    """

    def __init__(self, path: Path, reports: Reports | None = None) -> None:
        super().__init__(str(path), reports or Reports())
        self.path = path
        self._process: subprocess.Popen[bytes] | None = None
        self._words: IO[bytes] | None = None

    def open(self) -> None:
        """Start ffmpeg."""
        if not self.path.is_file():
            raise BadInputError(f"there is no video at {self.path}; check the path")
        program = shutil.which("ffmpeg")
        if program is None:
            raise DeviceError(
                f"{self.path} is a video, and the program ffmpeg, which reads videos, is not "
                "installed; install it with `sudo apt install -y ffmpeg`"
            )
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the source
        # As PPM each picture says its own size, after rotation. A playlist must not lead to other
        # files or to a network.
        self._process = subprocess.Popen(
            [
                program, "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe",
                "-i", f"file:{self.path}", "-map", "0:v:0", "-fps_mode", "passthrough",
                "-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "pipe:1",
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._words,
        )  # fmt: skip

    def close(self) -> None:
        """End ffmpeg."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            if process.stdout is not None:
                process.stdout.close()
            process.wait()
        if self._words is not None:
            self._words.close()
            self._words = None

    def frames(self) -> Iterator[Frame]:
        """Pictures in the order of the video."""
        if self._process is None or self._process.stdout is None:
            raise BadInputError(f"the video {self.path} has not been opened")
        number = 0
        while not self.stopped.is_set():
            image = _read_picture(self._process.stdout)
            if image is None:
                self._check_end(number)
                return
            self.reports.alive()
            yield Frame(f"{self.path}#{number}", image, number, time.monotonic())
            number += 1

    def _check_end(self, pictures: int) -> None:
        if self._process is None or self._words is None:
            return
        code = self._process.wait()
        self._words.seek(0)
        lines = self._words.read().decode("utf-8", "replace").strip().splitlines()
        if code or not pictures:
            reason = lines[-1].strip()[-200:] if lines else "it holds no pictures"
            reason = reason.removeprefix(f"file:{self.path}: ")
            where = f"after {pictures} pictures" if pictures else "at all"
            raise BadInputError(f"{self.path} cannot be read {where}: {reason}")


def _read_picture(stream: IO[bytes]) -> Image.Image | None:
    """The next PPM picture of a stream; None at its end, and for one that is cut off."""
    header = b""
    while (match := _HEADER.fullmatch(header)) is None:
        byte = stream.read(1)
        if not byte or len(header) > _LONGEST_HEADER:
            return None
        header += byte
    width, height = int(match.group(1)), int(match.group(2))
    if width * height > LARGEST_PHOTO_PIXELS:
        return None
    data = stream.read(3 * width * height)
    if len(data) < 3 * width * height:
        return None
    return Image.frombytes("RGB", (width, height), data)


def picture_count(path: Path) -> int:
    """How many pictures a GIF, WebP or PNG holds; 1 for a photo and for what cannot be read."""
    with contextlib.suppress(Exception), Image.open(path) as image:
        return int(getattr(image, "n_frames", 1))
    return 1


class AnimationSource(FrameSource):
    """Every picture of an animated GIF, WebP or PNG; `BadInputError` where it is damaged."""

    def __init__(self, path: Path, reports: Reports | None = None) -> None:
        super().__init__(str(path), reports or Reports())
        self.path = path

    def frames(self) -> Iterator[Frame]:
        """Pictures in order, each with what the ones before it left standing."""
        try:
            with Image.open(self.path) as animation:
                for number in range(int(getattr(animation, "n_frames", 1))):
                    if self.stopped.is_set():
                        return
                    animation.seek(number)
                    self.reports.alive()
                    name = f"{self.path}#{number}"
                    yield Frame(name, animation.convert("RGB"), number, time.monotonic())
        except OSError as error:
            raise BadInputError(f"{self.path} is damaged and cannot be read: {error}") from error
        except (ValueError, SyntaxError, EOFError) as error:
            raise BadInputError(f"{self.path} is damaged and cannot be read: {error}") from error
