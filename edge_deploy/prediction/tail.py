"""How far the 90th percentile of a device's latencies lies above their median."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Tail:
    """p90 over p50: the usual ratio, the least and the most, and where they come from."""

    factor: float
    low: float
    high: float
    source: str


BOARD = Tail(
    1.004,
    1.0,
    1.07,
    "1.004 (1 to 1.07) times p50, by the mean and the standard deviation of 50 published runs "
    "on a Raspberry Pi 4 and 5 (read), taken as normal distributions",
)
"""1 + 1.2816 std_us / avg_us of the rows of reference/memory_raspberry_pi_published.csv: their
median, and their extremes."""
PHONE = Tail(
    1.1,
    1.0,
    1.5,
    "1.1 (1 to 1.5) times p50, a guess: published times of phones have no spread, and phones "
    "change their clocks",
)
COMPUTER = Tail(
    1.05,
    1.0,
    1.3,
    "1.05 (1 to 1.3) times p50, a guess: what else runs on a computer is not known",
)


def tail_of(kind: str, measured: tuple[float, ...] | None = None) -> Tail:
    """The tail of a kind of device, as `DeviceProfile.kind` has it.

    `measured` is what a calibration of the device saw, which comes first: the least, the usual
    and the most; without the usual, that is their geometric mean.
    """
    if measured is not None:
        low, high = measured[0], measured[-1]
        factor = measured[1] if len(measured) > 2 else math.sqrt(low * high)
        words = "as the calibration of this device measured it on micro-models"
        return Tail(factor, low, high, f"{factor:.3g} ({low:.3g} to {high:.3g}) times p50, {words}")
    return {"phone": PHONE, "computer": COMPUTER}.get(kind, BOARD)
