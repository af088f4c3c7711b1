"""Labelled data: a folder per class, a CSV of `file,label`, or an `.npz` of arrays."""

from __future__ import annotations

import csv
import difflib
import os
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.photos import PHOTO_SUFFIXES, photos_in_folder
from edge_deploy_runner.preprocessing import open_photo
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEADER_FILE = ("file", "filename", "path", "image", "photo")
_HEADER_LABEL = ("label", "class", "category", "target")
_IMAGE_KEYS, _LABEL_KEYS = ("x", "images"), ("y", "labels")
_LARGEST_ARRAY_BYTES = 16 * 2**30


@dataclass(frozen=True)
class Sample:
    """One photo and the class it shows; `place` is its file, or its row in the arrays."""

    name: str
    index: int
    place: Path | int


@dataclass(frozen=True)
class Dataset:
    """Labelled photos, loaded one at a time.

    `arrays` holds the images of an `.npz`; `warnings` what was left out.
    """

    path: Path
    samples: tuple[Sample, ...]
    warnings: tuple[str, ...] = ()
    arrays: NDArray[Any] | None = field(default=None, compare=False, repr=False)

    def load(self, sample: Sample) -> Image.Image | NDArray[np.float32]:
        """A photo to be prepared as the contract says, or a float32 tensor that already is.

        Raises `BadInputError` for a photo that cannot be read.
        """
        if isinstance(sample.place, Path):
            return open_photo(sample.place)
        assert self.arrays is not None
        values = self.arrays[sample.place]
        if values.dtype != np.uint8:
            tensor: NDArray[np.float32] = values.astype(np.float32)
            return tensor
        return Image.fromarray(values[:, :, 0] if values.shape[2:] == (1,) else values)

    def limited(self, count: int | None) -> Dataset:
        """At most `count` samples, spread evenly over the whole."""
        total = len(self.samples)
        if count is None or count >= total:
            return self
        return replace(self, samples=tuple(self.samples[i * total // count] for i in range(count)))


class ClassNames:
    """Finds the class that a label text means: by name, or by number where that is allowed."""

    def __init__(self, labels: tuple[str, ...], classes: int) -> None:
        self.labels = labels
        self.classes = classes
        self._stages: list[dict[str, list[int]]] = []
        for key in (_same, _lower, _first_synonym):
            stage: dict[str, list[int]] = defaultdict(list)
            for index, label in enumerate(labels):
                stage[key(label)].append(index)
            self._stages.append(stage)

    def find(self, text: str, origin: str, numbers: bool) -> int:
        """The class for `text`: its exact label, in any case, or a label's first synonym.

        `numbers` also takes a class number; a model without labels knows nothing else. Raises
        `BadInputError`, with a few near labels, for one that the model does not have.
        """
        text = text.strip()
        wanted = (text, text.lower(), _first_synonym(text))
        for stage, key in zip(self._stages, wanted, strict=True):
            found = stage.get(key, [])
            if len(found) == 1:
                return found[0]
            if found:
                raise BadInputError(
                    f"{origin}: the model has {len(found)} classes called {text!r} "
                    f"({', '.join(map(str, found))}); give the class number in a CSV instead"
                )
        if (numbers or not self.labels) and text.isascii() and text.isdigit():
            return self.check_number(int(text), origin)
        if not self.labels:
            raise BadInputError(
                f"{origin}: {text!r} is no class number, and the model has no labels; "
                "give them with --labels"
            )
        lower = {label.lower(): label for label in self.labels}
        inside = [name for name in lower if text.lower() in name]
        near = inside[:3] or difflib.get_close_matches(text.lower(), list(lower), n=3, cutoff=0.4)
        names = [lower[name] for name in near] or list(self.labels[:3])
        hint = ", ".join(repr(name) for name in names)
        raise BadInputError(
            f"{origin}: the model has no class {text!r}; "
            + (f"did you mean one of {hint}?" if near else f"its classes are {hint}, ...")
        )

    def check_number(self, index: int, origin: str) -> int:
        """The class number, if the model has it; raises `BadInputError`."""
        if not 0 <= index < self.classes:
            raise BadInputError(
                f"{origin}: there is no class {index}; the model has 0 to {self.classes - 1}"
            )
        return index


def _same(label: str) -> str:
    return label


def _lower(label: str) -> str:
    return label.lower()


def _first_synonym(label: str) -> str:
    return label.split(",", maxsplit=1)[0].strip().lower()


def read_dataset(path: str | os.PathLike[str], labels: tuple[str, ...], classes: int) -> Dataset:
    """Labelled data for a model with these `labels` (may be empty) and this many `classes`.

    A folder holds one folder a class, named after its label, or its number where the model has no
    labels. A CSV holds `file,label`, files relative to it, labels as text or number. An `.npz`
    holds x or images, and y or labels: uint8 (N, H, W[, C]) photos, or float32 (N, ...) tensors
    that are already prepared. Raises `BadInputError`.
    """
    path = Path(path)
    names = ClassNames(labels, classes)
    if os.path.isdir(path):  # noqa: PTH112 - unlike Path's, never raises
        return _read_folder(path, names)
    if not os.path.isfile(path):  # noqa: PTH113
        raise BadInputError(f"there is no data at {path}; name a folder, a .csv or an .npz")
    if path.suffix.lower() == ".npz":
        return _read_arrays(path, names)
    if path.suffix.lower() == ".csv":
        return _read_csv(path, names)
    raise BadInputError(f"{path} is no labelled data; name a folder per class, a .csv or an .npz")


def _read_folder(path: Path, names: ClassNames) -> Dataset:
    samples: list[Sample] = []
    warnings = []
    folders = sorted(
        item for item in path.iterdir() if item.is_dir() and not item.name.startswith(".")
    )
    if not folders:
        raise BadInputError(f"{path} has no folder per class; sort its photos into class folders")
    owners: dict[int, Path] = {}
    for folder in folders:
        photos = photos_in_folder(folder)
        if not photos:
            warnings.append(f"the class folder {folder} holds no photos")
            continue
        index = names.find(folder.name, str(path), numbers=False)
        if index in owners:
            warnings.append(f"{folder} and {owners[index]} are the same class")
        owners[index] = folder
        samples += [Sample(str(photo.relative_to(path)), index, photo) for photo in photos]
    loose = sum(item.suffix.lower() in PHOTO_SUFFIXES for item in path.iterdir() if item.is_file())
    if loose:
        warnings.append(f"{loose} photos directly in {path} belong to no class and are left out")
    if not samples:
        raise BadInputError(f"the class folders in {path} hold no photos; put JPEG or PNG in them")
    return Dataset(path, tuple(samples), tuple(warnings))


def _read_csv(path: Path, names: ClassNames) -> Dataset:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), 1) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(f"{path} cannot be read as a CSV of file,label: {error}") from error
    file_column, label_column = 0, 1
    if rows:
        head = [cell.strip().lower() for cell in rows[0][1]]
        file_at = next((head.index(name) for name in _HEADER_FILE if name in head), None)
        label_at = next((head.index(name) for name in _HEADER_LABEL if name in head), None)
        if file_at is not None and label_at is not None:
            file_column, label_column = file_at, label_at
            rows = rows[1:]
    samples = []
    for number, row in rows:
        if len(row) <= max(file_column, label_column):
            raise BadInputError(f"{path} line {number}: there must be a file and a label")
        name = row[file_column].strip()
        index = names.find(row[label_column], f"{path} line {number}", numbers=True)
        samples.append(Sample(name, index, path.parent / name))
    if not samples:
        raise BadInputError(f"{path} lists no photos; write file,label lines")
    return Dataset(path, tuple(samples))


def _read_arrays(path: Path, names: ClassNames) -> Dataset:
    images, answers = _load_arrays(path)
    if images.ndim < 2 or len(images) == 0:
        raise BadInputError(f"{path} holds no images: its array has shape {images.shape}")
    if answers.ndim == 2 and answers.shape[1] == 1:
        answers = answers[:, 0]
    if answers.shape != (len(images),):
        raise BadInputError(
            f"{path} holds {len(images)} images but labels of shape {answers.shape}; "
            "there must be one label an image"
        )
    if images.dtype == np.uint8:
        if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3, 4)):
            raise BadInputError(
                f"{path}: uint8 photos have the shape (N, H, W) or (N, H, W, 1, 3 or 4), "
                f"not {images.shape}"
            )
    elif images.dtype.kind != "f":
        raise BadInputError(
            f"{path}: images are {images.dtype}; give uint8 photos or prepared float32 tensors"
        )
    if answers.dtype.kind in "iu":
        found = [names.check_number(int(value), str(path)) for value in answers]
    elif answers.dtype.kind == "U":
        found = [names.find(str(value), str(path), numbers=True) for value in answers]
    else:
        raise BadInputError(f"{path}: labels are {answers.dtype}; give class numbers or texts")
    samples = tuple(Sample(f"{path.name}[{row}]", index, row) for row, index in enumerate(found))
    return Dataset(path, samples, (), images)


def _load_arrays(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            keys = list(archive.files)
            chosen = [
                next((key for key in wanted if key in keys), None)
                for wanted in (_IMAGE_KEYS, _LABEL_KEYS)
            ]
            if None in chosen:
                raise BadInputError(
                    f"{path} holds {', '.join(keys) or 'nothing'}; it needs x (or images) and "
                    "y (or labels)"
                )
            unpacked = sum(info.file_size for info in archive.zip.infolist())
            if unpacked > _LARGEST_ARRAY_BYTES:
                raise BadInputError(f"{path} unpacks to {unpacked / 1e9:.0f} GB; split it")
            images, answers = (archive[key] for key in chosen if key)
            return np.asarray(images), np.asarray(answers)
    except BadInputError:
        raise
    # numpy, zipfile and zlib raise a dozen types on damaged or pickled arrays.
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise BadInputError(f"{path} cannot be read as .npz arrays: {text}") from error
