"""How good predictions are on models that their fits did not see, and the bar they must pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_deploy_runner.errors import BadInputError

from edge_deploy.catalogue import DeviceProfile
from edge_deploy.prediction.latency.fitting import intervals_without
from edge_deploy.prediction.latency.model import Interval, LatencyModel, Point

from .fits import fit_group, joined
from .grouping import Group
from .published import published_fits
from .reading import Latency, Network

COVERAGE_BOUNDS = (0.75, 0.88)
_LEAST_POINTS = 2
_MOST_NAMED = 4


@dataclass(frozen=True)
class Row:
    """One fit and its error on models left out; errors are shares of the published time.

    families: the mean error of each family when all of it was left out. inside: how many of
    `judged` points lie in the 80% interval that the other points make. like: whose coefficients
    it started from, "" if nobody's. stored_coverage: what a device file says where `intervals`
    are not at hand.
    """

    group: Group
    points: tuple[Point, ...]
    intervals: tuple[Interval | None, ...]
    like: str
    stored_coverage: float | None = None

    @property
    def n(self) -> int:
        """Number of models."""
        return len(self.points)

    @property
    def mae_loo(self) -> float | None:
        """Mean absolute error with one model left out."""
        return _mean(_error(point.held_out_ms, point) for point in self.points)

    @property
    def worst(self) -> float | None:
        """The largest error with one model left out."""
        errors = [_error(point.held_out_ms, point) for point in self.points]
        return max((error for error in errors if error is not None), default=None)

    @property
    def mae_lofo(self) -> float | None:
        """Mean absolute error over all models, each with its whole family left out."""
        return _mean(_error(point.family_held_out_ms, point) for point in self.points)

    @property
    def families(self) -> dict[str, float]:
        """Mean absolute error of each family that was left out as a whole."""
        found: dict[str, list[float]] = defaultdict(list)
        for point in self.points:
            error = _error(point.family_held_out_ms, point)
            if error is not None:
                found[point.family].append(error)
        return {family: sum(errors) / len(errors) for family, errors in sorted(found.items())}

    @property
    def judged(self) -> int:
        """Points that have an interval made without them."""
        return sum(interval is not None for interval in self.intervals)

    @property
    def inside(self) -> int:
        """Points inside that interval."""
        return sum(
            interval is not None and interval.low <= point.measured_ms <= interval.high
            for point, interval in zip(self.points, self.intervals, strict=False)
        )

    @property
    def coverage80(self) -> float | None:
        """The share inside."""
        return self.inside / self.judged if self.judged else self.stored_coverage

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; times in ms, errors as shares."""
        intervals = self.intervals or (None,) * self.n
        return {
            "device": self.group.device,
            "dtype": self.group.dtype,
            "threads": self.group.threads,
            "runtime": self.group.runtime,
            "delegate": self.group.delegate,
            "models": self.n,
            "mae_loo": self.mae_loo,
            "mae_lofo": self.mae_lofo,
            "worst": self.worst,
            "coverage80": self.coverage80,
            "families": self.families,
            "like": self.like,
            "points": [
                {
                    "model": point.model,
                    "family": point.family,
                    "measured_ms": point.measured_ms,
                    "held_out_ms": point.held_out_ms,
                    "family_held_out_ms": point.family_held_out_ms,
                    "low_ms": None if interval is None else interval.low,
                    "high_ms": None if interval is None else interval.high,
                }
                for point, interval in zip(self.points, intervals, strict=True)
            ],
        }


@dataclass(frozen=True)
class Bound:
    """One line of the bar: a figure, and what it must lie between (shares)."""

    name: str
    value: float | None
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """Whether the figure lies there; never without one."""
        return self.value is not None and self.low <= self.value <= self.high

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "holds": self.holds,
        }


def packaged_rows() -> tuple[Row, ...]:
    """The rows of all fits to the packaged tables."""
    return tuple(
        Row(one.group, one.model.points, one.intervals, one.model.like) for one in published_fits()
    )


