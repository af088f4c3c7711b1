"""What the three encodings of an Android manifest have in common once they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

# A value that refers to a resource is not known from the manifest alone, and is None.
Value: TypeAlias = "str | int | bool | None"

MOST_ELEMENTS = 200_000
DEEPEST = 64


@dataclass(frozen=True)
class Element:
    """An element in document order: 0 is the depth of `<manifest>`; names without namespaces."""

    depth: int
    name: str
    attributes: dict[str, Value] = field(default_factory=dict)


# Android goes by these numbers, not by the names, which a shrinker may have removed.
ATTRIBUTE_NAMES = {
    0x0101000F: "debuggable",
    0x0101020C: "minSdkVersion",
    0x0101021B: "versionCode",
    0x0101021C: "versionName",
    0x01010270: "targetSdkVersion",
    0x010104EA: "extractNativeLibs",
}
