"""The camera client against the kernel's numbers, and against a driver whose ioctls are played."""

from __future__ import annotations

import errno
import struct
from pathlib import Path

import pytest
from edge_deploy_runner.errors import DeviceError
from edge_deploy_runner.sources import v4l2
from edge_deploy_runner.sources.frames import Reports
from edge_deploy_runner.sources.v4l2 import CameraHung, CameraSource, Layout, parse_format
from fake_camera import FakeCamera

YUYV = {"YUYV": (8, 4)}


def frame(luma: int) -> bytes:
    return bytes([luma, 128] * 32)


def grey(luma: int) -> int:
    return round((luma - 16) * 255 / 219)


def source(camera: FakeCamera, **parameters: object) -> CameraSource:
    return CameraSource(str(camera.path), Reports(), **parameters)  # type: ignore[arg-type]


def test_requests_have_the_kernels_numbers() -> None:
    wide = {"format_": 208, "buffer": 88}
    narrow = {"format_": 204, "buffer": 68}
    for bits, sizes in ((64, wide), (32, narrow)):
        layout = Layout.of_words(bits)
        assert {name: getattr(layout, name).size for name in sizes} == sizes
    # What a C program prints on x86-64 and arm64, and on 32-bit ARM.
    assert v4l2.request_code("rw", 5, 208) == 0xC0D05605
    assert v4l2.request_code("rw", 15, 88) == 0xC058560F
    assert v4l2.request_code("rw", 5, 204) == 0xC0CC5605
    assert v4l2.request_code("rw", 15, 68) == 0xC044560F
    fixed = (v4l2.QUERYCAP, v4l2.ENUM_FMT, v4l2.REQBUFS, v4l2.STREAMON, v4l2.STREAMOFF, v4l2.S_PARM)
    assert fixed == (0x80685600, 0xC0405602, 0xC0145608, 0x40045612, 0x40045613, 0xC0CC5616)


