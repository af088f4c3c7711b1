"""The files inside an archive, each read by its own small parser: ELF, manifests, dex, globs."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from android.sample_archives import (
    SampleManifest,
    aar,
    binary_manifest,
    bundle_config,
    dex,
    elf,
    jar,
    proto_field,
    proto_manifest,
    text_manifest,
)
from edge_deploy_android.archives.aligned_zip import ZipEntry
from edge_deploy_android.archives.bundle_files import read_bundle_config
from edge_deploy_android.archives.class_names import dex_classes, jar_classes
from edge_deploy_android.archives.elf import read_elf
from edge_deploy_android.archives.globs import Globs
from edge_deploy_android.archives.manifest import Manifest, read_manifest
from edge_deploy_android.archives.native_libraries import read_aar_library
from edge_deploy_runner.errors import BadInputError

SAMPLE = SampleManifest(extract_native_libs=False, debuggable=True)
ENCODINGS = {"binary": binary_manifest, "protobuf": proto_manifest, "text": text_manifest}


@pytest.mark.parametrize(
    ("abi", "machine", "bits"),
    [
        ("arm64-v8a", "AArch64", 64), ("x86_64", "x86-64", 64), ("armeabi-v7a", "ARM", 32),
        ("x86", "x86", 32),
    ],
)  # fmt: skip
def test_a_library(abi: str, machine: str, bits: int) -> None:
    found = read_elf(elf(abi, needed=("libm.so", "libc.so"), soname="libsample.so"))
    assert (found.abi, found.machine, found.bits) == (abi, machine, bits)
    assert found.needed == ("libm.so", "libc.so")
    assert found.soname == "libsample.so"
    assert found.load_alignments == (16384,)
    assert found.unaligned() is None
    assert not found.needs_glibc


def test_pages_of_a_library(tmp_path: Path) -> None:
    path = tmp_path / "libx.so"
    path.write_bytes(elf(alignment=4096))
    found = read_elf(path)
    assert found.unaligned(4096) is None
    assert found.unaligned() == "LOAD segment 0 is aligned to 4096 bytes"
    shifted = bytearray(elf())
    struct.pack_into("<Q", shifted, 64 + 16, 0x1000)  # p_vaddr of the segment to load
    struct.pack_into("<I", shifted, 64 + 56, 4)  # the dynamic section's becomes a note
    assert "differ within a page" in str(read_elf(bytes(shifted)).unaligned())


def test_data_behind_relro() -> None:
    assert read_elf(elf(relro_bytes=100)).relro_overlap() > 0
    whole = len(elf(relro_bytes=100))
    assert read_elf(elf(relro_bytes=whole)).relro_overlap() == 0
    assert read_elf(elf()).relro_overlap() == 0


def test_a_library_of_desktop_linux() -> None:
    assert read_elf(elf("x86_64", needed=("libc.so.6",))).needs_glibc


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"MZ" + bytes(99), "no ELF mark"),
        (elf()[:40], "it ends before its byte"),
        (elf()[:-2], "cut off"),
        (elf()[:5] + b"\2" + elf()[6:], "big-endian"),
        (elf()[:16] + b"\2" + elf()[17:], "no shared library"),
        (elf()[:56] + b"\0\0" + elf()[58:], "no segment to load"),
        (elf()[:56] + b"\xff\xff" + elf()[58:], "65535 program headers"),
    ],
)
def test_what_is_no_library(data: bytes, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        read_elf(data, "libx.so")


def test_a_library_out_of_an_aar(tmp_path: Path) -> None:
    entries = [ZipEntry("jni/arm64-v8a/libx.so", elf()), ZipEntry("jni/x86/libx.so", elf("x86_64"))]
    path = aar(tmp_path / "x.aar", entries)
    assert read_aar_library(path, "arm64-v8a", "libx.so") == elf()
    for abi, words in (
        ("x86", "is a library for x86_64, not for x86"),
        ("x86_64", r"has no libx.so for x86_64 \(it has it for arm64-v8a, x86\)"),
    ):
        with pytest.raises(BadInputError, match=words):
            read_aar_library(path, abi, "libx.so")
    with pytest.raises(BadInputError, match="nor for any other ABI"):
        read_aar_library(path, "arm64-v8a", "liby.so")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_manifest_says_the_same_in_every_encoding(encoding: str) -> None:
    found = read_manifest(ENCODINGS[encoding](SAMPLE), "m")
    assert found == Manifest("org.example.app", 3, "1.1", 26, 35, True, False, None)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_manifest_that_says_little(encoding: str) -> None:
    little = SampleManifest("a.b", None, None, None, None)
    found = read_manifest(ENCODINGS[encoding](little), "m")
    assert found == Manifest("a.b", None, None, None, None, False, None, None)


def test_binary_manifests_of_other_tools() -> None:
    expected = read_manifest(binary_manifest(SAMPLE), "m")
    assert read_manifest(binary_manifest(SAMPLE, utf8=False), "m") == expected
    assert read_manifest(binary_manifest(SAMPLE, names=False), "m") == expected


def test_text_manifests() -> None:
    head = '<manifest xmlns:android="http://schemas.android.com/apk/res/android" package="a.b">'
    preview = head + '<uses-sdk android:minSdkVersion="Baklava"/></manifest>'
    assert read_manifest(preview.encode("utf-16"), "m").min_sdk == "Baklava"
    resource = head + '<application android:debuggable="@bool/debug"/></manifest>'
    assert read_manifest(resource.encode(), "m").debuggable is False
    elsewhere = '<manifest xmlns:x="urn:x" package="a"><uses-sdk x:minSdkVersion="9"/></manifest>'
    assert read_manifest(elsewhere.encode(), "m").min_sdk is None


LAUGHS = (
    '<!DOCTYPE m [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><manifest package="&b;"/>'
)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (LAUGHS.encode(), "has a document type"),
        (LAUGHS.encode("utf-16"), "has a document type"),
        (b"<manifest><a></manifest>", "is no XML"),
        (b"<resources/>", "is no manifest"),
        (b"<manifest>" + b"<a>" * 1000, "too many elements"),
        (binary_manifest(SAMPLE)[:100], "cut off"),
        (b"\3\0\x08\0\x10\0\0\0" + bytes(8), "has no possible size"),
        (b"\3\0\x08\0\x10\0\0\0\0\0\x08\0" + bytes(4), "has no possible size"),
        (b"\3\0\x08\0\x08\0\0\0", "do not end where they should"),
        (proto_manifest(SAMPLE)[:-5], "is cut off"),
        (proto_field(1, proto_field(3, "other")), "is no manifest"),
        (b"\x0f", "wire type 7"),
        (b"", "holds no element"),
    ],
)
def test_what_is_no_manifest(data: bytes, words: str) -> None:
    with pytest.raises(BadInputError, match=words) as caught:
        read_manifest(data, "m")
    assert str(caught.value).startswith("m ")


def test_a_protobuf_manifest_without_bottom() -> None:
    data = b""
    for _ in range(2000):
        data = proto_field(1, proto_field(3, "manifest") + proto_field(5, data))
    with pytest.raises(BadInputError, match="too many elements"):
        read_manifest(data, "m")


def test_bundle_config() -> None:
    found = read_bundle_config(bundle_config(), "c")
    assert found.uncompressed_libraries
    assert found.library_alignment == 16384
    assert found.bundletool == "1.17.1"
    assert found.stored_globs.match("assets/x.tflite")
    silent = read_bundle_config(bundle_config(alignment=None, globs=()), "c")
    assert silent.library_alignment is None
    assert not silent.stored_globs.match("assets/x.tflite")
    assert not read_bundle_config(b"", "c").uncompressed_libraries


@pytest.mark.parametrize(
    ("glob", "matching", "other"),
    [
        ("**.tflite", ["a.tflite", "assets/x/a.tflite", ".tflite"], ["a.tflit", "a.tflite/b"]),
        ("assets/*.bin", ["assets/a.bin", "assets/.bin"], ["assets/x/a.bin", "a.bin"]),
        ("**.[tT][fF]?", ["a/b.TfX"], ["a.tf", "a.tf/"]),
        ("a/**/b", ["a/x/b", "a/x/y/b", "a//b"], ["a/b"]),
        ("x.{so,bin}", ["x.so", "x.bin"], ["x.txt", "x.so,bin"]),
        ("[!a-c]x", ["dx"], ["ax", "cx", "/x"]),
        ("a\\*b", ["a*b"], ["axb"]),
        ("", [""], ["a"]),
    ],
)
def test_globs(glob: str, matching: list[str], other: list[str]) -> None:
    globs = Globs(["never/this", glob])
    assert [text for text in [*matching, *other] if globs.match(text)] == matching


def test_globs_that_would_keep_a_backtracker_busy_for_years() -> None:
    assert not Globs(["**a" * 12 + "**b"] * 400).match("a" * 3000)
    assert not Globs(["a" * 400]).match("a" * 400)


def test_classes() -> None:
    names = ["org.example.A", "org.example.A$Inner", "Alone"]
    assert sorted(dex_classes(dex(names), "d")) == sorted(names)
    assert jar_classes(jar(names), "j") == names
    assert dex_classes(dex([]), "d") == []


def test_more_classes_than_a_dex_file_can_hold() -> None:
    with pytest.raises(BadInputError, match="more than it can hold"):
        dex_classes(dex(f"C{number}" for number in range(65537)), "d")


@pytest.mark.parametrize(
    ("place", "new", "words"),
    [
        (0, b"cdex", "no dex mark"),
        (4, b"041", "version 041"),
        (0x28, b"\x78\x56\x34\x12", None),
        (0x28, b"\x12\x34\x56\x78", "byte order"),
        (0x60, b"\xff\xff\xff\xff", "leaves it"),
        (0x3C, b"\xff\xff\xff\x7f", "leaves it"),
        (0x70, b"\xff\xff\xff\x7f", "a name leaves it"),
    ],
)
def test_damaged_dex(place: int, new: bytes, words: str | None) -> None:
    data = dex(["org.example.A"])
    data = data[:place] + new + data[place + len(new) :]
    if words is None:
        assert dex_classes(data, "d") == ["org.example.A"]
        return
    with pytest.raises(BadInputError, match=words):
        dex_classes(data, "d")
