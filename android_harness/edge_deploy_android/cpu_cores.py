"""Which cores a run is bound to: `big`, `little`, `all` or a list, as a mask for taskset."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge_deploy_runner.errors import DeviceError, UsageError

from .device import AndroidDevice


@dataclass(frozen=True)
class CoreChoice:
    """The cores of a run, in order; `asked` is the user's word for them."""

    asked: str
    cores: tuple[int, ...]

    @property
    def mask(self) -> str:
        """Hexadecimal digits as the phone's taskset takes them."""
        return f"{sum(1 << core for core in self.cores):x}"

    def words(self) -> str:
        """`big cores 4-7`, for tables."""
        kind = self.asked if self.asked in ("big", "little", "all") else ""
        noun = "core" if len(self.cores) == 1 else "cores"
        return f"{kind} {noun} {ranges(self.cores)}".strip()


def check_words(text: str) -> None:
    """Raise `UsageError` for a choice of cores that is none, before a phone is looked for."""
    if text not in ("big", "little", "all") and not re.fullmatch(
        r"\d{1,3}(-\d{1,3})?(,\d{1,3}(-\d{1,3})?)*", text
    ):
        raise UsageError(f"--cpus is {text!r}; write big, little, all or a list such as 4,5 or 4-7")


def choose(text: str, device: AndroidDevice) -> CoreChoice:
    """The cores that the words mean on this phone.

    "little" is the slowest cluster, "big" all the others. Raises `DeviceError` where the phone does
    not say which cores these are, `UsageError` for cores that it has not and for other words.
    """
    check_words(text)
    if text == "all":
        return CoreChoice(text, tuple(range(device.cores)))
    if text in ("big", "little"):
        found = device.clusters
        if not found.little:
            why = "are equally fast" if device.clocks_khz else "do not say how fast they are"
            raise DeviceError(
                f"the cores of {device.serial} ({device.name}) {why}; use --cpus all, or a list "
                f"such as 0-{device.cores - 1}"
            )
        return CoreChoice(text, found.big if text == "big" else found.little)
    cores: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        cores.update(range(int(first), int(last or first) + 1))
    if not cores or max(cores) >= device.cores:
        raise UsageError(
            f"--cpus {text}: {device.serial} ({device.name}) has the cores 0 to {device.cores - 1}"
        )
    return CoreChoice(text, tuple(sorted(cores)))


def parse_ranges(text: str) -> tuple[int, ...] | None:
    """(0, 1, 2, 3, 6) for the kernel's `0-3,6`; None for other words."""
    if not re.fullmatch(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*", text.strip()):
        return None
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(found))


def ranges(cores: tuple[int, ...]) -> str:
    """`0-3,6` for (0, 1, 2, 3, 6)."""
    found: list[list[int]] = []
    for core in cores:
        if found and core == found[-1][1] + 1:
            found[-1][1] = core
        else:
            found.append([core, core])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in found)
