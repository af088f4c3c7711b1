"""What few points and a sibling device are worth, measured on the published tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_deploy.prediction.latency.conformal import log_residual
from edge_deploy.prediction.latency.fitting import predicted_without

from .published import published_fits

_LEAST_POINTS = 8
_DRAWS = 12
_SEED = 5


@dataclass(frozen=True)
class FewPoints:
    """Networks predicted from `points` of the same table and a sibling's coefficients.

    width80: the log half-width that 80% of them stay within, mae: their mean absolute error (as a
    log); width80_other: as width80, for networks of families that none of the points is of.
    """

    points: int
    tried: int
    mae: float
    width80: float
    width80_other: float


def few_points() -> tuple[FewPoints, ...]:
    """One to five points drawn at random from every table of eight or more that has a sibling."""
    random = np.random.default_rng(_SEED)
    found = []
    for count in range(1, 6):
        sizes, others = [], []
        for one in published_fits():
            if one.prior is None or len(one.points) < _LEAST_POINTS:
                continue
            for _ in range(_DRAWS):
                drawn = random.permutation(len(one.points))[: count + 1]
                *chosen, target = (one.points[index] for index in drawn)
                predicted = predicted_without(chosen, target, one.prior)
                size = abs(log_residual(target.measured_ms, predicted))
                sizes.append(size)
                if target.family not in {point.family for point in chosen}:
                    others.append(size)
        found.append(
            FewPoints(
                count,
                len(sizes),
                float(np.mean(sizes)),
                float(np.quantile(sizes, 0.8)),
                float(np.quantile(others, 0.8)),
            )
        )
    return tuple(found)


def families_with_a_sibling() -> float:
    """The log half-width of 80% of networks whose whole family was left out, where a sibling helps.

    The sibling is fitted without the family as well.
    """
    sizes = [
        abs(log_residual(point.measured_ms, point.family_held_out_ms))
        for one in published_fits()
        if one.prior is not None
        for point in one.model.points
        if point.family_held_out_ms is not None
    ]
    return float(np.quantile(sizes, 0.8))


def clocks(slow: str, slow_mhz: float, fast: str, fast_mhz: float) -> float:
    """The log half-width of 80% of a board's published times, scaled by clock to another board's.

    Pairs are the same network, dtype, number of threads and runtime.
    """
    times: dict[str, dict[tuple[str, ...], float]] = {slow: {}, fast: {}}
    for one in published_fits():
        group = one.group
        for point in one.points:
            if group.device in times:
                run = (group.dtype, group.threads, group.runtime, point.model)
                times[group.device][run] = point.measured_ms
    sizes = [
        abs(log_residual(times[slow][run], time * fast_mhz / slow_mhz))
        for run, time in times[fast].items()
        if run in times[slow]
    ]
    return float(np.quantile(sizes, 0.8))
