"""Energy counters of a phone's power rails.

Pixel 6 and later meter their rails. `dumpsys powerstats` only lists them; the counters are in the
dump of the hardware's own service, in mWs with two decimals, and were worked out in 32-bit floats:
the longer the phone runs, the coarser they get. `dumpsys batterystats`, which every phone has, is a
model (a table of currents times time) and no measurement, so nothing of it is read.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

# Tried in this order: Android 12 and later, Android 10 and 11, and the kernel's own file.
RAIL_COMMANDS = (
    ("dumpsys", "android.hardware.power.stats.IPowerStats/default"),
    ("lshal", "debug", "android.hardware.power.stats@1.0::IPowerStats/default"),
)
_HEAD = re.compile(r"^\s*=+ PowerStats HAL [\d.]+ (?:energy meter|rail energy data) =+\s*$")
_SECTION = re.compile(r"^\s*={5,}.*={5,}\s*$")
_ROW = re.compile(r"^\s*(\S.*?)\s{2,}(-?\d+(?:\.\d+)?)\s*mWs\b.*$")
_KERNEL_ROW = re.compile(r"^CH\d+(?:\(T=\d+\))?\[([^\]]+)\],\s*(\d+)\s*$")


@dataclass(frozen=True)
class PowerRails:
    """Energy since boot by rail, in uWs (that is uJ), and how coarse the coarsest counter is."""

    energy_uj: dict[str, int]
    resolution_uj: float

    @property
    def total_uj(self) -> int:
        """All rails together."""
        return sum(self.energy_uj.values())


def parse_powerstats(text: str) -> PowerRails | None:
    """The rails' counters in a dump of the power stats service; None where it has none.

    Reads the energy meter of HAL 2.0 (with or without its column of differences), the rail data of
    HAL 1.0, and the kernel's `energy_value`. Estimates, consumers and state residencies, which are
    worked out from the meter or are no energy, are left out.
    """
    energy_uj: dict[str, int] = {}
    resolution = 0.0
    inside = False
    for line in text.splitlines():
        if _SECTION.match(line):
            inside = _HEAD.match(line) is not None
            continue
        row = _ROW.match(line) if inside else None
        if row is not None:
            name = " ".join(row.group(1).split())
            uj = round(float(row.group(2)) * 1000)
            energy_uj.setdefault(name, uj)
            resolution = max(resolution, _float32_step(uj), 10.0)
            continue
        row = _KERNEL_ROW.match(line.strip())
        if row is not None:
            energy_uj.setdefault(row.group(1), int(row.group(2)))
            resolution = max(resolution, 1.0)
    if not any(energy_uj.values()) or min(energy_uj.values()) < 0:
        return None
    # Each rail's error is its own.
    return PowerRails(energy_uj, resolution * math.sqrt(len(energy_uj)))


def _float32_step(uj: int) -> float:
    """How far apart neighbouring 32-bit floats are there."""
    return 2.0 ** (max(0, uj.bit_length() - 24))
