"""What no measured model shows of a workload: refused where it is much, else a wider interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from edge_deploy_runner.errors import BadInputError

from edge_deploy.catalogue import DeviceProfile
from edge_deploy.prediction.latency.conformal import cost_shares
from edge_deploy.prediction.latency.model import Interval, LatencyModel

from .choosing import way_to_measure
from .features import unknown_share, work
from .operator_features import OPERATOR_TERMS
from .workload import Workload

# Above this share of the work in operators whose times nobody has, an interval would be a guess.
MOST_UNKNOWN = 0.2
# Below this share they are lost in the rest.
_LEAST_UNKNOWN = 0.01
# How much slower than its work says an operator without times may be: a guess.
_SLOWEST = 3.0
# What calling an operator and waking its threads may take, in ms: a guess. Coefficients know
# nothing of it, since it is lost in the times of the large networks that tables hold.
_CALL_MS = 0.01
# The term of calibrated coefficients that is the same for every operator. A network of 65 whose
# calls made 54% of the predicted time, and at most 23% of any measured model's, took 40% less.
_CALLS = "ALL.n"
_LEAST_CALLS = 0.15
_MOST_CALLS = 0.95  # so that something of the time remains
# Of what a calibration predicts of dynamic quantization, a small network took 0.32 times as much,
# EfficientNet-Lite0 1.96 times, and six others lay between.
_DYNAMIC_FACTOR = 3.2
_NAMED = 3


def widened(
    interval: Interval, workload: Workload, model: LatencyModel, device: DeviceProfile
) -> Interval:
    """The interval, in ms, with what the points of `model` cannot tell of a workload.

    Work in kinds of operators without times may take none of its time or several times as much;
    in kinds that only the sibling has timed, several times as much. Where calls are more of the
    time than of any point's, what one takes is not known. Raises `BadInputError` where more than
    `MOST_UNKNOWN` of the work is in kinds that nobody timed.
    """
    known = {*model.kinds, *model.like_kinds}
    share = unknown_share(workload, known)
    if share > MOST_UNKNOWN:
        raise BadInputError(
            f"{_just_above(share)} of the work of {workload.name} is in operators that no known "
            f"time on {device.name} has any of ({_named(workload, known)}), and a prediction "
            f"allows {MOST_UNKNOWN:.0%}; {way_to_measure(device)}"
        )
    if share >= _LEAST_UNKNOWN:
        interval = _stretched(
            interval,
            1 - share,
            1 + (_SLOWEST - 1) * share,
            f"{share:.0%} of its work is in operators that no known time there has any of "
            f"({_named(workload, known)}), which may be {_SLOWEST:.0f} times slower, a guess",
        )
    interval = _of_siblings_kinds(interval, workload, model)
    interval = _of_calls(interval, workload, model)
    if model.dtype == "dynamic" and any(name in OPERATOR_TERMS for name in model.coefficients):
        interval = _of_dynamic(interval)
    return interval


def _stretched(interval: Interval, low: float, high: float, reason: str) -> Interval:
    """The interval with its ends times `low` and `high`."""
    return replace(
        interval,
        low=interval.low * low,
        high=interval.high * high,
        reasons=(*interval.reasons, reason),
    )


def _of_siblings_kinds(interval: Interval, workload: Workload, model: LatencyModel) -> Interval:
    """Wider where kinds that only the sibling has timed make a part of the work."""
    others = {o.kind for o in workload.operators} - set(model.like_kinds)
    share = unknown_share(workload, others)
    if share < _LEAST_UNKNOWN:
        return interval
    return _stretched(
        interval,
        1.0,
        1 + (_SLOWEST - 1) * share,
        f"{share:.0%} of its work is in operators that none of the models timed has "
        f"({_named(workload, others)}): what they cost is taken from another device or runtime, "
        f"and may be {_SLOWEST:.0f} times as much, a guess",
    )


def _of_calls(interval: Interval, workload: Workload, model: LatencyModel) -> Interval:
    """Wider where calling the operators may be most of the time, as no point shows it."""
    count = len(workload.operators)
    calls_ms = _CALL_MS * count
    shortest_ms = min((point.measured_ms for point in model.points), default=float("inf"))
    if interval.value < min(shortest_ms / 2, calls_ms):
        interval = replace(
            interval,
            high=max(interval.high, interval.value + calls_ms),
            reasons=(
                *interval.reasons,
                f"it is so small that calling its operators ({count}) may be most "
                f"of its time: {_CALL_MS:g} ms each at the high end, a guess",
            ),
        )
    if _CALLS not in model.coefficients or interval.value <= 0:
        return interval
    share = model.coefficients[_CALLS] * count / interval.value
    most = max(
        (cost_shares(model.coefficients, point.features)[_CALLS] for point in model.points),
        default=0.0,
    )
    if share < _LEAST_CALLS or share <= most:
        return interval
    others = f", and at most {most:.0%} of that of any measured model" if model.points else ""
    return _stretched(
        interval,
        1 - min(share, _MOST_CALLS),
        1 + share,
        f"calling its {count} operators makes {share:.0%} of its time{others}: a call may take "
        "nothing, or twice as long",
    )


def _of_dynamic(interval: Interval) -> Interval:
    reason = (
        "with dynamic quantization, networks took a third to twice of what was predicted: a "
        f"factor of {_DYNAMIC_FACTOR:g} at least is assumed"
    )
    return replace(
        interval,
        low=min(interval.low, interval.value / _DYNAMIC_FACTOR),
        high=max(interval.high, interval.value * _DYNAMIC_FACTOR),
        reasons=(*interval.reasons, reason),
    )


def _just_above(share: float) -> str:
    """A share that is more than `MOST_UNKNOWN`, with as many digits as show that it is."""
    digits = next((n for n in range(4) if float(f"{share * 100:.{n}f}") > MOST_UNKNOWN * 100), 4)
    return f"{share:.{digits}%}"


def _named(workload: Workload, known: Collection[str]) -> str:
    """The kinds besides `known` that have the most work."""
    unknown: Counter[str] = Counter()
    for operator in workload.operators:
        if operator.kind not in known:
            unknown[operator.kind] += work(operator)
    return ", ".join(kind for kind, amount in unknown.most_common(_NAMED) if amount)
