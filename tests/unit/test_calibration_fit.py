"""Fits of calibrations: known coefficients come back, and held-out figures say what they may."""

from __future__ import annotations

from dataclasses import replace

import pytest
from edge_deploy_runner.errors import BadInputError

from edge_deploy.prediction.calibration.fit import OperatorPoint, fit_calibration
from edge_deploy.prediction.latency.model import Point

TRUE = {"DENSE.mmac": 0.008, "DEPTHWISE.mmac": 0.03, "ALL.n": 0.001, "WEIGHTS.cold_mb": 0.05}
# More than the parts add up to: weights are cold in whole models alone.
MODELS = {
    "dense": {"DENSE.mmac": 100.0, "ALL.n": 10.0},
    "depthwise": {"DEPTHWISE.mmac": 20.0, "ALL.n": 8.0},
    "mixed": {"DENSE.mmac": 20.0, "DEPTHWISE.mmac": 5.0, "ALL.n": 30.0},
    "mixed too": {"DENSE.mmac": 40.0, "DEPTHWISE.mmac": 4.0, "ALL.n": 20.0},
    "mixed again": {"DENSE.mmac": 10.0, "DEPTHWISE.mmac": 8.0, "ALL.n": 40.0},
    "few": {"DENSE.mmac": 5.0, "DEPTHWISE.mmac": 1.0, "ALL.n": 5.0},
    "more": {"DENSE.mmac": 60.0, "DEPTHWISE.mmac": 12.0, "ALL.n": 25.0},
    "heavy": {"DENSE.mmac": 50.0, "WEIGHTS.cold_mb": 20.0, "ALL.n": 5.0},
}


def cost(features: dict[str, float]) -> float:
    return sum(TRUE[name] * value for name, value in features.items())


def points(error: float = 0.0) -> list[Point]:
    return [
        Point(name, name.split()[0], cost(one) * (1 + error * (-1) ** n), one, runtime="LiteRT 2")
        for n, (name, one) in enumerate(MODELS.items())
    ]


def operators() -> list[OperatorPoint]:
    found = []
    for name, features in MODELS.items():
        for kind in ("DENSE.mmac", "DEPTHWISE.mmac"):
            if kind in features:
                alone = {kind: features[kind] / 4, "ALL.n": 1.0}
                found.append(OperatorPoint(name, kind, cost(alone), alone))
    return found


def test_the_coefficients_of_a_device_without_noise_come_back() -> None:
    result = fit_calibration(points(), operators())
    assert result.coefficients == pytest.approx(TRUE, rel=1e-3)
    for point in result.points:
        if point.held_out_ms is not None:
            assert point.held_out_ms == pytest.approx(point.measured_ms, rel=1e-3)


def test_what_only_one_model_knows_of_is_not_held_out() -> None:
    by_name = {point.model: point for point in fit_calibration(points(), operators()).points}
    assert by_name["heavy"].held_out_ms is None
    assert by_name["mixed"].held_out_ms is not None
    assert by_name["dense"].held_out_ms is not None


def test_a_model_is_held_out_with_its_operators() -> None:
    found = points()
    # One model and its parts take twice as long: what is left knows nothing of that.
    slow = [replace(p, measured_ms=2 * p.measured_ms) if p.model == "more" else p for p in found]
    parts = [replace(o, measured_ms=2 * o.measured_ms) if o.model == "more" else o
             for o in operators()]  # fmt: skip
    by_name = {point.model: point for point in fit_calibration(slow, parts).points}
    assert by_name["more"].held_out_ms == pytest.approx(slow[6].measured_ms / 2, rel=1e-3)


def test_coverage_is_that_of_intervals_made_by_the_others() -> None:
    result = fit_calibration(points(error=0.05), operators())
    assert result.coverage80 is not None
    assert 0.4 <= result.coverage80 <= 1
    assert all(value >= 0 for value in result.coefficients.values())


def test_a_twin_that_errs_alike_does_not_make_coverage() -> None:
    slow = [replace(p, measured_ms=1.5 * p.measured_ms) if p.model == "few" else p
            for p in points()]  # fmt: skip
    twin = next(replace(point, model="few twin") for point in slow if point.model == "few")
    result = fit_calibration([*slow, twin], operators())
    judged = [point for point in result.points if point.held_out_ms is not None]
    # Neither of the two is inside what the points teach; stretched to its twin's time both were.
    assert result.coverage80 == pytest.approx(1 - 2 / len(judged))


def test_families_are_left_out_whole() -> None:
    by_name = {
        point.model: point for point in fit_calibration(points(error=0.05), operators()).points
    }
    assert by_name["dense"].family_held_out_ms == by_name["dense"].held_out_ms
    assert by_name["mixed"].family_held_out_ms != by_name["mixed"].held_out_ms


def test_too_few_points_and_two_runtimes_are_refused() -> None:
    with pytest.raises(BadInputError, match="5 points are too few"):
        fit_calibration(points()[:5], operators())
    first, *rest = points()
    with pytest.raises(BadInputError, match="2 runtimes"):
        fit_calibration([replace(first, runtime="TFLite 2.5"), *rest], operators())
