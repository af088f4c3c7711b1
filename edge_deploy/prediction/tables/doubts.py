"""What looks wrong in a table of times: a unit that cannot be, rows that contradict the others."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from edge_deploy.prediction.latency.conformal import log_residual
from edge_deploy.prediction.latency.model import Point

# Thousand million multiply-accumulates a second, or MMAC per ms: the packaged tables have 0.15
# (Raspberry Pi Zero W) to 71 (Raspberry Pi 5, integers).
_SLOWEST, _FASTEST = 0.1, 1000.0
_MULTIPLIED = ("dense_mmac", "depthwise_mmac", "fc_mmac")
# Of the published times, none is this many times what the others say of it.
_CONTRADICTS = math.log(5)
_LEAST_POINTS = 4
_MOST_NAMED = 3


def doubts(points: Sequence[Point]) -> tuple[str, ...]:
    """A sentence for each thing to look at in the fitted points of one group; () where all is well.

    The speed at which its networks multiply tells a wrong unit, and a time five times off what the
    fit without it says tells a wrong row.
    """
    rates = [
        sum(point.features.get(name, 0.0) for name in _MULTIPLIED) / point.measured_ms
        for point in points
    ]
    rate = statistics.median(rates)
    found = []
    if rate < _SLOWEST:
        found.append(
            f"half of its networks run at {_figure(rate)} GMAC/s or less, and a Raspberry Pi "
            "Zero W reaches 0.15; are these times in ms?"
        )
    elif rate > _FASTEST:
        found.append(
            f"half of its networks run at {_figure(rate)} GMAC/s or more, which no phone's CPU "
            "reaches; are these times in ms, and their features in millions?"
        )
    return (*found, *_contradictions(points))


def _contradictions(points: Sequence[Point]) -> list[str]:
    if len(points) < _LEAST_POINTS:
        return []
    residuals = [
        (log_residual(point.measured_ms, point.held_out_ms), point)
        for point in points
        if point.held_out_ms is not None
    ]
    far = [(size, point) for size, point in residuals if abs(size) > _CONTRADICTS]
    if not far or len(far) > len(points) // 3:
        return []
    far.sort(key=lambda pair: -abs(pair[0]))
    return [
        f"{point.model} took {_figure(point.measured_ms)} ms, and the others say "
        f"{_figure(point.held_out_ms or 0.0)} ms: has its row another unit, or another network "
        "of that name?"
        for _, point in far[:_MOST_NAMED]
    ]


def _figure(value: float) -> str:
    return f"{float(f'{value:.3g}'):,.12g}"
