"""The protocol buffers in an app bundle: its manifest (`Resources.proto` of aapt2) and its
configuration (`config.proto` of bundletool).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from edge_deploy_runner.errors import BadInputError

from .globs import Globs
from .manifest_elements import ATTRIBUTE_NAMES, DEEPEST, MOST_ELEMENTS, Element, Value
from .protobuf import Message

_PAGE_ALIGNMENTS = {0: None, 1: 4096, 2: 16384, 3: 65536}


@dataclass(frozen=True)
class BundleConfig:
    """How the APKs made of a bundle are packed.

    `library_alignment` is None where the bundle does not say: then it is 4096 bytes.
    """

    bundletool: str
    uncompressed_libraries: bool
    library_alignment: int | None
    uncompressed_globs: tuple[str, ...]

    @cached_property
    def stored_globs(self) -> Globs:
        """Which files of a module, by their path in it, are stored in the APKs, not compressed."""
        return Globs(self.uncompressed_globs)


def read_bundle_config(data: bytes, name: str) -> BundleConfig:
    """Read `BundleConfig.pb`; `BadInputError` where it is damaged."""
    root = Message(memoryview(data), _complaint(name))
    tool, optimizations, compression = (root.message(field) for field in (1, 2, 3))
    libraries = optimizations.message(2) if optimizations else None
    globs = compression.texts(1) if compression else []
    return BundleConfig(
        bundletool=tool.text(2) if tool else "",
        uncompressed_libraries=bool(libraries and libraries.number(1)),
        library_alignment=_PAGE_ALIGNMENTS.get(libraries.number(2) or 0) if libraries else None,
        uncompressed_globs=tuple(globs),
    )


def read_proto_xml(data: bytes, name: str) -> list[Element]:
    """The elements of an XML file in protobuf form; `BadInputError` where it is damaged."""
    found: list[Element] = []
    complain = _complaint(name)

    def walk(node: Message, depth: int) -> None:
        element = node.message(1)
        if element is None:
            return
        if depth >= DEEPEST or len(found) >= MOST_ELEMENTS:
            raise complain("it has too many elements")
        attributes: dict[str, Value] = {}
        for attribute in element.messages(4):
            known = ATTRIBUTE_NAMES.get(attribute.number(5) or 0)
            attributes.setdefault(known or attribute.text(2), _value(attribute))
        found.append(Element(depth, element.text(3), attributes))
        for child in element.messages(5):
            walk(child, depth + 1)

    walk(Message(memoryview(data), complain), 0)
    if not found:
        raise complain("it holds no element")
    return found


def _value(attribute: Message) -> Value:
    """The compiled value where there is one, else the text as it was written."""
    item = attribute.message(6)
    primitive = item.message(7) if item else None
    if primitive:
        truth = primitive.number(8)
        if truth is not None:
            return bool(truth)
        for field in (6, 7):  # decimal, hexadecimal
            number = primitive.number(field)
            if number is not None:
                number &= 0xFFFFFFFF
                return number - 2**32 if number >= 2**31 else number
    if item and item.message(1):
        return None
    return attribute.text(3)


def _complaint(name: str) -> Callable[[str], BadInputError]:
    def complain(what: str) -> BadInputError:
        return BadInputError(f"{name} is a damaged protocol buffer: {what}; build it again")

    return complain
