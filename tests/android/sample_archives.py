"""APK, AAB and AAR files made small, and the ELF, dex and manifest files in them, from bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_deploy_android.archives.aligned_zip import ZipEntry, zip_bytes

MACHINES = {
    "arm64-v8a": (183, 64),
    "x86_64": (62, 64),
    "armeabi-v7a": (40, 32),
    "x86": (3, 32),
}
_NAMESPACE = "http://schemas.android.com/apk/res/android"


# --- ELF ------------------------------------------------------------------------------------------


def elf(
    abi: str = "arm64-v8a",
    *,
    alignment: int = 16384,
    needed: Sequence[str] = ("libc.so",),
    soname: str = "libsample.so",
    contents: bytes = b"",
    relro_bytes: int = 0,
) -> bytes:
    """A shared library of three segments: one to load, its dynamic section and, where asked, RELRO.

    `contents` lies among its data: a version string, say.
    """
    number, bits = MACHINES[abi]
    wide = bits == 64
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in (soname, *needed))
    offsets, at = [], 1
    for name in (soname, *needed):
        offsets.append(at)
        at += len(name) + 1
    header_size, entry_size = (64, 56) if wide else (52, 32)
    count = 3 if relro_bytes else 2
    dynamic_at = header_size + count * entry_size
    entries = [(14, offsets[0]), *((1, offset) for offset in offsets[1:])]
    size = (len(entries) + 3) * (16 if wide else 8)
    strings_at = dynamic_at + size
    entries += [(5, strings_at), (10, len(strings)), (0, 0)]
    dynamic = b"".join(struct.pack("<QQ" if wide else "<II", *entry) for entry in entries)
    end = strings_at + len(strings) + len(contents)

    def segment(kind: int, flags: int, offset: int, length: int, align: int) -> bytes:
        if wide:
            return struct.pack(
                "<IIQQQQQQ", kind, flags, offset, offset, offset, length, length, align
            )
        return struct.pack("<8I", kind, offset, offset, offset, length, length, flags, align)

    segments = segment(1, 6, 0, end, alignment) + segment(2, 6, dynamic_at, len(dynamic), 8)
    if relro_bytes:
        segments += segment(0x6474E552, 4, 0, relro_bytes, 1)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    header = struct.pack(
        "<HHIQQQIHHHHHH" if wide else "<HHIIIIIHHHHHH", 3, number, 1, 0, header_size, 0, 0,
        header_size, entry_size, count, 0, 0, 0,
    )  # fmt: skip
    return ident + header + segments + dynamic + strings + contents


# --- dex and jars ---------------------------------------------------------------------------------


def dex(classes: Iterable[str]) -> bytes:
    """A dex file that defines classes, given as `org.example.Name`; it has no code."""
    names = sorted(f"L{name.replace('.', '/')};" for name in classes)
    count = len(names)
    strings_at = 0x70
    types_at = strings_at + 4 * count
    classes_at = types_at + 4 * count
    data_at = classes_at + 32 * count
    offsets, data = [], b""
    for name in names:
        offsets.append(data_at + len(data))
        data += bytes([len(name)]) + name.encode() + b"\0"
    definitions = b"".join(
        struct.pack("<8I", index, 1, 0xFFFFFFFF, 0, 0xFFFFFFFF, 0, 0, 0) for index in range(count)
    )
    size = data_at + len(data)
    head = b"dex\n035\0" + bytes(24) + struct.pack("<III", size, 0x70, 0x12345678) + bytes(12)
    sections = (count, strings_at, count, types_at, 0, 0, 0, 0, 0, 0, count, classes_at)
    head += struct.pack("<14I", *sections, len(data), data_at)
    tables = struct.pack(f"<{count}I", *offsets) + struct.pack(f"<{count}I", *range(count))
    return head + tables + definitions + data


def jar(classes: Iterable[str]) -> bytes:
    """A jar of class files that have nothing but their mark."""
    entries = [ZipEntry(f"{name.replace('.', '/')}.class", b"\xca\xfe\xba\xbe") for name in classes]
    return zip_bytes([ZipEntry("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\n"), *entries])


# --- manifests ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SampleManifest:
    """What a sample's manifest says; None is left out."""

    package: str = "org.example.app"
    version_code: int | None = 3
    version_name: str | None = "1.1"
    min_sdk: int | None = 26
    target_sdk: int | None = 35
    debuggable: bool | None = None
    extract_native_libs: bool | None = None

    def elements(self) -> list[tuple[str, list[tuple[str, int, str | int | bool]]]]:
        """Elements with their attributes: name, resource number (0: none), value."""
        top: list[tuple[str, int, str | int | bool | None]] = [
            ("package", 0, self.package),
            ("versionCode", 0x0101021B, self.version_code),
            ("versionName", 0x0101021C, self.version_name),
        ]
        sdk: list[tuple[str, int, str | int | bool | None]] = [
            ("minSdkVersion", 0x0101020C, self.min_sdk),
            ("targetSdkVersion", 0x01010270, self.target_sdk),
        ]
        application: list[tuple[str, int, str | int | bool | None]] = [
            ("debuggable", 0x0101000F, self.debuggable),
            ("extractNativeLibs", 0x010104EA, self.extract_native_libs),
        ]
        return [
            (name, [(key, number, value) for key, number, value in those if value is not None])
            for name, those in (
                ("manifest", top), ("uses-sdk", sdk), ("application", application),
            )
        ]  # fmt: skip


