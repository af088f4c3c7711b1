"""Labelled data: folders, CSV and npz, and the refusals of each."""

from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_deploy_runner.errors import BadInputError
from PIL import Image
from small_models_photo import COLOR_LABELS, write_photo

from edge_deploy.datasets import ClassNames, read_dataset

SYNONYMS = (
    "tench, Tinca tinca",
    "goldfish, Carassius",
    "crane",
    "Crane, bird",
    "1",
    "Egyptian cat",
)


def find(text: str, numbers: bool = True) -> int:
    return ClassNames(SYNONYMS, len(SYNONYMS)).find(text, "data", numbers)


@pytest.mark.parametrize(
    ("text", "index"),
    [("tench, Tinca tinca", 0), ("TENCH, tinca TINCA", 0), ("Tench", 0), (" goldfish ", 1),
     ("crane", 2), ("Crane, bird", 3), ("1", 4), ("0", 0), ("egyptian cat", 5)],
)  # fmt: skip
def test_labels_are_found_exactly_then_in_any_case_then_by_first_synonym(
    text: str, index: int
) -> None:
    assert find(text) == index


def test_unknown_labels_name_near_ones() -> None:
    with pytest.raises(BadInputError, match="did you mean one of 'goldfish, Carassius'"):
        find("goldfisch, carassius")
    with pytest.raises(BadInputError, match="its classes are"):
        find("zzzzzzzz")


def test_an_ambiguous_label_is_refused() -> None:
    with pytest.raises(BadInputError, match="2 classes called 'dog'"):
        ClassNames(("dog, a", "dog, b"), 2).find("dog", "data", numbers=False)


def test_numbers_only_where_they_are_allowed() -> None:
    assert ClassNames((), 3).find("02", "data", numbers=False) == 2
    with pytest.raises(BadInputError, match="has no class '5'"):
        find("5", numbers=False)
    with pytest.raises(BadInputError, match="no class 77"):
        find("77")
    with pytest.raises(BadInputError, match="no labels; give them with --labels"):
        ClassNames((), 3).find("cat", "data", numbers=True)


def test_a_folder_per_class(tmp_path: Path) -> None:
    for name in ("red", "Blue"):
        for number in (2, 1):
            write_photo(tmp_path / name / "deep", name.lower(), f"{number}.png")
    (tmp_path / "green").mkdir()
    (tmp_path / ".cache").mkdir()
    write_photo(tmp_path, "red", "loose.png")
    data = read_dataset(tmp_path, COLOR_LABELS, 3)
    assert [(s.name, s.index) for s in data.samples] == [
        ("Blue/deep/1.png", 2),
        ("Blue/deep/2.png", 2),
        ("red/deep/1.png", 0),
        ("red/deep/2.png", 0),
    ]
    assert any("green holds no photos" in text for text in data.warnings)
    assert any("1 photos directly" in text for text in data.warnings)
    assert isinstance(data.load(data.samples[0]), Image.Image)


def test_folders_are_numbers_only_for_a_model_without_labels(tmp_path: Path) -> None:
    write_photo(tmp_path / "1", "green")
    assert read_dataset(tmp_path, (), 3).samples[0].index == 1
    with pytest.raises(BadInputError, match="has no class '1'"):
        read_dataset(tmp_path, COLOR_LABELS, 3)


@pytest.mark.parametrize(
    "text",
    ["file,label\nphotos/red.png,red\nphotos/blue.png,2\n",
     "photos/red.png,RED\nphotos/blue.png,2\n",
     "\ufefflabel,path\n0,photos/red.png\n\nblue,photos/blue.png\n"],
)  # fmt: skip
def test_csv_with_and_without_a_header(tmp_path: Path, text: str) -> None:
    for color in ("red", "blue"):
        write_photo(tmp_path / "photos", color)
    path = tmp_path / "list.csv"
    path.write_text(text, "utf-8")
    data = read_dataset(path, COLOR_LABELS, 3)
    assert [sample.index for sample in data.samples] == [0, 2]
    assert isinstance(data.load(data.samples[1]), Image.Image)


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "lists no photos"), ("file,label\n", "lists no photos"), ("a.png\n", "line 1"),
     ("a.png,mauve\n", "line 1: the model has no class 'mauve'"),
     (b"\xff\xfe\x00", "cannot be read")],
)  # fmt: skip
def test_bad_csv(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadInputError, match=message):
        read_dataset(path, COLOR_LABELS, 3)


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("shape", [(2, 5, 4), (2, 5, 4, 1), (2, 5, 4, 3), (2, 5, 4, 4)])
@pytest.mark.parametrize("keys", [("x", "y"), ("images", "labels")])
def test_npz_of_photos(tmp_path: Path, shape: tuple[int, ...], keys: tuple[str, str]) -> None:
    arrays = {keys[0]: np.full(shape, 9, np.uint8), keys[1]: np.array([2, 0])}
    data = read_dataset(saved(tmp_path / "a.npz", **arrays), (), 3)
    assert [(s.name, s.index) for s in data.samples] == [("a.npz[0]", 2), ("a.npz[1]", 0)]
    photo = data.load(data.samples[0])
    assert isinstance(photo, Image.Image)
    assert photo.size == (4, 5)


