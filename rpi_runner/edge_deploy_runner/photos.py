"""From what the user names (photos, folders, globs) to a list of photos in a stable order."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from .errors import BadInputError

PHOTO_SUFFIXES = frozenset(
    {
        ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pgm", ".png",
        ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp",
    }
)  # fmt: skip


def is_photo_name(path: str | os.PathLike[str]) -> bool:
    """Whether the name ends as a photo's does; hidden files (`._a.jpg`) are none."""
    name = os.path.basename(path)  # noqa: PTH119 - a Path for each of thousands is slow
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in PHOTO_SUFFIXES  # noqa: PTH122


def photos_in_folder(folder: str | os.PathLike[str]) -> list[Path]:
    """All photos below a folder, sorted by path; links to folders are not followed."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found.extend(Path(place, name) for name in names if is_photo_name(name))
    return sorted(found)


def expand_photo(argument: str | os.PathLike[str]) -> list[Path]:
    """The photos that one argument names.

    A file is taken whatever its suffix; a folder gives every photo below it; a glob, which the
    shell may have left as it is, gives what it matches. Raises `BadInputError` for a path that
    does not exist and for a folder or glob without photos.
    """
    text = os.fspath(argument)
    path = Path(text)
    # A name that exists is no glob, even with brackets in it.
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError) as error:  # too long, or a null byte
        raise BadInputError(f"{text[:100]!r} cannot be a photo's path: {error}") from error
    if is_folder:
        photos = photos_in_folder(path)
        if not photos:
            raise BadInputError(
                f"the folder {path} holds no photos; name one with JPEG or PNG files"
            )
        return photos
    if exists:
        return [path]
    if not glob.has_magic(text):
        raise BadInputError(f"there is no photo or folder at {path}; check the path")
    photos = []
    for match in sorted(glob.glob(text, recursive=True)):  # noqa: PTH207 - takes absolute patterns too
        if os.path.isdir(match):  # noqa: PTH112
            # "**" matches folders as well as the files in them: those come on their own.
            photos.extend([] if "**" in text else photos_in_folder(match))
        elif is_photo_name(match):
            photos.append(Path(match))
    if not photos:
        raise BadInputError(f"the pattern {text} matches no photos; check it")
    return photos


def expand_photos(arguments: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The photos that all arguments name, in the order given; see `expand_photo`."""
    return [photo for argument in arguments for photo in expand_photo(argument)]