def binary_manifest(manifest: SampleManifest, *, utf8: bool = True, names: bool = True) -> bytes:
    """As in an APK; without `names` the attributes have their numbers alone, as after shrinking."""
    elements = manifest.elements()
    numbered = sorted({(n, key) for _, those in elements for key, n, _ in those if n})
    texts = [key if names else "" for _, key in numbered]
    for name, those in elements:
        texts += [name, *(key for key, n, _ in those if not n)]
        texts += [value for _, _, value in those if isinstance(value, str)]
    index_of = {text: index for index, text in reversed(list(enumerate(texts)))}
    places = {key: index for index, (_, key) in enumerate(numbered)}

    def attribute(key: str, number: int, value: str | int | bool) -> bytes:
        name = places[key] if number else index_of[key]
        if isinstance(value, str):
            raw = texts.index(value, len(numbered))
            return struct.pack("<IIIHBBI", 0xFFFFFFFF, name, raw, 8, 0, 3, raw)
        kind, data = (0x12, 0xFFFFFFFF * value) if isinstance(value, bool) else (0x10, value)
        return struct.pack("<IIIHBBI", 0xFFFFFFFF, name, 0xFFFFFFFF, 8, 0, kind, data)

    def start(name: str, those: list[tuple[str, int, str | int | bool]]) -> bytes:
        body = struct.pack(
            "<IIIIHHHHHH", 0, 0xFFFFFFFF, 0xFFFFFFFF, index_of[name], 20, 20, len(those), 0, 0, 0
        )
        return _chunk(0x0102, 16, body + b"".join(attribute(*one) for one in those))

    def end(name: str) -> bytes:
        return _chunk(0x0103, 16, struct.pack("<IIII", 0, 0xFFFFFFFF, 0xFFFFFFFF, index_of[name]))

    body = _string_pool(texts, utf8)
    body += _chunk(0x0180, 8, struct.pack(f"<{len(numbered)}I", *(n for n, _ in numbered)))
    body += start(*elements[0])
    for name, those in elements[1:]:
        body += start(name, those) + end(name)
    body += end("manifest")
    return struct.pack("<HHI", 3, 8, 8 + len(body)) + body


def _chunk(kind: int, header: int, body: bytes) -> bytes:
    return struct.pack("<HHI", kind, header, 8 + len(body)) + body


def _string_pool(texts: Sequence[str], utf8: bool) -> bytes:
    offsets, data = [], b""
    for text in texts:
        offsets.append(len(data))
        if utf8:
            data += bytes([len(text), len(text.encode())]) + text.encode() + b"\0"
        else:
            data += struct.pack("<H", len(text)) + text.encode("utf-16-le") + b"\0\0"
    data += bytes(-len(data) % 4)
    start = 28 + 4 * len(texts)
    header = struct.pack("<IIIII", len(texts), 0, 0x100 if utf8 else 0, start, 0)
    return _chunk(1, 28, header + struct.pack(f"<{len(texts)}I", *offsets) + data)


