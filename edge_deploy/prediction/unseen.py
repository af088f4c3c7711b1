"""What no measured model shows of a workload: refused where it is much, else a wider interval."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from edge_deploy_runner.errors import BadInputError

from edge_deploy.prediction.latency.model import Interval, LatencyModel

from .features import unknown_share, work
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
_NAMED = 3


def widened(
    interval: Interval, workload: Workload, model: LatencyModel, device_name: str
) -> Interval:
    """The interval, in ms, with what the points of `model` cannot tell of a workload.

    Work in kinds of operators without times may take none of its time or several times as much.
    Of a network far shorter than any point the calls themselves may be most of the time. Raises
    `BadInputError` where more than `MOST_UNKNOWN` of the work is in such kinds.
    """
    share = unknown_share(workload, model.kinds)
    if share > MOST_UNKNOWN:
        raise BadInputError(
            f"{share:.0%} of the work of {workload.name} is in operators that no known time on "
            f"{device_name} has any of ({_named(workload, model)}), and a prediction allows "
            f"{MOST_UNKNOWN:.0%}; measure on the device itself, or give its profile such times "
            "with `edge-deploy devices calibrate`"
        )
    low, high, reasons = interval.low, interval.high, interval.reasons
    if share >= _LEAST_UNKNOWN:
        low, high = low * (1 - share), high * (1 + (_SLOWEST - 1) * share)
        reasons = (
            *reasons,
            f"{share:.0%} of its work is in operators that no known time there has any of "
            f"({_named(workload, model)}), which may be {_SLOWEST:.0f} times slower, a guess",
        )
    calls_ms = _CALL_MS * len(workload.operators)
    shortest_ms = min((point.measured_ms for point in model.points), default=float("inf"))
    if interval.value < min(shortest_ms / 2, calls_ms):
        high = max(high, interval.value + calls_ms)
        reasons = (
            *reasons,
            f"it is so small that calling its operators ({len(workload.operators)}) may be most "
            f"of its time: {_CALL_MS:g} ms each at the high end, a guess",
        )
    return replace(interval, low=low, high=high, reasons=reasons)


def _named(workload: Workload, model: LatencyModel) -> str:
    """The kinds without times that have the most work."""
    unknown: Counter[str] = Counter()
    for operator in workload.operators:
        if operator.kind not in model.kinds:
            unknown[operator.kind] += work(operator)
    return ", ".join(kind for kind, amount in unknown.most_common(_NAMED) if amount)
