"""Android's binary XML, as in the manifest of an APK (chunks of `ResourceTypes.h`)."""

from __future__ import annotations

from edge_deploy_runner.errors import BadInputError

from .byte_reader import ByteReader
from .manifest_elements import ATTRIBUTE_NAMES, DEEPEST, MOST_ELEMENTS, Element, Value

_XML, _STRING_POOL, _RESOURCE_MAP, _START, _END = 0x0003, 0x0001, 0x0180, 0x0102, 0x0103
_UTF8 = 1 << 8
_NONE = 0xFFFFFFFF
_TYPE_STRING, _TYPE_DECIMAL, _TYPE_HEX, _TYPE_BOOLEAN = 0x03, 0x10, 0x11, 0x12
_LONGEST_TEXT = 65536


def is_binary_xml(data: bytes) -> bool:
    """Whether the bytes begin as binary XML does."""
    return data[:4] == b"\x03\x00\x08\x00"


def read_binary_xml(data: bytes, name: str) -> list[Element]:
    """The elements of a binary XML file; `BadInputError` where it is damaged."""

    def complain(what: str) -> BadInputError:
        return BadInputError(f"{name} is damaged binary XML: {what}; build it again")

    reader = ByteReader(data, complain)
    if reader.u16(0) != _XML or reader.u32(4) > len(reader):
        raise complain("its first chunk is none, or is cut off")
    strings: _Strings | None = None
    ids: tuple[int, ...] = ()
    found: list[Element] = []
    depth = 0
    at, end = reader.u16(2), reader.u32(4)
    while at + 8 <= end:
        kind, header, size = reader.u16(at), reader.u16(at + 2), reader.u32(at + 4)
        if header < 8 or size < header or at + size > end:
            raise complain(f"the chunk at {at} has no possible size")
        chunk = reader.part(at, size)
        if kind == _STRING_POOL:
            strings = _Strings(chunk)
        elif kind == _RESOURCE_MAP:
            ids = tuple(chunk.u32(place) for place in range(header, size - 3, 4))
        elif kind == _START:
            if strings is None:
                raise complain("an element comes before the texts")
            if depth >= DEEPEST or len(found) >= MOST_ELEMENTS:
                raise complain("it has too many elements")
            found.append(_element(chunk, header, depth, strings, ids))
            depth += 1
        elif kind == _END:
            depth -= 1
        at += size
    if depth or not found:
        raise complain("its elements do not end where they should")
    return found


def _element(
    chunk: ByteReader, header: int, depth: int, strings: _Strings, ids: tuple[int, ...]
) -> Element:
    name = strings.text(chunk.u32(header + 4))
    start, step, count = (chunk.u16(header + place) for place in (8, 10, 12))
    if count and step < 20:
        raise chunk.complain(f"attributes of {step} bytes")
    attributes: dict[str, Value] = {}
    for index in range(count):
        at = header + start + index * step
        number, raw, kind, value = (
            chunk.u32(at + 4), chunk.u32(at + 8), chunk.u8(at + 15), chunk.u32(at + 16),
        )  # fmt: skip
        known = ATTRIBUTE_NAMES.get(ids[number]) if number < len(ids) else None
        attributes.setdefault(known or strings.text(number), _value(kind, value, raw, strings))
    return Element(depth, name, attributes)


def _value(kind: int, value: int, raw: int, strings: _Strings) -> Value:
    if kind == _TYPE_STRING:
        return strings.text(value)
    if kind == _TYPE_BOOLEAN:
        return bool(value)
    if kind in (_TYPE_DECIMAL, _TYPE_HEX):
        return value - 2**32 if value >= 2**31 else value
    return None if raw == _NONE else strings.text(raw)


class _Strings:
    """A string pool; texts are decoded when they are asked for."""

    def __init__(self, chunk: ByteReader) -> None:
        self._chunk = chunk
        self._count = chunk.u32(8)
        self._utf8 = bool(chunk.u32(16) & _UTF8)
        self._start = chunk.u32(20)
        self._offsets = chunk.u16(2)
        if self._offsets + 4 * self._count > len(chunk):
            raise chunk.complain(f"{self._count} texts do not fit into their chunk")

    def text(self, index: int) -> str:
        if index == _NONE:
            return ""
        if index >= self._count:
            raise self._chunk.complain(f"there is no text {index}")
        at = self._start + self._chunk.u32(self._offsets + 4 * index)
        if self._utf8:
            _, at = self._length8(at)
            size, at = self._length8(at)
            return self._chunk.slice(at, size).decode("utf-8", "replace")
        size, at = self._chunk.u16(at), at + 2
        if size & 0x8000:
            size, at = (size & 0x7FFF) << 16 | self._chunk.u16(at), at + 2
        if size > _LONGEST_TEXT:
            raise self._chunk.complain(f"text {index} is too long")
        return self._chunk.slice(at, 2 * size).decode("utf-16-le", "replace")

    def _length8(self, at: int) -> tuple[int, int]:
        size = self._chunk.u8(at)
        if size & 0x80:
            return (size & 0x7F) << 8 | self._chunk.u8(at + 1), at + 2
        return size, at + 1
