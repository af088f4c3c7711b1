"""Coefficients from a calibration: whole micro-models, and their operators timed alone.

Operators alone tell what shapes cost; whole models tell what operators cost together, with caches
that are colder. Both go into one non-negative least squares on relative errors, whole models with
more weight. What is held out is a whole model with its operators.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from edge_deploy_runner.errors import BadInputError
from numpy.typing import NDArray

from edge_deploy.prediction.latency.conformal import cost_shares
from edge_deploy.prediction.latency.fitting import FitResult, check_points
from edge_deploy.prediction.latency.least_squares import non_negative_least_squares
from edge_deploy.prediction.latency.model import LatencyModel, Point
from edge_deploy.prediction.operator_features import OPERATOR_TERMS

_WHOLE_WEIGHT = 4.0
# Operators shorter than this share of a middling model say more of the call than of themselves.
_SHORT_OPERATOR = 0.04
# Where others leave this much of a model's time without any data, what they say of it is no test.
_MOST_WITHOUT_DATA = 0.1
# An operator, or two models, speak for a term that takes at least this share of their time.
_SPEAKS_FOR = 0.1
_FEWEST_FOR_COVERAGE = 6

Array = NDArray[np.float64]


@dataclass(frozen=True)
class OperatorPoint:
    """An operator of the micro-model `model`, timed alone."""

    model: str
    kind: str
    measured_ms: float
    features: dict[str, float]


def fit_calibration(points: Sequence[Point], operators: Sequence[OperatorPoint]) -> FitResult:
    """Coefficients of `OPERATOR_TERMS`, and the points with what fits without them say.

    A point has no held-out figure where the other models know nothing of a part of its work.
    Raises `BadInputError` for too few points, points of two runtimes, or times of 0.
    """
    points = tuple(points)
    check_points(points)
    data = _Data(points, tuple(operators))
    coefficients = data.solve(())
    alone = [data.held_out(coefficients, point, {point.model}) for point in points]
    families = [
        data.held_out(coefficients, point, _family(points, point.family)) for point in points
    ]
    found = tuple(
        replace(point, held_out_ms=one, family_held_out_ms=family)
        for point, one, family in zip(points, alone, families, strict=True)
    )
    return FitResult(coefficients, found, 1.0, _coverage(data, found, coefficients))


def _family(points: Sequence[Point], family: str) -> set[str]:
    return {point.model for point in points if point.family == family}


@dataclass(frozen=True)
class _Data:
    points: tuple[Point, ...]
    operators: tuple[OperatorPoint, ...]

    def solve(self, without: Collection[str]) -> dict[str, float]:
        """Coefficients of all but these models and their operators."""
        wholes = [point for point in self.points if point.model not in without]
        parts = [point for point in self.operators if point.model not in without]
        if not wholes:
            raise BadInputError("a calibration needs more than one family of models")
        short = _SHORT_OPERATOR * float(np.median([point.measured_ms for point in wholes]))
        weights = np.array(
            [_WHOLE_WEIGHT] * len(wholes) + [min(1.0, part.measured_ms / short) for part in parts]
        )
        everything: list[Point | OperatorPoint] = [*wholes, *parts]
        features = np.array(
            [[one.features.get(name, 0.0) for name in OPERATOR_TERMS] for one in everything]
        )
        measured = np.array([one.measured_ms for one in everything])
        matrix = features * (weights / measured)[:, None]
        # Columns of one length: the solver's tolerance is one for all.
        lengths = np.linalg.norm(matrix, axis=0)
        lengths[lengths == 0] = 1.0
        solution = non_negative_least_squares(matrix / lengths, weights) / lengths
        return {
            name: float(value)
            for name, value in zip(OPERATOR_TERMS, solution, strict=True)
            if value > 0
        }

    def held_out(
        self, coefficients: Mapping[str, float], point: Point, without: Collection[str]
    ) -> float | None:
        """What a fit without these models says of a point; None where that is no test of it."""
        others = [one for one in self.points if one.model not in without]
        if not others:
            return None
        known = {
            name
            for one in self.operators
            if one.model not in without
            for name in _spoken_for(coefficients, one.features)
        }
        by_wholes = Counter(
            name for one in others for name in _spoken_for(coefficients, one.features)
        )
        known.update(name for name, count in by_wholes.items() if count > 1)
        own = cost_shares(coefficients, point.features)
        if sum(share for name, share in own.items() if name not in known) > _MOST_WITHOUT_DATA:
            return None
        return _predicted(self.solve(without), point)


def _spoken_for(coefficients: Mapping[str, float], features: Mapping[str, float]) -> list[str]:
    """The terms that what has these features says something of."""
    shares = cost_shares(coefficients, features)
    return [name for name, share in shares.items() if share >= _SPEAKS_FOR]


def _predicted(coefficients: Mapping[str, float], point: Point) -> float:
    return sum(slope * point.features.get(name, 0.0) for name, slope in coefficients.items())


def _coverage(
    data: _Data, points: Sequence[Point], coefficients: Mapping[str, float]
) -> float | None:
    """How often the interval that the other points make holds a point that they have not seen."""
    inside = []
    for point in points:
        if point.held_out_ms is None:
            continue
        others = tuple(other for other in points if other.model != point.model)
        if sum(other.held_out_ms is not None for other in others) < _FEWEST_FOR_COVERAGE - 1:
            return None
        rest = _Data(others, tuple(one for one in data.operators if one.model != point.model))
        seen = tuple(
            replace(other, held_out_ms=rest.held_out(coefficients, other, {other.model}))
            for other in others
        )
        interval = _without_name(rest.solve(()), seen).learnt(point.features)
        inside.append(interval.low <= point.measured_ms <= interval.high)
    return sum(inside) / len(inside) if inside else None


def _without_name(coefficients: dict[str, float], points: tuple[Point, ...]) -> LatencyModel:
    """A model for its estimates alone."""
    return LatencyModel("all", "", 1, "", "", coefficients, points, "", "", "measured")
