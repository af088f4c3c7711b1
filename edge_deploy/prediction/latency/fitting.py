"""Coefficients from measured points: non-negative least squares on the relative error.

The terms are fixed before any data is seen; what is left out while an error is measured is left
out of everything, the scale to a sibling device included.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from edge_deploy_runner.errors import BadInputError
from numpy.typing import NDArray

from .least_squares import Array, robust_coefficients
from .model import Interval, LatencyModel, Point

DEFAULT_TERMS = (
    "dense_mmac", "depthwise_mmac", "fc_mmac", "activation_melems", "weight_melems",
    "im2col_melems", "unfolded_melems", "detection_melems",
)  # fmt: skip
"""What a published table is fitted with, the same for every device, dtype and thread count."""
MIN_POINTS = 6
"""Fewer points than this need a prior."""
MIN_POINTS_WITH_PRIOR = 2
FEW_POINTS_HALF_WIDTHS = {0: 0.69, 1: 0.29, 2: 0.27, 3: 0.27, 4: 0.27, 5: 0.25}
# Shares: how far the ratio of a coefficient to its sibling's strays from the common scale, what
# share of the time a term may take that is new to the sibling, and the scatter of the points that
# both are weighed against. docs/prediction.md says what else was tried.
_RATIO_SPREAD = 0.7
_NEW_TERM_SHARE = 0.1
_POINT_SCATTER = 0.08
# Tables count and round the same network alike to this share, or so many millions.
_SAME_NETWORK = (0.02, 1e-3)


@dataclass(frozen=True)
class FitResult:
    """Coefficients in ms per unit, and the points with what fits without them would have said.

    scale: the common factor to the prior's coefficients; 1 without a prior. coverage80: the share
    of points inside the interval that the other points alone would have made; None if too few.
    spread: log half-width to give to `LatencyModel`, above 0 where few points lean on a prior.
    intervals: that of each point as the others make it; empty if they are too few.
    """

    coefficients: dict[str, float]
    points: tuple[Point, ...]
    scale: float = 1.0
    coverage80: float | None = None
    spread: float = 0.0
    intervals: tuple[Interval | None, ...] = ()


def fit(
    points: Sequence[Point],
    terms: Sequence[str] | None = None,
    *,
    prior: LatencyModel | None = None,
) -> FitResult:
    """Fit coefficients of `terms` (`DEFAULT_TERMS` if None) to points of one runtime.

    With a prior, its coefficients are brought to the points' level by one factor, and each then
    strays from there as far as the points ask for: three points suffice. Without, `MIN_POINTS`
    are needed. Raises `BadInputError` for too few points, two runtimes, or times that are not
    above zero.
    """
    points = tuple(points)
    check_points(points, prior)
    names = _terms(terms, prior)
    result = _fit(points, names, None if prior is None else _Sibling(prior, names))
    enough = len(points) >= MIN_POINTS
    intervals = intervals_without(points, names, prior=prior) if enough else ()
    coverage = coverage_of(points, intervals) if enough else None
    spread = 0.0 if prior is None else few_points_half_width(len(points))
    return replace(result, coverage80=coverage, spread=spread, intervals=intervals)


def predicted_without(points: Sequence[Point], target: Point, prior: LatencyModel) -> float:
    """What points and a prior that has not seen `target` either predict for it, in ms."""
    together = (*points, target)
    names = _terms(None, prior)
    chosen = np.array([True] * len(points) + [False])
    solve = _solver(together, names, _Sibling(prior, names))
    return float(_matrix([target], names)[0] @ solve(chosen)[0])


def few_points_half_width(count: int) -> float:
    """The log half-width of 80% intervals of so many points with a sibling's coefficients.

    0 for `MIN_POINTS` and more, whose own residuals tell. Measured as `few_points` of few_points.py
    does: one to five points of a published table, the others of other families predicted.
    """
    return FEW_POINTS_HALF_WIDTHS.get(count, 0.0) if count < MIN_POINTS else 0.0


def check_points(points: Sequence[Point], prior: LatencyModel | None = None) -> None:
    """Raise `BadInputError` where points cannot be fitted together."""
    needed = MIN_POINTS if prior is None else MIN_POINTS_WITH_PRIOR
    if len(points) < needed:
        more = "" if prior is not None else ", or three and a sibling device (--like ID)"
        have = "1 point is" if len(points) == 1 else f"{len(points)} points are"
        raise BadInputError(f"{have} too few to fit; {needed} are needed{more}")
    runtimes = sorted({point.runtime for point in points})
    if len(runtimes) > 1:
        raise BadInputError(
            f"these points come from {len(runtimes)} runtimes ({'; '.join(runtimes)}); "
            "fit each alone, their coefficients differ"
        )
    for point in points:
        if not (np.isfinite(point.measured_ms) and point.measured_ms > 0):
            raise BadInputError(f"{point.model} has a latency of {point.measured_ms} ms")


_Solver = Callable[[NDArray[np.bool_]], tuple[Array, float]]


def _solver(
    points: Sequence[Point],
    names: Sequence[str],
    sibling: _Sibling | None,
    outside: Sequence[Point] = (),
) -> _Solver:
    """What makes coefficients, and the scale to the prior, of the chosen points.

    The prior is fitted without the points that are not chosen and without those `outside`.
    """
    features = _matrix(points, names)
    relative = features / np.array([point.measured_ms for point in points])[:, None]
    if sibling is None:
        return lambda chosen: (robust_coefficients(relative[chosen]), 1.0)

    def solve(chosen: NDArray[np.bool_]) -> tuple[Array, float]:
        families = {points[index].family for index in np.flatnonzero(chosen).tolist()}
        left_out = [*outside, *(points[index] for index in np.flatnonzero(~chosen).tolist())]
        unseen = {point.family for point in left_out} - families
        return _shrunk(relative[chosen], sibling.coefficients_without(left_out, unseen))

    return solve


class _Sibling:
    """The prior's coefficients, which must not know a model that is left out either."""

    def __init__(self, prior: LatencyModel, names: Sequence[str]) -> None:
        self._points = prior.points
        self._whole = np.array([prior.coefficients.get(name, 0.0) for name in names])
        self._features = _matrix(prior.points, names)
        self._measured = np.array([point.measured_ms for point in prior.points])
        self._names = names
        self._found: dict[bytes, Array] = {}

    def coefficients_without(self, left_out: Sequence[Point], families: Collection[str]) -> Array:
        """The prior fitted anew without these models and families, where it has seen them."""
        gone = np.array([point.family in families for point in self._points], bool)
        for row in _matrix(left_out, self._names):
            gone |= np.isclose(self._features, row, *_SAME_NETWORK).all(axis=1)
        if not gone.any() or (~gone).sum() < MIN_POINTS:
            return self._whole
        key = gone.tobytes()
        if key not in self._found:
            kept = self._features[~gone] / self._measured[~gone][:, None]
            self._found[key] = robust_coefficients(kept)
        return self._found[key]


