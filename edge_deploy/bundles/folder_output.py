"""Writing a folder whole or not at all: under a temporary name first, and then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from os import getpid
from pathlib import Path, PurePosixPath

from edge_deploy_runner.errors import OutputError
from edge_deploy_runner.output import check_folder
from edge_deploy_runner.process import process_is_alive

_PREFIX = ".edge-deploy-folder-"
# What Gradle and file browsers put into a module by themselves; it goes with the folder.
_FOLDERS_BY_MACHINES = ("build", ".gradle", ".kotlin")
_FILES_BY_MACHINES = (".DS_Store", "Thumbs.db")
_MOST_NAMED = 5


def names_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a folder that is there, or says by its end that it shall be one."""
    ends = tuple(mark for mark in (os.sep, os.altsep) if mark)
    return os.fspath(path).endswith(ends) or is_folder(Path(path))


def is_folder(path: Path) -> bool:
    """Whether there is a folder; False also for a path that no file can have."""
    try:
        return path.is_dir()
    except (OSError, ValueError):  # too long, or with a zero byte
        return False


def check_free_folder(path: Path, force: bool, marker: str) -> Path:
    """The path, if a folder may be written there; raises `OutputError` before any long work.

    A folder that exists is replaced with `force`, and only where all that it holds is as the
    manifest `marker` in it says: what else lies there is somebody's.
    """
    try:
        exists, folder = path.exists(), path.is_dir()
        listed = _listed(path / marker) if folder else None
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot write to {path}: {error}") from error
    if exists and not folder:
        raise OutputError(f"{path} is a file; name a folder")
    if exists and not force:
        raise OutputError(f"{path} exists; add --force to replace it")
    if exists and listed is None:
        raise OutputError(
            f"{path} holds something else than a bundle, and stays; remove it, or name another"
        )
    changes = _changes(path, {**listed, marker: None}) if listed is not None else []
    if changes:
        more = len(changes) - _MOST_NAMED
        named = ", ".join(changes[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        raise OutputError(
            f"{path} holds changes of yours ({named}); move them away, or write elsewhere"
        )
    check_folder(path.parent)
    return path


def write_folder(path: Path, files: Mapping[str, bytes], force: bool, marker: str) -> None:
    """Write files by their paths in a new folder; raises `OutputError` as `check_free_folder`."""
    check_free_folder(path, force, marker)
    _clear_stale(path.parent)
    prefix = f"{_PREFIX}{getpid()}-"
    try:
        with tempfile.TemporaryDirectory(prefix=prefix, dir=path.parent) as temporary:
            made = Path(temporary) / "new"
            for name, data in files.items():
                file = made / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
            if path.exists():
                path.rename(Path(temporary) / "old")
            try:
                made.rename(path)
            except OSError:
                with suppress(OSError):
                    (Path(temporary) / "old").rename(path)
                raise
    except OSError as error:
        raise OutputError(f"cannot write to {path}: {error.strerror or error}") from error


def _listed(manifest: Path) -> dict[str, str | None] | None:
    """The sha256 of each file by its path, as a manifest has it; None for what is no manifest."""
    try:
        record = json.loads(manifest.read_bytes())
        return {str(name): str(entry["sha256"]) for name, entry in record["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _changes(folder: Path, listed: Mapping[str, str | None]) -> list[str]:
    """Files that were changed or added since, sorted; a folder that is new is named as one."""
    parents = {str(parent) for name in listed for parent in PurePosixPath(name).parents}
    found = []
    try:
        for place, folders, files in os.walk(folder, onerror=_raise):
            here = PurePosixPath(Path(place).relative_to(folder).as_posix())
            below = [str(here / name) for name in folders]
            found += [f"{p}/" for p in below if p not in (*parents, *_FOLDERS_BY_MACHINES)]
            folders[:] = [name for name in folders if str(here / name) in parents]
            for name in files:
                path = str(here / name)
                if path in listed:
                    same = _is(Path(place, name), listed[path])
                else:
                    same = name in _FILES_BY_MACHINES
                if not same:
                    found.append(path)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be looked through for changes of yours: {error.strerror or error}; "
            "write elsewhere"
        ) from error
    return sorted(found)


def _is(file: Path, sha256: str | None) -> bool:
    return sha256 is None or hashlib.sha256(file.read_bytes()).hexdigest() == sha256


def _raise(error: OSError) -> None:
    raise error


def _clear_stale(folder: Path) -> None:
    """Remove what runs that were killed left behind."""
    for path in folder.glob(f"{_PREFIX}*"):
        match = re.fullmatch(rf"{re.escape(_PREFIX)}(\d+)-.*", path.name)
        if match and not process_is_alive(int(match.group(1))):
            shutil.rmtree(path, ignore_errors=True)
