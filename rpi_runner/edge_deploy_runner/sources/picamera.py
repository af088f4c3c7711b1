"""Cameras on the Pi's ribbon cable, through picamera2, which comes with the system."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from PIL import Image

from edge_deploy_runner.errors import DeviceError

from .frames import Frame, FrameSource, Reports
from .v4l2 import CameraHung


class PiCameraSource(FrameSource):
    """A camera that libcamera finds, by its number.

    Raises `DeviceError` where picamera2 or the camera is missing, busy or fails, and `CameraHung`
    where no frame comes for `timeout_s`. picamera2 itself drops the frames that nobody takes.
    """

    live = True
    endless = True

    def __init__(
        self,
        number: int,
        reports: Reports | None = None,
        size: tuple[int, int] = (640, 480),
        frames_per_second: float | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        super().__init__(f"picamera:{number}", reports or Reports())
        self.number = number
        self.size = size
        self.frames_per_second = frames_per_second
        self.timeout_s = timeout_s
        self._camera: Any = None

    def open(self) -> None:
        """Start the camera with RGB frames of about `size`."""
        camera_class = _picamera2()
        try:
            found = camera_class.global_camera_info()
        except Exception as error:  # libcamera raises RuntimeError, and others
            raise DeviceError(f"libcamera cannot list its cameras: {error}") from error
        if self.number >= len(found):
            raise DeviceError(
                f"there is no {self.name}: libcamera finds {len(found)} camera(s); check the "
                "ribbon cable, and `rpicam-hello --list-cameras`"
            )
        try:
            self._camera = camera_class(self.number)
            controls = {"FrameRate": self.frames_per_second} if self.frames_per_second else {}
            # Its names follow DRM: "BGR888" lies in memory as red, green, blue.
            configuration = self._camera.create_video_configuration(
                main={"size": self.size, "format": "BGR888"}, buffer_count=3, controls=controls
            )
            self._camera.configure(configuration)
            self._camera.start()
        except Exception as error:
            self.close()
            raise DeviceError(
                f"{self.name} cannot be started: {error}; end other programs that use it"
            ) from error

    def close(self) -> None:
        """Stop the camera and let others have it."""
        camera, self._camera = self._camera, None
        if camera is not None:
            with contextlib.suppress(Exception):
                camera.stop()
            with contextlib.suppress(Exception):
                camera.close()

    def frames(self) -> Iterator[Frame]:
        """The next frame that the camera finishes, each time one is asked for."""
        number = 0
        while not self.stopped.is_set():
            pixels = self._capture()
            if pixels is None:
                return
            self.reports.alive()
            yield Frame(f"{self.name}#{number}", Image.fromarray(pixels), number, time.monotonic())
            number += 1

    def _capture(self) -> Any:
        done = threading.Event()
        try:
            # Waiting inside picamera2 has no limit in its older versions.
            job = self._camera.capture_array(
                "main", wait=False, signal_function=lambda _: done.set()
            )
            deadline = time.monotonic() + self.timeout_s
            while not done.wait(0.2):
                if self.stopped.is_set():
                    return None
                if time.monotonic() > deadline:
                    raise CameraHung(
                        f"{self.name} has given no frame for {self.timeout_s:g} s; check its "
                        "ribbon cable, then start the Pi again"
                    )
            return self._camera.wait(job)
        except DeviceError:
            raise
        except Exception as error:
            raise DeviceError(f"{self.name} failed: {error}; check its ribbon cable") from error


def _picamera2() -> Any:
    try:
        return import_module("picamera2").Picamera2
    except Exception as error:  # a picamera2 built for another numpy raises ValueError
        missing = isinstance(error, ModuleNotFoundError) and error.name == "picamera2"
        why = "is not installed" if missing else f"cannot be imported ({error})"
        raise DeviceError(
            f"the system's picamera2 {why}, which reads ribbon-cable cameras; install it with "
            "`sudo apt install -y python3-picamera2 --no-install-recommends` and use the "
            "system's python3"
        ) from error
