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
from functools import lru_cache

from edge_deploy_runner.errors import DamagedModelError

Buffer = bytes | memoryview

_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_I32 = struct.Struct("<i")
# More than any table of TFLite's schemas has; a damaged list may be 30,000 long.
_MOST_FIELDS = 64
_uint32, _int32 = _U32.unpack_from, _I32.unpack_from
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


@lru_cache(maxsize=128)
def _list_form(kind: str, length: int) -> struct.Struct:
    return struct.Struct(f"<{length}{_FORMATS[kind].format[-1]}")


class _File:
    """What all tables of one file share: its bytes, the field lists that were read, the budget.

    `left`: the bytes that may still be read. In a damaged file thousands of lists can overlap, and
    reading them all would take hours and terabytes.
    """

    __slots__ = ("data", "fields", "left", "size")

    def __init__(self, data: Buffer) -> None:
        self.data = data
        self.size = len(data)
        self.fields: dict[int, tuple[int, ...]] = {}
        self.left = 8 * self.size + 65536

    def spend(self, size_bytes: int) -> None:
        """Take from the budget."""
        self.left -= size_bytes
        if self.left < 0:
            raise DamagedModelError("its tables overlap")

    def uint32(self, at: int) -> int:
        """The number at a position that is not negative."""
        try:
            value: int = _uint32(self.data, at)[0]
        except struct.error:
            raise _outside(at) from None
        return value

    def read_fields(self, start: int, vtable: int) -> tuple[int, ...]:
        """The offsets of a table's fields; most tables of a kind share one list of them."""
        if vtable < 0 or vtable + 2 > self.size:  # a negative one would count from the end
            raise _outside(vtable)
        size: int = _U16.unpack_from(self.data, vtable)[0]
        if size < 4 or vtable + size > self.size:
            raise DamagedModelError(f"the table at byte {start} has no valid field list")
        count = min((size - 4) // 2, _MOST_FIELDS)
        self.spend(2 * count)
        found: tuple[int, ...] = struct.unpack_from(f"<{count}H", self.data, vtable + 4)
        self.fields[vtable] = found
        return found


def _outside(at: int) -> DamagedModelError:
    return DamagedModelError(f"an offset points to byte {at}, outside the file")


class Table:
    """One FlatBuffers table; fields are addressed by their number in the schema.

    A cold start reads hundreds of tables: the methods that it calls most read the bytes
    themselves. Positions only grow from `_start`, so `struct.error` is the whole bounds check.
    """

    __slots__ = ("_fields", "_file", "_start")

    def __init__(self, file: _File, start: int) -> None:
        self._file = file
        self._start = start
        file.spend(8)
        try:
            vtable = start - _int32(file.data, start)[0]
        except struct.error:
            raise _outside(start) from None
        self._fields = file.fields.get(vtable) or file.read_fields(start, vtable)

    @classmethod
    def root(cls, data: Buffer) -> Table:
        """The root table of `data`."""
        file = _File(data)
        return cls(file, file.uint32(0))

    def trust(self) -> None:
        """Lift the budget, once everything has been read and found to make sense."""
        self._file.left = sys.maxsize

    @property
    def start(self) -> int:
        """Byte position in the file; two tables at one position are one table."""
        return self._start

    def _field(self, number: int) -> int:
        """Position of a field's value, or 0 where the field is absent."""
        fields = self._fields
        if number >= len(fields) or not fields[number]:
            return 0
        return self._start + fields[number]

    def scalar(self, number: int, kind: str, default: int | float = 0) -> int | float:
        """The scalar in field `number`, or `default`."""
        fields = self._fields
        if number >= len(fields) or not fields[number]:
            return default
        at = self._start + fields[number]
        try:
            value: int | float = _FORMATS[kind].unpack_from(self._file.data, at)[0]
        except struct.error:
            raise _outside(at) from None
        return value

    def integer(self, number: int, kind: str = "int32", default: int = 0) -> int:
        """The integer in field `number`, or `default`."""
        return int(self.scalar(number, kind, default))

    def table(self, number: int) -> Table | None:
        """The table that field `number` points to."""
        at = self._field(number)
        if not at:
            return None
        return Table(self._file, at + self._file.uint32(at))

    def extent(self, number: int, item_size: int = 1) -> tuple[int, int]:
        """Position in the file and length of the list in field `number`; (0, 0) where absent."""
        fields = self._fields
        if number >= len(fields) or not fields[number]:
            return 0, 0
        file = self._file
        at = self._start + fields[number]
        try:
            at += _uint32(file.data, at)[0]
            length: int = _uint32(file.data, at)[0]
        except struct.error:
            raise _outside(at) from None
        at += 4
        if at + length * item_size > file.size:
            raise DamagedModelError(f"a list of {length} items at byte {at - 4} leaves the file")
        return at, length

    def raw(self, number: int) -> memoryview | None:
        """The bytes of field `number`; `None` where the field is absent."""
        at, length = self.extent(number)
        return memoryview(self._file.data)[at : at + length] if at else None

    def text(self, number: int, strict: bool = False) -> str:
        """The string in field `number`; empty where absent.

        Bytes that are not UTF-8 are replaced, or `strict`: `DamagedModelError`.
        """
        at, length = self.extent(number)
        self._file.spend(length)
        try:
            return str(
                self._file.data[at : at + length], "utf-8", "strict" if strict else "replace"
            )
        except UnicodeDecodeError:
            raise DamagedModelError("a name in it is not text") from None

    def scalars(self, number: int, kind: str) -> tuple[int | float, ...]:
        """The list of scalars in field `number`."""
        form = _FORMATS[kind]
        at, length = self.extent(number, form.size)
        if not length:
            return ()
        self._file.spend(length * form.size)
        if length > 1:
            form = _list_form(kind, length)
        return form.unpack_from(self._file.data, at)

    def integers(self, number: int, kind: str = "int32") -> tuple[int, ...]:
        """The list of integers in field `number`."""
        values: tuple[int, ...] = self.scalars(number, kind)  # type: ignore[assignment]
        return values

    def tables(self, number: int) -> Iterator[Table]:
        """The tables in the list of field `number`."""
        file = self._file
        at, length = self.extent(number, 4)
        for position in range(at, at + 4 * length, 4):
            yield Table(file, position + _uint32(file.data, position)[0])

    def texts(self, number: int) -> Iterator[str]:
        """The strings in the list of field `number`."""
        file = self._file
        at, length = self.extent(number, 4)
        for position in range(at, at + 4 * length, 4):
            start = position + file.uint32(position)
            size = file.uint32(start)
            if start + 4 + size > file.size:
                raise DamagedModelError(f"a text of {size} bytes at byte {start} leaves the file")
            file.spend(size + 4)
            yield str(file.data[start + 4 : start + 4 + size], "utf-8", "replace")
