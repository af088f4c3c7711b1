"""Numbers out of a binary file of unknown origin, with every offset checked."""

from __future__ import annotations

import struct
from collections.abc import Callable

from edge_deploy_runner.errors import BadInputError

_NUMBERS = {
    size: struct.Struct(f"<{code}") for size, code in ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))
}
_Complaint = Callable[[str], BadInputError]


class ByteReader:
    """Little-endian bytes that are never read outside their bounds.

    `complain` makes the error: it is given what is wrong ("ends in the middle of ...").
    """

    def __init__(self, data: bytes | memoryview, complain: _Complaint) -> None:
        self.data = memoryview(data)
        self.complain = complain

    def __len__(self) -> int:
        return len(self.data)

    def u8(self, offset: int) -> int:
        """The byte at an offset."""
        return self._number(offset, 1)

    def u16(self, offset: int) -> int:
        """The unsigned 16-bit number at an offset."""
        return self._number(offset, 2)

    def u32(self, offset: int) -> int:
        """The unsigned 32-bit number at an offset."""
        return self._number(offset, 4)

    def u64(self, offset: int) -> int:
        """The unsigned 64-bit number at an offset."""
        return self._number(offset, 8)

    def slice(self, offset: int, size: int) -> bytes:
        """`size` bytes at an offset."""
        if offset < 0 or size < 0 or offset + size > len(self.data):
            raise self.complain(f"{size} bytes at {offset} are outside of it")
        return bytes(self.data[offset : offset + size])

    def part(self, offset: int, size: int) -> ByteReader:
        """A reader of `size` bytes at an offset, which cannot leave them."""
        if offset < 0 or size < 0 or offset + size > len(self.data):
            raise self.complain(f"{size} bytes at {offset} are outside of it")
        return ByteReader(self.data[offset : offset + size], self.complain)

    def c_string(self, offset: int, longest: int) -> bytes:
        """The bytes at an offset up to the next zero, which must come within `longest`."""
        if not 0 <= offset < len(self.data):
            raise self.complain(f"a text at {offset} is outside of it")
        near = bytes(self.data[offset : offset + longest + 1])
        end = near.find(b"\0")
        if end < 0:
            raise self.complain(f"the text at {offset} has no end")
        return near[:end]

    def uleb128(self, offset: int) -> tuple[int, int]:
        """A variable-length number of at most five bytes, and the offset behind it."""
        value = 0
        for index in range(5):
            byte = self.u8(offset + index)
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                return value, offset + index + 1
        raise self.complain(f"the number at {offset} has no end")

    def _number(self, offset: int, size: int) -> int:
        if offset < 0 or offset + size > len(self.data):
            raise self.complain(f"it ends before its byte {offset + size}")
        (value,) = _NUMBERS[size].unpack_from(self.data, offset)
        return int(value)
