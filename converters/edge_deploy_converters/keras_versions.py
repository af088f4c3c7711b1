"""Which Keras saved a file, and what is said where another one cannot load it."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

from edge_deploy_runner.errors import BadInputError

_MOST_WORDS = 300


def keras_version_of(path: Path) -> str:
    """The Keras that saved a `.keras` file, as in "3.10.0"; "" where the file does not say."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("metadata.json") as file:
            version = json.loads(file.read(65536))["keras_version"]
    # zipfile and zlib raise a dozen types on damaged files, json and the look-up three more.
    except Exception:
        return ""
    return version if isinstance(version, str) else ""


def cannot_load(path: Path, error: Exception, saved_with: str, loaded_with: str) -> BadInputError:
    """Why Keras did not load a file, with both versions where the file is of a newer one.

    `saved_with` and `loaded_with` are versions as in "3.10.0"; "" for one that is not known.
    """
    words = " ".join(str(error).split())[:_MOST_WORDS]
    saved, loaded = _number(saved_with), _number(loaded_with)
    if not loaded or _parts(saved) <= _parts(loaded):
        return BadInputError(f"Keras cannot load {path.name}: {words}")
    return BadInputError(
        f"Keras {loaded} cannot load {path.name}, which Keras {saved} saved: {words}; install that "
        "Keras or a newer one, or save the model with this one"
    )


def _number(version: str) -> str:
    """The part of a version that tells newer from older: 2.19.0 of 2.19.0-tf."""
    found = re.match(r"\d{1,9}(\.\d{1,9}){0,3}", version)
    return found[0] if found else ""


def _parts(number: str) -> tuple[int, ...]:
    return tuple(int(part) for part in number.split(".") if part)
