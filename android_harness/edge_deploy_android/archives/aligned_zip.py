"""Zip files that come out the same, byte for byte, with stored entries at aligned offsets.

The order is the caller's, every date is the first that a zip can hold, and nothing of this machine
is written down. Deflated bytes depend on the zlib in use (zlib-ng packs otherwise), so what must be
the same on every machine is to be stored.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PAGE_BYTES = 16384
_LEVEL = 9
_FIRST_DATE = (1 << 5) | 1  # 1980-01-01, as DOS counts
_MADE_BY_UNIX = (3 << 8) | 20
_UTF8_NAME = 1 << 11
_STORED, _DEFLATED = 0, 8
# What apksigner pads with: an id, a length, the alignment, and zeros.
_ALIGNMENT_ID = 0xD935
_SMALLEST_EXTRA = 6
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LIMIT_BYTES = 0xFFFFFFFF
_LIMIT_ENTRIES = 0xFFFF


@dataclass(frozen=True)
class ZipEntry:
    """One file of a zip: its path with forward slashes, and its bytes.

    A `stored` entry is not compressed, and its bytes begin at a multiple of `align` (of a power of
    two up to 32768) in the file; a compressed one is nowhere in particular.
    """

    name: str
    data: bytes
    stored: bool = False
    align: int = 4


def write_zip(target: str | os.PathLike[str] | BinaryIO, entries: Iterable[ZipEntry]) -> None:
    """Write entries in the order given, to a path or an open binary file.

    Raises `ValueError` for two entries of one name, a name that leaves its folder, an alignment
    that is none, and more than a zip of 4 GB or 65535 entries can hold.
    """
    if isinstance(target, (str, os.PathLike)):
        Path(target).write_bytes(zip_bytes(entries))
    else:
        target.write(zip_bytes(entries))


def zip_bytes(entries: Iterable[ZipEntry]) -> bytes:
    """What `write_zip` writes."""
    stream = io.BytesIO()
    central: list[bytes] = []
    seen: set[str] = set()
    for entry in entries:
        _check(entry, seen)
        seen.add(entry.name)
        central.append(_write_entry(stream, entry))
    if len(central) > _LIMIT_ENTRIES:
        raise ValueError(f"a zip holds at most {_LIMIT_ENTRIES} entries, not {len(central)}")
    start = stream.tell()
    directory = b"".join(central)
    stream.write(directory)
    if stream.tell() > _LIMIT_BYTES:
        raise ValueError("a zip holds at most 4 GB")
    count = len(central)
    stream.write(_END.pack(b"PK\5\6", 0, 0, count, count, len(directory), start, 0))
    return stream.getvalue()


def _check(entry: ZipEntry, seen: set[str]) -> None:
    name = entry.name
    parts = name.removesuffix("/").split("/")
    if not name or "\\" in name or "\0" in name or {"", ".", ".."} & set(parts):
        raise ValueError(f"{name!r} cannot be a name in a zip")
    if name in seen:
        raise ValueError(f"{name!r} is in the zip already")
    if not 1 <= entry.align <= 32768 or entry.align & (entry.align - 1):
        raise ValueError(f"{entry.align} is no alignment; use a power of two up to 32768")
    if len(entry.data) > _LIMIT_BYTES:
        raise ValueError(f"{name!r} is larger than 4 GB")


def _write_entry(stream: io.BytesIO, entry: ZipEntry) -> bytes:
    """Write one entry; returns its record for the central directory."""
    packed, method = entry.data, _STORED
    if not entry.stored:
        deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed, method = deflater.compress(entry.data) + deflater.flush(), _DEFLATED
        if len(packed) >= len(entry.data):
            packed, method = entry.data, _STORED
    name = entry.name.encode()
    offset = stream.tell()
    if offset > _LIMIT_BYTES:
        raise ValueError("a zip holds at most 4 GB")
    extra = b""
    if method == _STORED:
        extra = _padding(offset + _LOCAL.size + len(name), entry.align)
    flags = 0 if entry.name.isascii() else _UTF8_NAME
    needs = 20 if method == _DEFLATED or entry.name.endswith("/") else 10
    shared = (
        needs, flags, method, 0, _FIRST_DATE, zlib.crc32(entry.data), len(packed), len(entry.data),
    )  # fmt: skip
    stream.write(_LOCAL.pack(b"PK\3\4", *shared, len(name), len(extra)))
    stream.write(name + extra)
    stream.write(packed)
    mode = 0o40755 << 16 | 0x10 if entry.name.endswith("/") else 0o100644 << 16
    record = _CENTRAL.pack(
        b"PK\1\2", _MADE_BY_UNIX, *shared, len(name), 0, 0, 0, 0, mode, offset
    )  # fmt: skip
    return record + name


def _padding(position: int, align: int) -> bytes:
    """An extra field after which the next byte lies at a multiple of `align`."""
    if position % align == 0:
        return b""
    size = -position % align
    while size < _SMALLEST_EXTRA:
        size += align
    zeros = bytes(size - _SMALLEST_EXTRA)
    return struct.pack("<HHH", _ALIGNMENT_ID, size - 4, align) + zeros
