"""From what the user names (photos, folders, globs) to a list of photos in a stable order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
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


def walk_photos(
    folder: str | os.PathLike[str], on_error: Callable[[OSError], object] | None = None
) -> Iterator[Path]:
    """The photos below a folder as they are found, in the order of their paths.

    Links to folders are not followed. Folders that may not be read are passed over; `on_error`
    is told of each.
    """
    places = [_sorted_entries(folder, on_error)]
    while places:
        for path, is_folder in places[-1]:
            if is_folder:
                places.append(_sorted_entries(path, on_error))
                break
            yield path
        else:
            places.pop()


def _sorted_entries(
    folder: str | os.PathLike[str], on_error: Callable[[OSError], object] | None
) -> Iterator[tuple[Path, bool]]:
    """Photos and folders in a folder, by name, and which of them are folders."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        if on_error:
            on_error(error)
        return
    for entry in entries:
        is_folder = _is_folder(entry)
        if is_folder and not entry.is_symlink() and not entry.name.startswith("."):
            yield Path(folder, entry.name), True
        elif not is_folder and is_photo_name(entry.name):
            yield Path(folder, entry.name), False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def photos_in_folder(folder: str | os.PathLike[str]) -> list[Path]:
    """All photos below a folder, sorted by path; links to folders are not followed."""
    return list(walk_photos(folder))


def iter_photos(
    argument: str | os.PathLike[str], on_error: Callable[[OSError], object] | None = None
) -> Iterator[Path]:
    """The photos that one argument names, one by one, so that the first comes without the rest.

    A file is taken whatever its suffix; a folder gives every photo below it; a glob, which the
    shell may have left as it is, gives what it matches. Raises `BadInputError` for a path that
    does not exist, and for a folder or glob without photos. `on_error`: see `walk_photos`.
    """
    text = os.fspath(argument)
    if not text:  # as of a shell variable that is not set; to Python it is the current folder
        raise BadInputError("the name of an input is empty; name a photo or a folder")
    path = Path(text)
    # A name that exists is no glob, even with brackets in it.
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError) as error:  # too long, or a null byte
        raise BadInputError(f"{text[:100]!r} cannot be a photo's path: {error}") from error
    if exists and not is_folder:
        yield path
    elif is_folder:
        if not os.access(path, os.R_OK | os.X_OK):
            raise BadInputError(f"the folder {path} may not be read; check its permissions")
        empty = True
        for photo in walk_photos(path, on_error):
            empty = False
            yield photo
        if empty:
            raise BadInputError(
                f"the folder {path} holds no photos; name one with JPEG or PNG files"
            )
    else:
        yield from _matches(text)


def _matches(pattern: str) -> list[Path]:
    import glob

    if not glob.has_magic(pattern):
        raise BadInputError(f"there is no photo or folder at {pattern}; check the path")
    photos: list[Path] = []
    for match in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - takes absolute patterns too
        if os.path.isdir(match):  # noqa: PTH112
            # "**" matches folders as well as the files in them: those come on their own.
            photos.extend([] if "**" in pattern else photos_in_folder(match))
        elif is_photo_name(match):
            photos.append(Path(match))
    if not photos:
        raise BadInputError(f"the pattern {pattern} matches no photos; check it")
    return photos


def expand_photo(argument: str | os.PathLike[str]) -> list[Path]:
    """All photos that one argument names; see `iter_photos`."""
    return list(iter_photos(argument))
