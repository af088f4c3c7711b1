"""Percentiles of raw latencies, each with the interval that its number of runs supports.

The interval is the distribution-free one: the pair of order statistics that brackets the
percentile with at least 95% probability, from the binomial distribution of how many runs lie
below it. It assumes that runs are independent, which a throttling board breaks: see the warnings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
CONFIDENCE = 0.95
# The fewest runs whose largest one lies above the 99th percentile with 95% probability.
MIN_RUNS_P99 = 299


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval; `low` and `high` are None where the runs are too few."""

    value: float
    low: float | None = None
    high: float | None = None


def interval_ranks(count: int, quantile: float) -> tuple[int, int] | None:
    """Ranks (from 1) of the order statistics that bracket the quantile; None for too few runs.

    Tails are kept equal where both fit; near the end of the range the upper rank is the largest
    run and the lower tail takes what is left.
    """
    if count < 1:
        return None
    below = _binomial_cdf(count, quantile)
    tail = (1 - CONFIDENCE) / 2
    upper_loss = 1 - float(below[count - 1])  # no run lies above the quantile
    lower_loss = float(below[0])
    if upper_loss + lower_loss > 1 - CONFIDENCE:
        return None
    # Coverage of [x_low, x_high] is P(low <= B <= high - 1) for B runs below the quantile.
    high = min(count, int(np.searchsorted(below, 1 - tail, side="left")) + 1)
    left = (1 - CONFIDENCE) - (1 - float(below[high - 1]))
    low = int(np.searchsorted(below, min(left, tail) if high < count else left, side="right"))
    return max(1, low), high


def _binomial_cdf(count: int, quantile: float) -> NDArray[np.float64]:
    """P(B <= k) for k = 0..count."""
    k = np.arange(count + 1)
    log_factorial = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, count + 1)))))
    log_mass = (
        log_factorial[count]
        - log_factorial[k]
        - log_factorial[count - k]
        + k * math.log(quantile)
        + (count - k) * math.log1p(-quantile)
    )
    below: NDArray[np.float64] = np.minimum(np.cumsum(np.exp(log_mass)), 1.0)
    return below


def estimate(values: Sequence[float] | NDArray[np.float64], quantile: float) -> Estimate:
    """The quantile (linear between runs) and its interval. `values` must not be empty."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    ranks = interval_ranks(len(ordered), quantile)
    value = float(np.quantile(ordered, quantile))
    if ranks is None:
        return Estimate(value)
    return Estimate(value, float(ordered[ranks[0] - 1]), float(ordered[ranks[1] - 1]))


def latency_estimates(latencies_ns: Sequence[int]) -> dict[str, Estimate | None]:
    """p50, p90 and p99 in milliseconds; p99 is None under 299 runs."""
    values_ms = np.asarray(latencies_ns, dtype=np.float64) / 1e6
    return {
        name: None
        if name == "p99" and len(values_ms) < MIN_RUNS_P99
        else estimate(values_ms, quantile)
        for name, quantile in PERCENTILES.items()
    }


def coefficient_of_variation(latencies_ns: Sequence[int]) -> float:
    """Standard deviation as a share of the mean; 0 for a single run."""
    if len(latencies_ns) < 2:
        return 0.0
    values = np.asarray(latencies_ns, dtype=np.float64)
    mean = float(values.mean())
    return float(values.std(ddof=1)) / mean if mean > 0 else 0.0


def ratio_interval(ratios: Sequence[float]) -> Estimate:
    """The median of paired ratios with its order-statistic interval (needs six pairs)."""
    return estimate(ratios, 0.5)


def latency_json(latencies_ns: tuple[int, ...]) -> dict[str, Any]:
    """Percentiles in milliseconds and, under "ci95", their intervals; None for what is unknown."""
    estimates = latency_estimates(latencies_ns)
    return {
        **{name: found.value if found else None for name, found in estimates.items()},
        "ci95": {
            name: [found.low, found.high] if found and found.low is not None else None
            for name, found in estimates.items()
        },
    }
