"""Where a model is installed: its versions side by side, and the links that name two of them."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from .refusal import DEVICE, OUTPUT, Refusal

PARTIAL = ".partial-"
VERSION_PATTERN = re.compile(r"(\d{4,})-[0-9a-f]{12}")


class Place:
    """PREFIX/NAME: `versions/`, and the links `current` and `previous` into it."""

    def __init__(self, prefix: Path, name: str) -> None:
        self.folder = prefix / name
        self.versions = self.folder / "versions"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other install of this name out; the folder is made.

        A `KeyboardInterrupt` from within is raised anew with words on what is current.
        """
        import fcntl

        self.versions.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refusal(
                    DEVICE, f"another install works in {self.folder}; wait for its end"
                ) from None
            before = self.linked("current")
            try:
                yield
            except KeyboardInterrupt as interrupt:
                after = self.linked("current")
                raise KeyboardInterrupt(
                    "what ran before still runs"
                    if after == before
                    else f"{self.folder}/current is {after or 'no version'} already"
                ) from interrupt
        finally:
            os.close(descriptor)

    def installed(self) -> list[str]:
        """Version folders, oldest first: by their counter, as a device's clock may be wrong."""
        if not self.versions.is_dir():
            return []
        found = [(VERSION_PATTERN.fullmatch(p.name), p.name) for p in self.versions.iterdir()]
        return [n for _, n in sorted((int(match.group(1)), n) for match, n in found if match)]

    def linked(self, link: str) -> str | None:
        """The version that `current` or `previous` names, if it is there."""
        try:
            name = os.path.basename(os.readlink(self.folder / link))  # noqa: PTH119, PTH115
        except OSError:
            return None
        return name if name in self.installed() else None

    def next_name(self, bundle_id: str) -> str:
        """The folder's name for a new version."""
        last = self.installed()
        counter = int(last[-1].split("-")[0]) + 1 if last else 1
        return f"{counter:04}-{bundle_id}"

    def point(self, link: str, version: str) -> None:
        """Have a link name a version, in one step that a power cut cannot halve."""
        part = self.folder / f"{PARTIAL}{link}"
        part.unlink(missing_ok=True)
        part.symlink_to(Path("versions", version))
        part.replace(self.folder / link)
        sync_folder(self.folder)

    def clear(self) -> None:
        """Remove what killed installs left."""
        for folder in (self.folder, self.versions):
            for path in folder.glob(f"{PARTIAL}*"):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

    def prune(self) -> None:
        """Keep the version that runs and the one before it."""
        kept = (self.linked("current"), self.linked("previous"))
        for name in self.installed():
            if name not in kept:
                # Renamed first: a half-removed version never looks like a whole one.
                gone = self.versions / f"{PARTIAL}{name}"
                (self.versions / name).rename(gone)
                shutil.rmtree(gone, ignore_errors=True)

    def other(self) -> str | None:
        """The version that a rollback goes to: the previous one, else the newest older one.

        Else any: a power cut in a rollback leaves `previous` at the version that runs.
        """
        current, previous = self.linked("current"), self.linked("previous")
        if previous and previous != current:
            return previous
        found = self.installed()
        older = found[: found.index(current)] if current else found
        others = older or [version for version in found if version != current]
        return others[-1] if others else None


def sync_folder(folder: Path) -> None:
    """Have the names in a folder reach the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what an operating system says about writing into one sentence."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except gzip.BadGzipFile:  # it is the bundle that cannot be read
        raise
    except OSError as error:
        hints = {
            errno.EACCES: "run it with sudo, or name a folder of yours with --prefix",
            errno.EPERM: "run it with sudo, or name a folder of yours with --prefix",
            errno.EROFS: "the file system is read-only: name another folder with --prefix",
            errno.ENOSPC: "the disk is full: free some space",
            errno.EDQUOT: "your disk quota is used up: free some space",
        }
        hint = hints.get(error.errno or 0, "name another folder with --prefix")
        where = error.filename or folder
        raise Refusal(OUTPUT, f"cannot write to {where} ({error.strerror}); {hint}") from error
