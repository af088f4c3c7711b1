"""Intervals from residuals: conformal, so they assume no shape of the errors.

A residual is log(measured / predicted) of a model that the prediction had not seen. The interval
around a prediction is symmetric on that scale, so its low end never reaches zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

# The half-width where nothing else is known: a factor of two either way.
UNKNOWN_HALF_WIDTH = math.log(2)


def log_residual(measured_ms: float, predicted_ms: float) -> float:
    """log(measured / predicted); infinite where nothing was predicted."""
    if measured_ms <= 0 or predicted_ms <= 0:
        return math.inf
    return math.log(measured_ms / predicted_ms)


def half_width(residuals: Sequence[float], coverage: float) -> float | None:
    """The size that a new residual stays under with probability `coverage`.

    The split-conformal quantile, at rank (n + 1) * coverage, interpolated between ranks so that
    few residuals do not round it up. None where they are too few (under four for 80%): the
    finite-sample quantile is then infinite.
    """
    sizes = sorted(abs(residual) for residual in residuals)
    rank = (len(sizes) + 1) * coverage
    if rank > len(sizes) + 1e-9:
        return None
    below = min(int(rank), len(sizes))
    if below < 1:
        return sizes[0]
    above = min(below + 1, len(sizes))
    share = rank - below
    if share < 1e-9:
        return sizes[below - 1]
    return sizes[below - 1] * (1 - share) + sizes[above - 1] * share


def cost_shares(
    coefficients: Mapping[str, float], features: Mapping[str, float]
) -> dict[str, float]:
    """Which part of the predicted time each feature makes; the parts add up to 1."""
    costs = {name: slope * features.get(name, 0.0) for name, slope in coefficients.items()}
    total = sum(costs.values())
    return {name: cost / total if total > 0 else 0.0 for name, cost in costs.items()}


def mix_distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The part of the time that lies in other features, from 0 (alike) to 1."""
    return sum(abs(one[name] - other.get(name, 0.0)) for name in one) / 2


def half_width_of_families(residuals: Sequence[tuple[str, float]], coverage: float) -> float | None:
    """As `half_width`, for a family that is new: (family, residual) pairs, each family one vote.

    The residuals of one family share a vote, since they err together; None under four families
    (for 80%).
    """
    families = [family for family, _ in residuals]
    count = len(set(families))
    if (count + 1) * coverage > count + 1e-9:
        return None
    votes = sorted((abs(size), 1 / families.count(family)) for family, size in residuals)
    wanted = (count + 1) * coverage
    total = 0.0
    for size, vote in votes:
        total += vote
        if total >= wanted - 1e-9:
            return size
    return votes[-1][0]
