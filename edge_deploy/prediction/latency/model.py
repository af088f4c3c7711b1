"""One fitted latency model: coefficients of one device, cluster, dtype, thread count and runtime.

Time is a sum of coefficient times feature, in milliseconds; whatever is not linear is a feature.
The points that made the coefficients stay with them, each with what a fit without it (and one
without its whole family) would have said, so that the interval and the error can be read off.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from .conformal import UNKNOWN_HALF_WIDTH, cost_shares, half_width, log_residual, mix_distance
from .novelty import Width, width_for

STANDINGS = ("read", "guess", "measured", "simulated")
COVERAGE = 0.8
FEW_POINTS = 6
"""Under so many points, an interval leans on the sibling device."""
# Up to this share of the time, two files ask for the same: another converter's last layer makes
# 3.7%, and no two networks of the published tables are nearer than 8%.
_SAME_WORK = 0.04
# How much a factor of e in size counts against a share of the time spent on other work.
_SIZE_WEIGHT = 0.1


@dataclass(frozen=True)
class Interval:
    """Milliseconds: the value, and the interval that holds the truth with `coverage` (0 to 1).

    `reasons` says why it is wider than usual; it is empty where it is not.
    """

    value: float
    low: float
    high: float
    coverage: float
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class FitError:
    """How good a fit is on models that it did not see; errors are shares of the measured time.

    mae_loo: mean absolute error with one model left out, mae_lofo: with its whole family left
    out, worst: the largest with one left out, coverage80: the share of left-out models inside
    the interval made of the others. None where the points do not allow it.
    """

    n: int
    mae_loo: float | None
    mae_lofo: float | None
    worst: float | None
    coverage80: float | None


@dataclass(frozen=True)
class Point:
    """One measured model, and what fits without it and without its family predict for it."""

    model: str
    family: str
    measured_ms: float
    features: dict[str, float]
    held_out_ms: float | None = None
    family_held_out_ms: float | None = None
    runtime: str = ""


@dataclass(frozen=True)
class LatencyModel:
    """Coefficients in ms per unit of their feature, with where they come from.

    runtime, delegate: what ran the points; never two in one model. made: the ISO date of the
    fit. like: the device whose coefficients were the prior ("" for none). scale_note: how they
    were scaled. kinds: operator kinds of the points, like_kinds: those that only the points of
    `like` have. residuals: log(measured / predicted) of the
    sibling's points, where too few of its own stand here. spread: log half-width that leaning on
    another device was measured to need. coverage80: as in `FitError`. like_runtime: what ran the
    points of `like`, like_dtype: what they are, "" if that was the same.
    p90_over_p50: the least, (in newer files) the usual and the most that a calibration saw, None
    where nobody looked. noise: by what share times of the same model differed while it was
    calibrated, 0 for as usual.
    """

    cluster: str
    dtype: str
    threads: int
    runtime: str
    delegate: str
    coefficients: dict[str, float]
    points: tuple[Point, ...]
    made: str
    source: str
    standing: str
    like: str = ""
    scale_note: str = ""
    kinds: tuple[str, ...] = ()
    feature_version: int = 1
    residuals: tuple[float, ...] = ()
    spread: float = 0.0
    coverage80: float | None = None
    p90_over_p50: tuple[float, ...] | None = None
    like_runtime: str = ""
    noise: float = 0.0
    like_dtype: str = ""
    like_kinds: tuple[str, ...] = ()

    def predicted_ms(self, features: Mapping[str, float]) -> float:
        """The sum of coefficient times feature; a feature that is not given counts as 0."""
        return sum(slope * features.get(name, 0.0) for name, slope in self.coefficients.items())

    def estimate(self, features: Mapping[str, float]) -> Interval:
        """The latency of a model with these features, in ms.

        As `learnt`, but no network is taken for one of the only family that was measured unless
        its mix of work is that of a point; and stretched to the measured time of a point with the
        same features where that lies outside, which is then a reason. A disturbed calibration
        widens both ends.
        """
        found = self._interval(features, stranger=True)
        if self.noise > 0:
            reason = (
                "the calibration was disturbed: times of the same model differed by "
                f"{self.noise:.0%}"
            )
            found = replace(
                found,
                low=found.low / (1 + self.noise),
                high=found.high * (1 + self.noise),
                reasons=(*found.reasons, reason),
            )
        for point in self._same_work(features):
            if not found.low <= point.measured_ms <= found.high:
                reason = (
                    f"{point.model}, which asks for the same work, took {point.measured_ms:.3g} "
                    "ms there, and all points together say otherwise: stretched to it"
                )
                found = replace(
                    found,
                    low=min(found.low, point.measured_ms),
                    high=max(found.high, point.measured_ms),
                    reasons=(*found.reasons, reason),
                )
        return found

    def learnt(self, features: Mapping[str, float]) -> Interval:
        """What all points together say of a model with these features, in ms.

        The interval comes from the points that were left out one by one; from those left out
        by family where the model's mix of work is like none of them, which is then a reason. It
        is what coverage is counted by.
        """
        return self._interval(features, stranger=False)

    def _interval(self, features: Mapping[str, float], stranger: bool) -> Interval:
        value = self.predicted_ms(features)
        width = self._width(features, stranger)
        return Interval(
            value,
            value * math.exp(-width.half_width),
            value * math.exp(width.half_width),
            COVERAGE,
            width.reasons,
        )

    def nearest(self, features: Mapping[str, float], count: int = 3) -> tuple[Point, ...]:
        """The points whose mix of work and size are the most alike, nearest first."""
        mix = cost_shares(self.coefficients, features)
        value = self.predicted_ms(features)

        def distance(point: Point) -> float:
            other = cost_shares(self.coefficients, point.features)
            size = log_residual(value, self.predicted_ms(point.features))
            return mix_distance(mix, other) + _SIZE_WEIGHT * abs(size)

        return tuple(sorted(self.points, key=distance)[:count])

    def error(self) -> FitError:
        """How good the fit is on the points that it did not see."""
        loo = _errors((point.held_out_ms, point.measured_ms) for point in self.points)
        lofo = _errors((point.family_held_out_ms, point.measured_ms) for point in self.points)
        return FitError(
            len(self.points),
            sum(loo) / len(loo) if loo else None,
            sum(lofo) / len(lofo) if lofo else None,
            max(loo, default=None),
            self.coverage80,
        )

    def _same_work(self, features: Mapping[str, float]) -> list[Point]:
        """Points whose features differ by next to nothing, weighed by what each costs."""
        limit = _SAME_WORK * self.predicted_ms(features)
        return [
            point
            for point in self.points
            if sum(
                slope * abs(features.get(name, 0.0) - point.features.get(name, 0.0))
                for name, slope in self.coefficients.items()
            )
            <= limit
        ]

    def _width(self, features: Mapping[str, float], stranger: bool) -> Width:
        own = width_for(
            self.coefficients,
            self.points,
            features,
            COVERAGE,
            with_sibling=bool(self.like),
            stranger=stranger,
        )
        borrowed = half_width(self.residuals, COVERAGE)
        floor = self.spread if borrowed is None else math.hypot(borrowed, self.spread)
        reasons: tuple[str, ...] = ()
        if own is not None:
            width, reasons = max(own.half_width, floor), own.reasons
        elif floor > 0:
            width = floor
        else:
            width = UNKNOWN_HALF_WIDTH
            reasons = (
                f"{_points(len(self.points))} are too few to tell the error; "
                "a factor of two either way is assumed",
            )
        if self.like and len(self.points) < FEW_POINTS:
            start = f"{self.like} with {self.like_runtime}" if self.like_runtime else self.like
            reasons = (
                f"{_points(len(self.points))} of its own; the rest is taken from {start}",
                *reasons,
            )
        return Width(width, reasons)


def _points(count: int) -> str:
    return "no points" if not count else "1 point" if count == 1 else f"{count} points"


def _errors(pairs: Iterable[tuple[float | None, float]]) -> list[float]:
    return [abs(held / measured - 1) for held, measured in pairs if held is not None]
