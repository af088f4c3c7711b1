"""What is asked of picamera2, which exists on Pis only: here a stand-in for it answers."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from edge_deploy_runner.errors import DeviceError
from edge_deploy_runner.sources.picamera import PiCameraSource
from edge_deploy_runner.sources.v4l2 import CameraHung
from PIL import Image


class Picamera2:
    """The few calls of it that are used, as its manual has them."""

    made: ClassVar[list[Picamera2]]
    gives_frames = True
    starts = True

    def __init__(self, number: int) -> None:
        self.number = number
        self.calls: list[str] = []
        self.configuration: dict[str, Any] = {}
        type(self).made.append(self)

    @staticmethod
    def global_camera_info() -> list[dict[str, str]]:
        return [{"Model": "imx708"}]

    def create_video_configuration(self, **configuration: Any) -> dict[str, Any]:
        return configuration

    def configure(self, configuration: dict[str, Any]) -> None:
        self.configuration = configuration

    def start(self) -> None:
        if not self.starts:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    def close(self) -> None:
        self.calls.append("close")

    def capture_array(
        self, name: str, wait: bool, signal_function: Callable[[Any], None]
    ) -> object:
        assert (name, wait) == ("main", False)
        job = object()
        if self.gives_frames:
            threading.Timer(0.01, signal_function, [job]).start()
        return job

    def wait(self, job: object) -> np.ndarray[Any, Any]:
        pixels = np.zeros((2, 3, 3), np.uint8)
        pixels[:, :, 0] = 255
        return pixels


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> type[Picamera2]:
    class Fresh(Picamera2):
        made: ClassVar[list[Picamera2]] = []

    monkeypatch.setitem(sys.modules, "picamera2", SimpleNamespace(Picamera2=Fresh))
    return Fresh


def test_frames_are_red_green_blue(camera: type[Picamera2]) -> None:
    with PiCameraSource(0, size=(320, 240), frames_per_second=10.0) as source:
        frames = source.frames()
        for number in range(3):
            frame = next(frames)
            assert frame.name == f"picamera:0#{number}"
            assert isinstance(frame.image, Image.Image)
            assert frame.image.getpixel((2, 1)) == (255, 0, 0)
    (made,) = camera.made
    assert made.configuration["main"] == {"size": (320, 240), "format": "BGR888"}
    assert made.configuration["controls"] == {"FrameRate": 10.0}
    assert made.calls == ["start", "stop", "close"]


def test_a_camera_that_libcamera_does_not_find(camera: type[Picamera2]) -> None:
    with pytest.raises(DeviceError, match=r"there is no picamera:1: libcamera finds 1 camera"):
        PiCameraSource(1).__enter__()
    assert camera.made == []


def test_a_camera_in_use(camera: type[Picamera2]) -> None:
    camera.starts = False
    with pytest.raises(DeviceError, match="cannot be started: Camera __init__"):
        PiCameraSource(0).__enter__()
    assert camera.made[0].calls == ["stop", "close"]


def test_a_camera_that_gives_nothing(camera: type[Picamera2]) -> None:
    camera.gives_frames = False
    with PiCameraSource(0, timeout_s=0.3) as source:
        with pytest.raises(CameraHung, match=r"no frame for 0\.3 s"):
            next(source.frames())
        source.stop()
        assert list(source.frames()) == []


def test_a_picamera2_for_another_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise ValueError("numpy.dtype size changed")

    monkeypatch.setattr("edge_deploy_runner.sources.picamera.import_module", broken)
    with pytest.raises(DeviceError, match=r"cannot be imported \(numpy\.dtype size changed\)"):
        PiCameraSource(0).__enter__()
