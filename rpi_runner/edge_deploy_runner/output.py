"""Writing results: to a temporary name first and then renamed, never over a file without leave."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from .errors import OutputError
from .process import process_is_alive

_PART_PREFIX = ".edge-deploy-"


def _part_prefix() -> str:
    return f"{_PART_PREFIX}{os.getpid()}-"


def clear_stale_parts(folder: str | os.PathLike[str]) -> None:
    """Remove temporary files that killed runs left in a folder."""
    for path in Path(folder).glob(f"{_PART_PREFIX}*.part"):
        match = re.fullmatch(rf"{re.escape(_PART_PREFIX)}(\d+)-.*", path.name)
        if match and not process_is_alive(int(match.group(1))):
            with contextlib.suppress(OSError):  # gone meanwhile, or somebody else's
                path.unlink()


def check_free(path: str | os.PathLike[str], force: bool) -> Path:
    """The path, if a file may be written there; raises `OutputError` before any long work.

    The folder is made. A file that exists is refused unless `force`.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise OutputError(f"{path} is a folder; name a file in it")
        if path.exists() and not force:
            raise OutputError(f"{path} exists; add --force to replace it")
    except (OSError, ValueError) as error:  # a name that is too long, or holds a zero byte
        raise OutputError(f"cannot write to {path}: {error}") from error
    check_folder(path.parent)
    return path


def check_folder(folder: str | os.PathLike[str]) -> Path:
    """The folder, made if need be and proven writable; raises `OutputError` with the reason.

    What killed runs left in it is removed.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        clear_stale_parts(folder)
        descriptor, probe = tempfile.mkstemp(prefix=_part_prefix(), suffix=".part", dir=folder)
        os.close(descriptor)
        Path(probe).unlink()
    except OSError as error:
        raise OutputError(_sentence(folder, error)) from error
    return folder


def write_bytes(path: str | os.PathLike[str], data: bytes, force: bool = False) -> Path:
    """Write a file whole or not at all; raises `OutputError`."""
    path = check_free(path, force)
    part = ""
    try:
        descriptor, part = tempfile.mkstemp(prefix=_part_prefix(), suffix=".part", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(part).chmod(0o666 & ~_umask())
        Path(part).replace(path)
    except OSError as error:
        raise OutputError(_sentence(path, error)) from error
    finally:
        if part:
            Path(part).unlink(missing_ok=True)
    return path


def write_json(path: str | os.PathLike[str], document: Any, force: bool = False) -> Path:
    """Write a JSON document, indented, in the order of its keys."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return write_bytes(path, text.encode("utf-8"), force)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sentence(path: Path, error: OSError) -> str:
    reasons = {
        errno.ENOSPC: "the disk is full; free some space or choose another folder",
        errno.EDQUOT: "your disk quota is used up; free some space",
        errno.EROFS: "the file system is read-only; choose another folder",
        errno.EACCES: "you may not write there; choose another folder",
        errno.EPERM: "you may not write there; choose another folder",
        errno.ENOTDIR: "a part of that path is a file; choose another folder",
        errno.EEXIST: "there is a file of that name; choose another folder",
        errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    }
    reason = reasons.get(error.errno or 0, error.strerror or str(error))
    return f"cannot write to {path}: {reason}"
