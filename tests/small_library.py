"""Libraries for apps with a tiny model, and what is in them."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

from small_models_photo import (
    write_model,
)

from edge_deploy.bundles.bundling import Bundle, bundle

MODEL = "assets/edge-deploy/colors/colors.tflite"


def made_in(folder: Path, target: str = "android-aar", **options: Any) -> Bundle:
    """A library in a folder, of a model that tells colours apart unless another is given."""
    folder.mkdir(parents=True, exist_ok=True)
    model = options.pop("model", None) or write_model(folder)
    return bundle(model, target, folder, **options)


def content(made: Bundle) -> dict[str, bytes]:
    """The files of a library by their path, from the archive or the folder."""
    if made.path.is_dir():
        files = (path for path in made.path.rglob("*") if path.is_file())
        return {path.relative_to(made.path).as_posix(): path.read_bytes() for path in files}
    with zipfile.ZipFile(made.path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def data_offset(archive: bytes, info: zipfile.ZipInfo) -> int:
    """Where an entry's bytes begin, by its own header."""
    lengths = struct.unpack_from("<HH", archive, info.header_offset + 26)
    return info.header_offset + 30 + sum(lengths)
