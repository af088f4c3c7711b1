"""What libraries for apps are made with: aligned zips, plain PNGs, names of packages."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from edge_deploy_android.archives.aligned_zip import PAGE_BYTES, ZipEntry, write_zip, zip_bytes
from edge_deploy_android.library.java_packages import check_package, default_package
from edge_deploy_runner.errors import UsageError
from PIL import Image
from small_library import data_offset, made_in

from edge_deploy.bundles.plain_png import plain_png


def test_a_zip_holds_what_was_put_in() -> None:
    entries = [
        ZipEntry("a/x.txt", b"hello" * 100),
        ZipEntry("m.tflite", bytes(5000), stored=True, align=PAGE_BYTES),
        ZipEntry("ä.txt", b"abc", stored=True),
        ZipEntry("short", b"abc"),
        ZipEntry("empty", b""),
        ZipEntry("n", b"n" * 70, stored=True, align=PAGE_BYTES),
    ]
    data = zip_bytes(entries)
    assert data == zip_bytes(entries)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        infos = archive.infolist()
        assert [(i.filename, archive.read(i)) for i in infos] == [(e.name, e.data) for e in entries]
        assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
        packed = {i.filename: i.compress_type for i in infos}
        assert packed["a/x.txt"] == zipfile.ZIP_DEFLATED
        assert packed["short"] == packed["m.tflite"] == zipfile.ZIP_STORED
        for info, entry in zip(infos, entries, strict=True):
            if info.compress_type == zipfile.ZIP_STORED:
                assert data_offset(data, info) % entry.align == 0


@pytest.mark.parametrize("align", [1, 2, 4, 8, 4096, PAGE_BYTES, 32768])
def test_every_length_is_aligned(align: int) -> None:
    entries = [ZipEntry("x" * n, b"1" * n, stored=True, align=align) for n in range(1, 40)]
    data = zip_bytes(entries)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            assert data_offset(data, info) % align == 0
            assert archive.read(info) == b"1" * len(info.filename)


@pytest.mark.parametrize("name", ["", "/a", "../a", "a/../b", "a//b", "a\\b", "a\0"])
def test_names_that_leave_a_zip(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a name"):
        zip_bytes([ZipEntry(name, b"")])


def test_what_a_zip_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="already"):
        zip_bytes([ZipEntry("a", b"1"), ZipEntry("a", b"2")])
    with pytest.raises(ValueError, match="alignment"):
        zip_bytes([ZipEntry("a", b"1", stored=True, align=3)])
    write_zip(tmp_path / "x.zip", [ZipEntry("a", b"1")])
    assert zipfile.ZipFile(tmp_path / "x.zip").read("a") == b"1"


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_plain_png_is_read_as_it_was(mode: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (150, 203, 3), np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    with Image.open(io.BytesIO(plain_png(image))) as found:
        assert (found.format, found.mode) == ("PNG", mode)
        assert np.array_equal(np.asarray(found), np.asarray(image))


@pytest.mark.parametrize("package", ["com.example.flowers", "a.b", "com.Example.x1_y", "in_.is_"])
def test_packages(package: str) -> None:
    assert check_package(package) == package


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("flowers", "one part"),
        ("com.example.new", "word of Java"),
        ("com.example.in", "word of Kotlin"),
        ("com.1example", "begin with a letter"),
        ("com._x", "begin with a letter"),
        ("com..x", "has an empty part"),
        ("com.ex-ample", "letters, digits"),
        ("com.exämple", "letters, digits"),
        ("com.example.", "has an empty part"),
        ("com/example", "letters, digits"),
        ("com.example x", "letters, digits"),
        ("com.example\n", "letters, digits"),
        ("java.util", "belongs to others"),
        ("android.app", "belongs to others"),
        ("dev.edgedeploy.harness", "belongs to others"),
        ("dev.edgedeploy.harness.flowers", "belongs to others"),
        ("com.example.R", "would hide the class R of an app in com.example"),
        ("org.tensorflow.lite", "belongs to others"),
        ("com.google.ai.edge.litert", "belongs to others"),
        ("com." + "x" * 300, "at most"),
        ("", "has an empty part"),
    ],
)
def test_packages_that_are_none(tmp_path: Path, package: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_package(package)
    with pytest.raises(UsageError, match=words):
        made_in(tmp_path, package=package)
    assert list(tmp_path.glob("*.aar")) == []


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("colors", "dev.edgedeploy.colors"),
        ("MobileNet-v2.int8", "dev.edgedeploy.mobilenet_v2_int8"),
        ("2birds", "dev.edgedeploy.model_2birds"),
        ("class", "dev.edgedeploy.class_model"),
        ("when", "dev.edgedeploy.when_model"),
        ("harness", "dev.edgedeploy.harness_model"),
        ("x_", "dev.edgedeploy.x"),
        ("9", "dev.edgedeploy.model_9"),
    ],
)
def test_packages_by_name(name: str, package: str) -> None:
    assert default_package(name) == package
    assert check_package(package) == package
