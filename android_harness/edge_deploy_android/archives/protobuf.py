"""The wire format of protocol buffers, as far as an app bundle needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edge_deploy_runner.errors import BadInputError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


class Message:
    """The fields of one message, by their numbers; nothing outside of its bytes is read."""

    def __init__(self, data: memoryview, complain: Callable[[str], BadInputError]) -> None:
        self._complain = complain
        self._fields: dict[int, list[int | memoryview]] = {}
        for number, value in self._parse(data):
            self._fields.setdefault(number, []).append(value)

    def number(self, field: int) -> int | None:
        """The last number in a field, None where it is not there."""
        values = [value for value in self._fields.get(field, ()) if isinstance(value, int)]
        return values[-1] if values else None

    def texts(self, field: int) -> list[str]:
        """Every text of a field."""
        return [bytes(value).decode("utf-8", "replace") for value in self._parts(field)]

    def text(self, field: int) -> str:
        """The last text in a field, empty where it is not there."""
        return next(reversed(self.texts(field)), "")

    def messages(self, field: int) -> Iterator[Message]:
        """Every message of a field."""
        for value in self._parts(field):
            yield Message(value, self._complain)

    def message(self, field: int) -> Message | None:
        """The last message in a field, None where it is not there."""
        parts = self._parts(field)
        return Message(parts[-1], self._complain) if parts else None

    def _parts(self, field: int) -> list[memoryview]:
        return [value for value in self._fields.get(field, ()) if isinstance(value, memoryview)]

    def _parse(self, data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
        at = 0
        while at < len(data):
            key, at = self._varint(data, at)
            number, wire = key >> 3, key & 7
            if wire == _VARINT:
                value, at = self._varint(data, at)
                yield number, value
                continue
            if wire == _BYTES:
                size, at = self._varint(data, at)
            elif wire in (_FIXED32, _FIXED64):
                size = 4 if wire == _FIXED32 else 8
            else:
                raise self._complain(f"a field of wire type {wire}")
            if at + size > len(data):
                raise self._complain(f"a field of {size} bytes is cut off")
            part = data[at : at + size]
            yield number, part if wire == _BYTES else int.from_bytes(part, "little")
            at += size

    def _varint(self, data: memoryview, at: int) -> tuple[int, int]:
        value = 0
        for index in range(_LONGEST_VARINT):
            if at + index >= len(data):
                raise self._complain("a number is cut off")
            byte = data[at + index]
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                return value & (2**64 - 1), at + index + 1
        raise self._complain("a number has no end")
