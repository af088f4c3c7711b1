"""The records of a zip file, each parsed from its bytes (PKWARE's APPNOTE names the fields)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

END_SIZE, LOCAL_SIZE = 22, 30
_END = struct.Struct("<4s4H2IH")
_END64_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_ZIP64_EXTRA = 1

Refuse = Callable[[str], NoReturn]


@dataclass(frozen=True)
class EndRecord:
    """Where the directory lies, and how many entries it has."""

    count: int
    directory_offset: int
    directory_size: int


@dataclass(frozen=True)
class DirectoryRecord:
    """What the directory says of one entry."""

    name: str
    encoded_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int


@dataclass(frozen=True)
class LocalHeader:
    """What the header before an entry's data says."""

    flags: int
    method: int
    crc: int
    packed: int
    size: int
    name_size: int
    extra_size: int


def parse_end(
    record: bytes, position: int, raw: Callable[[int, int], bytes], refuse: Refuse
) -> EndRecord:
    """The end record at a position of the file, or the 64-bit one that lies before it."""
    _, disk, start_disk, here, count, size, offset, _ = _END.unpack_from(record)
    behind = position
    if _FULL16 in (disk, start_disk, here, count) or _FULL32 in (size, offset):
        locator = raw(position - _END64_LOCATOR.size, _END64_LOCATOR.size)
        if locator[:4] == b"PK\6\7":
            _, _, behind, _ = _END64_LOCATOR.unpack(locator)
            wide = raw(behind, _END64.size)
            if len(wide) < _END64.size or wide[:4] != b"PK\6\6":
                refuse("its 64-bit end record is not where it should be")
            _, _, _, _, disk, start_disk, here, count, size, offset = _END64.unpack(wide)
    if disk or start_disk or here != count:
        refuse("it is one part of several, or its entries are not counted right")
    if offset + size != behind:
        refuse("its directory is not where its end record says")
    return EndRecord(count, offset, size)


def parse_directory(data: bytes, count: int, refuse: Refuse) -> list[DirectoryRecord]:
    """The directory's records, as many as its end says and no byte more."""
    if count * _CENTRAL.size > len(data):
        refuse(f"its directory is too small for {count} entries")
    found, at = [], 0
    for number in range(count):
        if at + _CENTRAL.size > len(data) or data[at : at + 4] != b"PK\1\2":
            refuse(f"its directory is damaged at entry {number}")
        (
            _, _, _, flags, method, _, _, crc, packed, size, name_size, extra_size, comment_size,
            disk, _, _, offset,
        ) = _CENTRAL.unpack_from(data, at)  # fmt: skip
        name_at = at + _CENTRAL.size
        extra_at = name_at + name_size
        at = extra_at + extra_size + comment_size
        if at > len(data) or disk not in (0, _FULL16):
            refuse(f"its directory is damaged at entry {number}")
        encoded = data[name_at:extra_at]
        extra = data[extra_at : extra_at + extra_size]
        size, packed, offset = _widened(extra, (size, packed, offset), number, refuse)
        try:
            name = encoded.decode("utf-8")
        except UnicodeDecodeError:
            refuse(f"the name {encoded[:60]!r} in it is not UTF-8")
        found.append(DirectoryRecord(name, encoded, flags, method, crc, packed, size, offset))
    if at != len(data):
        refuse(f"{len(data) - at} bytes of its directory belong to no entry")
    return found


def _widened(
    extra: bytes, values: tuple[int, int, int], number: int, refuse: Refuse
) -> tuple[int, int, int]:
    """Size, packed size and offset, from the zip64 field where they are marked to be there."""
    if _FULL32 not in values:
        return values
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        at += 4
        if kind == _ZIP64_EXTRA and at + length <= len(extra):
            wide = list(values)
            place = at
            for index, value in enumerate(values):
                if value == _FULL32:
                    if place + 8 > at + length:
                        refuse(f"the 64-bit sizes of entry {number} are missing")
                    (wide[index],) = struct.unpack_from("<Q", extra, place)
                    place += 8
            return wide[0], wide[1], wide[2]
        at += length
    return values


def parse_local(data: bytes) -> LocalHeader | None:
    """The header before an entry's data; None where these bytes are none."""
    if len(data) < _LOCAL.size or data[:4] != b"PK\3\4":
        return None
    _, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack(data)
    return LocalHeader(flags, method, crc, packed, size, name_size, extra_size)


def descriptor_agrees(data: bytes, crc: int, packed: int, size: int) -> bool:
    """Whether the bytes behind an entry's data are its descriptor, in any of the four forms."""
    for mark in (b"PK\7\x08", b""):
        for form in ("<IQQ", "<III"):
            if form == "<III" and max(packed, size) > _FULL32:
                continue
            if data.startswith(mark + struct.pack(form, crc, packed, size)):
                return True
    return False
