"""Intervals of coefficients that lean on a sibling's, judged by the sibling's points as well.

Few points of its own tell nothing of what is familiar to a fit that was started elsewhere: the
sibling's times do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from edge_deploy.catalogue import all_profiles
from edge_deploy.prediction.latency.model import FEW_POINTS, Interval, LatencyModel

from .choosing import scaled_from


def estimated(model: LatencyModel, features: Mapping[str, float]) -> Interval:
    """What a fit says of a model with these features, in ms: `LatencyModel.estimate`.

    With fewer than `FEW_POINTS` points of its own it is never surer than the fit that it started
    from is of the same model, and names the reasons of that.
    """
    return _estimated(model, features, ())


def _estimated(
    model: LatencyModel, features: Mapping[str, float], above: tuple[tuple[str, str], ...]
) -> Interval:
    found = model.estimate(features)
    origin = None if len(model.points) >= FEW_POINTS else _start_of(model)
    if origin is None or found.value <= 0:
        return found
    start, whose_id = origin
    key = whose_id, start.runtime
    if key in above:
        return found
    theirs = _estimated(start, features, (*above, key))
    if not 0 < theirs.low <= theirs.value <= theirs.high < math.inf:
        return found
    way = _way(model, start)
    low = min(
        found.low, found.value * math.exp(-math.hypot(math.log(theirs.value / theirs.low), way))
    )
    high = max(
        found.high, found.value * math.exp(math.hypot(math.log(theirs.high / theirs.value), way))
    )
    if (low, high) == (found.low, found.high):
        return found
    whose = f"by the {start.dtype} times of {whose_id} with {start.runtime}"
    reasons = tuple(
        reason if reason.startswith("by ") else f"{whose}: {reason}" for reason in theirs.reasons
    )
    return replace(found, low=low, high=high, reasons=(*found.reasons, *reasons))


def _way(model: LatencyModel, start: LatencyModel) -> float:
    """The log half-width that leaning on `start` adds to its own.

    None where no residuals stand beside the spread, which was then measured with the sibling's
    error in it. What was scaled carries the spread of its start as well.
    """
    if not model.residuals:
        return 0.0
    spread = model.spread**2 - (0.0 if model.points else start.spread**2)
    return math.sqrt(max(0.0, spread))


def _start_of(model: LatencyModel) -> tuple[LatencyModel, str] | None:
    """The fit that a model started or was scaled from, and its device's id; None if unknown."""
    if not model.points:
        timed, way = scaled_from(model)
        return (timed, way[-1]) if way else None
    profile = all_profiles().get(model.like)
    dtype, runtime = model.like_dtype or model.dtype, model.like_runtime or model.runtime
    found = [
        other
        for other in (profile.latency if profile else ())
        if (other.dtype, other.runtime) == (dtype, runtime) and other != model
    ]
    if not found:
        return None
    nearest = min(
        found,
        key=lambda other: (other.delegate != model.delegate, abs(other.threads - model.threads)),
    )
    return nearest, model.like
