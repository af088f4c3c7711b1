"""From the bytes of a camera's frame to a picture."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from edge_deploy_runner.errors import BadInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Best first: packed RGB needs no conversion, YUV keeps all it has, JPEG is compressed already.
FORMATS = ("RGB3", "BGR3", "YUYV", "NV12", "MJPG", "JPEG", "GREY")

# Weights of red and blue in luma: ITU-R BT.601, BT.709 and BT.2020.
_LUMA_WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
# Sums stay below 2^15, so that 16 bits hold them; a 32nd of a level is more than enough.
_SHIFT = 5


@dataclass(frozen=True)
class PixelFormat:
    """How a frame lies in memory: the driver's four letters, size in pixels, bytes a line.

    `matrix` is "bt601", "bt709" or "bt2020"; `full_range` says that luma uses 0-255, not 16-235.
    """

    name: str
    width: int
    height: int
    bytes_per_line: int = 0
    matrix: str = "bt601"
    full_range: bool = False


def to_image(data: bytes, form: PixelFormat) -> Image.Image:
    """The picture in `data`: "RGB", or "L" for GREY; raises `BadInputError` for a short frame."""
    if form.name in ("MJPG", "JPEG"):
        try:
            image = Image.open(io.BytesIO(data), formats=("JPEG",))
            image.load()
        except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, ...
            raise BadInputError(f"the camera sent a damaged JPEG: {error}") from error
        return image
    if form.name == "GREY":
        return Image.fromarray(_rows(data, form, form.height, form.width))
    if form.name in ("RGB3", "BGR3"):
        pixels = _rows(data, form, form.height, 3 * form.width).reshape(form.height, form.width, 3)
        if form.name == "BGR3":
            pixels = pixels[:, :, ::-1]
        return Image.fromarray(np.ascontiguousarray(pixels))
    if form.name == "YUYV":
        quads = _rows(data, form, form.height, 2 * form.width).reshape(form.height, -1, 4)
        luma = quads[:, :, 0::2].reshape(form.height, -1)
        return Image.fromarray(_yuv_to_rgb(luma, quads[:, :, 1], quads[:, :, 3], 1, form))
    if form.name == "NV12":
        lines = form.height + (form.height + 1) // 2
        rows = _rows(data, form, lines, form.width)
        chroma = rows[form.height :].reshape(lines - form.height, -1, 2)
        return Image.fromarray(
            _yuv_to_rgb(rows[: form.height], chroma[:, :, 0], chroma[:, :, 1], 2, form)
        )
    raise BadInputError(f"frames in {form.name} cannot be read; formats: {', '.join(FORMATS)}")


def _rows(data: bytes, form: PixelFormat, lines: int, line_bytes: int) -> NDArray[np.uint8]:
    """The used bytes of every line; drivers pad lines, and may cut the padding of the last."""
    stride = max(form.bytes_per_line, line_bytes)
    missing = stride * (lines - 1) + line_bytes - len(data)
    if missing > 0:
        raise BadInputError(f"the camera sent a frame that is {missing} bytes short")
    padded = np.frombuffer(data[: stride * lines].ljust(stride * lines, b"\0"), np.uint8)
    return padded.reshape(lines, stride)[:, :line_bytes]


def _yuv_to_rgb(
    luma: NDArray[np.uint8],
    blue: NDArray[np.uint8],
    red: NDArray[np.uint8],
    lines_share: int,
    form: PixelFormat,
) -> NDArray[np.uint8]:
    """RGB (H, W, 3) from luma (H, W) and chroma of half the width, each for `lines_share` lines."""
    weight_red, weight_blue = _LUMA_WEIGHTS[form.matrix]
    weight_green = 1 - weight_red - weight_blue
    codes = np.arange(256.0)
    black, y_scale, c_scale = (0, 1.0, 1.0) if form.full_range else (16, 255 / 219, 255 / 224)

    def table(values: NDArray[np.float64]) -> NDArray[np.int16]:
        return np.round(values * (1 << _SHIFT)).astype(np.int16)

    chroma = (codes - 128) * c_scale
    red_red, blue_blue = 2 * (1 - weight_red), 2 * (1 - weight_blue)
    light = np.take(table((codes - black) * y_scale + 0.5), luma)  # half a level: it rounds
    # Chroma is worked out at its own size and spread afterwards: half or a quarter of the work.
    shares = (
        np.take(table(chroma * red_red), red),
        np.take(table(-chroma * red_red * weight_red / weight_green), red)
        + np.take(table(-chroma * blue_blue * weight_blue / weight_green), blue),
        np.take(table(chroma * blue_blue), blue),
    )
    height, width = luma.shape
    rgb = np.empty((height, width, 3), np.uint8)
    for channel, share in enumerate(shares):
        spread = np.repeat(share, 2, axis=1)
        if lines_share > 1:
            spread = np.repeat(spread, lines_share, axis=0)
        value = light + spread[:height, :width]
        value >>= _SHIFT
        rgb[:, :, channel] = np.clip(value, 0, 255, out=value)
    return rgb
