"""Sources by their names: photos, animations, cameras, folders, and what is none of them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from edge_deploy_runner.errors import BadInputError, DeviceError, UsageError
from edge_deploy_runner.sources.frames import Frame
from edge_deploy_runner.sources.opening import PhotoSource, camera_path, open_source
from edge_deploy_runner.sources.picamera import PiCameraSource
from edge_deploy_runner.sources.v4l2 import CameraSource
from edge_deploy_runner.sources.video import AnimationSource, VideoSource
from edge_deploy_runner.sources.watching import WatchedFolder
from PIL import Image
from small_models_photo import COLORS, write_photo

COLOR_LIST = list(COLORS.values())


def test_names_lead_to_their_sources(tmp_path: Path) -> None:
    kinds = {
        "camera:0": CameraSource,
        "/dev/video2": CameraSource,
        "/dev/v4l/by-id/usb-cam-index0": CameraSource,
        "picamera:1": PiCameraSource,
        "picamera": PiCameraSource,
        f"watch:{tmp_path}": WatchedFolder,
        "film.MP4": VideoSource,
        str(tmp_path): PhotoSource,
        "./camera:0": PhotoSource,
    }
    for text, kind in kinds.items():
        source = open_source(text)
        assert type(source) is kind, text
        assert source.live == (kind in (CameraSource, PiCameraSource))
        assert source.endless == (kind in (CameraSource, PiCameraSource, WatchedFolder))
    assert camera_path("camera:10") == "/dev/video10"
    assert open_source("camera:3").name == "/dev/video3"


@pytest.mark.parametrize("text", ["camera:", "camera:front", "picamera:x", "watch:"])
def test_names_that_are_nearly_right(text: str) -> None:
    with pytest.raises(BadInputError):
        open_source(text)


def test_a_wrong_option_lists_the_right_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="skip, process"):
        open_source(f"watch:{tmp_path}", existing="all")


def test_photos_come_in_order_and_a_bad_one_stops_nothing(tmp_path: Path) -> None:
    for color in COLORS:
        write_photo(tmp_path, color)
    (tmp_path / "bad.png").write_bytes(b"junk")
    looks: list[int] = []
    with open_source(str(tmp_path)) as source:
        frames = list(source.frames())
    assert [Path(frame.name).stem for frame in frames] == ["bad", "blue", "green", "red"]
    assert [frame.number for frame in frames] == [0, 1, 2, 3]
    for frame in frames:
        if frame.name.endswith("bad.png"):
            with pytest.raises(BadInputError, match="not an image"):
                _ = frame.image
            continue
        assert frame.path == Path(frame.name)
        assert isinstance(frame.image, Image.Image)
        looks.append(frame.decode_ns)
    assert len(looks) == 3
    assert all(looks)


def test_a_frame_is_decoded_once_and_when_it_is_asked_for() -> None:
    calls: list[int] = []

    def decode() -> Image.Image:
        calls.append(1)
        return Image.new("RGB", (2, 2))

    frame = Frame("x", decode, 0, 0.0)
    assert not calls
    assert frame.image is frame.image
    assert calls == [1]


def test_a_missing_photo_and_an_empty_folder(tmp_path: Path) -> None:
    for text in (str(tmp_path / "no.jpg"), str(tmp_path)):
        with pytest.raises(BadInputError), open_source(text):
            pass


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_every_picture_of_an_animation(tmp_path: Path, suffix: str) -> None:
    pictures = [Image.new("RGB", (20, 10), color) for color in COLOR_LIST]
    path = tmp_path / f"moving.{suffix}"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100, lossless=True)
    with open_source(str(path)) as source:
        assert isinstance(source, AnimationSource)
        frames = list(source.frames())
    assert [frame.name for frame in frames] == [f"{path}#{i}" for i in range(3)]
    for frame, color in zip(frames, COLOR_LIST, strict=True):
        assert isinstance(frame.image, Image.Image)
        pixel = frame.image.getpixel((5, 5))
        assert isinstance(pixel, tuple)
        assert max(abs(a - b) for a, b in zip(pixel, color, strict=True)) <= 8


def test_a_still_png_is_a_photo(tmp_path: Path) -> None:
    assert isinstance(open_source(str(write_photo(tmp_path, "red"))), PhotoSource)


def test_a_cut_animation_gives_what_it_has_and_is_named(tmp_path: Path) -> None:
    noise = [Image.effect_noise((64, 64), 80 + i).convert("RGB") for i in range(4)]
    file = io.BytesIO()
    noise[0].save(file, "GIF", save_all=True, append_images=noise[1:])
    path = tmp_path / "cut.gif"
    path.write_bytes(file.getvalue()[: len(file.getvalue()) * 3 // 5])
    seen: list[Frame] = []
    with open_source(str(path)) as source, pytest.raises(BadInputError, match=r"cut\.gif"):
        seen.extend(source.frames())
    assert seen


def test_a_pi_camera_without_the_systems_package_says_how_to_get_it() -> None:
    with pytest.raises(DeviceError, match="sudo apt install -y python3-picamera2"):
        open_source("picamera:0").__enter__()
