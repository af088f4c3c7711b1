"""Files on a phone by their hash: what is there and right stays, the rest is pushed and verified.

Never by size or date: a model of the same size is another model.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_deploy_runner.errors import BadInputError, DeviceError
from edge_deploy_runner.progress import Progress, silent

from .adb import AdbDevice
from .adb_text import is_full_disk, last_words, parse_sha256sums

_HASH_LIMIT_S = 300.0
_ATTEMPTS = 2
# Old leftovers go first; --keep would otherwise fill the phone.
_KEPT_FILES = 24


@dataclass(frozen=True)
class LocalFile:
    """A file of this computer; `name` is what sentences call it."""

    path: Path
    sha256: str
    name: str

    @classmethod
    def open(cls, path: Path, name: str = "") -> LocalFile:
        """The file with its hash; raises `BadInputError` where it cannot be read."""
        digest = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while data := file.read(1 << 20):
                    digest.update(data)
        except OSError as error:
            raise BadInputError(f"{path} cannot be read: {error.strerror or error}") from error
        return cls(path, digest.hexdigest(), name or path.name)

    @property
    def remote_name(self) -> str:
        """Its name on the phone: nothing of its own name but a plain suffix."""
        suffix = self.path.suffix
        return self.sha256 + (suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", suffix) else "")


def push_files(
    device: AdbDevice, files: Sequence[LocalFile], folder: str, on_progress: Progress = silent
) -> dict[str, str]:
    """Bring files into a folder of the phone, and return their paths there by their hashes.

    A file that is there with the right sha256 is not pushed again. Each pushed one takes its name
    only when the phone's own sha256sum agrees. Raises `DeviceError` for a full storage, and where
    a file arrives damaged twice.
    """
    wanted = {file.remote_name: file for file in files}
    on_progress("looking for files on the phone", 0, 0)
    present = _digests(device, folder, list(wanted))
    for number, (name, file) in enumerate(wanted.items()):
        if present.get(name) != file.sha256:
            on_progress(f"pushing {file.name}", number, len(wanted))
            _push(device, file, folder)
    if wanted:
        _tidy(device, folder, list(wanted))
    return {file.sha256: f"{folder}/{name}" for name, file in wanted.items()}


def _digests(device: AdbDevice, folder: str, names: Sequence[str]) -> dict[str, str]:
    """Digests of those files that are there, by their names."""
    quoted = shlex.join(names)
    done = device.shell(
        f"cd {shlex.quote(folder)} || exit 9\nfor file in {quoted}; do\n"
        '  [ -f "$file" ] && sha256sum "$file"\ndone\ntrue',
        timeout_s=_HASH_LIMIT_S, what="looking for files on the phone",
    )  # fmt: skip
    if done.returncode != 0:
        raise DeviceError(
            f"{folder} on {device.serial} cannot be used: {last_words(done.stderr)}; look at it "
            "with `adb shell`"
        )
    return parse_sha256sums(done.text)


def _push(device: AdbDevice, file: LocalFile, folder: str) -> None:
    part = f"{folder}/part-{secrets.token_hex(6)}"
    for _ in range(_ATTEMPTS):
        device.push(file.path, part, file.name)
        done = device.shell(
            f"sha256sum {part}", timeout_s=_HASH_LIMIT_S, what=f"verifying {file.name}"
        )
        if parse_sha256sums(done.text).get(part) == file.sha256:
            # Readable for apps too, and a library must be executable for them.
            moved = device.shell(
                f"chmod 755 {part} && mv -f {part} {folder}/{file.remote_name}",
                what=f"pushing {file.name}",
            )
            if moved.returncode == 0:
                return
            device.shell(f"rm -f {part}")
            raise DeviceError(
                f"{file.name} cannot be put in its place on {device.serial}: "
                f"{last_words(moved.stderr)}"
            )
        device.shell(f"rm -f {part}")
        if LocalFile.open(file.path).sha256 != file.sha256:
            raise BadInputError(f"{file.path} changed while it was pushed; run the command again")
        if is_full_disk(done.stderr):
            break
    raise DeviceError(
        f"{file.name} arrived damaged on {device.serial} {_ATTEMPTS} times (its sha256 there is "
        "another); try another cable or port, and check the phone's storage"
    )


def _tidy(device: AdbDevice, folder: str, wanted: Sequence[str]) -> None:
    """Remove files that earlier runs kept and that are many by now, the oldest first."""
    names = shlex.join(wanted)
    device.shell(
        f"cd {shlex.quote(folder)} && touch {names} && ls -t | tail -n +{_KEPT_FILES + 1} | "
        'while IFS= read -r file; do rm -f "$file"; done; true'
    )
