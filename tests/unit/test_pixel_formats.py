"""Frames as cameras lay them out in memory, against the standards' own formulas."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.sources.pixel_formats import PixelFormat, to_image
from PIL import Image

WEIGHTS = {"bt601": (0.299, 0.587, 0.114), "bt709": (0.2126, 0.7152, 0.0722),
           "bt2020": (0.2627, 0.678, 0.0593)}  # fmt: skip
COLORS = [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128),
          (200, 50, 90), (17, 180, 240)]  # fmt: skip


def to_yuv(rgb: tuple[int, int, int], matrix: str, full_range: bool) -> tuple[int, int, int]:
    """Y'CbCr codes of 8 bits by the definition: luma by weights, chroma as scaled differences."""
    red, green, blue = (value / 255 for value in rgb)
    weight_red, weight_green, weight_blue = WEIGHTS[matrix]
    luma = weight_red * red + weight_green * green + weight_blue * blue
    cb, cr = (blue - luma) / (2 * (1 - weight_blue)), (red - luma) / (2 * (1 - weight_red))
    if full_range:
        codes = 255 * luma, 128 + 255 * cb, 128 + 255 * cr
    else:
        codes = 16 + 219 * luma, 128 + 224 * cb, 128 + 224 * cr
    y, u, v = (min(255, max(0, round(code))) for code in codes)
    return y, u, v


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", sorted(WEIGHTS))
@pytest.mark.parametrize("name", ["YUYV", "NV12"])
def test_yuv_becomes_the_colour_it_was_made_from(name: str, matrix: str, full_range: bool) -> None:
    form = PixelFormat(name, 4, 2, matrix=matrix, full_range=full_range)
    for color in COLORS:
        y, u, v = to_yuv(color, matrix, full_range)
        data = bytes([y, u, y, v] * 4) if name == "YUYV" else bytes([y] * 8 + [u, v] * 2)
        pixels = np.asarray(to_image(data, form)).astype(int)
        assert pixels.shape == (2, 4, 3)
        # Rounding to 8-bit codes costs up to a level and a half where ranges are stretched.
        assert np.abs(pixels - np.array(color)).max() <= 2, color


def test_limited_range_ends_are_black_and_white() -> None:
    form = PixelFormat("YUYV", 2, 1)
    assert to_image(bytes([16, 128, 235, 128]), form).tobytes() == bytes([0] * 3 + [255] * 3)
    assert to_image(bytes([0, 128, 255, 128]), form).tobytes() == bytes([0] * 3 + [255] * 3)
    full = replace(form, full_range=True)
    assert to_image(bytes([16, 128, 235, 128]), full).tobytes() == bytes([16] * 3 + [235] * 3)


def test_each_pixel_keeps_its_place_in_padded_lines() -> None:
    # Two lines of 4 pixels in lines of 12 bytes; the padding of the last one is missing.
    lines = [[16, 128, 81, 128, 145, 128, 235, 128], [235, 128, 145, 128, 81, 128, 16, 128]]
    data = bytes(lines[0]) + b"\xff" * 4 + bytes(lines[1])
    pixels = np.asarray(to_image(data, PixelFormat("YUYV", 4, 2, 12)))
    assert pixels[0, :, 0].tolist() == [0, 76, 150, 255]
    assert pixels[1, :, 0].tolist() == [255, 150, 76, 0]


def test_nv12_chroma_covers_two_lines_and_two_columns() -> None:
    luma = [128] * 16
    chroma = [90, 240, 128, 128, 128, 128, 240, 110]
    pixels = np.asarray(to_image(bytes(luma + chroma), PixelFormat("NV12", 4, 4)))
    assert (pixels[:2, :2] == pixels[0, 0]).all()
    assert (pixels[2:, 2:] == pixels[3, 3]).all()
    assert pixels[0, 0, 0] > pixels[0, 0, 2]
    assert pixels[3, 3, 2] > pixels[3, 3, 0]
    assert np.abs(pixels[0, 2].astype(int) - 130).max() <= 1  # grey: (128-16) * 255/219


def test_packed_rgb_and_grey() -> None:
    assert to_image(bytes([1, 2, 3, 4, 5, 6]), PixelFormat("RGB3", 2, 1)).tobytes() == bytes(
        [1, 2, 3, 4, 5, 6]
    )
    assert to_image(bytes([1, 2, 3, 4, 5, 6]), PixelFormat("BGR3", 2, 1)).tobytes() == bytes(
        [3, 2, 1, 6, 5, 4]
    )
    grey = to_image(bytes([7, 8, 0, 9, 10, 0]), PixelFormat("GREY", 2, 2, 3))
    assert (grey.mode, grey.tobytes()) == ("L", bytes([7, 8, 9, 10]))


def test_motion_jpeg_without_its_tables() -> None:
    # Cameras leave the standard Huffman tables out of every frame.
    pixels = np.random.default_rng(1).integers(0, 255, (16, 24, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    whole = file.getvalue()
    bare, at = bytearray(whole[:2]), 2
    while whole[at + 1] != 0xDA:
        size = 2 + int.from_bytes(whole[at + 2 : at + 4], "big")
        if whole[at + 1] != 0xC4:
            bare += whole[at : at + size]
        at += size
    bare += whole[at:]
    assert len(bare) < len(whole)
    image = to_image(bytes(bare), PixelFormat("MJPG", 24, 16))
    assert image.tobytes() == Image.open(file).tobytes()


@pytest.mark.parametrize(
    ("name", "data"),
    [("YUYV", b"\0" * 7), ("NV12", b"\0" * 5), ("GREY", b""), ("RGB3", b"\0" * 11)],
)
def test_a_short_frame_is_refused(name: str, data: bytes) -> None:
    with pytest.raises(BadInputError, match="bytes short"):
        to_image(data, PixelFormat(name, 2, 2))


def test_a_damaged_jpeg_and_an_unknown_format_are_refused() -> None:
    with pytest.raises(BadInputError, match="damaged JPEG"):
        to_image(b"\xff\xd8\xff junk", PixelFormat("MJPG", 2, 2))
    with pytest.raises(BadInputError, match="frames in pBAA cannot be read"):
        to_image(b"", PixelFormat("pBAA", 2, 2))
