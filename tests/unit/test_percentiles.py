"""Percentiles and the intervals that the number of runs supports."""

from __future__ import annotations

import math

import numpy as np
import pytest
from edge_deploy_runner.bench.percentiles import (
    MIN_RUNS_P99,
    coefficient_of_variation,
    estimate,
    interval_ranks,
    latency_estimates,
)


def binomial_coverage(count: int, quantile: float, low: int, high: int) -> float:
    """P(low <= B <= high - 1), summed term by term."""
    return math.fsum(
        math.comb(count, k) * quantile**k * (1 - quantile) ** (count - k) for k in range(low, high)
    )


@pytest.mark.parametrize("count", [6, 10, 29, 50, 100, 299, 500, 1000])
@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.99])
def test_ranks_cover_95_percent_and_no_narrower_end_would(count: int, quantile: float) -> None:
    ranks = interval_ranks(count, quantile)
    if ranks is None:
        assert binomial_coverage(count, quantile, 1, count) < 0.95
        return
    low, high = ranks
    assert 1 <= low < high <= count
    assert binomial_coverage(count, quantile, low, high) >= 0.95
    if high < count:
        assert binomial_coverage(count, quantile, 0, high - 1) < 0.975


@pytest.mark.parametrize(("quantile", "fewest"), [(0.5, 6), (0.9, 29), (0.99, MIN_RUNS_P99)])
def test_fewest_runs_for_an_interval(quantile: float, fewest: int) -> None:
    assert interval_ranks(fewest - 1, quantile) is None
    assert interval_ranks(fewest, quantile) is not None


def test_known_median_interval_of_twenty() -> None:
    # The textbook one: ranks 6 and 15 cover the median of 20 with 95.9%.
    assert interval_ranks(20, 0.5) == (6, 15)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(3)
    truth = math.log(10)  # 90th percentile of the exponential distribution
    held = 0
    for _ in range(400):
        found = estimate(random.exponential(size=120), 0.9)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert 0.93 <= held / 400 <= 1.0


def test_p99_needs_299_runs() -> None:
    assert latency_estimates([1_000_000] * 298)["p99"] is None
    found = latency_estimates([1_000_000] * 299)["p99"]
    assert found is not None
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_one_run_has_a_value_and_no_interval() -> None:
    found = latency_estimates([2_500_000])["p50"]
    assert found is not None
    assert (found.value, found.low, found.high) == (2.5, None, None)


def test_outliers_move_the_mean_but_not_the_median() -> None:
    found = latency_estimates([1_000_000] * 60 + [90_000_000] * 5)["p50"]
    assert found is not None
    assert found.value == 1.0


def test_coefficient_of_variation() -> None:
    assert coefficient_of_variation([5]) == 0.0
    assert coefficient_of_variation([90, 110]) == pytest.approx(math.sqrt(200) / 100)
