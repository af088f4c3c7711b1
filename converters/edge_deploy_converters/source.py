"""What a source is: which front end reads it, and the hash that names it."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from edge_deploy_runner.errors import BadInputError

from .keras_safety import is_pickle

FORMATS = ".keras, .h5, a SavedModel folder, a frozen .pb, a float .tflite, keras:NAME or zoo:NAME"


@dataclass(frozen=True)
class Source:
    """A model to convert. `location` is a path, or the name behind `keras:` and `zoo:`."""

    front_end: str
    location: str
    name: str
    sha256: str
    path: Path | None = None


def find_source(source: str) -> Source:
    """Say what `source` is, from its content rather than its name.

    Raises `BadInputError` for what is missing, empty, or of no known format.
    """
    for prefix, front_end in (("keras:", "applications"), ("zoo:", "zoo_source")):
        if source.startswith(prefix):
            return _named(source, prefix, front_end)
    path = Path(source)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            if not (path / "saved_model.pb").is_file():
                raise BadInputError(
                    f"the folder {path} is no SavedModel: it holds no saved_model.pb; "
                    f"give {FORMATS}"
                )
            name = _writable_name(path.resolve().name)
            return Source("saved_model", str(path), name, _folder_sha256(path), path)
        if not stat.S_ISREG(mode):  # a pipe has no end to wait for, a device may have none at all
            raise BadInputError(f"{path} is no file; give {FORMATS}")
        with path.open("rb") as file:
            start = file.read(16)
        front_end = _front_end(path, start)
        digest = _file_sha256(path)
    except FileNotFoundError:
        raise BadInputError(f"there is no model at {path}; give {FORMATS}") from None
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror or error}") from error
    return Source(front_end, str(path), _writable_name(path.stem), digest, path)


def _writable_name(name: str) -> str:
    """The name as text: Linux takes any bytes in a file's name, JSON and TFLite take UTF-8."""
    return name.encode("utf-8", "replace").decode("utf-8")


def _named(source: str, prefix: str, front_end: str) -> Source:
    name = source.removeprefix(prefix)
    if front_end == "zoo_source":
        from .zoo import zoo_entry

        entry = zoo_entry(name)
        return Source(front_end, name, name, entry.member_sha256)
    if not name.isidentifier():
        raise BadInputError(f"{source!r} names no network; write for instance keras:MobileNetV2")
    return Source(front_end, name, name, hashlib.sha256(source.encode()).hexdigest())


def _front_end(path: Path, start: bytes) -> str:
    if not start:
        raise BadInputError(f"{path} is empty; save the model again")
    if start[4:8] == b"TFL3":
        return "tflite"
    if start.startswith(b"PK\x03\x04") or is_pickle(path):
        return "keras"
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return "h5"
    if path.suffix == ".pb":
        if path.name == "saved_model.pb":
            raise BadInputError(f"{path} is part of a SavedModel; name its folder {path.parent}")
        return "graphdef"
    suffixes = {".keras": "a .keras file", ".h5": "an HDF5 file", ".hdf5": "an HDF5 file",
                ".tflite": "a TFLite model"}  # fmt: skip
    if path.suffix in suffixes:
        raise BadInputError(f"{path} is not {suffixes[path.suffix]}, or is damaged: save it again")
    raise BadInputError(f"{path} is of no format known here; give {FORMATS}")


def _file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def _folder_sha256(folder: Path) -> str:
    """One hash over the names and contents of all files in a folder."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(os.fsencode(path.relative_to(folder).as_posix()) + b"\0")
        digest.update(bytes.fromhex(_file_sha256(path)))
    return digest.hexdigest()
