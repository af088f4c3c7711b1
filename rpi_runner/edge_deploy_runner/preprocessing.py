"""From a photo to the input tensor, as the contract says; the only place that does it."""

from __future__ import annotations

import contextlib
import os
import stat
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from .contract import Preprocessing
from .errors import BadInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
}
# Twice Pillow's own limit, above which it calls a file a decompression bomb.
LARGEST_PHOTO_PIXELS = 178_956_970


# Pillow hands these to another program (Ghostscript) or to the system.
_DECODED_ELSEWHERE = ("EPS", "WMF")
_PILLOWS_MODULES = r"PIL\."
_ORIENTATION_TAG = 0x0112


class InputSpec(NamedTuple):
    """The model's image input: `shape` with its batch of 1; quantization if it is integer."""

    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0
    layout: str = "NHWC"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        if self.layout == "NCHW":
            return self.shape[3], self.shape[2]
        return self.shape[2], self.shape[1]

    @property
    def channels(self) -> int:
        """Channels of the tensor."""
        return self.shape[1] if self.layout == "NCHW" else self.shape[3]


def open_photo(
    path: str | os.PathLike[str],
    before_decoding: Callable[[Image.Image], object] | None = None,
) -> Image.Image:
    """Decode a photo of any format that Pillow reads; several threads may at once.

    `before_decoding` is called with the image when only its header has been read. Raises
    `BadInputError` naming the file for one that is missing, empty, damaged, truncated, no image at
    all, or so large that it looks like a decompression bomb.
    """
    path = Path(path)
    try:
        _silence_pillow()
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise BadInputError(f"{path} is no file; give a JPEG, PNG or another photo")
        image = Image.open(path)
        if image.format in _DECODED_ELSEWHERE:
            raise BadInputError(f"{path} is {image.format}; give a JPEG, PNG or another photo")
        if image.width * image.height > LARGEST_PHOTO_PIXELS:
            raise Image.DecompressionBombError
        if before_decoding:
            before_decoding(image)
        image.load()
        return image
    except BadInputError:
        raise
    except FileNotFoundError:
        raise BadInputError(f"there is no photo at {path}; check the path") from None
    except IsADirectoryError:
        raise BadInputError(f"{path} is a folder, not a photo") from None
    except PermissionError:
        raise BadInputError(f"{path} may not be read; check its permissions") from None
    except Image.DecompressionBombError:
        raise BadInputError(
            f"{path} unpacks to more than {LARGEST_PHOTO_PIXELS // 10**6} megapixels, which looks "
            "like a decompression bomb; make it smaller first"
        ) from None
    except UnidentifiedImageError:
        empty = path.stat().st_size == 0
        what = "is empty" if empty else "is not an image that Pillow can read"
        raise BadInputError(f"{path} {what}; give a JPEG, PNG or another photo") from None
    except MemoryError:
        raise BadInputError(
            f"{path} needs more memory to decode than there is; make it smaller first"
        ) from None
    # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, EOFError, ...
    except Exception as error:
        raise BadInputError(f"{path} is damaged and cannot be decoded: {error}") from error


def _silence_pillow() -> None:
    """Show no warnings of Pillow's about a photo: it is read, or refused with a sentence.

    A filter that stays, since `warnings.catch_warnings` is not for threads.
    """
    module = warnings.filters[0][3] if warnings.filters else None
    if getattr(module, "pattern", None) != _PILLOWS_MODULES:
        warnings.filterwarnings("ignore", module=_PILLOWS_MODULES)


def exif_orientation(image: Image.Image) -> int:
    """How a photo must be turned, 1 to 8 as EXIF says it; 1 where it says nothing of sense."""
    # Pillow's EXIF reader raises many types; a photo with a damaged one is still a photo.
    with contextlib.suppress(Exception):
        orientation = int(image.getexif().get(_ORIENTATION_TAG, 1))
        if 1 <= orientation <= 8:
            return orientation
    return 1


def to_mode(image: Image.Image, mode: str) -> Image.Image:
    """The photo with 8 bits a channel as "RGB" or "L"; transparency is dropped."""
    image = eight_bits(image, image.format)
    if image.mode == "P" and isinstance(image.info.get("transparency"), bytes):
        image = image.convert("RGBA")  # Pillow warns about the direct way
    return image if image.mode == mode else image.convert(mode)


def eight_bits(image: Image.Image, file_format: str | None) -> Image.Image:
    """A deep grey photo as 8-bit grey; others as they are. `file_format` is Pillow's name for it.

    Deep greys are scaled, where Pillow's own conversion would clip nearly all of them to white.
    """
    if not image.mode.startswith("I") and image.mode != "F":
        return image
    pixels = np.asarray(image).astype(np.float64)
    top = float(pixels.max(initial=0.0))
    if image.mode == "F":
        factor = 255.0 if top <= 1.0 else 1.0
    else:
        # Pillow opens 16-bit PNG as I;16 and 16-bit PGM as I; only of others the pixels must tell.
        deep = image.mode.startswith("I;16") or file_format in ("PNG", "PPM") or top > 255
        factor = 1 / 257 if deep else 1.0
    grey = np.clip(np.nan_to_num(pixels) * factor + 0.5, 0, 255).astype(np.uint8)
    return Image.fromarray(grey)


