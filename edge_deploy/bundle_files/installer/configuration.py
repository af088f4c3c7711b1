"""PREFIX/NAME/service.toml: what the service does, written once and then its owner's to change.

It lies outside the versions, and its model is `current/model/NAME.tflite`, whichever version that
is. A power cut therefore leaves nothing but pairs that work:

- It is written last: the text goes to the disk under another name, then the links are switched,
  then it is renamed. Before the switch the old version has the old text, after the renaming the
  new one the new; in between the new version has the old text, whose keys a runner that was built
  later still reads, and whose model line means the new model. The same install again finishes it.
- At a first install there is nothing in between: without the file there is no unit yet either.
- Which texts an installer wrote is noted *before* one of them is put there, and none is ever taken
  out. Were it noted after, a cut would make our own text look like its owner's.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from .place import PARTIAL, Place, sync_folder
from .refusal import DEVICE, Refusal
from .selftest_process import run_runner
from .service_unit import data_folders, unit_name

NAME = "service.toml"
OFFERED = "service.toml.new"
# One sha256 a line: the texts that installers have put there.
RECORD = ".service.toml.sha256"
WRITTEN, KEPT, UNCHANGED = "written", "kept", "unchanged"
CHECK_SECONDS = 120


class Configuration:
    """The service.toml of a version, on the disk but not yet in its place: `put` renames it.

    Raises `Refusal`, with nothing changed, where its owner's stays and the version refuses it.
    """

    def __init__(self, place: Place, version: Path) -> None:
        self.place = place
        self.path = place.folder / NAME
        self.text = own_text(place, version)
        self.outcome = self._outcome()
        if self.outcome == KEPT:
            check(place, version)
        target = {WRITTEN: NAME, KEPT: OFFERED}.get(self.outcome)
        self._target = place.folder / target if target else None
        _note(place, self.text)
        if self._target is not None:
            _write(_partial(self._target), self.text)

    def _outcome(self) -> str:
        # A link is its owner's doing, wherever it leads.
        if self.path.is_symlink():
            return KEPT
        try:
            found = self.path.read_bytes()
        except FileNotFoundError:
            return WRITTEN
        if found == self.text:
            return UNCHANGED
        return WRITTEN if _sha256(found) in _noted(self.place) else KEPT

    def put(self) -> dict[str, Any]:
        """Rename it; what was done."""
        if self._target is not None:
            _partial(self._target).replace(self._target)
        if self.outcome != KEPT:
            (self.place.folder / OFFERED).unlink(missing_ok=True)
        sync_folder(self.place.folder)
        return {"config": self.outcome}


def own_text(place: Place, version: Path) -> bytes:
    """A version's own configuration, as it is for this place."""
    text = (version / NAME).read_text("utf-8")
    text = re.sub(r'(?m)^model = "model/', 'model = "current/model/', text, count=1)
    head = (
        f"# Yours to change; an install keeps what you changed. The service reads it again after\n"
        f"#     sudo systemctl reload {unit_name(place)[: -len('.service')]}\n"
    )
    return (head + fill_folders(place, text)).encode("utf-8")


def fill_folders(place: Place, text: str) -> str:
    """A configuration with the folders of its state and logs."""
    state, logs = data_folders(place)
    return text.replace("@STATE@", state).replace("@LOGS@", logs)


def check(place: Place, version: Path) -> None:
    """Raise `Refusal` where a version, current or not, would not serve what its owner wrote."""
    path = place.folder / NAME
    copy = _partial(path)
    try:
        # Beside it, as its relative paths start there; what it calls current is the version.
        copy.touch(0o600)
        copy.write_bytes(_with_version(place, version, path.read_bytes()))
        done = run_runner(version, ["serve", "--config", str(copy), "--check"], CHECK_SECONDS)
    except FileNotFoundError:  # a link that leads nowhere
        raise _refused(f"{path} cannot be read") from None
    except TimeoutError:
        return  # a slow device is no fault of the file
    finally:
        copy.unlink(missing_ok=True)
    if done.code != 0:
        said = done.complaint or "its check ended without a word"
        said = said.replace(copy.name, path.name)
        said = said.replace(_inside(place, version), "current/")
        # The runner begins with the file's name, and perhaps a table in it.
        said = said[len(NAME) :] if said.startswith(NAME) else f": {said}"
        raise _refused(f"{path}{said}")


def _refused(what: str) -> Refusal:
    return Refusal(
        DEVICE,
        f"the service would not start with your {what}; nothing was changed, and what ran before "
        "still runs: correct that file, or move it away for the version's own",
    )


def _inside(place: Place, version: Path) -> str:
    return f"{version.relative_to(place.folder).as_posix()}/"


def _with_version(place: Place, version: Path, text: bytes) -> bytes:
    """A text whose paths through `current` lead to a version."""
    folder = re.escape(str(place.folder).encode())
    through = rb"""(["'](?:watch:)?(?:""" + folder + rb"""/)?)current/"""
    inside = _inside(place, version).encode()
    return re.sub(through, lambda found: found.group(1) + inside, text)


def remove(place: Place) -> str | None:
    """Remove what installers wrote; an edited file stays, and its outcome is returned."""
    path = place.folder / NAME
    is_ours = path.is_file() and not path.is_symlink()
    if is_ours and _sha256(path.read_bytes()) in _noted(place):
        path.unlink()
    for name in (OFFERED, RECORD):
        (place.folder / name).unlink(missing_ok=True)
    return KEPT if path.is_symlink() or path.exists() else None


def _noted(place: Place) -> set[str]:
    try:
        return set((place.folder / RECORD).read_text("ascii").split())
    except (FileNotFoundError, UnicodeDecodeError):
        return set()


def _note(place: Place, text: bytes) -> None:
    noted = _noted(place)
    if _sha256(text) in noted:
        return
    path = place.folder / RECORD
    lines = "".join(f"{line}\n" for line in sorted({*noted, _sha256(text)}))
    _write(_partial(path), lines.encode("ascii"))
    _partial(path).replace(path)
    sync_folder(place.folder)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _partial(path: Path) -> Path:
    return path.with_name(f"{PARTIAL}{path.name}")


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as output:
        output.write(data)
        output.flush()
        os.fsync(output.fileno())
