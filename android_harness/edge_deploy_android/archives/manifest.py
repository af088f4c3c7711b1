"""What a manifest says of an app or library, in whichever of its three encodings."""

from __future__ import annotations

from dataclasses import dataclass
from xml.parsers import expat

from edge_deploy_runner.errors import BadInputError

from .binary_xml import is_binary_xml, read_binary_xml
from .bundle_files import read_proto_xml
from .manifest_elements import DEEPEST, MOST_ELEMENTS, Element, Value

LARGEST_MANIFEST = 4 * 2**20
_NAMESPACE = "http://schemas.android.com/apk/res/android"


@dataclass(frozen=True)
class Manifest:
    """None is what the manifest does not say, or says through a resource.

    `min_sdk` and `target_sdk` are API levels, or the code name of a preview of Android.
    """

    package: str | None
    version_code: int | None
    version_name: str | None
    min_sdk: int | str | None
    target_sdk: int | str | None
    debuggable: bool
    extract_native_libs: bool | None
    split: str | None


def read_manifest(data: bytes, name: str) -> Manifest:
    """Read a manifest: binary as in an APK, protobuf as in a bundle, text as in an AAR.

    Raises `BadInputError` where it is damaged or no manifest.
    """
    if is_binary_xml(data):
        elements = read_binary_xml(data, name)
    elif _is_text(data):
        elements = _read_text_xml(data, name)
    else:
        elements = read_proto_xml(data, name)
    if elements[0].name != "manifest":
        raise BadInputError(f"{name} is no manifest: its first element is <{elements[0].name}>")
    top = elements[0].attributes
    sdk = _first(elements, "uses-sdk")
    application = _first(elements, "application")
    return Manifest(
        package=_text(top.get("package")),
        version_code=_whole(top.get("versionCode")),
        version_name=_text(top.get("versionName")),
        min_sdk=_level(sdk.get("minSdkVersion")),
        target_sdk=_level(sdk.get("targetSdkVersion")),
        debuggable=_truth(application.get("debuggable")) is True,
        extract_native_libs=_truth(application.get("extractNativeLibs")),
        split=_text(top.get("split")),
    )


def _first(elements: list[Element], name: str) -> dict[str, Value]:
    for element in elements:
        if element.depth == 1 and element.name == name:
            return element.attributes
    return {}


def _is_text(data: bytes) -> bool:
    start = data[:64].lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0")
    return start.startswith(b"<")


def _read_text_xml(data: bytes, name: str) -> list[Element]:
    """Parsed by expat, with no document type: so no entity can be defined, and none expands."""
    found: list[Element] = []
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        if depth >= DEEPEST or len(found) >= MOST_ELEMENTS:
            raise BadInputError(f"{name} is damaged: it has too many elements; build it again")
        values: dict[str, Value] = {}
        for key, value in attributes.items():
            space, _, local = key.rpartition(" ")
            if space in ("", _NAMESPACE):
                values[local] = value
        found.append(Element(depth, tag.rpartition(" ")[2], values))
        depth += 1

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_: object) -> None:
        raise BadInputError(f"{name} has a document type, which no manifest has; build it again")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise BadInputError(f"{name} is no XML: {error}; build it again") from error
    return found


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: Value) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _level(value: Value) -> int | str | None:
    number = _whole(value)
    return number if number is not None else _text(value)


def _truth(value: Value) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value != 0
    return {"true": True, "false": False}.get(str(value).strip().lower())
