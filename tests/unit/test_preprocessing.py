"""From photos of every kind to the input tensor."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_deploy_runner import preprocessing
from edge_deploy_runner.contract import PRESETS, Preprocessing
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.preprocessing import (
    InputSpec,
    center_box,
    fit_photo,
    open_photo,
    pixels_to_tensor,
    prepare,
    quantize,
)  # fmt: skip
from PIL import Image

RAW = PRESETS["raw-0-255"]
SPEC = InputSpec((1, 4, 6, 3), "float32")  # not square: 6 wide, 4 high
INTEGER_PRESETS = sorted(set(PRESETS) - {"imagenet-caffe"})


def tensor_of(image: Image.Image, contract: Preprocessing = RAW, spec: InputSpec = SPEC) -> Any:
    return prepare(image, contract, spec)


def quantized_spec(name: str, dtype: str) -> InputSpec:
    """The input spec that a converter sets from a contract."""
    low, high = PRESETS[name].input_range()
    scale = np.float32((high - low) / 255)
    floor = np.iinfo(dtype).min
    return InputSpec((1, 16, 16, 3), dtype, float(scale), round(floor - low / float(scale)))


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("name", INTEGER_PRESETS)
def test_every_pixel_value_has_a_code_of_its_own(name: str, dtype: str) -> None:
    pixels = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    spec = quantized_spec(name, dtype)
    codes = pixels_to_tensor(pixels, PRESETS[name], spec)
    assert codes.dtype == dtype
    expected = np.arange(256) + np.iinfo(dtype).min
    for channel in range(3):
        np.testing.assert_array_equal(codes[0, :, :, channel].ravel(), expected)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_a_mean_for_each_channel_never_errs_by_more_than_half_a_code(dtype: str) -> None:
    contract, spec = PRESETS["imagenet-caffe"], quantized_spec("imagenet-caffe", dtype)
    pixels = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    codes = pixels_to_tensor(pixels, contract, spec).astype(np.float64)
    real = pixels_to_tensor(pixels, contract, spec._replace(dtype="float32"))
    error = np.abs((codes - spec.zero_point) * spec.scale - real)
    assert error.max() <= 0.502 * spec.scale


def test_halves_are_rounded_up_and_the_ends_are_clipped() -> None:
    spec = InputSpec((1, 1, 1, 1), "int8", 1.0, 0)
    codes = quantize(np.array([-1000.0, -0.5, 0.5, 1.5, 1000.0]), spec)
    assert codes.tolist() == [-128, 0, 1, 2, 127]


def test_an_integer_input_without_a_scale_is_refused() -> None:
    with pytest.raises(BadInputError, match="no quantization scale"):
        tensor_of(Image.new("RGB", (6, 4)), spec=InputSpec((1, 4, 6, 3), "int8"))


def test_bgr_turns_the_channels_round() -> None:
    image = Image.new("RGB", (6, 4), (10, 20, 30))
    assert tensor_of(image)[0, 0, 0].tolist() == [10, 20, 30]
    assert tensor_of(image, RAW._replace(color_order="BGR"))[0, 0, 0].tolist() == [30, 20, 10]


def test_caffe_takes_its_means_in_bgr_order() -> None:
    pixel = tensor_of(Image.new("RGB", (6, 4), (10, 20, 30)), PRESETS["imagenet-caffe"])[0, 0, 0]
    np.testing.assert_allclose(pixel, [30 - 103.939, 20 - 116.779, 10 - 123.68], rtol=1e-5)


def test_nchw_has_the_same_values_in_another_order() -> None:
    image = Image.fromarray(np.arange(72, dtype=np.uint8).reshape(4, 6, 3))
    plain = tensor_of(image)
    spec = InputSpec((1, 3, 4, 6), "float32", layout="NCHW")
    turned = tensor_of(image, RAW._replace(layout="NCHW"), spec)
    assert turned.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(turned, plain.transpose(0, 3, 1, 2))


def test_grey_models_take_colour_and_colour_models_take_grey() -> None:
    grey = tensor_of(
        Image.new("RGB", (9, 9), (200, 200, 200)), RAW._replace(color_order="GRAY"),
        InputSpec((1, 4, 6, 1), "float32"),
    )  # fmt: skip
    assert grey.shape == (1, 4, 6, 1)
    assert set(grey.ravel()) == {200.0}
    assert set(tensor_of(Image.new("L", (9, 9), 77)).ravel()) == {77.0}


def solid(mode: str) -> Image.Image:
    """A photo whose every pixel is (200, 100, 50) or grey 200 in that mode."""
    if mode == "I;16":
        return Image.fromarray(np.full((8, 8), 200 * 257, np.uint16))
    if mode == "I":
        return Image.fromarray(np.full((8, 8), 200 * 257, np.int32))
    if mode == "F":
        return Image.fromarray(np.full((8, 8), 200 / 255, np.float32))
    if mode == "1":
        return Image.new("1", (8, 8), 1)
    if mode in ("L", "LA"):
        return Image.new("L", (8, 8), 200).convert(mode)
    return Image.new("RGB", (8, 8), (200, 100, 50)).convert(mode)


@pytest.mark.parametrize(
    "mode",
    ["RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "P", "PA", "L", "LA", "1", "I;16", "I", "F"],
)
def test_every_mode_gives_the_colour_it_shows(mode: str) -> None:
    image = solid(mode)
    assert image.mode == mode
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tensor = tensor_of(image)
    grey = 255 if mode == "1" else 200
    expected = [grey] * 3 if mode in ("L", "LA", "1", "I;16", "I", "F") else [200, 100, 50]
    assert np.abs(tensor[0, 2, 3] - expected).max() <= (12 if mode in ("P", "PA", "HSV") else 3)


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.png", "RGBA"), ("a.jpg", "CMYK"), ("a.png", "I;16"), ("a.gif", "P"), ("a.tif", "CMYK"),
     ("a.tif", "F"), ("a.png", "LA"), ("a.png", "1"), ("a.webp", "RGBA"), ("a.bmp", "RGB")],
)  # fmt: skip
def test_files_of_every_mode_are_read(tmp_path: Path, name: str, mode: str) -> None:
    solid(mode).save(tmp_path / name)
    tensor = tensor_of(open_photo(tmp_path / name))
    assert abs(float(tensor[0, 2, 3, 0]) - (255 if mode == "1" else 200)) <= 8


def test_deep_grey_is_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    spec = InputSpec((1, 16, 16, 3), "float32")
    values = tensor_of(Image.fromarray(ramp), spec=spec)[0, :, :, 0].ravel()
    np.testing.assert_allclose(values, np.arange(256), atol=1)


def test_transparent_palettes_are_read_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    image = solid("P")
    image.info["transparency"] = bytes([128] * 256)
    image.save(tmp_path / "p.png", transparency=bytes([128] * 256))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tensor = tensor_of(open_photo(tmp_path / "p.png"))
    assert np.abs(tensor[0, 0, 0] - [200, 100, 50]).max() <= 12
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_exif_orientations_come_upright(tmp_path: Path, orientation: int) -> None:
    upright = Image.new("RGB", (60, 40))
    colors = {(0, 0): (255, 0, 0), (30, 0): (0, 255, 0), (0, 20): (0, 0, 255)}
    for corner, color in colors.items():
        upright.paste(color, (*corner, corner[0] + 30, corner[1] + 20))
    # How the camera stored it, so that the viewer who honours the tag sees it upright.
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "photo.jpg", exif=exif, quality=98, subsampling=0)
    tensor = tensor_of(open_photo(tmp_path / "photo.jpg"))
    np.testing.assert_allclose(tensor, tensor_of(upright), atol=20)
    if orientation in (3, 6, 8):
        left = tensor_of(open_photo(tmp_path / "photo.jpg"), RAW._replace(exif_transpose=False))
        assert np.abs(left - tensor_of(upright)).max() > 100


def test_damaged_exif_does_not_stop_a_good_photo(tmp_path: Path) -> None:
    good = Image.new("RGB", (60, 40), (200, 100, 50))
    for number, block in enumerate(
        (b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12")
    ):
        path = tmp_path / f"{number}.jpg"
        good.save(path, exif=block)
        assert abs(float(tensor_of(open_photo(path))[0, 0, 0, 0]) - 200) < 5


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 3), (7, 400)])
@pytest.mark.parametrize("crop", ["center", "none"])
def test_tiny_and_elongated_photos(size: tuple[int, int], crop: str) -> None:
    tensor = tensor_of(Image.new("RGB", size, (9, 8, 7)), RAW._replace(crop=crop))
    assert tensor.shape == (1, 4, 6, 3)
    assert tensor[0, 3, 5].tolist() == [9, 8, 7]


def test_the_crop_keeps_the_middle_and_the_aspect_ratio() -> None:
    assert center_box((100, 40), (6, 4)) == (20, 0, 80, 40)
    assert center_box((40, 100), (6, 4)) == (0, 37, 40, 63)
    assert center_box((60, 40), (6, 4), 0.5) == (15, 10, 45, 30)
    wide = Image.new("RGB", (100, 40), (255, 255, 255))
    wide.paste((0, 0, 0), (20, 0, 80, 40))
    assert tensor_of(wide).max() == 0
    assert tensor_of(wide, RAW._replace(crop="none")).max() > 0


def bomb() -> bytes:
    """A PNG of a few bytes that claims 30000 x 30000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(10000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def jpeg() -> bytes:
    data = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(data, "JPEG")
    return data.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"a letter, not a photo", "is not an image"),
        (jpeg()[: len(jpeg()) // 2], "is damaged"),
        (jpeg()[:10], "is not an image|is damaged"),
        (bomb(), "decompression bomb"),
    ],
    ids=["empty", "text", "truncated", "header", "bomb"],
)
def test_what_is_no_photo_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=message) as caught:
        open_photo(path)
    assert "photo.jpg" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_photo_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="there is no photo"):
        open_photo(tmp_path / "none.jpg")
    with pytest.raises(BadInputError, match="is a folder"):
        open_photo(tmp_path)


