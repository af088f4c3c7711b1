"""Which phone to measure on: `android` or `android:SERIAL`."""

from __future__ import annotations

from dataclasses import dataclass

from edge_deploy_runner.errors import UsageError


@dataclass(frozen=True)
class AndroidTarget:
    """A phone by its adb serial; None stands for the one that is connected."""

    serial: str | None = None

    @property
    def url(self) -> str:
        """The target as `--device` takes it."""
        return f"android:{self.serial}" if self.serial else "android"


def parse_target(text: str) -> AndroidTarget:
    """The target in `android[:SERIAL]`; raises `UsageError` that says what is wrong.

    A serial may hold colons, as in `android:192.168.1.7:5555`.
    """
    kind, colon, serial = text.partition(":")
    if kind != "android":
        raise UsageError(f"{text!r} is no Android target; write android or android:SERIAL")
    if serial.startswith("//"):
        plain = serial.strip("/") or "SERIAL"
        raise UsageError(f"{text!r} is no Android target; write android:{plain}")
    if colon and (not serial.strip() or not serial.isprintable() or serial.startswith("-")):
        raise UsageError(
            f"{text!r} names no serial; write android:SERIAL with one that `adb devices` lists, "
            "or android alone"
        )
    return AndroidTarget(serial or None)
