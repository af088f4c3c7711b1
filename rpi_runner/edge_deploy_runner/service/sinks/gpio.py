"""A pin that follows a label, or pulses for each event, through the system's gpiozero."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

from edge_deploy_runner.errors import DeviceError

from . import Notice, Sink

ACTIONS = ("follow", "pulse")


class GpioSink(Sink):
    """One output pin, by its GPIO number.

    "follow": on while any label is on, from "fired" to "released". "pulse": on for `pulse_s` at
    each "fired". The pin is off when the service starts and when it ends.
    """

    def __init__(
        self,
        tell: Callable[[str], None],
        pin: int,
        action: str = "pulse",
        pulse_s: float = 1.0,
        active_high: bool = True,
    ) -> None:
        super().__init__("gpio", tell)
        self.pin = pin
        self.action = action
        self.pulse_s = pulse_s
        self.active_high = active_high
        self._device: Any = None
        self._on: set[str] = set()

    def open(self) -> None:
        """Take the pin; raises `DeviceError` where gpiozero is missing or the pin cannot be had."""
        try:
            gpiozero = import_module("gpiozero")
        except ImportError as error:
            raise DeviceError(
                "a gpio sink needs gpiozero, which is not installed; "
                "`sudo apt install -y python3-gpiozero python3-lgpio`, and use the system's python3"
            ) from error
        try:
            self._device = gpiozero.DigitalOutputDevice(
                self.pin, active_high=self.active_high, initial_value=False
            )
        except Exception as error:  # gpiozero and its pin factories raise dozens of types
            raise DeviceError(
                f"GPIO {self.pin} cannot be used: {error or type(error).__name__}; check its number"
                ", and that you are in the group gpio"
            ) from error

    def put(self, notice: Notice) -> None:
        """Switch the pin."""
        if self._device is None:
            return
        try:
            if self.action == "follow":
                if notice.kind == "fired":
                    self._on.add(notice.label)
                else:
                    self._on.discard(notice.label)
                self._device.value = bool(self._on)
            elif notice.kind == "fired":
                self._device.blink(on_time=self.pulse_s, off_time=0, n=1, background=True)
        except Exception as error:
            self.failed(f"GPIO {self.pin}: {error or type(error).__name__}")
        else:
            self.worked()

    def close(self) -> None:
        """Switch the pin off and give it back."""
        device, self._device = self._device, None
        if device is not None:
            with contextlib.suppress(Exception):
                device.off()
            with contextlib.suppress(Exception):
                device.close()
