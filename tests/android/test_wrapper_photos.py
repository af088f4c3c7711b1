"""The wrapper makes of a photo's pixels the tensor that Python makes, to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import resized_photos
from conftest import ROOT
from edge_deploy_runner.contract import COLOR_ORDERS, PRESETS, RESIZE_METHODS, Preprocessing
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.preprocessing import InputSpec, exif_orientation, open_photo, prepare
from PIL import Image

from .wrapper_java.driver import (
    Driver,
    compile_driver,
    contract_json,
    write_contract,
    write_pixels,
)

PHOTOS = sorted((ROOT / "assets" / "photos").iterdir())
RAW = Preprocessing(mean=(0.0,), std=(1.0,))
CAFFE = PRESETS["imagenet-caffe"]
# Where the scale is 1, a code is an 8-bit pixel: a difference of 1 is 1/255.
PIXELS = InputSpec((1, 224, 224, 3), "uint8", 1.0, 0)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Driver:
    return compile_driver(tmp_path_factory.mktemp("wrapper"))


class Bench:
    """Collects photos and contracts, runs them all in one JVM, and tells how far they are apart."""

    def __init__(self, driver: Driver, folder: Path) -> None:
        self.driver = driver
        self.folder = folder
        self.commands: list[list[Any]] = []
        self.wanted: list[np.ndarray[Any, Any]] = []

    def add(self, image: Image.Image, contract: Preprocessing, spec: InputSpec) -> None:
        number = len(self.commands)
        path = self.folder / f"photo-{number}.raw"
        write_pixels(path, np.asarray(image.convert("RGB")))
        record = write_contract(self.folder / f"{number}.json", contract_json(contract, spec))
        orientation = exif_orientation(image) if contract.exif_transpose else 1
        self.commands.append(
            ["prepare", record, path, *image.size, orientation, self.folder / f"{number}.bin"]
        )
        self.wanted.append(prepare(image, contract, spec))

    def found(self) -> list[np.ndarray[Any, Any]]:
        """The tensors that Java made, in order."""
        said = self.driver.run(self.folder, self.commands)
        assert all(item.ok for item in said), said
        return [
            np.fromfile(command[-1], wanted.dtype).reshape(wanted.shape)
            for command, wanted in zip(self.commands, self.wanted, strict=True)
        ]

    def differing(self) -> list[int]:
        """Of each tensor, how many values have other bytes."""
        pairs = zip(self.found(), self.wanted, strict=True)
        return [int(np.count_nonzero(a.view(np.uint8) != b.view(np.uint8))) for a, b in pairs]


@pytest.fixture
def bench(driver: Driver, tmp_path: Path) -> Bench:
    return Bench(driver, tmp_path)


@pytest.mark.parametrize("color_order", COLOR_ORDERS)
def test_real_photos_are_resized_to_the_byte_as_pillow_does(bench: Bench, color_order: str) -> None:
    for photo in PHOTOS:
        for method in RESIZE_METHODS:
            contract = RAW._replace(resize=method, color_order=color_order)
            spec = PIXELS._replace(shape=(1, 224, 224, contract.channels))
            bench.add(open_photo(photo), contract, spec)
    assert len(bench.commands) == len(PHOTOS) * len(RESIZE_METHODS) >= 25
    assert bench.differing() == [0] * len(bench.commands)


@pytest.mark.parametrize("crop", ["center", "none"])
def test_crops_and_sizes(bench: Bench, crop: str) -> None:
    photo = open_photo(ROOT / "assets" / "photos" / "chelsea_rotated.jpg")
    assert exif_orientation(photo) != 1
    for size in ((96, 96), (160, 120), (33, 57), (600, 700), (1, 1), (451, 300)):
        for fraction in (1.0, 0.875, 0.01):
            for method in RESIZE_METHODS:
                contract = RAW._replace(crop=crop, crop_fraction=fraction, resize=method)
                bench.add(photo, contract, PIXELS._replace(shape=(1, size[1], size[0], 3)))
    assert not any(bench.differing())


def test_all_eight_orientations(bench: Bench) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (31, 47, 3), dtype=np.uint8)
    for orientation in range(1, 9):
        for exif_transpose in (True, False):
            for method in ("nearest", "bicubic"):
                image = Image.fromarray(pixels)
                image.getexif()[0x0112] = orientation
                contract = RAW._replace(
                    resize=method, exif_transpose=exif_transpose, crop_fraction=0.9
                )
                bench.add(image, contract, PIXELS._replace(shape=(1, 17, 13, 3)))
    assert not any(bench.differing())
    # The eight are eight: a reader that turned nothing would not pass.
    assert len({tensor.tobytes() for tensor in bench.wanted[1::2]}) == 8


def test_a_large_turned_photo_is_read_in_strips(bench: Bench) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (700, 900, 3), dtype=np.uint8)
    for orientation in (1, 3, 6, 7):
        image = Image.fromarray(pixels)
        image.getexif()[0x0112] = orientation
        bench.add(image, RAW._replace(resize="lanczos"), PIXELS)
    assert not any(bench.differing())


def test_rows_are_resized_before_columns(bench: Bench) -> None:
    """Where Pillow's versions disagree about the order, and where they do not."""
    pixels = np.random.default_rng(6).integers(0, 256, (200, 150, 3), dtype=np.uint8)
    sizes = ((149, 100), (160, 199), (100, 60), (75, 60), (99, 100), (100, 101), (150, 120))
    for width, height in sizes:
        for color_order in ("RGB", "GRAY"):
            contract = RAW._replace(resize="lanczos", crop="none", color_order=color_order)
            shape = (1, height, width, contract.channels)
            bench.add(Image.fromarray(pixels), contract, PIXELS._replace(shape=shape))
    assert not any(bench.differing())


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_photos_of_every_shape(bench: Bench, mode: str) -> None:
    for case in resized_photos.cases():
        if not case.name.endswith(mode):
            continue
        for method in RESIZE_METHODS:
            for width, height in case.sizes:
                color_order = "GRAY" if mode == "L" else "RGB"
                contract = RAW._replace(resize=method, crop="none", color_order=color_order)
                shape = (1, height, width, contract.channels)
                bench.add(case.image, contract, PIXELS._replace(shape=shape))
    assert len(bench.commands) > 500
    assert not any(bench.differing())