def _matrix(points: Sequence[Point], names: Sequence[str]) -> Array:
    rows = [[point.features.get(name, 0.0) for name in names] for point in points]
    return np.array(rows, float).reshape(len(points), len(names))


def _shrunk(relative: Array, sibling: Array) -> tuple[Array, float]:
    """The sibling's coefficients at the points' level, each moved as far as the points ask."""
    of_sibling = relative @ sibling
    scale = float(np.exp(-np.median(np.log(np.maximum(of_sibling, 1e-12)))))
    centre = sibling * scale
    # A term that the sibling has no data on may take a share of the time.
    strays = _POINT_SCATTER / _RATIO_SPREAD / np.maximum(centre, 1e-300)
    share = _POINT_SCATTER / _NEW_TERM_SHARE * relative.mean(axis=0)
    unit = np.where(centre > 0, strays, share)
    penalty = np.diag(unit)
    target = np.where(centre > 0, _POINT_SCATTER / _RATIO_SPREAD, 0.0)
    keep = unit > 0
    solution = np.zeros(len(sibling))
    solution[keep] = robust_coefficients(relative[:, keep], penalty[keep][:, keep], target[keep])
    return solution, scale


def _held_out(
    points: Sequence[Point], names: Sequence[str], solve: _Solver, has_prior: bool
) -> tuple[list[float | None], list[float | None]]:
    features = _matrix(points, names)
    families = np.array([point.family for point in points])
    least = 1 if has_prior else 2
    loo: list[float | None] = []
    lofo: list[float | None] = [None] * len(points)
    for index in range(len(points)):
        chosen = np.arange(len(points)) != index
        loo.append(float(features[index] @ solve(chosen)[0]) if chosen.sum() >= least else None)
    for family in dict.fromkeys(families.tolist()):
        chosen = families != family
        if chosen.sum() < least:
            continue
        coefficients = solve(chosen)[0]
        for index in np.flatnonzero(~chosen).tolist():
            lofo[index] = float(features[index] @ coefficients)
    return loo, lofo