def fit_photo(image: Image.Image, size: tuple[int, int], contract: Preprocessing) -> Image.Image:
    """Turn upright, crop and resize to `size` (width, height); 8 bits a channel, RGB or grey."""
    file_format = image.format  # what Pillow makes of it forgets where it came from
    if contract.exif_transpose and exif_orientation(image) != 1:
        from PIL import ImageOps  # costs 2 ms of a cold start

        with contextlib.suppress(Exception):
            image = ImageOps.exif_transpose(image)
    image = eight_bits(image, file_format)  # before the crop, which must not decide the scale
    width, height = size
    if contract.crop == "center":
        image = image.crop(center_box(image.size, size, contract.crop_fraction))
    image = to_mode(image, "L" if contract.color_order == "GRAY" else "RGB")
    if image.size != (width, height):
        image = resize_photo(image, (width, height), contract.resize)
    return image


def resize_photo(
    image: Image.Image,
    size: tuple[int, int],
    method: str,
    box: tuple[float, float, float, float] | None = None,
) -> Image.Image:
    """Resize what `box` holds to `size` (width, height): first along rows, then along columns.

    `method` is one of `RESIZE_METHODS`. Both passes round to 8 bits, so that their order shows in
    the pixels; one call for both would leave it to Pillow, whose versions choose differently.
    Raises `BadInputError` for what is so tall that its rows alone would take too much memory.
    """
    left, top, right, bottom = box or (0, 0, *image.size)
    resampling = RESAMPLING[method]
    if method != "nearest" and (left, right, size[0]) != (0, image.width, image.width):
        if size[0] * image.height > LARGEST_PHOTO_PIXELS:
            raise BadInputError(
                f"a photo of {image.width} x {image.height} pixels cannot be stretched to a width "
                f"of {size[0]}: that takes more than {LARGEST_PHOTO_PIXELS // 10**6} megapixels; "
                "make it less tall first"
            )
        # Only in width: nothing is left here for Pillow to order.
        rows = left, 0, right, image.height
        image = image.resize((size[0], image.height), resampling, box=rows)
        left, right = 0, size[0]
    return image.resize(size, resampling, box=(left, top, right, bottom))


def center_box(
    photo: tuple[int, int], size: tuple[int, int], fraction: float = 1.0
) -> tuple[int, int, int, int]:
    """The largest centred box in a photo with the aspect ratio of `size`, times `fraction`.

    Integers are rounded down, so that every platform cuts the same pixels.
    """
    width, height = photo
    target_width, target_height = size
    if width * target_height > height * target_width:
        box = height * target_width // target_height, height
    else:
        box = width, width * target_height // target_width
    box_width, box_height = (max(1, int(side * fraction)) for side in box)
    left, top = (width - box_width) // 2, (height - box_height) // 2
    return left, top, left + box_width, top + box_height


def pixels_to_tensor(
    pixels: NDArray[np.uint8], contract: Preprocessing, spec: InputSpec
) -> NDArray[Any]:
    """Normalize, and quantize where the input is an integer.

    `pixels`: (H, W) or (H, W, C) uint8, RGB or grey, already of the input's size. Returns the
    tensor with its batch of 1, in the model's layout and dtype.
    """
    if pixels.ndim == 2:
        pixels = pixels[:, :, np.newaxis]
    if pixels.shape[2] != contract.channels:
        pixels = np.repeat(pixels[:, :, :1], contract.channels, axis=2)
    if contract.color_order == "BGR":
        pixels = pixels[:, :, ::-1]
    tensor = _convert(pixels, contract, spec)
    if spec.layout == "NCHW":
        tensor = tensor.transpose(2, 0, 1)
    return np.ascontiguousarray(tensor[np.newaxis])


def _convert(pixels: NDArray[np.uint8], contract: Preprocessing, spec: InputSpec) -> NDArray[Any]:
    mean, std = contract.per_channel()
    if spec.dtype == "float32":
        return (pixels - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    # A table of 256 codes a channel: exact, and the same on every platform.
    codes = np.arange(256)[:, np.newaxis]
    table = quantize((codes - np.asarray(mean, np.float64)) / np.asarray(std, np.float64), spec)
    if len(set(mean)) == len(set(std)) == 1:
        return np.take(table[:, 0], pixels)
    return np.stack([np.take(table[:, c], pixels[:, :, c]) for c in range(len(mean))], axis=-1)


def quantize(values: NDArray[Any], spec: InputSpec) -> NDArray[Any]:
    """Real values to the input's integer codes, halves rounded up, clipped at the ends.

    Half up, not half to even: with mean 127.5 every pixel lies half-way between two codes, and
    rounding to even would merge neighbouring pixels. The small nudge absorbs the rounding of the
    stored float32 scale.
    """
    dtype = np.dtype(spec.dtype)
    info = np.iinfo(dtype)
    if spec.scale <= 0:
        raise BadInputError(f"the {spec.dtype} input of the model has no quantization scale")
    codes = np.floor(np.asarray(values, np.float64) / spec.scale + spec.zero_point + 0.5 + 1e-4)
    return np.clip(codes, info.min, info.max).astype(dtype)


def prepare(image: Image.Image, contract: Preprocessing, spec: InputSpec) -> NDArray[Any]:
    """The input tensor for a decoded photo."""
    return pixels_to_tensor(np.asarray(fit_photo(image, spec.size, contract)), contract, spec)
