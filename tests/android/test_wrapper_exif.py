"""The wrapper reads a photo's orientation from its bytes as Pillow does, and refuses half files."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import ROOT
from edge_deploy_runner.contract import Preprocessing
from edge_deploy_runner.preprocessing import exif_orientation, fit_photo
from PIL import Image

from .wrapper_java.driver import Driver, Said, compile_driver

PHOTOS = sorted((ROOT / "assets" / "photos").iterdir())
FORMATS = ("JPEG", "PNG", "WEBP")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Driver:
    return compile_driver(tmp_path_factory.mktemp("wrapper"))


def _ask(driver: Driver, folder: Path, what: str, files: Sequence[bytes]) -> list[Said]:
    commands = []
    for number, data in enumerate(files):
        path = folder / f"file-{number}"
        path.write_bytes(data)
        commands.append([what, path])
    return driver.run(folder, commands)


def _orientations(driver: Driver, folder: Path, files: Sequence[bytes]) -> list[int]:
    said = _ask(driver, folder, "orientation", files)
    assert all(item.ok for item in said), said
    return [int(item.words[0]) for item in said]


def _photo(form: str, exif: bytes | Image.Exif | None = None, **options: object) -> bytes:
    stream = io.BytesIO()
    image = Image.linear_gradient("L").convert("RGB").resize((40, 30))
    if exif is not None:
        options["exif"] = exif
    image.save(stream, form, **options)
    return stream.getvalue()


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    exif[0x0112] = orientation
    return exif


def _pillows(files: Sequence[bytes]) -> list[int]:
    return [exif_orientation(Image.open(io.BytesIO(data))) for data in files]


@pytest.mark.parametrize("form", FORMATS)
def test_every_orientation_of_every_format(driver: Driver, tmp_path: Path, form: str) -> None:
    files = [_photo(form, _exif(value)) for value in range(1, 9)]
    assert _pillows(files) == list(range(1, 9))
    assert _orientations(driver, tmp_path, files) == list(range(1, 9))


def test_sample_photos(driver: Driver, tmp_path: Path) -> None:
    files = [photo.read_bytes() for photo in PHOTOS]
    found = _orientations(driver, tmp_path, files)
    assert found == _pillows(files)
    assert set(found) != {1}, "no sample photo is turned, so this proves little"


def _tiff(entries: bytes, count: int, order: str = "<", offset: int = 8, magic: int = 42) -> bytes:
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", magic, offset)
    return b"Exif\0\0" + head + struct.pack(order + "H", count) + entries + bytes(4)


def _entry(order: str, kind: int, count: int, value: bytes) -> bytes:
    return struct.pack(order + "HHI", 0x0112, kind, count) + value.ljust(4, b"\0")


SENSIBLE = {
    "big-endian": _tiff(_entry(">", 3, 1, struct.pack(">H", 6)), 1, ">"),
    "little-endian": _tiff(_entry("<", 3, 1, struct.pack("<H", 8)), 1),
    "two shorts": _tiff(_entry("<", 3, 2, struct.pack("<HH", 6, 7)), 1),
    "a long": _tiff(_entry("<", 4, 1, struct.pack("<I", 3)), 1),
}
ABSURD = {
    "a byte": _tiff(_entry("<", 1, 1, b"\5"), 1),
    "zero": _tiff(_entry("<", 3, 1, struct.pack("<H", 0)), 1),
    "nine": _tiff(_entry("<", 3, 1, struct.pack("<H", 9)), 1),
    "huge": _tiff(_entry("<", 4, 1, struct.pack("<I", 0xFFFFFFFF)), 1),
    "a text": _tiff(_entry("<", 2, 2, b"6\0"), 1),
    "no entries": _tiff(b"", 0),
    "65535 entries of none": _tiff(b"", 65535),
    "a directory far away": _tiff(_entry("<", 3, 1, struct.pack("<H", 6)), 1, offset=0xFFFFFFF0),
    "no TIFF": b"Exif\0\0" + b"XX" + bytes(40),
    "nothing": b"Exif\0\0",
    "half a head": b"Exif\0\0II*\0",
}


def test_unusual_exif_is_read_as_pillow_reads_it(driver: Driver, tmp_path: Path) -> None:
    files = [_photo("JPEG", exif) for exif in SENSIBLE.values()]
    assert _orientations(driver, tmp_path, files) == _pillows(files) == [6, 8, 6, 3]


def test_absurd_exif_means_upright(driver: Driver, tmp_path: Path) -> None:
    files = [_photo(form, exif) for exif in ABSURD.values() for form in ("JPEG", "PNG")]
    assert _orientations(driver, tmp_path, files) == [1] * len(files)
    for data in files:  # and so does Pillow take them
        image = Image.open(io.BytesIO(data))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            turned = fit_photo(image, image.size, Preprocessing(crop="none"))
        assert turned.tobytes() == image.tobytes()


def test_xmp_counts_where_there_is_no_exif(driver: Driver, tmp_path: Path) -> None:
    packet = b'<x:xmpmeta><rdf:Description tiff:Orientation="7"/></x:xmpmeta>'
    files = [
        _photo("JPEG", xmp=packet),
        _photo("WEBP", xmp=packet),
        _photo("JPEG", _exif(3), xmp=packet),
        _photo("JPEG", ABSURD["zero"], xmp=packet),
        _photo("JPEG", xmp=b"<tiff:Orientation>8</tiff:Orientation>"),
    ]
    assert _orientations(driver, tmp_path, files) == _pillows(files) == [7, 7, 3, 1, 8]


def test_no_cut_and_no_flipped_byte_stops_the_reader(driver: Driver, tmp_path: Path) -> None:
    whole = _photo("JPEG", _exif(6))
    start = whole.index(b"Exif")
    files = [whole[:length] for length in range(0, 160, 3)]
    for at in range(start, start + 60):
        for value in (0x00, 0x7F, 0xFF):
            files.append(whole[:at] + bytes([value]) + whole[at + 1 :])
    found = _orientations(driver, tmp_path, files)
    assert set(found) >= {1, 6}
    assert set(found) <= set(range(1, 9))


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_ends_too_early_is_refused(
    driver: Driver, tmp_path: Path, form: str
) -> None:  # fmt: skip
    thumbnailed = _photo(form, _exif(6))
    cuts = [thumbnailed[: len(thumbnailed) * part // 10] for part in range(3, 10)]
    said = _ask(driver, tmp_path, "whole", [thumbnailed, *cuts, b""])
    assert said[0] == Said(True, ["whole"])
    for item in said[1:-1]:
        assert not item.ok
        assert "ends too early" in item.words[0]
    assert said[-1] == Said(False, ["the photo's stream is empty; give a JPEG or PNG"])


def test_sample_photos_and_a_progressive_one_are_whole(driver: Driver, tmp_path: Path) -> None:
    files = [photo.read_bytes() for photo in PHOTOS]
    files.append(_photo("JPEG", progressive=True))
    files.append(_photo("JPEG", restart_marker_rows=1))
    files.append(_photo("GIF"))
    assert all(item.ok for item in _ask(driver, tmp_path, "whole", files))


def test_a_jpeg_with_a_thumbnail_is_held_to_its_own_end(driver: Driver, tmp_path: Path) -> None:
    thumbnail = _photo("JPEG")
    exif = b"Exif\0\0" + b"II*\0" + struct.pack("<IH", 8, 0) + bytes(4) + thumbnail
    whole = _photo("JPEG", exif)
    said = _ask(driver, tmp_path, "whole", [whole, whole[: whole.index(thumbnail) + 1000]])
    assert [item.ok for item in said] == [True, False]
