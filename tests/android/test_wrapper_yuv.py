"""Camera frames: every memory layout and rotation gives the picture that Python makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import ROOT
from numpy.typing import NDArray
from PIL import Image

from .wrapper_java.driver import Driver, compile_driver

LAYOUTS = ("I420", "NV12", "NV21", "padded", "last row short")
# How NumPy turns a picture clockwise.
QUARTERS = {0: 0, 90: 3, 180: 2, 270: 1}
PHOTO = ROOT / "assets" / "photos" / "astronaut.jpg"


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Driver:
    return compile_driver(tmp_path_factory.mktemp("wrapper"))


class Planes(NamedTuple):
    """Y, U and V as (rows, columns) of uint8."""

    y: NDArray[np.uint8]
    u: NDArray[np.uint8]
    v: NDArray[np.uint8]


def _planes(width: int, height: int) -> Planes:
    photo = Image.open(PHOTO).convert("YCbCr").resize((width, height))
    y, u, v = (np.asarray(band) for band in photo.split())
    return Planes(y, u[::2, ::2], v[::2, ::2])


def _in_memory(planes: Planes, layout: str) -> tuple[bytes, list[int], list[int], list[int]]:
    """The bytes of a frame, and for each plane its offset, row stride and pixel stride."""
    (height, width), (rows, columns) = planes.y.shape, planes.u.shape
    if layout in ("I420", "padded", "last row short"):
        pad = {"I420": 0, "padded": 19, "last row short": 7}[layout]
        parts, offsets, strides = [], [], []
        at = 0
        for plane in planes:
            padded = np.pad(plane, ((0, 0), (0, pad)), constant_values=137).tobytes()
            if layout == "last row short" and pad:
                padded = padded[:-pad]
            offsets.append(at)
            strides.append(plane.shape[1] + pad)
            parts.append(padded)
            at += len(padded)
        return b"".join(parts), offsets, strides, [1, 1, 1]
    first, second = (planes.u, planes.v) if layout == "NV12" else (planes.v, planes.u)
    pairs = np.stack([first, second], axis=-1).reshape(rows, 2 * columns)
    size = width * height
    chroma = [size, size + 1] if layout == "NV12" else [size + 1, size]
    data = planes.y.tobytes() + pairs.tobytes()
    return data, [0, *chroma], [width, 2 * columns, 2 * columns], [1, 2, 2]


def _expected(planes: Planes) -> NDArray[np.uint8]:
    """BT.601 with full range, a colour sample for 2 x 2 pixels, upright as it is stored."""
    height, width = planes.y.shape
    y = planes.y.astype(np.int64)
    cb, cr = (
        np.repeat(np.repeat(plane, 2, 0), 2, 1)[:height, :width].astype(np.int64) - 128
        for plane in (planes.u, planes.v)
    )
    half, one = 1 << 15, 1 << 16
    red = y + (round(1.402 * one) * cr + half) // one
    green = y + (half - round(0.344136286 * one) * cb - round(0.714136286 * one) * cr) // one
    blue = y + (round(1.772 * one) * cb + half) // one
    return np.clip(np.stack([red, green, blue], axis=-1), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [(64, 48), (33, 21), (1, 1), (2, 2), (5, 2)])
def test_every_layout_and_rotation(driver: Driver, tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    planes = _planes(width, height)
    commands: list[list[Any]] = []
    for layout in LAYOUTS:
        data, offsets, rows, pixels = _in_memory(planes, layout)
        path = tmp_path / f"{layout}.yuv"
        path.write_bytes(data)
        for degrees in QUARTERS:
            out = tmp_path / f"{layout}-{degrees}.rgb"
            commands.append(["yuv", path, *offsets, *rows, *pixels, *size, degrees, out])
    said = driver.run(tmp_path, commands)
    wanted = _expected(planes)
    for command, item in zip(commands, said, strict=True):
        assert item.ok, (command, item)
        turned = np.rot90(wanted, QUARTERS[command[-2]])
        assert item.words == [f"{turned.shape[1]}x{turned.shape[0]}"]
        found = np.fromfile(command[-1], np.uint8).reshape(turned.shape)
        assert (found == turned).all(), command


def test_every_colour_is_the_one_of_the_formula(driver: Driver, tmp_path: Path) -> None:
    """All pairs of the two colour samples, at dark, middle and bright; and near Pillow's."""
    for light in (0, 77, 128, 255):
        cb, cr = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
        planes = Planes(np.full((512, 512), light, np.uint8), cb, cr)
        data, offsets, rows, pixels = _in_memory(planes, "NV21")
        path, out = tmp_path / "all.yuv", tmp_path / "all.rgb"
        path.write_bytes(data)
        (said,) = driver.run(
            tmp_path, [["yuv", path, *offsets, *rows, *pixels, 512, 512, 0, out]]
        )  # fmt: skip
        assert said.ok
        found = np.fromfile(out, np.uint8).reshape(512, 512, 3).astype(int)
        assert (found == _expected(planes)).all()
        pillow = Image.merge("YCbCr", [Image.fromarray(_twice(p, light)) for p in planes])
        assert np.abs(found - np.asarray(pillow.convert("RGB")).astype(int)).max() <= 2


def _twice(plane: NDArray[np.uint8], light: int) -> NDArray[np.uint8]:
    if plane.shape == (512, 512):
        return np.full((512, 512), light, np.uint8)
    return np.repeat(np.repeat(plane, 2, 0), 2, 1)


WRONG: dict[str, tuple[list[int], str]] = {
    # offsets, row strides, pixel strides, width, height, degrees
    "no pixels": ([0, 64, 80, 8, 4, 4, 1, 1, 1, 0, 8, 0], "0 x 8 pixels"),
    "a negative height": ([0, 64, 80, 8, 4, 4, 1, 1, 1, 8, -8, 0], "8 x -8 pixels"),
    "45 degrees": ([0, 64, 80, 8, 4, 4, 1, 1, 1, 8, 8, 45], "0, 90, 180 or 270"),
    "-90 degrees": ([0, 64, 80, 8, 4, 4, 1, 1, 1, 8, 8, -90], "0, 90, 180 or 270"),
    "rows that overlap": ([0, 64, 80, 7, 4, 4, 1, 1, 1, 8, 8, 0], "plane Y (row 7"),
    "a pixel stride of 0": ([0, 64, 80, 8, 4, 4, 1, 0, 1, 8, 8, 0], "plane U (row 4, pixel 0"),
    "a pixel stride too many": ([0, 64, 80, 8, 4, 4, 1, 1, 2, 8, 8, 0], "plane V (row 4, pixel 2"),
    "a plane too short": ([0, 64, 90, 8, 4, 4, 1, 1, 1, 8, 8, 0], "plane V has 6 bytes"),
    "absurd strides": ([0, 64, 80, 2**31 - 1, 4, 4, 1, 1, 1, 8, 8, 0], "plane Y has 96 bytes"),
}


def test_wrong_frames_are_refused_with_a_sentence(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "frame.yuv"
    path.write_bytes(bytes(96))
    out = tmp_path / "out.rgb"
    said = driver.run(tmp_path, [["yuv", path, *numbers, out] for numbers, _ in WRONG.values()])
    for item, (name, (_, words)) in zip(said, WRONG.items(), strict=True):
        assert not item.ok, name
        assert words in item.words[0], name
    assert not out.exists()
