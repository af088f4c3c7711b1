"""Photos and prepared tensors from `.npy` and `.npz`, and files that are neither."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.preprocessing import InputSpec
from edge_deploy_runner.sources.tensor_files import read_rows, row_content
from PIL import Image

FLOAT = InputSpec((1, 4, 6, 3), "float32")
INT8 = InputSpec((1, 4, 6, 3), "int8", 0.5, 3)
UINT8 = InputSpec((1, 4, 6, 3), "uint8", 1.0, 0)


def npy(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int8", ">f4"])
@pytest.mark.parametrize("form", ["npy", "npz", "compressed"])
def test_rows_come_back_as_they_were_saved(tmp_path: Path, dtype: str, form: str) -> None:
    array = np.arange(5 * 4 * 6 * 3).reshape(5, 4, 6, 3).astype(dtype)
    path = tmp_path / ("a.npy" if form == "npy" else "a.npz")
    if form == "npy":
        np.save(path, array)
    else:
        (np.savez if form == "npz" else np.savez_compressed)(path, other=np.zeros(3), x=array)
    names, rows = zip(*read_rows(path), strict=True)
    assert names == tuple(f"{path}[{number}]" for number in range(5))
    np.testing.assert_array_equal(np.stack(rows), array)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((4, 6, 3), "uint8"), ((4, 6, 4), "uint8"), ((4, 6, 1), "uint8"), ((4, 6), "uint8"),
        ((3, 3), "uint8"), ((1, 6, 3), "uint8"), ((4, 6, 3), "float32"), ((3, 4, 6), "int8"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_one_alone_comes_whole(
    tmp_path: Path, shape: tuple[int, ...], dtype: str, suffix: str
) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, array)
    else:
        np.savez(path, x=array)
    ((name, found),) = read_rows(path)
    assert name == str(path)
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((1, 4, 6, 3), "uint8"), ((5, 4, 6, 1), "uint8"), ((5, 4, 6), "uint8"),
        ((3, 4, 6), "uint8"), ((1, 4, 6, 3), "float32"),
    ],
)  # fmt: skip
def test_of_a_batch_every_row_comes(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    names, rows = zip(*read_rows(tmp_path / "a.npy"), strict=True)
    assert names == tuple(f"{tmp_path / 'a.npy'}[{number}]" for number in range(shape[0]))
    np.testing.assert_array_equal(np.stack(rows), array)


def test_one_photo_that_is_cut_off_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(npy(np.zeros((4, 6, 3), np.uint8))[:-1])
    with pytest.raises(BadInputError, match=r"a\.npy is cut off; copy it again"):
        list(read_rows(tmp_path / "a.npy"))


def test_only_one_row_is_read_at_a_time(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((50, 4, 6, 3), np.uint8))
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data[:-1])
    rows = read_rows(tmp_path / "a.npy")
    assert sum(1 for _ in zip(range(49), rows, strict=False)) == 49
    with pytest.raises(BadInputError, match="row 49 of 50"):
        next(rows)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"no array", "cannot be read"),
        (npy(np.zeros((2, 3, 4), np.float32))[:20], "cannot be read"),
        (npy(np.array([[None]], object)), "holds object"),
        (npy(np.array([["a"]])), "holds <U1"),
        (npy(np.zeros((2, 3), complex)), "holds complex128"),
        (npy(np.asfortranarray(np.zeros((2, 3, 4)))), "column by column"),
        (npy(np.zeros((0, 3, 4))), "holds no photos"),
        (npy(np.zeros(3)), "holds no photos"),
        (npy(np.zeros(())), "holds no photos"),
        (b"\x93NUMPY\x09\x00" + bytes(20), "cannot be read|format"),
    ],
)  # fmt: skip
def test_files_that_are_no_arrays_of_photos(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(BadInputError, match=message) as caught:
        list(read_rows(tmp_path / "a.npy"))
    assert "a.npy" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_archives_that_hold_no_photos(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", y=np.zeros((2, 3)))
    with pytest.raises(BadInputError, match="holds y; it needs an array called x"):
        list(read_rows(tmp_path / "a.npz"))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    (tmp_path / "cut.npz").write_bytes(data[:100])
    with pytest.raises(BadInputError, match="cannot be read"):
        list(read_rows(tmp_path / "cut.npz"))
    with pytest.raises(BadInputError, match="there is no"):
        list(read_rows(tmp_path / "none.npz"))


def test_a_flipped_bit_in_an_archive_is_found(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 4, 6, 3)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", x=pixels)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[300] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(BadInputError, match="CRC"):
        list(read_rows(tmp_path / "a.npz"))


def test_damaged_bytes_never_raise_another_error(tmp_path: Path) -> None:
    source = np.random.default_rng(7)
    np.savez_compressed(tmp_path / "a.npz", x=np.arange(300, dtype=np.uint8).reshape(3, 10, 10))
    np.save(tmp_path / "a.npy", np.zeros((3, 4, 6, 3), np.float32))
    for name in ("a.npz", "a.npy"):
        whole = (tmp_path / name).read_bytes()
        for _ in range(150):
            damaged = bytearray(whole)
            for _ in range(int(source.integers(1, 4))):
                damaged[source.integers(min(len(damaged), 400))] = source.integers(256)
            (tmp_path / f"damaged_{name}").write_bytes(damaged)
            try:
                for _, row in read_rows(tmp_path / f"damaged_{name}"):
                    row_content(row, FLOAT, "row", True)
            except BadInputError:
                continue


def test_bytes_are_photos() -> None:
    for shape, mode in (((9, 8), "L"), ((9, 8, 1), "L"), ((9, 8, 3), "RGB"), ((9, 8, 4), "RGBA")):
        photo = row_content(np.zeros(shape, np.uint8), FLOAT, "a", True)
        assert isinstance(photo, Image.Image)
        assert (photo.mode, photo.size) == (mode, (8, 9))
    # Also of the input's own shape: the contract says what the model makes of pixels.
    for spec in (FLOAT, INT8, UINT8):
        assert isinstance(row_content(np.zeros((4, 6, 3), np.uint8), spec, "a", True), Image.Image)


def test_without_a_contract_bytes_are_a_uint8_models_tensor() -> None:
    tensor = row_content(np.full((4, 6, 3), 7, np.uint8), UINT8, "a", False)
    assert isinstance(tensor, np.ndarray)
    assert (tensor.shape, tensor.dtype, int(tensor.max())) == ((1, 4, 6, 3), np.uint8, 7)
    assert isinstance(row_content(np.zeros((4, 6, 3), np.uint8), FLOAT, "a", False), Image.Image)


def test_prepared_tensors_are_taken_as_they_are_and_floats_are_quantized() -> None:
    values = np.linspace(-1, 1, 72, dtype=np.float32).reshape(4, 6, 3)
    np.testing.assert_array_equal(row_content(values, FLOAT, "a", True), values[None])
    codes = row_content(values, INT8, "a", True)
    assert isinstance(codes, np.ndarray)
    assert (codes.dtype, int(codes.min()), int(codes.max())) == (np.int8, 1, 5)
    kept = np.full((4, 6, 3), -9, np.int8)
    np.testing.assert_array_equal(row_content(kept, INT8, "a", True), kept[None])


@pytest.mark.parametrize(
    ("row", "spec", "message"),
    [
        (np.zeros((4, 5, 3), np.float32), FLOAT, r"\[4, 5, 3\], but the model takes \[4, 6, 3\]"),
        (np.zeros((4, 6, 3), np.float64), FLOAT, "is float64, but the model takes float32"),
        (np.zeros((4, 6, 3), np.int16), INT8, "is int16, but the model takes int8"),
        (np.zeros((4, 6, 3), np.int8), FLOAT, "is int8"),
        (np.full((4, 6, 3), np.nan, np.float32), FLOAT, "NaN"),
        (np.full((4, 6, 3), np.inf, np.float32), INT8, "NaN"),
        (np.zeros(9, np.uint8), FLOAT, r"has the shape .*, not \(9,\)"),
        (np.zeros((9, 8, 2), np.uint8), FLOAT, r"not \(9, 8, 2\); of many photos"),
        (np.zeros((2, 9, 8, 3), np.uint8), FLOAT, r"not \(2, 9, 8, 3\)"),
        (np.zeros((4, 6), np.float32), FLOAT, r"\[4, 6\], but the model takes \[4, 6, 3\]"),
    ],
)  # fmt: skip
def test_rows_that_fit_nothing(row: np.ndarray[Any, Any], spec: InputSpec, message: str) -> None:
    with pytest.raises(BadInputError, match=message) as caught:
        row_content(row, spec, "a.npy[2]", True)
    assert "a.npy[2]" in str(caught.value)