def _fit(
    points: tuple[Point, ...],
    names: tuple[str, ...],
    sibling: _Sibling | None,
    outside: Sequence[Point] = (),
) -> FitResult:
    solve = _solver(points, names, sibling, outside)
    coefficients, scale = solve(np.ones(len(points), bool))
    loo, lofo = _held_out(points, names, solve, sibling is not None)
    return FitResult(
        {name: float(value) for name, value in zip(names, coefficients, strict=True)},
        tuple(
            replace(point, held_out_ms=one, family_held_out_ms=family)
            for point, one, family in zip(points, loo, lofo, strict=True)
        ),
        scale,
    )


def intervals_without(
    points: Sequence[Point],
    terms: Sequence[str] | None = None,
    *,
    prior: LatencyModel | None = None,
    whole_family: bool = False,
) -> tuple[Interval | None, ...]:
    """The interval of each point, as made by the other points alone (or by the other families).

    Nothing of the point is in it: the coefficients, the residuals and what counts as familiar all
    come from the others, and a prior is fitted without it. None where these are too few to fit.
    """
    points = tuple(points)
    names = _terms(terms, prior)
    sibling = None if prior is None else _Sibling(prior, names)
    least = MIN_POINTS - 1 if prior is None else MIN_POINTS_WITH_PRIOR - 1
    found: list[Interval | None] = []
    for index, point in enumerate(points):
        others = tuple(
            other
            for place, other in enumerate(points)
            if place != index and not (whole_family and other.family == point.family)
        )
        if len(others) < least:
            found.append(None)
            continue
        outside = [other for other in points if other not in others]
        result = _fit(others, names, sibling, outside)
        found.append(_unnamed(result, prior).learnt(point.features))
    return tuple(found)


def _terms(terms: Sequence[str] | None, prior: LatencyModel | None) -> tuple[str, ...]:
    if terms is not None:
        return tuple(terms)
    # A prior has no coefficient where it is 0, or where none of its points had such work.
    if prior is None or set(prior.coefficients) <= set(DEFAULT_TERMS):
        return DEFAULT_TERMS
    return tuple(prior.coefficients)


def _unnamed(result: FitResult, prior: LatencyModel | None) -> LatencyModel:
    """A model for its estimates alone."""
    return LatencyModel(
        "all",
        "",
        1,
        "",
        "",
        result.coefficients,
        result.points,
        "",
        "",
        "read",
        like=prior.like if prior is not None else "",
    )


def coverage_of(points: Sequence[Point], intervals: Sequence[Interval | None]) -> float | None:
    """The share of points inside their intervals; None where there are none."""
    inside = [
        interval.low <= point.measured_ms <= interval.high
        for point, interval in zip(points, intervals, strict=True)
        if interval is not None
    ]
    return sum(inside) / len(inside) if inside else None
