"""The representative data set: photos through the contract, or prepared arrays."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from edge_deploy_runner.contract import Preprocessing
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.preprocessing import (
    InputSpec,
    fit_photo,
    open_photo,
    pixels_to_tensor,
)
from edge_deploy_runner.progress import Progress, silent

from .frontend_child import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_SAMPLES = 5
FEW_SAMPLES = 50
MOST_SAMPLES = 500


@dataclass(frozen=True)
class CalibrationSet:
    """Samples for every input by name, as float tensors with a batch of 1.

    Photos are kept as 8-bit pixels (N, H, W, C) and normalized when they are asked for.
    """

    columns: dict[str, NDArray[Any]]
    contract: Preprocessing | None
    digest: str
    origin: str
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def sample(self, index: int) -> dict[str, NDArray[Any]]:
        """Sample `index` by input name."""
        return {name: self._tensor(column[index]) for name, column in self.columns.items()}

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        return (self.sample(index) for index in range(len(self)))

    def spread(self, count: int) -> list[int]:
        """Up to `count` sample numbers, evenly spread over the set."""
        return sorted({int(i) for i in np.linspace(0, len(self) - 1, min(count, len(self)))})

    def _tensor(self, value: NDArray[Any]) -> NDArray[Any]:
        if self.contract is None or value.dtype != np.uint8:
            return value[np.newaxis].astype(np.float32, copy=False)
        height, width = value.shape[:2]
        shape = (1, height, width, self.contract.channels)
        tensor = pixels_to_tensor(value, self.contract, InputSpec(shape, "float32"))
        return tensor.transpose(0, 3, 1, 2) if self.contract.layout == "NCHW" else tensor


def image_spec(inputs: Sequence[Tensor], contract: Preprocessing) -> InputSpec:
    """The photo input of a source; raises `BadInputError` where it takes something else."""
    if len(inputs) != 1:
        names = ", ".join(tensor.name for tensor in inputs)
        raise BadInputError(
            f"the model has {len(inputs)} inputs ({names}), which photos cannot fill; calibrate "
            "with an .npz that holds one array for each name"
        )
    shape = inputs[0].shape
    spec = InputSpec(shape, "float32", layout=contract.layout)
    if len(shape) != 4 or spec.channels != contract.channels:
        raise BadInputError(
            f"the model takes {list(shape)}, which {contract.color_order} photos do not fit; "
            "calibrate with an .npz of prepared tensors, or give another --preprocess"
        )
    return spec


def check_calibration(data: str | Path, contract: Preprocessing | None) -> None:
    """Raise `BadInputError` for what is wrong at first sight, before anything is converted."""
    path = Path(data)
    try:
        if not path.exists():
            raise BadInputError(f"there is no calibration data at {path}; check the path")
        if not path.is_dir() and path.suffix != ".npz":
            raise BadInputError(f"{path} is neither a folder of photos nor an .npz file")
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror or error}") from error
    if path.is_dir() and contract is None:
        raise BadInputError(
            "photos cannot be turned into input without a preprocessing contract; name it with "
            "--preprocess PRESET|FILE"
        )


def read_calibration(
    data: str | Path,
    inputs: Sequence[Tensor],
    contract: Preprocessing | None,
    on_progress: Progress = silent,
) -> CalibrationSet:
    """Read a folder of photos or an `.npz`.

    Photos that cannot be read are skipped and named in `skipped`. Raises `BadInputError` for
    fewer than 5 samples.
    """
    path = Path(data)
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        raise BadInputError(f"there is no calibration data at {path}; check the path") from None
    except OSError as error:
        raise BadInputError(
            f"the calibration data {path} cannot be read: {error.strerror or error}"
        ) from error
    if is_folder:
        found = _read_folder(path, inputs, contract, on_progress)
    elif path.suffix == ".npz":
        found = _read_npz(path, inputs, contract)
    else:
        raise BadInputError(f"{path} is neither a folder of photos nor an .npz file")
    if len(found) < FEWEST_SAMPLES:
        skipped = f" ({len(found.skipped)} more could not be read)" if found.skipped else ""
        raise BadInputError(
            f"{path} holds {len(found)} usable samples{skipped}; calibration needs at least "
            f"{FEWEST_SAMPLES}, and {FEW_SAMPLES} or more to be good"
        )
    return found


def _read_folder(
    folder: Path, inputs: Sequence[Tensor], contract: Preprocessing | None, on_progress: Progress
) -> CalibrationSet:
    if contract is None:
        raise BadInputError(
            "photos cannot be turned into input without a preprocessing contract; name it with "
            "--preprocess PRESET|FILE"
        )
    spec = image_spec(inputs, contract)
    files = _files(folder)
    if len(files) > MOST_SAMPLES:  # evenly spread, so that a folder per class stays balanced
        files = [files[int(i)] for i in np.linspace(0, len(files) - 1, MOST_SAMPLES)]
    pixels, skipped = [], []
    for number, file in enumerate(files, 1):
        on_progress("Reading calibration photos", number, len(files))
        try:
            pixels.append(np.asarray(fit_photo(open_photo(file), spec.size, contract)))
        except BadInputError as error:
            skipped.append(str(error))
    if not pixels:
        raise BadInputError(
            f"the folder {folder} holds no photo that can be read"
            + (f" ({len(skipped)} tried; the first: {skipped[0]})" if skipped else "")
            + "; give some photos like those the model will see"
        )
    stacked = np.stack([p[:, :, np.newaxis] if p.ndim == 2 else p for p in pixels])
    return CalibrationSet(
        {inputs[0].name: stacked}, contract, _digest([stacked]), str(folder), tuple(skipped)
    )


def _files(folder: Path) -> list[Path]:
    """All files below a folder but hidden ones, sorted; what may not be listed is left out."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.extend(Path(place, name) for name in names if not name.startswith("."))
    return sorted(path for path in found if os.path.isfile(path))  # noqa: PTH113 - never raises