def test_npz_of_prepared_tensors_and_of_texts(tmp_path: Path) -> None:
    x = np.ones((2, 7), np.float64)
    path = saved(tmp_path / "a.npz", x=x, y=np.array(["blue", "Red"]))
    data = read_dataset(path, COLOR_LABELS, 3)
    assert [sample.index for sample in data.samples] == [2, 0]
    tensor = data.load(data.samples[0])
    assert isinstance(tensor, np.ndarray)
    assert (tensor.dtype, tensor.shape) == (np.float32, (7,))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((2, 3, 3), np.uint8)}, "needs x"),
        ({"x": np.zeros((2, 3, 3), np.uint8), "y": np.zeros(3, int)}, "one label an image"),
        ({"x": np.zeros((2, 3, 3), np.uint8), "y": np.array([0, 3])}, "no class 3"),
        ({"x": np.zeros((2, 3, 3), np.uint8), "y": np.array([0, -1])}, "no class -1"),
        ({"x": np.zeros((2, 3, 3), np.uint8), "y": np.zeros(2)}, "labels are float64"),
        ({"x": np.zeros((2, 3, 3), np.int32), "y": np.zeros(2, int)}, "images are int32"),
        ({"x": np.zeros((2, 3), np.uint8), "y": np.zeros(2, int)}, r"\(N, H, W\)"),
        ({"x": np.zeros((0, 3, 3), np.uint8), "y": np.zeros(0, int)}, "holds no images"),
        ({"x": np.array([{}, {}]), "y": np.zeros(2, int)}, "pickle"),
    ],
)
def test_bad_npz(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        read_dataset(saved(tmp_path / "a.npz", **arrays), (), 3)


def absurd_npz() -> bytes:
    """An array header that promises 2**50 bytes."""
    array = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        array, {"descr": "|u1", "fortran_order": False, "shape": (2**30, 1024, 1024)}
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.npy", array.getvalue())
        archive.writestr("y.npy", array.getvalue())
    return packed.getvalue()


def test_damaged_npz(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", x=np.zeros((9, 30, 30), np.uint8), y=np.zeros(9, int))
    good = path.read_bytes()
    source = np.random.default_rng(5)
    damaged = [good[:length] for length in range(0, len(good), len(good) // 30)]
    for _ in range(60):
        content = bytearray(good)
        content[source.integers(len(good))] ^= 255
        damaged.append(bytes(content))
    for content in (*damaged, b"not a zip", absurd_npz()):
        path.write_bytes(content)
        with contextlib.suppress(BadInputError):  # a flip in a name or a date changes nothing
            read_dataset(path, (), 3)


def test_paths_that_are_no_data(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="there is no data"):
        read_dataset(tmp_path / "none", (), 3)
    with pytest.raises(BadInputError, match="no folder per class"):
        read_dataset(tmp_path, (), 3)
    (tmp_path / "1").mkdir()
    with pytest.raises(BadInputError, match="hold no photos"):
        read_dataset(tmp_path, (), 3)
    (tmp_path / "a.txt").touch()
    with pytest.raises(BadInputError, match="no labelled data"):
        read_dataset(tmp_path / "a.txt", (), 3)


def test_a_limit_is_spread_over_all_classes(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", x=np.zeros((90, 2, 2), np.uint8), y=np.repeat([0, 1, 2], 30))
    data = read_dataset(path, (), 3)
    assert [sample.index for sample in data.limited(6).samples] == [0, 0, 1, 1, 2, 2]
    assert data.limited(1000) is data
