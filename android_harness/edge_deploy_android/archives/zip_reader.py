"""Reading zip archives that nobody vouches for, as strictly as Android's own loader.

Where a zip can be read in two ways, this refuses it: the directory at the end and the header before
each entry must agree, entries must not overlap, and nothing may lie behind the end. Nothing is ever
unpacked to a disk, and nothing to memory beyond a limit that the caller names.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NoReturn

from edge_deploy_runner.errors import BadInputError

from .zip_names import check_names
from .zip_records import (
    END_SIZE,
    LOCAL_SIZE,
    DirectoryRecord,
    EndRecord,
    LocalHeader,
    descriptor_agrees,
    parse_directory,
    parse_end,
    parse_local,
)

_LONGEST_TAIL = END_SIZE + 0xFFFF
_LARGEST_DIRECTORY = 64 * 2**20
_LARGEST_ENTRY = 2**31 - 1
_LARGEST_CONTENT = 4 * 2**30
_HIGHEST_RATIO = 1032  # deflate cannot do better
_CHUNK = 2**18
STORED, DEFLATED = 0, 8


@dataclass(frozen=True)
class Entry:
    """One file in an archive; sizes and offsets in bytes, `data_offset` where its data begin."""

    name: str
    stored: bool
    size_bytes: int
    packed_bytes: int
    crc32: int
    header_offset: int
    data_offset: int

    @property
    def is_folder(self) -> bool:
        """Whether it stands for a folder."""
        return self.name.endswith("/")

    @property
    def alignment(self) -> int:
        """The largest power of two, up to 64 KiB, that its data's offset is a multiple of."""
        return min(self.data_offset & -self.data_offset, 65536)


