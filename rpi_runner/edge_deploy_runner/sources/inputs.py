"""From what `run` is given (photos, folders, globs, arrays, video) to inputs, lazily."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.photos import is_photo_name, iter_photos

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_deploy_runner.reduced_photo import ReducedPhoto

    Picture = Image.Image | ReducedPhoto

_TENSOR_SUFFIXES = (".npy", ".npz")
_LIVE_PREFIXES = ("camera:", "picamera:", "watch:")
_VIDEO_DEVICE, _VIDEO_FOLDER = "/dev/video", "/dev/v4l/"


class Input:
    """One picture and its name for reports.

    `content`: the photo's file; a picture or a call that gives it; an array or one row of it; or
    why there is nothing.
    """

    __slots__ = ("content", "name")

    def __init__(
        self,
        name: str,
        content: Path | Picture | Callable[[], Picture] | NDArray[Any] | BadInputError,
    ) -> None:
        self.name = name
        self.content = content


def is_live(argument: str | os.PathLike[str]) -> bool:
    """Whether pictures come at their own pace: a camera, or a folder that is watched."""
    text = os.fspath(argument)
    return (
        text == "picamera"
        or text.startswith(_LIVE_PREFIXES)
        or (text.startswith(_VIDEO_DEVICE) and text.removeprefix(_VIDEO_DEVICE).isdecimal())
        or (text.startswith(_VIDEO_FOLDER) and text != _VIDEO_FOLDER)
    )


def kind_of(argument: str | os.PathLike[str]) -> str:
    """What an argument is, by its name: "live", "tensors", "video" or "photo" for one file.

    "photos" for folders, globs and what is not there.
    """
    text = os.fspath(argument)
    if is_live(text):
        return "live"
    if not os.path.isfile(text):  # noqa: PTH113 - unlike Path's, never raises
        return "photos"
    if is_photo_name(text):
        return "photo"
    suffix = os.path.splitext(text)[1].lower()  # noqa: PTH122
    if suffix in _TENSOR_SUFFIXES:
        return "tensors"
    from .opening import VIDEO_SUFFIXES

    return "video" if suffix in VIDEO_SUFFIXES else "photo"


def iter_inputs(arguments: Iterable[str | os.PathLike[str]]) -> Iterator[Input]:
    """The inputs that all arguments name, in the order given, each when it is asked for.

    None of them may be live. What cannot be found or read is an input whose content is a
    `BadInputError`, and the others follow. Raises `DeviceError` where there is no ffmpeg for video.
    """
    for argument in arguments:
        text = os.fspath(argument)
        try:
            kind = kind_of(text)
            if kind == "video":
                yield from _frames(text)
            elif kind == "tensors":
                yield from _rows(text)
            else:
                yield from _photos(text)
        except BadInputError as error:
            yield Input(text, error)


def _photos(text: str) -> Iterator[Input]:
    unreadable: list[OSError] = []
    for photo in iter_photos(text, unreadable.append):
        yield from _refusals(unreadable)
        yield Input(str(photo), photo)
    yield from _refusals(unreadable)


def _refusals(unreadable: list[OSError]) -> Iterator[Input]:
    for error in unreadable:
        reason = f"the folder {error.filename} cannot be read: {error.strerror}"
        yield Input(str(error.filename), BadInputError(reason))
    unreadable.clear()


def _rows(text: str) -> Iterator[Input]:
    from .tensor_files import read_rows

    for name, row in read_rows(text):
        yield Input(name, row)


def _frames(text: str) -> Iterator[Input]:
    from .opening import open_source

    with open_source(text) as source:
        for frame in source.frames():
            yield Input(frame.name, lambda frame=frame: frame.image)  # type: ignore[misc]
