"""What sources give: pictures with a name, one after the other."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from PIL import Image

from edge_deploy_runner.errors import EdgeDeployError
from edge_deploy_runner.reduced_photo import ReducedPhoto

EXISTING = ("skip", "process")
Picture = Image.Image | ReducedPhoto
Look = tuple[int, int, int]  # inode, size and modification time of a file
Decode = Callable[[Path], Picture]


class Frame:
    """One picture: its name for reports, its number from 0, when it was taken (monotonic seconds).

    `image` decodes when it is first asked for and raises `BadInputError` for a picture that cannot
    be read; the frames after it are not affected. `path` is the photo's file, if it has one;
    `decode_ns` is what decoding took so far.
    """

    __slots__ = ("_image", "decode_ns", "name", "number", "path", "taken_at")

    def __init__(
        self,
        name: str,
        image: Picture | Callable[[], Picture],
        number: int,
        taken_at: float,
        path: Path | None = None,
        decode_ns: int = 0,
    ) -> None:
        self.decode_ns = decode_ns
        self.name = name
        self.number = number
        self.taken_at = taken_at
        self.path = path
        self._image = image

    @property
    def image(self) -> Picture:
        """The picture, as `decode` gave it: not yet turned upright, cropped or resized."""
        if not isinstance(self._image, Image.Image | ReducedPhoto):
            start = time.perf_counter_ns()
            self._image = self._image()
            self.decode_ns += time.perf_counter_ns() - start
        return self._image


def _raise(error: EdgeDeployError) -> None:
    raise error


def _ignore() -> None:
    pass


@dataclass(frozen=True)
class Reports:
    """What a source tells while it runs, from whichever thread asks it for frames.

    `problem` takes trouble that a source outlives, such as a watched folder that is gone for now;
    by default it raises, and so ends the source; `recovered` says that it is over. `alive` is
    called whenever the source has really looked: for each frame, and each poll of a folder.
    """

    problem: Callable[[EdgeDeployError], None] = _raise
    recovered: Callable[[], None] = _ignore
    alive: Callable[[], None] = _ignore


Source = TypeVar("Source", bound="FrameSource")


@dataclass
class SeenFiles:
    """Which files of a watched folder were given already, to outlive one watch of it."""

    files: dict[str, Look] = field(default_factory=dict)
    begun: bool = False

    def forget(self, frame: Frame) -> None:
        """Have the next watch give a frame again, as nobody took it."""
        if frame.path is not None:
            self.files.pop(frame.path.name, None)


class FrameSource(ABC):
    """A context manager that gives frames; entering it opens the device or file.

    `live`: frames come at their own pace, and those nobody takes in time are dropped, the newest
    one is kept. `endless`: it ends only when it is stopped. `dropped` counts frames.
    """

    live = False
    endless = False

    def __init__(self, name: str, reports: Reports) -> None:
        self.name = name
        self.reports = reports
        self.dropped = 0
        self.stopped = threading.Event()

    def __enter__(self: Source) -> Source:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:  # noqa: B027 - not every source has something to open
        """Open what has to be opened; raises `DeviceError` or `BadInputError`."""

    def close(self) -> None:  # noqa: B027
        """Let go of the device or file."""

    def stop(self) -> None:
        """Make `frames` end soon; may be called from any thread."""
        self.stopped.set()

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """The frames, until there are no more or the source is stopped.

        Raises `DeviceError` where a camera fails or is unplugged, `BadInputError` where a file
        cannot be read any further.
        """
