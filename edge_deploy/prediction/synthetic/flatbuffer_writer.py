"""FlatBuffers written from values, without its library: what a base install lacks on some boards.

Parents come before their children, so the offsets only point forward, and a table's list of
fields comes right before the first table that uses it. The same values give the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIZES = {"b": 1, "B": 1, "?": 1, "i": 4, "I": 4, "f": 4}


class Scalar(NamedTuple):
    """A number in a table; `form` is its letter in `struct`: b B ? i I f."""

    form: str
    value: float


@dataclass(frozen=True)
class Numbers:
    """A list of numbers, whose first one lies at a multiple of `alignment` bytes."""

    values: NDArray[Any]
    alignment: int = 4


@dataclass(frozen=True)
class Record:
    """One table: its fields by their number in the schema. Absent ones have their default."""

    fields: Mapping[int, Scalar | Numbers | Record | Sequence[Record] | str]


def flatbuffer(root: Record, identifier: bytes) -> bytes:
    """The bytes of a FlatBuffers file with this root and four-letter identifier."""
    writer = _Writer()
    writer.data += struct.pack("<I4s", 0, identifier)
    writer.point(0, root)
    return bytes(writer.data)


class _Writer:
    """The bytes so far, and where each list of fields lies, which tables share."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._layouts: dict[bytes, int] = {}

    def point(self, at: int, child: object) -> None:
        """Write `child` at the end, and its offset into the four bytes at `at`."""
        if isinstance(child, Record):
            position = self._record(child)
        elif isinstance(child, Numbers):
            position = self._numbers(child)
        elif isinstance(child, str):
            position = self._text(child)
        else:
            position = self._records(child)  # type: ignore[arg-type]  # all that is left
        struct.pack_into("<I", self.data, at, position - at)

    def _align(self, multiple: int, before: int = 0) -> None:
        self.data += bytes(-(len(self.data) + before) % multiple)

    def _record(self, record: Record) -> int:
        sizes = {
            number: _SIZES[field.form] if isinstance(field, Scalar) else 4
            for number, field in record.fields.items()
        }
        places = [0] * (max(sizes, default=-1) + 1)
        size = 4  # the offset of the list of fields
        # The widest first: then each lies at a multiple of its size.
        for number in sorted(sizes, key=lambda number: (-sizes[number], number)):
            places[number] = size
            size += sizes[number]
        layout = struct.pack(f"<{2 + len(places)}H", 4 + 2 * len(places), size, *places)
        if layout not in self._layouts:
            self._align(2)
            self._layouts[layout] = len(self.data)
            self.data += layout
        self._align(4)
        start = len(self.data)
        self.data += struct.pack("<i", start - self._layouts[layout]) + bytes(size - 4)
        for number, field in record.fields.items():
            if isinstance(field, Scalar):
                struct.pack_into("<" + field.form, self.data, start + places[number], field.value)
        for number, field in record.fields.items():
            if not isinstance(field, Scalar):
                self.point(start + places[number], field)
        return start

    def _numbers(self, numbers: Numbers) -> int:
        values = np.ascontiguousarray(numbers.values)
        values = values.astype(values.dtype.newbyteorder("<"), copy=False)
        self._align(max(numbers.alignment, values.dtype.itemsize), before=4)
        start = len(self.data)
        self.data += struct.pack("<I", values.size)
        self.data += values.tobytes()
        return start

    def _text(self, text: str) -> int:
        encoded = text.encode()
        self._align(4)
        start = len(self.data)
        self.data += struct.pack("<I", len(encoded)) + encoded + b"\0"
        return start

    def _records(self, records: Sequence[Record]) -> int:
        self._align(4)
        start = len(self.data)
        self.data += struct.pack("<I", len(records)) + bytes(4 * len(records))
        for number, record in enumerate(records):
            self.point(start + 4 + 4 * number, record)
        return start
