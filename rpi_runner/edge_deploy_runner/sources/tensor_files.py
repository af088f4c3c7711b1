"""Photos and prepared tensors from `.npy` and `.npz` files: one alone, or row by row."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.preprocessing import InputSpec, quantize

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEYS = ("x", "images")
# Grey, colour, colour with transparency.
_CHANNELS = (1, 3, 4)


def read_rows(path: str | os.PathLike[str]) -> Iterator[tuple[str, NDArray[Any]]]:
    """What the array in an `.npy`, or `x` (or `images`) in an `.npz`, holds, each with its name.

    Of many photos or tensors every row, as "PATH[ROW]", of which no more than one is in memory; an
    array that is one of them comes whole, as "PATH". Raises `BadInputError`, also in the middle of
    a file that is cut off.
    """
    text = os.fspath(path)
    path = Path(path)
    try:
        with ExitStack() as stack:
            if path.suffix.lower() == ".npz":
                archive = stack.enter_context(zipfile.ZipFile(path))
                file = stack.enter_context(archive.open(_member(path, archive)))
            else:
                file = stack.enter_context(path.open("rb"))
            shape, dtype = _read_header(path, file)
            alone = _is_one(shape, dtype)
            count, row_shape = (1, shape) if alone else (shape[0], shape[1:])
            row_bytes = int(np.prod(row_shape, dtype=np.int64)) * dtype.itemsize
            for number in range(count):
                data = file.read(row_bytes)
                if len(data) != row_bytes:
                    place = "" if alone else f": it ends in row {number} of {count}"
                    raise BadInputError(f"{path} is cut off{place}; copy it again")
                name = text if alone else f"{text}[{number}]"
                yield name, np.frombuffer(data, dtype).reshape(row_shape)
    except BadInputError:
        raise
    except FileNotFoundError:
        raise BadInputError(f"there is no array file at {path}; check the path") from None
    except PermissionError:
        raise BadInputError(f"{path} may not be read; check its permissions") from None
    # zipfile, zlib and numpy's header parser raise a dozen types on damaged files.
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise BadInputError(f"{path} cannot be read as an array: {text}") from error


def _member(path: Path, archive: zipfile.ZipFile) -> str:
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    for key in _KEYS:
        if key in names:
            return f"{key}.npy"
    raise BadInputError(
        f"{path} holds {', '.join(names[:10]) or 'nothing'}; it needs an array called x (or images)"
    )


def _read_header(path: Path, file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise BadInputError(f"{path} is an array of format {version}; save it with numpy.save")
    shape, in_columns, dtype = read(file)
    if dtype.hasobject or dtype.kind not in "uif":
        raise BadInputError(f"{path} holds {dtype}; give uint8 photos or prepared tensors")
    if in_columns and len(shape) > 1:
        raise BadInputError(
            f"{path} is stored column by column; save numpy.ascontiguousarray of it"
        )
    if len(shape) < 2 or 0 in shape:
        raise BadInputError(f"{path} holds no photos: its array has shape {shape}")
    return shape, dtype


def _is_one(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether an array is one photo, (H, W) or (H, W, 1, 3 or 4), or one tensor of an image."""
    if len(shape) == 3:
        return dtype != np.uint8 or shape[2] in _CHANNELS
    return len(shape) < 3


def row_content(
    row: NDArray[Any], spec: InputSpec, name: str, has_contract: bool
) -> Image.Image | NDArray[Any]:
    """What one row is: a photo to be prepared by the contract, or a tensor that already is.

    uint8 rows (H, W) or (H, W, 1, 3 or 4) are photos, but for a uint8 model without a contract;
    rows of the input's shape without its batch, in its dtype, are tensors, as are float32 ones,
    which are quantized. Raises `BadInputError` for any other.
    """
    fits = row.shape == spec.shape[1:]
    if row.dtype == np.uint8 and not (fits and spec.dtype == "uint8" and not has_contract):
        if row.ndim == 3 and row.shape[2] in _CHANNELS:
            return Image.fromarray(row[:, :, 0] if row.shape[2] == 1 else row)
        if row.ndim == 2:
            return Image.fromarray(row)
        raise BadInputError(
            f"{name}: a uint8 photo has the shape (H, W) or (H, W, 1, 3 or 4), not "
            f"{row.shape}; of many photos the first axis is their number"
        )
    if not fits:
        raise BadInputError(
            f"{name} is a {row.dtype} tensor of shape {list(row.shape)}, but the model takes "
            f"{list(spec.shape[1:])}; give uint8 photos instead, or prepare it for this model"
        )
    if row.dtype.kind == "f" and not np.isfinite(row).all():
        raise BadInputError(f"{name} holds NaN or infinite values; prepare it again")
    if row.dtype == spec.dtype:
        return np.ascontiguousarray(row[np.newaxis])
    if row.dtype == np.float32:
        return quantize(row[np.newaxis], spec)
    raise BadInputError(
        f"{name} is {row.dtype}, but the model takes {spec.dtype}; give that, float32, or uint8 "
        "photos"
    )