def proto_field(number: int, value: int | bytes | str) -> bytes:
    """One field of a protocol buffer."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def proto_manifest(manifest: SampleManifest) -> bytes:
    """As in an app bundle."""

    def attribute(key: str, number: int, value: str | int | bool) -> bytes:
        out = proto_field(2, key)
        if number:
            out = proto_field(1, _NAMESPACE) + out + proto_field(5, number)
        if isinstance(value, bool):
            primitive = proto_field(8, int(value))
        elif isinstance(value, int):
            primitive = proto_field(6, value)
        else:
            return out + proto_field(3, value)
        return out + proto_field(6, proto_field(7, primitive))

    def element(name: str, those: list[tuple[str, int, str | int | bool]]) -> bytes:
        attributes = b"".join(proto_field(4, attribute(*one)) for one in those)
        return proto_field(3, name) + attributes

    first, *others = manifest.elements()
    children = b"".join(proto_field(5, proto_field(1, element(*other))) for other in others)
    return proto_field(1, element(*first) + children)


def text_manifest(manifest: SampleManifest) -> bytes:
    """As in an AAR."""

    def attributes(those: list[tuple[str, int, str | int | bool]]) -> str:
        return "".join(
            f' {"android:" if number else ""}{key}="{str(value).lower()}"'
            for key, number, value in those
        )

    first, *others = manifest.elements()
    inside = "".join(f"<{name}{attributes(those)}/>" for name, those in others)
    head = f'<manifest xmlns:android="{_NAMESPACE}"{attributes(first[1])}>'
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}{inside}</manifest>\n'.encode()


def bundle_config(
    *, uncompressed: bool = True, alignment: int | None = 2, globs: Sequence[str] = ("**.tflite",)
) -> bytes:
    """`BundleConfig.pb`; the alignment is bundletool's code (1: 4 KB, 2: 16 KB)."""
    libraries = proto_field(1, int(uncompressed))
    if alignment is not None:
        libraries += proto_field(2, alignment)
    compression = b"".join(proto_field(1, glob) for glob in globs)
    tool = proto_field(1, proto_field(2, "1.17.1"))
    return tool + proto_field(2, proto_field(2, libraries)) + proto_field(3, compression)


# --- archives -------------------------------------------------------------------------------------


def signed(archive: bytes, numbers: Sequence[int] = (0x7109871A, 0xF05368C0)) -> bytes:
    """A zip with a signing block before its directory, whose signatures are four zeros each."""
    end = archive.rindex(b"PK\5\6")
    (at,) = struct.unpack_from("<I", archive, end + 16)
    pairs = b"".join(struct.pack("<QII", 8, number, 0) for number in numbers)
    size = len(pairs) + 24
    block = struct.pack("<Q", size) + pairs + struct.pack("<Q", size) + b"APK Sig Block 42"
    moved = archive[end : end + 16] + struct.pack("<I", at + len(block)) + archive[end + 20 :]
    return archive[:at] + block + archive[at:end] + moved


def apk(
    path: Path,
    entries: Sequence[ZipEntry] = (),
    manifest: SampleManifest | None = None,
    *,
    classes: Sequence[str] = ("org.example.app.Main",),
    sign: bool = True,
) -> Path:
    """Write a small APK; signed in name alone."""
    data = zip_bytes(
        [
            ZipEntry("AndroidManifest.xml", binary_manifest(manifest or SampleManifest())),
            ZipEntry("classes.dex", dex(classes)),
            *entries,
        ]
    )
    path.write_bytes(signed(data) if sign else data)
    return path


def aab(
    path: Path,
    entries: Sequence[ZipEntry] = (),
    manifest: SampleManifest | None = None,
    config: bytes | None = None,
) -> Path:
    """Write a small app bundle; `entries` are named with their module."""
    path.write_bytes(
        zip_bytes(
            [
                ZipEntry("BundleConfig.pb", bundle_config() if config is None else config),
                ZipEntry(
                    "base/manifest/AndroidManifest.xml",
                    proto_manifest(manifest or SampleManifest()),
                ),
                ZipEntry("base/dex/classes.dex", dex(["org.example.app.Main"])),
                *entries,
            ]
        )
    )
    return path


def aar(
    path: Path,
    entries: Sequence[ZipEntry] = (),
    manifest: SampleManifest | None = None,
    classes: Sequence[str] = ("org.example.library.Main",),
) -> Path:
    """Write a small AAR."""
    path.write_bytes(
        zip_bytes(
            [
                ZipEntry("AndroidManifest.xml", text_manifest(manifest or SampleManifest())),
                ZipEntry("classes.jar", jar(classes)),
                ZipEntry("R.txt", b""),
                *entries,
            ]
        )
    )
    return path
