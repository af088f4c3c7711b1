"""Fits of latency coefficients: what they find, what they leave out, and what they refuse."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from edge_deploy_runner.errors import BadInputError

from edge_deploy.prediction.latency.fitting import (
    DEFAULT_TERMS,
    FEW_POINTS_HALF_WIDTHS,
    fit,
    intervals_without,
    predicted_without,
)
from edge_deploy.prediction.latency.least_squares import non_negative_least_squares
from edge_deploy.prediction.latency.model import LatencyModel, Point

TRUE = {"dense_mmac": 0.03, "depthwise_mmac": 0.2, "activation_melems": 0.5, "weight_melems": 0.4}
TERMS = tuple(TRUE)


def made_points(count: int, noise: float = 0.0, seed: int = 0) -> list[Point]:
    """Networks of four families with known coefficients."""
    random = np.random.default_rng(seed)
    found = []
    for index in range(count):
        size = math.exp(random.uniform(0, 3))
        features = {
            name: size * scale * math.exp(random.normal(0, 0.6))
            for name, scale in zip(TERMS, (80.0, 4.0, 3.0, 2.0), strict=True)
        }
        time = sum(TRUE[name] * value for name, value in features.items())
        time *= math.exp(random.normal(0, noise)) if noise else 1.0
        found.append(Point(f"net{index}", f"family{index % 4}", time, features, runtime="TFLite"))
    return found


def as_model(coefficients: dict[str, float], points: tuple[Point, ...] = ()) -> LatencyModel:
    return LatencyModel(
        "all", "float32", 4, "TFLite", "none", coefficients, points, "2026-11-23", "here", "read"
    )


def test_least_squares_never_go_below_zero() -> None:
    random = np.random.default_rng(3)
    for _ in range(200):
        matrix, target = random.normal(size=(9, 5)), random.normal(size=9)
        found = non_negative_least_squares(matrix, target)
        assert (found >= 0).all()
        gradient = matrix.T @ (target - matrix @ found)
        # Kuhn and Tucker: nothing to gain by moving any of them.
        assert (gradient <= 1e-8).all()
        assert abs(gradient[found > 0]).max(initial=0) < 1e-6


def test_a_wrong_guess_of_what_is_above_zero_changes_nothing() -> None:
    random = np.random.default_rng(4)
    matrix, target = random.normal(size=(9, 4)), random.normal(size=9)
    plain = non_negative_least_squares(matrix, target)
    for guess in (np.ones(4, bool), np.zeros(4, bool), np.array([True, False, True, False])):
        assert non_negative_least_squares(matrix, target, guess) == pytest.approx(plain, abs=1e-8)


def test_two_features_that_are_one_are_no_trouble() -> None:
    column = np.array([1.0, 2.0, 3.0])
    found = non_negative_least_squares(np.stack([column, column], axis=1), 2 * column)
    assert found.sum() == pytest.approx(2)


def test_known_coefficients_are_found() -> None:
    result = fit(made_points(12), TERMS)
    assert result.coefficients == pytest.approx(TRUE, rel=1e-6)
    for point in result.points:
        assert point.held_out_ms == pytest.approx(point.measured_ms, rel=1e-6)
        assert point.family_held_out_ms == pytest.approx(point.measured_ms, rel=1e-6)


def test_one_point_far_off_does_not_pull_the_others() -> None:
    points = made_points(14, 0.02)
    points[3] = replace(points[3], measured_ms=points[3].measured_ms * 3)
    good = [point for point in fit(points, TERMS).points if point.model != "net3"]
    errors = [abs(point.held_out_ms / point.measured_ms - 1) for point in good if point.held_out_ms]
    assert np.mean(errors) < 0.05


def test_what_is_left_out_does_not_know_its_own_time() -> None:
    points = made_points(12, 0.1)
    other = list(points)
    other[5] = replace(other[5], measured_ms=other[5].measured_ms * 1.3)
    assert fit(points, TERMS).points[5].held_out_ms == fit(other, TERMS).points[5].held_out_ms
    one, two = fit(points, TERMS).points, fit(other, TERMS).points
    assert one[5].family_held_out_ms == two[5].family_held_out_ms
    # Another of its family changes what one left out hears of it, but not the family left out.
    assert one[9].family_held_out_ms == two[9].family_held_out_ms
    assert one[9].held_out_ms != two[9].held_out_ms


def test_nor_does_the_sibling() -> None:
    points = made_points(12, 0.05)
    told = fit(points, TERMS)
    lied = [replace(p, measured_ms=p.measured_ms * (9 if p.model == "net2" else 1)) for p in points]
    own = [replace(point, measured_ms=2 * point.measured_ms) for point in points[:5]]
    # The siblings differ in what they know of net2 alone, and net2 is left out.
    one = fit(own, TERMS, prior=as_model(told.coefficients, told.points))
    other = fit(own, TERMS, prior=as_model(told.coefficients, fit(lied, TERMS).points))
    assert one.points[2].held_out_ms == pytest.approx(other.points[2].held_out_ms)
    assert one.points[3].held_out_ms != pytest.approx(other.points[3].held_out_ms)


def test_nor_does_the_sibling_that_an_interval_rests_on() -> None:
    points = made_points(12, 0.05)
    lied = [replace(p, measured_ms=p.measured_ms * (9 if p.model == "net2" else 1)) for p in points]
    # The sibling's table rounds its features otherwise; it is the same network all the same.
    rounded = [replace(p, features={k: v * 1.01 for k, v in p.features.items()}) for p in lied]
    own = [replace(point, measured_ms=2 * point.measured_ms) for point in points[:8]]
    intervals = []
    for table in (points, rounded, lied):
        told = fit(table, TERMS)
        prior = as_model(fit(points, TERMS).coefficients, told.points)
        intervals.append(intervals_without(own, TERMS, prior=prior))
    honest, about, other = (found[2] for found in intervals)
    assert honest is not None
    assert other is not None
    assert about is not None
    assert (other.value, other.low) == pytest.approx((honest.value, honest.low))
    assert about.value == pytest.approx(honest.value, rel=0.03)
    assert intervals[0][3] != intervals[2][3]


def test_three_points_and_a_sibling_suffice() -> None:
    sibling = as_model(TRUE)
    faster = [replace(p, measured_ms=p.measured_ms / 2) for p in made_points(3, 0.02, seed=8)]
    result = fit(faster, prior=sibling)
    assert result.scale == pytest.approx(0.5, rel=0.05)
    for name, value in TRUE.items():
        assert result.coefficients[name] == pytest.approx(value / 2, rel=0.15)
    assert result.spread == FEW_POINTS_HALF_WIDTHS[3]
    assert result.coverage80 is None


def test_many_points_outweigh_the_sibling() -> None:
    wrong = as_model({**TRUE, "depthwise_mmac": 0.6, "activation_melems": 0.2})
    result = fit(made_points(40, 0.01), TERMS, prior=wrong)
    assert result.coefficients == pytest.approx(TRUE, rel=0.1)
    assert result.spread == 0


def test_a_feature_new_to_the_sibling_is_learnt() -> None:
    sibling = as_model({name: TRUE[name] for name in TERMS[:3]})
    result = fit(made_points(40, 0.01), TERMS, prior=sibling)
    assert result.coefficients["weight_melems"] == pytest.approx(0.4, rel=0.3)
    assert set(fit(made_points(4), prior=sibling).coefficients) == set(DEFAULT_TERMS)


def test_intervals_of_left_out_points_hold_about_as_often_as_they_say() -> None:
    inside = []
    for seed in range(8):
        points = made_points(16, 0.08, seed)
        for point, interval in zip(points, intervals_without(points, TERMS), strict=True):
            assert interval is not None
            inside.append(interval.low <= point.measured_ms <= interval.high)
    assert 0.72 <= np.mean(inside) <= 0.9


def test_too_few_points_are_refused_with_the_way_out() -> None:
    with pytest.raises(BadInputError, match=r"5 points are too few.*--like ID"):
        fit(made_points(5), TERMS)
    with pytest.raises(BadInputError, match=r"1 point is too few to fit; 2 are needed$"):
        fit(made_points(1), prior=as_model(TRUE))


def test_two_runtimes_are_never_fitted_together() -> None:
    points = made_points(8)
    points[1] = replace(points[1], runtime="TFLite 2.18")
    with pytest.raises(BadInputError, match=r"2 runtimes \(TFLite; TFLite 2.18\)"):
        fit(points, TERMS)


@pytest.mark.parametrize("time", [0.0, -1.0, math.nan, math.inf])
def test_a_time_that_is_none_is_refused(time: float) -> None:
    points = made_points(8)
    points[2] = replace(points[2], measured_ms=time)
    with pytest.raises(BadInputError, match="net2 has a latency of"):
        fit(points, TERMS)


def test_a_target_is_predicted_from_few_points() -> None:
    points = made_points(6)
    prior = as_model({name: 3 * value for name, value in TRUE.items()})
    assert predicted_without(points[:2], points[5], prior) == pytest.approx(
        points[5].measured_ms, rel=0.05
    )
