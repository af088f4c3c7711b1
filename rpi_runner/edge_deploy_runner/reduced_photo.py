"""JPEG photos decoded at a half, a quarter or an eighth of their size, for streams of photos.

libjpeg can leave out the fine part of every 8x8 block: a camera's photo then decodes and resizes
several times faster, and only details are lost that the model's small input would not show. The
answers are near those of the whole photo, not the same to the last bit, so nothing that proves
accuracy decodes this way.
"""

# Without `from __future__ import annotations`: a NamedTuple would compile each text again.
import os
from math import ceil, floor
from typing import NamedTuple

from PIL import Image

from .contract import Preprocessing
from .preprocessing import (
    center_box,
    exif_orientation,
    fit_photo,
    open_photo,
    resize_photo,
    to_mode,
)  # fmt: skip

Box = tuple[float, float, float, float]

# What is cropped keeps at least so many pixels a pixel of the input, in width and in height. With
# 1.5, a 12-megapixel photo for an input of 224 would be decoded at an eighth and not a quarter:
# a tenth faster, but its pixels then differ four times as much from those of the whole photo.
LEAST_PIXELS_PER_INPUT_PIXEL = 2.0

_FACTORS = (8, 4, 2)
_REDUCIBLE = ("JPEG", "MPO")
# Of larger pixels these take others, or a half more or less of them.
_PICK_WHOLE_PIXELS = ("nearest", "box")
# How Pillow turns a stored photo upright, by its EXIF orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ReducedPhoto(NamedTuple):
    """A photo as it is stored, not yet turned upright, decoded at 1/`factor` of its size.

    `full_size`: width and height in the file. `image` has those over `factor`, rounded up.
    """

    image: Image.Image
    full_size: tuple[int, int]
    factor: int = 1


def open_reduced(
    path: str | os.PathLike[str],
    size: tuple[int, int],
    contract: Preprocessing,
    margin: float = LEAST_PIXELS_PER_INPUT_PIXEL,
) -> ReducedPhoto:
    """Decode a photo as small as an input of `size` (width, height) allows.

    Photos that are no JPEG, and all photos where the contract resizes by "nearest" or "box", are
    decoded whole. Raises `BadInputError` as `open_photo` does.
    """
    full_size, factor = (0, 0), 1

    def reduce(image: Image.Image) -> None:
        nonlocal full_size, factor
        full_size = image.size
        factor = reduction(image, size, contract, margin)
        if factor == 1:
            return
        width, height = full_size
        image.draft(None, (width // factor, height // factor))
        if image.size != (ceil(width / factor), ceil(height / factor)):
            raise ValueError(f"Pillow reduces {full_size} to {image.size}")  # no version does

    image = open_photo(path, before_decoding=reduce)
    return ReducedPhoto(image, full_size, factor)


def reduction(
    image: Image.Image,
    size: tuple[int, int],
    contract: Preprocessing,
    margin: float = LEAST_PIXELS_PER_INPUT_PIXEL,
) -> int:
    """By how much a photo that is not decoded yet may be reduced: 1, 2, 4 or 8."""
    if image.format not in _REDUCIBLE or contract.resize in _PICK_WHOLE_PIXELS:
        return 1
    turned = _orientation(image, contract) >= 5
    left, top, right, bottom = _wanted_box(_upright(image.size, turned), size, contract)
    spare = min((right - left) / size[0], (bottom - top) / size[1]) / margin
    return next((factor for factor in _FACTORS if factor <= spare), 1)


def fit_reduced(photo: ReducedPhoto, size: tuple[int, int], contract: Preprocessing) -> Image.Image:
    """As `fit_photo`: the same region of the photo, upright, at `size` (width, height)."""
    if photo.factor == 1:
        return fit_photo(photo.image, size, contract)
    orientation = _orientation(photo.image, contract)
    turned = orientation >= 5
    box = _wanted_box(_upright(photo.full_size, turned), size, contract)
    stored = _as_stored(box, photo.full_size, orientation)
    left, top, right, bottom = (edge / photo.factor for edge in stored)
    # The filter must see nothing outside the region but the rest of a pixel on its edge, as it
    # sees nothing outside the crop of a whole photo.
    corner = floor(left), floor(top)
    image = photo.image.crop((*corner, ceil(right), ceil(bottom)))
    image = to_mode(image, "L" if contract.color_order == "GRAY" else "RGB")
    inside = (left - corner[0], top - corner[1], right - corner[0], bottom - corner[1])
    image = resize_photo(image, _upright(size, turned), contract.resize, inside)
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _orientation(image: Image.Image, contract: Preprocessing) -> int:
    return exif_orientation(image) if contract.exif_transpose else 1


def _upright(size: tuple[int, int], turned: bool) -> tuple[int, int]:
    return (size[1], size[0]) if turned else size


def _wanted_box(photo: tuple[int, int], size: tuple[int, int], contract: Preprocessing) -> Box:
    if contract.crop == "center":
        return center_box(photo, size, contract.crop_fraction)
    return 0, 0, *photo


def _as_stored(box: Box, full_size: tuple[int, int], orientation: int) -> Box:
    """A box of the upright photo in the coordinates of the stored one of `full_size`."""
    left, top, right, bottom = box
    if orientation >= 5:
        left, top, right, bottom = top, left, bottom, right
    width, height = full_size
    if orientation in (2, 3, 7, 8):
        left, right = width - right, width - left
    if orientation in (3, 4, 6, 7):
        top, bottom = height - bottom, height - top
    return left, top, right, bottom
