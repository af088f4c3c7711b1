"""Which classes an archive defines: those of dex files, and of the jars in an AAR."""

from __future__ import annotations

import io
import struct
from array import array
from collections.abc import Callable

from edge_deploy_runner.errors import BadInputError

from .zip_reader import Archive

LARGEST_CODE = 128 * 2**20
_MOST_CLASSES = 65536  # a class is named by 16 bits
_HEADER_SIZE = 0x70
_LONGEST_NAME = 1024


def is_dex(data: bytes) -> bool:
    """Whether the bytes begin as a dex file does."""
    return data[:4] == b"dex\n" and data[7:8] == b"\0"


def is_container(data: bytes) -> bool:
    """Whether a dex file is of version 041, which holds several in one; those are not read."""
    return is_dex(data) and data[4:7] == b"041"


def dex_classes(data: bytes, name: str) -> list[str]:
    """The classes that a dex file defines, as `org.example.Name`, in the file's order.

    Raises `BadInputError` where it is damaged, or a container of several (`is_container`).
    """

    def complain(what: str) -> BadInputError:
        return BadInputError(f"{name} is a damaged dex file: {what}; build it again")

    if not is_dex(data):
        raise complain("it has no dex mark")
    if len(data) < _HEADER_SIZE:
        raise complain("its header is cut off")
    if is_container(data):
        raise BadInputError(f"{name} is of dex version 041, which this does not read")
    if struct.unpack_from("<I", data, 0x28)[0] != 0x12345678:
        raise complain("its byte order is not known")

    def table(at: int, width: int) -> array[int]:
        count, offset = struct.unpack_from("<II", data, at)
        if count and offset + 4 * width * count > len(data):
            raise complain(f"a table of {count} records leaves it")
        numbers = array("I", data[offset : offset + 4 * width * count])
        return numbers[::width]

    strings, types, classes = table(0x38, 1), table(0x40, 1), table(0x60, 8)
    if max(len(types), len(classes)) > _MOST_CLASSES:
        raise complain(f"{len(types)} types and {len(classes)} classes are more than it can hold")
    found = []
    for index in classes:
        if index >= len(types) or types[index] >= len(strings):
            raise complain("a class has no name")
        found.append(_class_name(data, strings[types[index]], complain))
    return found


def _class_name(data: bytes, at: int, complain: Callable[[str], BadInputError]) -> str:
    for _ in range(5):  # the length in characters, which the zero at the end makes superfluous
        if at >= len(data):
            raise complain("a name leaves it")
        at += 1
        if data[at - 1] < 0x80:
            break
    end = data.find(b"\0", at, at + _LONGEST_NAME)
    if end < 0 or data[at : at + 1] != b"L" or data[end - 1 : end] != b";":
        raise complain("the name of a class is none")
    return data[at + 1 : end - 1].decode("utf-8", "replace").replace("/", ".")


def jar_classes(data: bytes, name: str) -> list[str]:
    """The classes in a jar, as `org.example.Name`; `BadInputError` where it is no zip."""
    archive = Archive(io.BytesIO(data), name)
    return [
        entry.name.removesuffix(".class").replace("/", ".")
        for entry in archive.entries
        if entry.name.endswith(".class")
        and not entry.name.startswith("META-INF/")
        and entry.name.rpartition("/")[2] not in ("module-info.class", "package-info.class")
    ]