def table_rows(
    latencies: Iterable[Latency], networks: Mapping[str, Network]
) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """The rows of other tables, and a sentence for each thing that was left out.

    The fits are those that `devices calibrate --table` writes (see `table_fits`): every group
    starts from the packaged Pixel 3, which for a model that is left out is fitted without it too.
    Raises `BadInputError` where nothing can be fitted.
    """
    found, notes = joined(latencies, networks)
    rows: list[Row] = []
    left: list[str] = []
    lone: list[str] = []
    for group, points in found.items():
        if len(points) < _LEAST_POINTS:
            lone.append(group.name())
            continue
        found_fit = fit_group(group, points)
        rows.append(Row(group, found_fit.result.points, found_fit.result.intervals, found_fit.like))
        left.extend(found_fit.notes)
    if len(lone) > _MOST_NAMED:
        more = len(lone) - _MOST_NAMED
        lone = [f"{'; '.join(lone[:_MOST_NAMED])} and {more} more"]
    left.extend(f"{name}: one model tells nothing of the error" for name in lone)
    if not rows:
        raise BadInputError(
            "no rows of this table can be fitted; it needs two models or more of one device, "
            f"dtype, number of threads and runtime, with features ({'; '.join((*notes, *left))})"
        )
    return tuple(rows), (*notes, *left)


def device_rows(profile: DeviceProfile) -> tuple[Row, ...]:
    """The rows of one device's own entries, a user's calibration among them."""
    return tuple(_row_of(profile.id, model) for model in profile.latency if model.points)


def coverage(rows: Sequence[Row]) -> float | None:
    """The share of all left-out models inside their intervals."""
    judged = sum(row.judged for row in rows)
    return sum(row.inside for row in rows) / judged if judged else None


def family_coverage() -> tuple[float, int]:
    """The share of models inside intervals made without their whole family, and of how many."""
    inside = []
    for one in published_fits():
        if len({point.family for point in one.points}) < 2 or not one.intervals:
            continue
        made = intervals_without(one.points, prior=one.prior, whole_family=True)
        for point, interval in zip(one.points, made, strict=True):
            if interval is not None:
                inside.append(interval.low <= point.measured_ms <= interval.high)
    return sum(inside) / len(inside), len(inside)


def bounds(rows: Sequence[Row]) -> tuple[Bound, ...]:
    """The bar for the packaged tables."""
    by_group = {
        (row.group.device, row.group.dtype, row.group.threads, row.group.runtime): row
        for row in rows
    }
    floats = by_group["pixel-3", "float32", "4", "TFLite 2019-20"]
    integers = by_group["pixel-3", "uint8", "4", "TFLite 2019-20"]
    old = by_group["pixel-1", "float32", "1", "TFLite 2018"]
    return (
        Bound("Pixel 3, float32, 4 threads: one left out", floats.mae_loo, 0, 0.07),
        Bound("Pixel 3, float32, 4 threads: family left out", floats.mae_lofo, 0, 0.15),
        Bound("Pixel 3, float32, 4 threads: NASNet left out", floats.families["NASNet"], 0, 0.25),
        Bound("Pixel 3, uint8, 4 threads: one left out", integers.mae_loo, 0, 0.09),
        Bound("Pixel 3, uint8, 4 threads: family left out", integers.mae_lofo, 0, 0.15),
        Bound("Pixel 1, float32, MobileNetV2, 1 thread: one left out", old.mae_loo, 0, 0.045),
        Bound("all tables: left-out models inside 80% intervals", coverage(rows), *COVERAGE_BOUNDS),
    )


def _row_of(device_id: str, model: LatencyModel) -> Row:
    group = Group(device_id, model.dtype, str(model.threads), model.runtime, model.delegate)
    return Row(group, model.points, (), model.like, model.coverage80)


def _error(predicted_ms: float | None, point: Point) -> float | None:
    return None if predicted_ms is None else abs(predicted_ms / point.measured_ms - 1)


def _mean(errors: Iterable[float | None]) -> float | None:
    known = [error for error in errors if error is not None]
    return sum(known) / len(known) if known else None