def test_random_damage_to_photos_never_escapes(tmp_path: Path) -> None:
    source = np.random.default_rng(3)
    good = {"a.jpg": jpeg()}
    for name in ("a.png", "a.gif", "a.bmp", "a.tif", "a.webp"):
        solid("RGB").save(tmp_path / name)
        good[name] = (tmp_path / name).read_bytes()
    for name, content in good.items():
        for _ in range(40):
            damaged = bytearray(content)
            for _ in range(3):
                damaged[source.integers(len(damaged))] = source.integers(256)
            (tmp_path / name).write_bytes(damaged)
            try:
                tensor = tensor_of(open_photo(tmp_path / name))
            except BadInputError:
                continue
            assert tensor.shape == (1, 4, 6, 3)


def test_the_limit_is_pillows_own_error_limit() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert preprocessing.LARGEST_PHOTO_PIXELS == 2 * Image.MAX_IMAGE_PIXELS


def test_the_crop_does_not_decide_how_deep_a_photo_is(tmp_path: Path) -> None:
    pixels = np.full((40, 80), 250, np.uint16)
    pixels[:, :10] = 60000  # bright only where the centre crop does not look
    for name in ("deep.png", "deep.pgm"):
        Image.fromarray(pixels).save(tmp_path / name)
        fitted = fit_photo(open_photo(tmp_path / name), (8, 8), PRESETS["raw-0-255"])
        assert np.asarray(fitted).max() == 1, name


