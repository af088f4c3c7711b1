"""Intervals from residuals: their quantiles, and that they hold as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_deploy.prediction.latency.conformal import (
    cost_shares,
    half_width,
    half_width_of_families,
    log_residual,
    mix_distance,
)


def test_the_quantile_is_at_the_finite_sample_rank() -> None:
    sizes = [float(n) for n in range(1, 10)]  # nine: rank (9 + 1) * 0.8 = 8
    assert half_width(sizes, 0.8) == 8.0
    assert half_width([-size for size in sizes], 0.8) == 8.0


def test_between_ranks_it_is_interpolated() -> None:
    assert half_width([1, 2, 3, 4, 5, 6], 0.8) == pytest.approx(5.6)


def test_too_few_residuals_have_no_quantile() -> None:
    assert half_width([0.1, 0.2, 0.3], 0.8) is None
    assert half_width([], 0.8) is None
    assert half_width([0.1, 0.2, 0.3, 0.4], 0.8) == pytest.approx(0.4)


@pytest.mark.parametrize("count", [5, 9, 22, 32])
def test_it_holds_four_times_in_five_whatever_the_shape(count: int) -> None:
    random = np.random.default_rng(7)
    inside = []
    for _ in range(4000):
        sample = random.standard_t(3, count + 1) * 0.1
        width = half_width(sample[:-1].tolist(), 0.8)
        assert width is not None
        inside.append(abs(sample[-1]) <= width)
    assert 0.77 <= np.mean(inside) <= 0.84


def test_families_have_one_vote_each() -> None:
    # Sixteen good ones of one family do not outvote four other families.
    residuals = [("mobilenet", 0.01)] * 16 + [(name, 0.3) for name in ("a", "b", "c", "d")]
    assert half_width_of_families(residuals, 0.8) == 0.3
    assert half_width([size for _, size in residuals], 0.8) < 0.3  # type: ignore[operator]


def test_three_families_are_too_few() -> None:
    assert half_width_of_families([("a", 0.1), ("b", 0.1), ("c", 0.2)], 0.8) is None


def test_a_residual_of_nothing_predicted_is_infinite() -> None:
    assert log_residual(10.0, 0.0) == math.inf
    assert log_residual(20.0, 10.0) == pytest.approx(math.log(2))


def test_mixes_are_compared_by_where_the_time_goes() -> None:
    costs = {"dense_mmac": 1.0, "weight_melems": 2.0}
    one = cost_shares(costs, {"dense_mmac": 8.0, "weight_melems": 1.0})
    assert one == pytest.approx({"dense_mmac": 0.8, "weight_melems": 0.2})
    other = cost_shares(costs, {"dense_mmac": 2.0, "weight_melems": 4.0})
    assert mix_distance(one, other) == pytest.approx(0.6)
    assert mix_distance(one, one) == 0
    # Twice the network is the same mix.
    twice = cost_shares(costs, {"dense_mmac": 16.0, "weight_melems": 2.0})
    assert mix_distance(one, twice) == pytest.approx(0)