def test_fields_lie_where_the_kernel_has_them() -> None:
    for bits, memory_at, length_at in ((64, 60, 72), (32, 48, 56)):
        raw = Layout.of_words(bits).buffer.pack(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
        assert struct.unpack_from("=5I", raw) == (1, 2, 3, 4, 5)
        assert struct.unpack_from("=I", raw, memory_at) == (7,)
        assert struct.unpack_from("=I", raw, memory_at + 4) == (8,)
        assert struct.unpack_from("=I", raw, length_at) == (9,)
    for bits, pixels_at in ((64, 8), (32, 4)):
        raw = Layout.of_words(bits).format_.pack(1, *range(2, 14))
        assert struct.unpack_from("=12I", raw, pixels_at) == tuple(range(2, 14))


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize(
    ("colorspace", "encoding", "quantization", "matrix", "full"),
    [
        (0, 0, 0, "bt601", False),
        (1, 0, 0, "bt601", False),
        (3, 0, 0, "bt709", False),
        (7, 0, 0, "bt601", True),  # JPEG uses all of 0-255
        (8, 0, 0, "bt601", False),  # sRGB
        (8, 2, 1, "bt709", True),
        (7, 0, 2, "bt601", False),
        (10, 0, 0, "bt2020", False),
    ],
)
def test_the_drivers_colorimetry_counts(
    bits: int, colorspace: int, encoding: int, quantization: int, matrix: str, full: bool
) -> None:
    layout = Layout.of_words(bits)
    code = v4l2.format_code("YUYV")
    raw = layout.format_.pack(1, 640, 480, code, 1, 1280, 0, colorspace, 0, 0, encoding,
                              quantization, 0)  # fmt: skip
    form = parse_format(raw, layout)
    assert (form.name, form.width, form.height, form.bytes_per_line) == ("YUYV", 640, 480, 1280)
    assert (form.matrix, form.full_range) == (matrix, full)


def test_frames_come_from_mapped_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    camera = FakeCamera(tmp_path, YUYV).install(monkeypatch)
    with source(camera, frames_per_second=5.0) as opened:
        assert camera.streaming
        assert camera.interval == (200_000, 1_000_000)
        assert len(camera.queued) == 4
        frames = opened.frames()
        for number, luma in enumerate((16, 126, 235)):
            assert camera.fill(frame(luma))
            taken = next(frames)
            assert (taken.number, taken.name) == (number, f"{camera.path}#{number}")
            assert taken.image.size == (8, 4)
            assert taken.image.getpixel((7, 3)) == (grey(luma),) * 3
            assert len(camera.queued) == 4  # given back at once
    assert not camera.streaming


def test_of_frames_that_piled_up_the_newest_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = FakeCamera(tmp_path, YUYV).install(monkeypatch)
    with source(camera) as opened:
        for luma in (20, 60, 100):
            camera.fill(frame(luma))
        camera.fill(frame(200), flags=0x40)  # damaged on its way: the driver says so
        taken = next(opened.frames())
        assert taken.image.getpixel((0, 0)) == (grey(100),) * 3
        assert opened.dropped == 2
        assert len(camera.queued) == 4


def test_formats_are_chosen_by_what_they_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offers = {
        "RGB3": {"YUYV": (640, 480), "RGB3": (640, 480)},
        "YUYV": {"MJPG": (640, 480), "YUYV": (640, 480)},
        "MJPG": {"YUYV": (320, 240), "MJPG": (640, 480)},  # raw only in a smaller size
        "GREY": {"pBAA": (640, 480), "GREY": (640, 480)},
    }
    for chosen, offered in offers.items():
        camera = FakeCamera(tmp_path, offered).install(monkeypatch)
        with source(camera, size=(640, 480)) as opened:
            assert opened.format is not None
            assert (opened.format.name, opened.format.width) == (chosen, 640)


def test_a_camera_whose_formats_we_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = FakeCamera(tmp_path, {"pBAA": (640, 480), "H264": (640, 480)}).install(monkeypatch)
    with pytest.raises(DeviceError, match=r"gives pBAA, H264, none of .*picamera:0"):
        source(camera).__enter__()


@pytest.mark.parametrize("capabilities", [0x04000002, 0x1, 0x04001000])
def test_a_device_that_is_no_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capabilities: int
) -> None:
    camera = FakeCamera(tmp_path, YUYV, capabilities=capabilities).install(monkeypatch)
    with pytest.raises(DeviceError, match=r"A camera\) (captures no video|gives several planes)"):
        source(camera).__enter__()


def test_a_file_and_a_missing_device(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises(DeviceError, match="is no camera"):
        CameraSource(str(file)).__enter__()
    with pytest.raises(DeviceError, match=r"there is no camera at .*plug one in"):
        CameraSource(str(tmp_path / "video7")).__enter__()


def test_a_camera_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    camera = FakeCamera(tmp_path, YUYV).install(monkeypatch)
    camera.streaming = True
    with pytest.raises(DeviceError, match="in use by another program"):
        source(camera).__enter__()


def test_a_camera_that_is_unplugged_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = FakeCamera(tmp_path, YUYV).install(monkeypatch)
    with source(camera) as opened:
        frames = opened.frames()
        camera.fill(frame(50))
        next(frames)
        camera.failure = errno.ENODEV
        with pytest.raises(DeviceError, match=r"is gone .*plug it in again"):
            next(frames)  # and closing it afterwards does not fail either


def test_a_camera_that_gives_nothing_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    camera = FakeCamera(tmp_path, YUYV).install(monkeypatch)
    alive: list[int] = []
    reports = Reports(alive=lambda: alive.append(1))
    with CameraSource(str(camera.path), reports, timeout_s=0.2) as opened:
        with pytest.raises(CameraHung, match=r"no frame for 0\.2 s"):
            next(opened.frames())
        assert not alive


def test_a_stopped_camera_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    camera = FakeCamera(tmp_path, YUYV).install(monkeypatch)
    with source(camera) as opened:
        camera.before_dequeue = opened.stop
        assert list(opened.frames()) == []