def test_formats_that_pillow_gives_to_another_program_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    )
    with pytest.raises(BadInputError, match="EPS"):
        open_photo(path)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory as Linux does")
def test_a_photo_that_does_not_fit_into_memory_is_not_called_damaged(tmp_path: Path) -> None:
    Image.new("1", (12000, 12000)).save(tmp_path / "large.png")  # 144 MB when it is decoded
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from edge_deploy_runner.errors import BadInputError\n"
        "from edge_deploy_runner.preprocessing import open_photo\n"
        "pages = int(Path('/proc/self/statm').read_text().split()[0])\n"
        "limit = pages * resource.getpagesize() + 100 * 2**20\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "try:\n"
        "    open_photo(sys.argv[1])\n"
        "except BadInputError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "large.png")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "needs more memory to decode than there is" in ended.stdout, ended.stderr


def test_pillow_stays_silent_in_threads_and_others_do_not(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40)).save(tmp_path / "a.png")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        threads = [
            threading.Thread(target=lambda: [open_photo(tmp_path / "a.png") for _ in range(20)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        warnings.warn("ours", stacklevel=1)
        warnings.warn_explicit("Pillow's", UserWarning, "Image.py", 1, module="PIL.Image")
    assert [str(entry.message) for entry in caught] == ["ours"]
