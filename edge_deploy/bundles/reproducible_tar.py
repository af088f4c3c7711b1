"""Archives that come out the same, byte for byte, whenever they are made from the same files."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

# Level 9 takes three times as long and gains 1%.
_LEVEL = 6


@dataclass(frozen=True)
class Entry:
    """One file in an archive: its path with forward slashes, its bytes, its permission bits."""

    name: str
    data: bytes
    mode: int = 0o644


def write_tar_gz(stream: BinaryIO, entries: Iterable[Entry]) -> None:
    """Write entries in the order given, without dates, owners or the archive's own name."""
    with (
        gzip.GzipFile("", "wb", _LEVEL, stream, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.size = len(entry.data)
            info.mode = entry.mode
            archive.addfile(info, io.BytesIO(entry.data))
