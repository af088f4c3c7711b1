"""A photo gives the same pixels with every version of Pillow: resized along its rows first."""

from __future__ import annotations

import json

import numpy as np
import pytest
from edge_deploy_runner.contract import PRESETS, RESIZE_METHODS
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.preprocessing import LARGEST_PHOTO_PIXELS, fit_photo, resize_photo
from edge_deploy_runner.reduced_photo import ReducedPhoto, fit_reduced
from PIL import Image
from resized_photos import DIGESTS, METHODS, cases, digests

RAW = PRESETS["raw-0-255"]
# Its height shrinks by much more than its width: here Pillow 13 would take the columns first.
SHAPE, SIZE = (120, 900), (100, 30)


def tall() -> Image.Image:
    return next(case.image for case in cases() if case.name == "noise 120x900 RGB")


def in_two_passes(method: str, columns_first: bool) -> Image.Image:
    between = (SHAPE[0], SIZE[1]) if columns_first else (SIZE[0], SHAPE[1])
    return tall().resize(between, METHODS[method]).resize(SIZE, METHODS[method])


def test_the_pixels_are_those_of_an_older_pillow() -> None:
    record = json.loads(DIGESTS.read_text())
    assert record["pillow"].startswith("10.")
    assert digests(resize_photo) == record["sha256"]


def test_every_method_of_the_contract_is_held() -> None:
    record = json.loads(DIGESTS.read_text())
    assert all(tuple(found) == RESIZE_METHODS for found in record["sha256"].values())


@pytest.mark.parametrize("method", sorted(set(RESIZE_METHODS) - {"nearest"}))
def test_rows_come_first_and_the_order_shows(method: str) -> None:
    contract = RAW._replace(resize=method, crop="none")
    fitted = np.asarray(fit_photo(tall(), SIZE, contract))
    np.testing.assert_array_equal(fitted, np.asarray(in_two_passes(method, columns_first=False)))
    assert (fitted != np.asarray(in_two_passes(method, columns_first=True))).any()


@pytest.mark.parametrize("method", ["bilinear", "bicubic", "lanczos"])
def test_photos_decoded_small_keep_the_order(method: str) -> None:
    contract = RAW._replace(resize=method, crop="none")
    photo = ReducedPhoto(tall(), (2 * SHAPE[0], 2 * SHAPE[1]), 2)
    fitted = np.asarray(fit_reduced(photo, SIZE, contract))
    np.testing.assert_array_equal(fitted, np.asarray(in_two_passes(method, columns_first=False)))


def test_what_its_rows_alone_would_fill_the_memory_with_is_refused() -> None:
    """Of a file of some kilobytes: a pixel wide, stretched to a thousand before it shrinks."""
    width = 1000
    height = LARGEST_PHOTO_PIXELS // width + 1
    with pytest.raises(BadInputError, match=rf"1 x {height} pixels cannot be .* 178 megapixels"):
        resize_photo(Image.new("L", (1, height)), (width, 10), "bilinear")
    assert resize_photo(Image.new("L", (1, height)), (width, 10), "nearest").size == (width, 10)
    assert resize_photo(Image.new("L", (1, height)), (9, 10), "bilinear").size == (9, 10)
    wide = resize_photo(Image.new("L", (height, 1)), (10, width), "bilinear")
    assert wide.size == (10, width)
