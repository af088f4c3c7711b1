"""What values a tensor is expected to take, and the quantization that fits them.

The same on every machine: only sums, products and roots of the generator's raw output, and the
results, whose last bits depend on the order of sums, rounded up to eight binary digits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .tflite_writer import Quantization

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SAMPLES = 512
_ROOM = 1.25  # a sample's extremes are not those of a million values
_LOWEST = {"int8": -128, "uint8": 0}


class Range(NamedTuple):
    """From `low` to `high`; both include 0 once they are quantized."""

    low: float
    high: float

    @classmethod
    def of(cls, sample: NDArray[np.float64]) -> Range:
        """The range of a sample, with room for what it missed."""
        return cls(_ROOM * float(sample.min()), _ROOM * float(sample.max()))


def widest(first: Range | None, second: Range | None) -> Range | None:
    """The range that holds both."""
    if first is None or second is None:
        return first or second
    return Range(min(first.low, second.low), max(first.high, second.high))


def quantization_of(extent: Range, dtype: str) -> Quantization:
    """The scale and zero point that spread "int8" or "uint8" codes over a range."""
    low, high = min(extent.low, 0.0), max(extent.high, 0.0)
    scale = _rounded_up((high - low) / 255)
    zero_point = _LOWEST[dtype] + round(-low / scale)
    return Quantization(np.array([scale], np.float32), zero_point)


def normal_sample(generator: np.random.PCG64) -> NDArray[np.float64]:
    """About normal, of variance 1: sums of twelve bytes."""
    raw = generator.random_raw(_SAMPLES * 12 // 8).astype("<u8").view(np.uint8)
    sums = raw.reshape(_SAMPLES, 12).astype(np.int64).sum(axis=1)
    return np.asarray((sums - 12 * 127.5) / 256.0)


def rms(sample: NDArray[np.float64]) -> float:
    """The root mean square, rounded up to eight binary digits."""
    return _rounded_up(math.sqrt(float(np.mean(sample * sample))))


def _rounded_up(value: float) -> float:
    mantissa, exponent = math.frexp(value)
    return math.ldexp(math.ceil(mantissa * 256) / 256, exponent)
