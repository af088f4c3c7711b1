"""Calibration sets: from photos and arrays to the tensors that the model sees."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_deploy_converters.calibration_data import (
    MOST_SAMPLES,
    CalibrationSet,
    read_calibration,
    synthetic_set,
)
from edge_deploy_converters.frontend_child import Tensor
from edge_deploy_runner.contract import PRESETS, Preprocessing
from edge_deploy_runner.errors import BadInputError
from PIL import Image

INPUTS = (Tensor("photo", (1, 4, 6, 3), "float32"),)
MOBILENET, CAFFE = PRESETS["mobilenet"], PRESETS["imagenet-caffe"]
PIXELS = np.random.default_rng(5).integers(0, 256, (12, 4, 6, 3)).astype(np.uint8)


def npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def tensors(found: CalibrationSet, name: str = "photo") -> Any:
    return np.stack([sample[name] for sample in found])


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("contract", [MOBILENET, CAFFE, PRESETS["0-1"]])
def test_pixels_through_the_contract_equal_floats_by_hand(
    tmp_path: Path, contract: Preprocessing, layout: str
) -> None:
    contract = contract._replace(layout=layout)
    ordered = PIXELS[..., ::-1] if contract.color_order == "BGR" else PIXELS
    by_hand = (ordered - np.float32(contract.mean)) / np.float32(contract.std)
    shape = (1, 4, 6, 3)
    if layout == "NCHW":
        by_hand, shape = by_hand.transpose(0, 3, 1, 2), (1, 3, 4, 6)
    inputs = (Tensor("photo", shape, "float32"),)
    pixels = read_calibration(npz(tmp_path, x=PIXELS), inputs, contract)
    assert len(pixels) == 12
    assert tensors(pixels).shape == (12, *shape)
    np.testing.assert_array_equal(tensors(pixels)[:, 0], by_hand)
    floats = read_calibration(npz(tmp_path, photo=by_hand), inputs, contract)
    np.testing.assert_array_equal(tensors(floats), tensors(pixels))


def test_a_grey_set_has_one_channel(tmp_path: Path) -> None:
    contract = MOBILENET._replace(color_order="GRAY")
    inputs = (Tensor("photo", (1, 4, 6, 1), "float32"),)
    for grey in (PIXELS[..., 0], PIXELS[..., :1]):
        found = tensors(read_calibration(npz(tmp_path, x=grey), inputs, contract))
        np.testing.assert_array_equal(
            found[:, 0, :, :, 0], (PIXELS[..., 0] - np.float32(127.5)) / np.float32(127.5)
        )


def test_photos_of_a_height_of_one_are_photos(tmp_path: Path) -> None:
    found = read_calibration(npz(tmp_path, x=PIXELS[:, :1]), INPUTS, MOBILENET)
    assert tensors(found).shape == (12, 1, 4, 6, 3)


def save_photos(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for name, pixels in zip(names, PIXELS, strict=False):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / name)
    return folder


def test_the_digest_is_of_the_samples_and_not_of_their_names(tmp_path: Path) -> None:
    first = save_photos(tmp_path / "a", [f"{n}.png" for n in range(6)])
    second = save_photos(tmp_path / "b", [f"class{n}/photo.png" for n in range(6)])
    found = [read_calibration(folder, INPUTS, MOBILENET) for folder in (first, second)]
    assert found[0].digest == found[1].digest
    arrays = read_calibration(npz(tmp_path, x=PIXELS[:6]), INPUTS, MOBILENET)
    assert arrays.digest == found[0].digest
    (second / "class0" / "photo.png").unlink()
    assert read_calibration(second, INPUTS, MOBILENET).digest != found[0].digest


def test_what_is_no_photo_is_skipped_and_named(tmp_path: Path) -> None:
    folder = save_photos(tmp_path / "a", [f"{n}.png" for n in range(5)])
    (folder / "empty.png").touch()
    (folder / "notes.txt").write_text("no photo")
    (folder / ".hidden.png").write_text("no photo")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.png").write_text("no photo")
    (folder / "cut.png").write_bytes((folder / "0.png").read_bytes()[:60])
    found = read_calibration(folder, INPUTS, MOBILENET)
    assert len(found) == 5
    assert sorted(Path(text.split()[0]).name for text in found.skipped) == [
        "cut.png", "empty.png", "notes.txt",
    ]  # fmt: skip
    (folder / "4.png").unlink()
    with pytest.raises(BadInputError, match=r"4 usable samples \(3 more could not be read\)"):
        read_calibration(folder, INPUTS, MOBILENET)


def test_folders_without_photos(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="holds no photo that can be read; give"):
        read_calibration(tmp_path, INPUTS, MOBILENET)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(BadInputError, match=r"\(1 tried; the first: .*a\.txt is not an image"):
        read_calibration(tmp_path, INPUTS, MOBILENET)
    with pytest.raises(BadInputError, match="without a preprocessing contract"):
        read_calibration(tmp_path, INPUTS, None)


def test_more_than_500_samples_are_spread_evenly(tmp_path: Path) -> None:
    numbers = np.arange(1203)
    column = np.broadcast_to(numbers[:, None, None, None], (1203, 4, 6, 3)).astype(np.float32)
    found = read_calibration(npz(tmp_path, x=column), INPUTS, None)
    taken = tensors(found)[:, 0, 0, 0, 0]
    assert len(taken) == MOST_SAMPLES
    assert (taken[0], taken[-1]) == (0, 1202)
    assert set(np.diff(taken)) <= {2.0, 3.0}
    assert found.spread(5) == [0, 124, 249, 374, 499]
    assert found.spread(9999) == list(range(500))
    pixels = np.zeros((1203, 4, 6, 3), np.uint8)
    assert len(read_calibration(npz(tmp_path, x=pixels), INPUTS, MOBILENET)) == MOST_SAMPLES


FLOATS = np.zeros((9, 4, 6, 3), np.float32)
WRONG = {
    "nan": ({"x": FLOATS * np.nan}, "NaN or infinite"),
    "beyond float32": ({"x": FLOATS + np.float64(1e300)}, "NaN or infinite"),
    "shape": ({"x": FLOATS[:, 0]}, r"should be float32 of \[samples, 4, 6, 3\]"),
    "no samples' axis": ({"x": np.float32(1)}, "should be float32 of"),
    "text": ({"x": np.array(["a"] * 9)}, "should be float32 of"),
    "objects": ({"x": np.array([{}] * 9, object)}, "Object arrays cannot be loaded"),
    "name": ({"y": FLOATS}, "no array 'photo' .or 'x'.; it holds: y"),
    "nothing": ({}, "it holds: nothing"),
    "few": ({"x": FLOATS[:4]}, "4 usable samples; calibration needs at least 5"),
    "none": ({"x": FLOATS[:0]}, "0 usable samples"),
    "two channels": ({"x": PIXELS[..., :2]}, "8-bit pixels of shape"),
    "channels first": ({"x": PIXELS.transpose(0, 3, 1, 2)}, "8-bit pixels of shape"),
    "empty pixels": ({"x": PIXELS[:, :0]}, "8-bit pixels of shape"),
}


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(("arrays", "sentence"), WRONG.values(), ids=list(WRONG))
def test_arrays_that_do_not_fit(tmp_path: Path, arrays: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInputError, match=sentence):
        read_calibration(npz(tmp_path, **arrays), INPUTS, MOBILENET)


def test_files_that_are_no_arrays(tmp_path: Path) -> None:
    good = npz(tmp_path, x=FLOATS).read_bytes()
    stream = io.BytesIO()
    np.save(stream, FLOATS)
    flipped = bytearray(good)
    flipped[300] ^= 0xFF
    for content in (b"", b"text" * 99, good[:-40], stream.getvalue(), bytes(flipped)):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(BadInputError, match=r"bad\.npz is not a readable \.npz file") as caught:
            read_calibration(tmp_path / "bad.npz", INPUTS, MOBILENET)
        assert "pickle" not in str(caught.value)  # nobody should be told to load it unsafely
    for path in (tmp_path / "none", Path("x" * 300), tmp_path / "a.csv"):
        with pytest.raises(BadInputError, match=r"no calibration data|cannot be read"):
            read_calibration(path, INPUTS, MOBILENET)


def test_two_inputs_take_two_arrays_of_one_length(tmp_path: Path) -> None:
    inputs = (*INPUTS, Tensor("extra", (1, 2), "float32"))
    extra = np.arange(18, dtype=np.int64).reshape(9, 2)
    found = read_calibration(npz(tmp_path, photo=FLOATS, extra=extra), inputs, None)
    np.testing.assert_array_equal(tensors(found, "extra")[:, 0], extra)
    with pytest.raises(BadInputError, match="different numbers of samples"):
        read_calibration(npz(tmp_path, photo=FLOATS, extra=extra[:8]), inputs, None)
    with pytest.raises(BadInputError, match="no array 'extra'; it holds: photo"):
        read_calibration(npz(tmp_path, photo=FLOATS), inputs, None)
    with pytest.raises(BadInputError, match=r"2 inputs .photo, extra., which photos cannot fill"):
        read_calibration(tmp_path, inputs, MOBILENET)


def test_made_up_inputs_are_the_same_each_time_and_within_the_range() -> None:
    first, second = (synthetic_set(INPUTS, MOBILENET) for _ in range(2))
    assert first.digest == second.digest
    low, high = MOBILENET.input_range()
    values = tensors(first)
    assert values.shape == (16, 1, 4, 6, 3)
    assert low <= values.min() < 0 < values.max() <= high
