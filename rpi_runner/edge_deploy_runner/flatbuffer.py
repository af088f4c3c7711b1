"""A read-only, bounds-checked view of FlatBuffers.

The generated readers of TFLite's schema trust every offset they find; on a damaged file they
raise whatever Python raises, loop, or ask for terabytes. This one answers a damaged buffer with
`DamagedModelError`, and needs nothing but the standard library, so it also runs on a device.
Format: https://flatbuffers.dev/internals/
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from typing import cast

from .errors import DamagedModelError

Buffer = bytes | memoryview

_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_I32 = struct.Struct("<i")
_FORMATS = {
    "int8": struct.Struct("<b"),
    "uint8": struct.Struct("<B"),
    "bool": struct.Struct("<?"),
    "int32": _I32,
    "uint32": _U32,
    "int64": struct.Struct("<q"),
    "uint64": struct.Struct("<Q"),
    "float32": struct.Struct("<f"),
}


def _unpack(form: struct.Struct, data: Buffer, at: int) -> int | float:
    if at < 0 or at + form.size > len(data):
        raise DamagedModelError(f"an offset points to byte {at}, outside the file")
    value: int | float = form.unpack_from(data, at)[0]
    return value


def _uint32(data: Buffer, at: int) -> int:
    return int(_unpack(_U32, data, at))


class Table:
    """One FlatBuffers table; fields are addressed by their number in the schema.

    `budget` is shared by all tables of one file: the bytes that may still be read. In a damaged
    file thousands of lists can overlap, and reading them all would take hours and terabytes.
    """

    __slots__ = ("_budget", "_data", "_fields", "_size", "_start", "_vtable")

    def __init__(self, data: Buffer, start: int, budget: list[int]) -> None:
        self._data = data
        self._start = start
        self._budget = budget
        self._spend(8)
        self._vtable = start - int(_unpack(_I32, data, start))
        self._size = int(_unpack(_U16, data, self._vtable))
        if self._size < 4 or self._vtable + self._size > len(data):
            raise DamagedModelError(f"the table at byte {start} has no valid field list")
        self._fields = (self._size - 4) // 2

    @classmethod
    def root(cls, data: Buffer) -> Table:
        """The root table of `data`."""
        return cls(data, _uint32(data, 0), [8 * len(data) + 65536])

    def trust(self) -> None:
        """Lift the budget, once everything has been read and found to make sense."""
        self._budget[0] = sys.maxsize

    def _spend(self, size_bytes: int) -> None:
        self._budget[0] -= size_bytes
        if self._budget[0] < 0:
            raise DamagedModelError("its tables overlap")

    @property
    def start(self) -> int:
        """Byte position in the file; two tables at one position are one table."""
        return self._start

    def _field(self, number: int) -> int:
        """Position of a field's value, or 0 where the field is absent."""
        if number >= self._fields:
            return 0
        offset = int(_unpack(_U16, self._data, self._vtable + 4 + 2 * number))
        return self._start + offset if offset else 0

    def scalar(self, number: int, kind: str, default: int | float = 0) -> int | float:
        """The scalar in field `number`, or `default`."""
        at = self._field(number)
        return _unpack(_FORMATS[kind], self._data, at) if at else default

    def integer(self, number: int, kind: str = "int32", default: int = 0) -> int:
        """The integer in field `number`, or `default`."""
        return int(self.scalar(number, kind, default))

    def table(self, number: int) -> Table | None:
        """The table that field `number` points to."""
        at = self._field(number)
        if not at:
            return None
        return Table(self._data, at + _uint32(self._data, at), self._budget)

    def _vector(self, number: int, item_size: int) -> tuple[int, int]:
        """Position of the first item and number of items."""
        at = self._field(number)
        if not at:
            return 0, 0
        at += _uint32(self._data, at)
        length = _uint32(self._data, at)
        if at + 4 + length * item_size > len(self._data):
            raise DamagedModelError(f"a list of {length} items at byte {at} leaves the file")
        return at + 4, length

    def raw(self, number: int) -> memoryview | None:
        """The bytes of field `number`; `None` where the field is absent."""
        if not self._field(number):
            return None
        at, length = self._vector(number, 1)
        return memoryview(self._data)[at : at + length]

    def text(self, number: int, strict: bool = False) -> str:
        """The string in field `number`; empty where absent.

        Bytes that are not UTF-8 are replaced, or `strict`: `DamagedModelError`.
        """
        raw = self.raw(number)
        if raw is None:
            return ""
        self._spend(len(raw))
        try:
            return bytes(raw).decode("utf-8", "strict" if strict else "replace")
        except UnicodeDecodeError:
            raise DamagedModelError("a name in it is not text") from None

    def scalars(self, number: int, kind: str) -> tuple[int | float, ...]:
        """The list of scalars in field `number`."""
        form = _FORMATS[kind]
        at, length = self._vector(number, form.size)
        self._spend(length * form.size)
        return struct.unpack_from(f"<{length}{form.format[-1]}", self._data, at) if length else ()

    def integers(self, number: int, kind: str = "int32") -> tuple[int, ...]:
        """The list of integers in field `number`."""
        return cast("tuple[int, ...]", self.scalars(number, kind))

    def tables(self, number: int) -> Iterator[Table]:
        """The tables in the list of field `number`."""
        at, length = self._vector(number, 4)
        for position in range(at, at + 4 * length, 4):
            yield Table(self._data, position + _uint32(self._data, position), self._budget)

    def texts(self, number: int) -> Iterator[str]:
        """The strings in the list of field `number`."""
        at, length = self._vector(number, 4)
        for position in range(at, at + 4 * length, 4):
            start = position + _uint32(self._data, position)
            size = _uint32(self._data, start)
            if start + 4 + size > len(self._data):
                raise DamagedModelError(f"a text of {size} bytes at byte {start} leaves the file")
            self._spend(size + 4)
            yield bytes(self._data[start + 4 : start + 4 + size]).decode("utf-8", "replace")