def _read_npz(
    path: Path, inputs: Sequence[Tensor], contract: Preprocessing | None
) -> CalibrationSet:
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("save it with numpy.savez")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    # numpy, zipfile and zlib raise a dozen types on damaged files.
    except Exception as error:
        raise BadInputError(f"{path} is not a readable .npz file: {error}") from error
    chosen = {tensor.name: _column(arrays, tensor, len(inputs), path) for tensor in inputs}
    counts = {column.shape[:1] for column in chosen.values()}
    if len(counts) != 1:
        raise BadInputError(f"the arrays in {path} have different numbers of samples")
    ((count, *_),) = counts if counts != {()} else {(0,)}
    if count > MOST_SAMPLES:  # before photos are resized: there may be tens of thousands
        kept = np.linspace(0, count - 1, MOST_SAMPLES).astype(int)
        chosen = {name: column[kept] for name, column in chosen.items()}
    columns = {
        tensor.name: _fit_column(chosen[tensor.name], tensor, inputs, contract, path)
        for tensor in inputs
    }
    return CalibrationSet(columns, contract, _digest(list(columns.values())), str(path))


def _column(
    arrays: dict[str, NDArray[Any]], tensor: Tensor, inputs: int, path: Path
) -> NDArray[Any]:
    if tensor.name in arrays:
        return arrays[tensor.name]
    for name in ("x", "images"):
        if inputs == 1 and name in arrays:
            return arrays[name]
    raise BadInputError(
        f"{path} has no array {tensor.name!r}"
        + (" (or 'x')" if inputs == 1 else "")
        + f"; it holds: {', '.join(arrays) or 'nothing'}"
    )


def _fit_column(
    column: NDArray[Any],
    tensor: Tensor,
    inputs: Sequence[Tensor],
    contract: Preprocessing | None,
    path: Path,
) -> NDArray[Any]:
    if column.dtype == np.uint8 and column.ndim in (3, 4):
        if contract is None:
            raise BadInputError(
                f"{path} holds 8-bit pixels, which need a preprocessing contract; name it with "
                "--preprocess PRESET|FILE"
            )
        from PIL import Image

        spec = image_spec(inputs, contract)
        if column.ndim == 4 and column.shape[3] == 1:
            column = column[..., 0]
        if 0 in column.shape or (column.ndim == 4 and column.shape[3] not in (3, 4)):
            raise BadInputError(
                f"{path} holds 8-bit pixels of shape {list(column.shape)}; photos are [samples, "
                "height, width] or [samples, height, width, 1, 3 or 4]"
            )
        fitted = [
            np.asarray(fit_photo(Image.fromarray(photo), spec.size, contract)) for photo in column
        ]
        return np.stack([p[:, :, np.newaxis] if p.ndim == 2 else p for p in fitted])
    if (
        column.dtype.kind not in "fiu"
        or not column.ndim
        or tuple(column.shape[1:]) != tuple(tensor.shape[1:])
    ):
        raise BadInputError(
            f"the array for {tensor.name!r} in {path} has shape {list(column.shape)} and type "
            f"{column.dtype}; it should be float32 of [samples, "
            f"{', '.join(map(str, tensor.shape[1:]))}], or 8-bit pixels"
        )
    with np.errstate(over="ignore"):
        column = column.astype(np.float32)
    if not np.isfinite(column).all():
        raise BadInputError(f"the array for {tensor.name!r} in {path} holds NaN or infinite values")
    return column


def _digest(arrays: Sequence[NDArray[Any]]) -> str:
    """A sha256 over the samples as the model will see them, independent of file names."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def synthetic_set(inputs: Sequence[Tensor], contract: Preprocessing | None) -> CalibrationSet:
    """Made-up inputs with a fixed seed, for proofs where no real ones were given: soft blobs of
    colour over the contract's range, which exercise a network more than white noise does.
    """
    count = 16
    rng = np.random.default_rng(20260101)
    low, high = contract.input_range() if contract else (-1.0, 1.0)
    columns: dict[str, NDArray[Any]] = {}
    for tensor in inputs:
        shape = tensor.shape[1:]
        if len(shape) == 3:
            coarse = rng.uniform(0, 1, (count, 7, 7, shape[2]))
            rows = np.linspace(0, 6, shape[0]).round().astype(int)
            cells = np.linspace(0, 6, shape[1]).round().astype(int)
            values = coarse[:, rows][:, :, cells] + 0.2 * rng.uniform(-1, 1, (count, *shape))
            values = low + (high - low) * np.clip(values, 0, 1)
        else:
            values = rng.uniform(low, high, (count, *shape))
        columns[tensor.name] = values.astype(np.float32)
    return CalibrationSet(columns, contract, _digest(list(columns.values())), "synthetic")
