"""JPEG photos decoded small: the same region, the right side up, nearly the same pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import ASSETS
from edge_deploy_runner.contract import PRESETS, Preprocessing
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.preprocessing import fit_photo, open_photo
from edge_deploy_runner.reduced_photo import ReducedPhoto, fit_reduced, open_reduced, reduction
from PIL import Image

RAW = PRESETS["raw-0-255"]
ORIENTATION = 0x0112


def scene(size: tuple[int, int]) -> Image.Image:
    """Something like a photo, nowhere the same twice: photos of ours, enlarged and softened."""
    with Image.open(ASSETS / "photos" / "coffee.png") as photo:
        return photo.convert("RGB").resize(size, Image.Resampling.BICUBIC)


def save(path: Path, image: Image.Image, orientation: int = 1, **options: object) -> Path:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image.save(path, "JPEG", quality=95, exif=exif, **options)  # type: ignore[arg-type]
    return path


def difference(path: Path, size: tuple[int, int], contract: Preprocessing, factor: int) -> float:
    """Mean difference of the pixels, reduced against whole; checks by how much it was reduced."""
    photo = open_reduced(path, size, contract)
    assert photo.factor == factor
    ours = np.asarray(fit_reduced(photo, size, contract)).astype(float)
    whole = np.asarray(fit_photo(open_photo(path), size, contract)).astype(float)
    assert ours.shape == whole.shape
    return float(np.abs(ours - whole).mean())


# A region that is off by one pixel of the whole photo differs by more; see the test of that.
NEAR = 0.5


@pytest.mark.parametrize(
    ("full", "size", "factor"),
    [
        ((1600, 1200), (48, 48), 8),
        ((1601, 1207), (48, 48), 8),  # the last pixel of each row is only a part of one
        ((1599, 1193), (48, 48), 8),
        ((1201, 1607), (96, 96), 4),
        ((1203, 909), (150, 100), 4),  # not square
        ((1203, 909), (100, 150), 2),
        ((803, 1805), (96, 96), 4),
    ],
)  # fmt: skip
@pytest.mark.parametrize("contract", [RAW, RAW._replace(crop_fraction=0.875, resize="bicubic")])
def test_the_same_region_of_photos_of_any_size(
    tmp_path: Path, full: tuple[int, int], size: tuple[int, int], factor: int,
    contract: Preprocessing,
) -> None:  # fmt: skip
    path = save(tmp_path / "a.jpg", scene(full))
    photo = open_reduced(path, size, contract)
    assert photo.full_size == full
    if contract is RAW:
        assert photo.factor == factor
    assert difference(path, size, contract, photo.factor) < NEAR


@pytest.mark.parametrize("shift", [(1, 0), (0, 1)])
def test_a_shift_by_one_pixel_of_eight_would_be_seen(
    tmp_path: Path, shift: tuple[int, int]
) -> None:
    """That `NEAR` is near enough: a region moved by a single pixel of the whole photo is not."""
    down, across = np.indices((1200, 1600))
    waves = 127.5 + 60 * np.sin(across / 40) + 60 * np.sin(down / 40)
    image = Image.fromarray(np.round(waves).astype(np.uint8)).convert("RGB")
    path = save(tmp_path / "a.jpg", image)
    assert difference(path, (48, 48), RAW, 8) < NEAR
    photo = open_reduced(path, (48, 48), RAW)
    moved = ReducedPhoto(photo.image, (1600 + 2 * shift[0], 1200 + 2 * shift[1]), 8)
    wrong = np.asarray(fit_reduced(moved, (48, 48), RAW)).astype(float)
    whole = np.asarray(fit_photo(open_photo(path), (48, 48), RAW)).astype(float)
    assert np.abs(wrong - whole).mean() > NEAR


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("crop", ["center", "none"])
def test_every_orientation_comes_upright(tmp_path: Path, orientation: int, crop: str) -> None:
    contract = RAW._replace(crop=crop)
    path = save(tmp_path / "a.jpg", scene((1605, 1203)), orientation)
    for size in ((60, 40), (40, 60)):
        photo = open_reduced(path, size, contract)
        assert photo.factor > 1
        assert difference(path, size, contract, photo.factor) < NEAR
    as_stored = contract._replace(exif_transpose=False)
    assert difference(path, (40, 40), as_stored, 8) < NEAR


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk(tmp_path: Path, mode: str) -> None:
    path = save(tmp_path / "a.jpg", scene((1603, 1205)).convert(mode))
    assert difference(path, (48, 48), RAW, 8) < NEAR


def test_photos_of_phones_that_hold_several_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    small = Image.new("RGB", (160, 120), (255, 0, 0))
    scene((1603, 1205)).save(
        path, "MPO", save_all=True, append_images=[small], quality=95, exif=exif
    )
    with Image.open(path) as image:
        assert image.format == "MPO"
    assert difference(path, (48, 48), RAW, 8) < NEAR


def test_colour_for_a_grey_model(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", scene((1603, 1205)))
    assert difference(path, (48, 48), RAW._replace(color_order="GRAY"), 8) < NEAR


@pytest.mark.parametrize("resize", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_progressive_photos_and_every_way_to_resize(
    tmp_path: Path, resize: str, subsampling: int
) -> None:
    path = save(tmp_path / "a.jpg", scene((1603, 1205)), progressive=True, subsampling=subsampling)
    assert difference(path, (48, 48), RAW._replace(resize=resize), 8) < NEAR


@pytest.mark.parametrize("resize", ["nearest", "box"])
def test_what_picks_pixels_picks_those_of_the_whole_photo(tmp_path: Path, resize: str) -> None:
    path = save(tmp_path / "a.jpg", scene((1603, 1205)))
    assert difference(path, (48, 48), RAW._replace(resize=resize), 1) == 0


def test_other_formats_and_small_photos_are_decoded_whole(tmp_path: Path) -> None:
    scene((1600, 1200)).save(tmp_path / "a.png")
    assert difference(tmp_path / "a.png", (48, 48), RAW, 1) == 0
    path = save(tmp_path / "a.jpg", scene((400, 300)))
    assert difference(path, (151, 151), RAW, 1) == 0
    assert difference(path, (75, 75), RAW, 2) < 2 * NEAR  # its details are as fine as its pixels


@pytest.mark.parametrize(
    ("full", "orientation", "factor"),
    [((191, 5000), 1, 1), ((192, 5000), 1, 2), ((767, 800), 1, 4), ((768, 800), 1, 8),
     ((5000, 192), 6, 2), ((5000, 191), 6, 1)],
)  # fmt: skip
def test_the_crop_keeps_two_pixels_an_input_pixel(
    tmp_path: Path, full: tuple[int, int], orientation: int, factor: int
) -> None:
    path = save(tmp_path / "a.jpg", Image.new("RGB", full), orientation)
    with Image.open(path) as image:
        assert reduction(image, (48, 48), RAW) == factor
        assert reduction(image, (48, 48), RAW._replace(crop_fraction=0.5)) == max(1, factor // 2)


def test_damaged_photos_are_refused_as_ever(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.jpg", scene((1600, 1200))).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.jpg").touch()
    for name in ("cut.jpg", "empty.jpg", "none.jpg"):
        with pytest.raises(BadInputError) as whole_error:
            open_photo(tmp_path / name)
        with pytest.raises(BadInputError) as error:
            open_reduced(tmp_path / name, (48, 48), RAW)
        assert str(error.value).split(":")[0] == str(whole_error.value).split(":")[0]
