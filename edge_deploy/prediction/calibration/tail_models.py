"""Which micro-models tell how times vary: long ones, since short ones tell of the system.

A request measures one of them itself, a carrier, run by run. Rounds take carriers that are short
enough for any device; at the end, when times are known, longer ones where the device is fast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .models import TimedModel
from .times import LEAST_TAIL_MS, ModelTimes

LOOKS = 4
"""So many models, or looks at the same ones, tell p90 over p50."""
LONG_MODELS = ("many_weights", "most_weights")
"""Micro-models that take long on fast computers too; carriers even where nobody asked for them."""
# No more than so many million MACs are run unseen: on a Raspberry Pi Zero 2 W they take 0.3 s.
_MOST_UNSEEN_MMAC = 120.0
_MOST_MS = 30.0


def carriers(models: Sequence[TimedModel]) -> tuple[TimedModel, ...]:
    """Whole models of one dtype, the most work first: those for any device, then longer ones."""
    wholes = [one for one in models if not one.kind and one.dtype == models[0].dtype]
    ranked = sorted(wholes, key=_mmac, reverse=True)
    for_any = [one for one in ranked if _is_for_any(one)] or wholes[:1]
    longer = [one for one in ranked if one not in for_any]
    return (*for_any[:LOOKS], *longer[:LOOKS])


def for_rounds(found: Sequence[TimedModel]) -> int:
    """How many of the carriers, the first ones, are for any device."""
    return sum(map(_is_for_any, found)) or 1


def tail_looks(found: Sequence[TimedModel], times: Mapping[str, ModelTimes]) -> tuple[int, ...]:
    """The carriers to look at, `LOOKS` of them, the longest that do not take long there.

    `times` are those of whole models of the carriers' dtype, by name; what was not timed is
    taken to be as slow as the slowest of these for its work. Where some take long enough to tell
    anything, the others are left out.
    """
    slowest = max(
        (one.ms / _mmac(one.timed) for one in times.values() if _mmac(one.timed)), default=0
    )
    ms = [times[one.model].ms if one.model in times else _mmac(one) * slowest for one in found]
    allowed = [n for n, one in enumerate(found) if _is_for_any(one) or 0 < ms[n] <= _MOST_MS] or [0]
    ranked = sorted(allowed, key=lambda number: -ms[number])[:LOOKS]
    telling = [number for number in ranked if ms[number] >= LEAST_TAIL_MS] or ranked
    return tuple(telling[look % len(telling)] for look in range(LOOKS))


def _mmac(one: TimedModel) -> float:
    return one.features.get("dense_mmac", 0.0) + one.features.get("depthwise_mmac", 0.0)


def _is_for_any(one: TimedModel) -> bool:
    return _mmac(one) <= _MOST_UNSEEN_MMAC
