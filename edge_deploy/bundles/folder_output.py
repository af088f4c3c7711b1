"""Writing a folder whole or not at all: under a temporary name first, and then renamed."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from os import getpid
from pathlib import Path

from edge_deploy_runner.errors import OutputError
from edge_deploy_runner.output import check_folder
from edge_deploy_runner.process import process_is_alive

_PREFIX = ".edge-deploy-folder-"


def check_free_folder(path: Path, force: bool, marker: str) -> Path:
    """The path, if a folder may be written there; raises `OutputError` before any long work.

    A folder that exists is replaced with `force`, and only where it holds the file `marker`: what
    else lies there is somebody's.
    """
    try:
        exists, is_folder = path.exists(), path.is_dir()
        ours = is_folder and (path / marker).is_file()
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot write to {path}: {error}") from error
    if exists and not is_folder:
        raise OutputError(f"{path} is a file; name a folder")
    if exists and not force:
        raise OutputError(f"{path} exists; add --force to replace it")
    if exists and not ours:
        raise OutputError(
            f"{path} holds something else than a bundle, and stays; remove it, or name another"
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


def _clear_stale(folder: Path) -> None:
    """Remove what runs that were killed left behind."""
    for path in folder.glob(f"{_PREFIX}*"):
        match = re.fullmatch(rf"{re.escape(_PREFIX)}(\d+)-.*", path.name)
        if match and not process_is_alive(int(match.group(1))):
            shutil.rmtree(path, ignore_errors=True)
