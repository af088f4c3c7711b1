"""Whether a model is like the points of a fit, and which of their residuals then hold for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .conformal import (
    UNKNOWN_HALF_WIDTH,
    cost_shares,
    half_width,
    half_width_of_families,
    log_residual,
    mix_distance,
)

# Closer than this share of the time, two mixes are alike whatever the points say.
_ALIKE = 0.15
# Where a few families alone were measured, another may look like them and yet fare otherwise.
_ALIKE_OF_FEW = 0.03
# Of 13 networks whose mix was within 2 to 6% of the one family that a fit had seen, two lay in
# their interval, and 80% were off by up to 29%; none was nearer. Its own lie as far apart as these.
_ALIKE_OF_ONE = 0.015
FEW_FAMILIES = 4
"""Under so many, no quantile of families exists (for 80%)."""
# What 80% of families stayed within that only a sibling device had seen (few_points.py).
SIBLING_FAMILY_HALF_WIDTH = 0.25
_FAMILIAR_SHARE = 0.9
_MOST_WIDENING = 3.0
# Up to here below the shortest and above the longest time, a fit is not stretched.
_SIZE_MARGIN = math.log(2)


class HeldOut(Protocol):
    """What is looked at of a point."""

    @property
    def family(self) -> str: ...
    @property
    def measured_ms(self) -> float: ...
    @property
    def features(self) -> Mapping[str, float]: ...
    @property
    def held_out_ms(self) -> float | None: ...
    @property
    def family_held_out_ms(self) -> float | None: ...


@dataclass(frozen=True)
class Width:
    """The log half-width of an interval, and why it is wider than that of a familiar model."""

    half_width: float
    reasons: tuple[str, ...] = ()


def width_for(
    coefficients: Mapping[str, float],
    points: Sequence[HeldOut],
    features: Mapping[str, float],
    coverage: float,
    *,
    with_sibling: bool = False,
    stranger: bool = False,
) -> Width | None:
    """The width that held-out points give to a model with these features; None if too few.

    A familiar model, one whose mix of work has a point as near as points have each other, gets
    the residuals of points left out alone. Another gets those of whole families left out, and
    beyond what the families differ among themselves these are stretched. `with_sibling`: the
    coefficients lean on a sibling's, so that one family says something of another. `stranger`: the
    model's family is not known, so that one family alone does not vouch for it.
    """
    mixes = [cost_shares(coefficients, point.features) for point in points]
    mix = cost_shares(coefficients, features)
    nearest = min((mix_distance(mix, other) for other in mixes), default=math.inf)
    own = [_nearest_other(index, mixes) for index in range(len(points))]
    known = len({point.family for point in points})
    limit = max(_quantile(own, _FAMILIAR_SHARE), _ALIKE_OF_FEW if known < FEW_FAMILIES else _ALIKE)
    if known == 1 and stranger:
        limit = _ALIKE_OF_ONE
    alone = [
        (log_residual(point.measured_ms, point.held_out_ms), distance)
        for point, distance in zip(points, own, strict=True)
        if point.held_out_ms is not None
    ]
    familiar = half_width([size for size, distance in alone if distance <= limit], coverage)
    everyone = half_width([size for size, _ in alone], coverage)
    if everyone is None:
        return None
    if familiar is None or (known == 1 and stranger):
        familiar = everyone
    predicted = sum(slope * features.get(name, 0.0) for name, slope in coefficients.items())
    stretch = _beyond_sizes(predicted, points)
    if nearest <= limit and stretch == 0:
        return Width(familiar)
    families, reasons = _family_width(points, coverage, with_sibling)
    width = max(everyone, families)
    if nearest > limit:
        reasons = (
            f"{nearest:.0%} of its time lies in other work than that of the nearest measured "
            "model, so the interval is that of a family of networks never measured",
            *reasons,
        )
        farthest = max(
            (_nearest_other(index, mixes, points) for index in range(len(points))),
            default=0.0,
        )
        if math.isfinite(farthest) and farthest > 0:
            width *= min(max(1.0, nearest / farthest), _MOST_WIDENING)
    if stretch > 0:
        longer = predicted > max(point.measured_ms for point in points)
        factor = f"{float(f'{math.exp(stretch + _SIZE_MARGIN):.2g}'):g} times"
        reasons = (
            f"its time is {factor} the longest measured"
            if longer
            else f"the shortest measured time is {factor} its own",
            *reasons,
        )
        width *= min(1.0 + 0.2 * stretch, _MOST_WIDENING)
    return Width(width, reasons)


def _family_width(
    points: Sequence[HeldOut], coverage: float, with_sibling: bool
) -> tuple[float, tuple[str, ...]]:
    found = [
        (point.family, log_residual(point.measured_ms, point.family_held_out_ms))
        for point in points
        if point.family_held_out_ms is not None
    ]
    width = half_width_of_families(found, coverage)
    if width is not None:
        return width, ()
    largest = max((abs(size) for _, size in found if math.isfinite(size)), default=0.0)
    least = SIBLING_FAMILY_HALF_WIDTH if with_sibling else UNKNOWN_HALF_WIDTH
    measured = len({point.family for point in points})
    return max(largest, least), (
        f"{measured} {'family' if measured == 1 else 'families'} of networks measured: too few to "
        f"tell how another one fares, a factor of {math.exp(least):.1f} at least is assumed",
    )


def _nearest_other(
    index: int, mixes: Sequence[Mapping[str, float]], points: Sequence[HeldOut] | None = None
) -> float:
    return min(
        (
            mix_distance(mixes[index], other)
            for place, other in enumerate(mixes)
            if place != index and (points is None or points[place].family != points[index].family)
        ),
        default=math.inf,
    )


def _beyond_sizes(predicted: float, points: Sequence[HeldOut]) -> float:
    """How far, as a log, a time lies beyond the points' range and its margin; 0 inside."""
    if predicted <= 0 or not points:
        return 0.0
    times = [math.log(point.measured_ms) for point in points]
    place = math.log(predicted)
    return max(0.0, min(times) - _SIZE_MARGIN - place, place - max(times) - _SIZE_MARGIN)


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