def test_a_photo_too_tall_to_be_stretched_is_refused_in_the_words_of_python(
    driver: Driver, tmp_path: Path
) -> None:
    photo = Image.new("RGB", (1, 200_000))
    contract = RAW._replace(resize="bilinear", crop="none")
    spec = PIXELS._replace(shape=(1, 10, 900, 3))
    with pytest.raises(BadInputError, match="less tall") as refusal:
        prepare(photo, contract, spec)
    record = write_contract(tmp_path / "contract.json", contract_json(contract, spec))
    pixels = write_pixels(tmp_path / "photo.raw", np.asarray(photo))
    command = ["prepare", record, pixels, *photo.size, 1, tmp_path / "tensor.bin"]
    (said,) = driver.run(tmp_path, [command])
    assert not said.ok
    assert str(refusal.value) in " ".join(said.words)


def test_photos_of_few_pixels(bench: Bench) -> None:
    random = np.random.default_rng(5)
    for width, height in ((1, 1), (1, 40), (40, 1), (2, 3), (224, 224), (223, 225), (3000, 2)):
        pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        for method in RESIZE_METHODS:
            for crop in ("center", "none"):
                contract = RAW._replace(resize=method, crop=crop, crop_fraction=0.5)
                bench.add(Image.fromarray(pixels), contract, PIXELS)
    assert not any(bench.differing())


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point"),
    [
        ("uint8", 1 / 127.5, 128),
        ("int8", float(np.float32(1 / 127.5)), 0),
        ("int8", float(np.float32(0.0186)), -14),
        ("int16", float(np.float32(1 / 32768)), 0),
        ("float32", 0.0, 0),
    ],
)
def test_normalized_and_quantized_to_the_byte(
    bench: Bench, dtype: str, scale: float, zero_point: int, layout: str
) -> None:
    photo = open_photo(ROOT / "assets" / "photos" / "coffee.png")
    per_channel = Preprocessing(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
    grey = Preprocessing(mean=(127.5,), std=(127.5,), color_order="GRAY")
    for contract in (*PRESETS.values(), per_channel, per_channel._replace(color_order="BGR"), grey):
        channels = contract.channels
        shape = (1, 96, 80, channels) if layout == "NHWC" else (1, channels, 96, 80)
        spec = InputSpec(shape, dtype, scale, zero_point, layout)
        bench.add(photo, contract._replace(layout=layout), spec)
    assert not any(bench.differing())
    assert len({tensor.tobytes() for tensor in bench.wanted}) >= len(bench.wanted) - 2


def test_every_pixel_value_has_its_code(bench: Bench) -> None:
    """Halves go up: with a mean of 127.5 every one of the 256 values keeps a code of its own."""
    ramp = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    spec = InputSpec((1, 16, 16, 3), "int8", float(np.float32(1 / 127.5)), -1)
    bench.add(Image.fromarray(ramp), Preprocessing(), spec)
    (found,) = bench.found()
    assert (found == bench.wanted[0]).all()
    assert len(np.unique(found)) == 256