class Archive:
    """A zip whose every header has been checked; read it through `open_archive`."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.name = name
        self._stream = stream
        self.size_bytes = stream.seek(0, os.SEEK_END)
        end = self._find_end()
        self.directory_offset = end.directory_offset
        self.entries = self._read_entries(end)

    @cached_property
    def by_name(self) -> dict[str, Entry]:
        """Entries by their names; no name is there twice."""
        return {entry.name: entry for entry in self.entries}

    def raw(self, offset: int, size: int) -> bytes:
        """Bytes of the file itself, as many as there are."""
        if offset < 0 or size < 0 or offset > self.size_bytes:
            return b""
        self._stream.seek(offset)
        return self._stream.read(min(size, self.size_bytes - offset))

    def chunks(self, entry: Entry) -> Iterator[bytes]:
        """The entry's content in small pieces; `BadInputError` where it is not what is declared."""
        crc, size = 0, 0
        for piece in self._stored(entry) if entry.stored else self._inflated(entry):
            crc = zlib.crc32(piece, crc)
            size += len(piece)
            yield piece
        if size != entry.size_bytes or crc != entry.crc32:
            self._refuse(f"the content of {_shown(entry.name)} is damaged")

    def read(self, entry: Entry, limit: int) -> bytes:
        """The entry's content; `BadInputError` where it is larger than `limit` bytes."""
        if entry.size_bytes > limit:
            self._refuse(
                f"{_shown(entry.name)} is larger than the {limit} bytes that one may be",
            )
        return b"".join(self.chunks(entry))

    def start(self, entry: Entry, size: int) -> bytes:
        """The first bytes of the content, unchecked; fewer, or none, where it is damaged."""
        packed = self.raw(entry.data_offset, min(entry.packed_bytes, size + 1024))
        if entry.stored:
            return packed[:size]
        with contextlib.suppress(zlib.error):
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size)
        return b""

    def _stored(self, entry: Entry) -> Iterator[bytes]:
        for start in range(0, entry.size_bytes, _CHUNK):
            size = min(_CHUNK, entry.size_bytes - start)
            yield self.raw(entry.data_offset + start, size)

    def _inflated(self, entry: Entry) -> Iterator[bytes]:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        left = entry.size_bytes
        for start in range(0, entry.packed_bytes, _CHUNK):
            if inflater.eof:
                self._refuse(f"more bytes lie behind the content of {_shown(entry.name)}")
            size = min(_CHUNK, entry.packed_bytes - start)
            packed = self.raw(entry.data_offset + start, size)
            full = True  # where a piece is, more may follow though every packed byte was taken
            while (packed or full) and not inflater.eof:
                most = min(_CHUNK, left + 1)
                try:
                    piece = inflater.decompress(packed, most)
                except zlib.error:
                    self._refuse(f"the content of {_shown(entry.name)} is damaged")
                left -= len(piece)
                if left < 0:
                    self._refuse(f"{_shown(entry.name)} unpacks to more than it declares")
                yield piece
                packed, full = inflater.unconsumed_tail, len(piece) == most
        if not inflater.eof or inflater.unused_data:
            self._refuse(f"the content of {_shown(entry.name)} is damaged")

    def _refuse(self, what: str) -> NoReturn:
        raise BadInputError(f"{self.name} cannot be read: {what}; copy or build it again")

    def _find_end(self) -> EndRecord:
        if not self.size_bytes:
            raise BadInputError(f"{self.name} is empty; copy or build it again")
        start = self.raw(0, 8)
        if start[4:8] == b"TFL3":
            raise BadInputError(
                f"{self.name} is a TFLite model by its content, no archive; name it .tflite"
            )
        tail_at = max(0, self.size_bytes - _LONGEST_TAIL)
        tail = self.raw(tail_at, _LONGEST_TAIL)
        places, at = [], tail.find(b"PK\5\6")
        while at >= 0:
            places.append(at)
            at = tail.find(b"PK\5\6", at + 1)
        if not places:
            if start[:4] == b"PK\3\4":
                self._refuse("it is a zip that is cut off, its directory at the end is missing")
            raise BadInputError(
                f"{self.name} is no zip, and so no APK, AAB or AAR; name one, or build it again"
            )
        reach = [
            at + END_SIZE + struct.unpack_from("<H", tail, at + 20)[0] if at + END_SIZE <= len(tail)
            else -1
            for at in places
        ]  # fmt: skip
        if reach[-1] != len(tail):
            if reach[-1] < 0 or reach[-1] > len(tail):
                self._refuse("its last record is cut off or damaged")
            self._refuse(f"{len(tail) - reach[-1]} bytes lie behind its end, Android refuses that")
        if reach.count(len(tail)) > 1:
            self._refuse("it has two ends, one of them in a comment, and could be read in two ways")
        end = parse_end(tail[places[-1] :], tail_at + places[-1], self.raw, self._refuse)
        if start[:4] != b"PK\3\4" and end.count:
            self._refuse("other bytes lie before its first entry, Android refuses that")
        if not end.count:
            raise BadInputError(f"{self.name} is a zip with nothing in it; build it again")
        return end

    def _read_entries(self, end: EndRecord) -> tuple[Entry, ...]:
        if end.directory_size > _LARGEST_DIRECTORY:
            self._refuse("its directory is larger than 64 MiB")
        directory = self.raw(end.directory_offset, end.directory_size)
        records = parse_directory(directory, end.count, self._refuse)
        check_names([record.name for record in records], self._refuse)
        self._check_sizes(records)
        found = [self._entry(record) for record in records]
        place = 0
        for entry in sorted(found, key=lambda entry: entry.header_offset):
            if entry.header_offset < place:
                self._refuse(f"{_shown(entry.name)} overlaps the entry before it")
            place = entry.data_offset + entry.packed_bytes
        if place > end.directory_offset:
            self._refuse("its last entry overlaps the directory")
        return tuple(found)

    def _check_sizes(self, records: list[DirectoryRecord]) -> None:
        for record in records:
            name = _shown(record.name)
            if record.flags & 0x2041:
                self._refuse(f"{name} is encrypted, which Android does not read")
            if record.method not in (STORED, DEFLATED):
                self._refuse(f"{name} is packed by method {record.method}, Android knows 0 and 8")
            if record.size > _LARGEST_ENTRY:
                self._refuse(f"{name} declares {record.size / 1e9:.1f} GB, above the 2 GiB allowed")
            if record.method == STORED and record.size != record.packed:
                self._refuse(f"{name} is stored, and yet declares two sizes")
            if record.size > record.packed * _HIGHEST_RATIO:
                self._refuse(f"{name} declares more than its packed bytes can hold")
            if record.packed > self.size_bytes:
                self._refuse(f"{name} declares more bytes than the file has")
        total = sum(record.size for record in records)
        if total > _LARGEST_CONTENT:
            self._refuse(f"it declares {total / 1e9:.1f} GB of content, above the 4 GiB allowed")

    def _entry(self, record: DirectoryRecord) -> Entry:
        name = _shown(record.name)
        fixed = self.raw(record.offset, LOCAL_SIZE)
        header = parse_local(fixed)
        if header is None:
            self._refuse(f"no header is where its directory says that {name} begins")
        self._check_local(record, header, name)
        data_offset = record.offset + LOCAL_SIZE + header.name_size + header.extra_size
        if data_offset + record.packed > self.directory_offset:
            self._refuse(f"{name} reaches into the directory behind it")
        if record.flags & 8:
            behind = self.raw(data_offset + record.packed, 24)
            if not descriptor_agrees(behind, record.crc, record.packed, record.size):
                self._refuse(f"the sizes behind {name} are not those in its directory")
        return Entry(
            record.name, record.method == STORED, record.size, record.packed, record.crc,
            record.offset, data_offset,
        )  # fmt: skip

    def _check_local(self, record: DirectoryRecord, header: LocalHeader, name: str) -> None:
        encoded = self.raw(record.offset + LOCAL_SIZE, header.name_size)
        if encoded != record.encoded_name:
            self._refuse(f"its directory and the header of {name} give it different names")
        same = header.method == record.method and not (header.flags ^ record.flags) & 0x2049
        numbers = (header.crc, header.packed, header.size)
        wanted = (record.crc, record.packed, record.size)
        if header.flags & 8:  # the numbers follow the data; here are zeros, or the same
            agree = all(a in (0, b, 0xFFFFFFFF) for a, b in zip(numbers, wanted, strict=True))
        else:
            agree = all(a in (b, 0xFFFFFFFF) for a, b in zip(numbers, wanted, strict=True))
        if not same or not agree:
            self._refuse(f"its directory and the header of {name} disagree")


def _shown(name: str) -> str:
    """A name of unknown origin, made safe for a terminal."""
    return repr(name if len(name) <= 120 else name[:117] + "...")


@contextlib.contextmanager
def open_archive(path: str | os.PathLike[str]) -> Iterator[Archive]:
    """Open and check the zip at `path`.

    Raises `BadInputError` where there is none, or where Android or another reader could take it for
    something else.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise BadInputError(f"{path} is a folder; name an .apk, .aab or .aar file")
        if not stat.S_ISREG(mode):
            raise BadInputError(f"{path} is no file; name an .apk, .aab or .aar file")
        stream = path.open("rb")
    except FileNotFoundError:
        raise BadInputError(f"there is no file at {path}; check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInputError(f"{path} cannot be read: {reason}") from error
    with stream:
        try:
            yield Archive(stream, str(path))
        except OSError as error:
            raise BadInputError(f"{path} cannot be read: {error.strerror or error}") from error
