"""Coefficients of a device that nobody timed: those of one that it is like, scaled by clock."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from edge_deploy.catalogue.profile import DeviceProfile

from .conformal import log_residual
from .model import LatencyModel
from .novelty import FEW_FAMILIES, SIBLING_FAMILY_HALF_WIDTH

SAME_CORE_HALF_WIDTH = 0.134
"""80% of the latencies scaled by clock from a Raspberry Pi 3B+ to a 3B, with the same cores, are
within this of the published ones (as a log)."""
OTHER_CORE_HALF_WIDTH = 0.83
"""The same from a Raspberry Pi 3B+ to a 4B (0.66) and from a 4B to a 5 (1.01), whose cores differ:
the mean of both."""


def scaled_models(
    models: Iterable[LatencyModel], sibling: DeviceProfile, profile: DeviceProfile
) -> tuple[LatencyModel, ...]:
    """A sibling's models at the clock of `profile`: guesses, with the residuals that they had.

    Those of more threads than it has cores are left out. None where a clock is not known.
    """
    one, other = sibling.fastest_first()[0], profile.fastest_first()[0]
    if one.max_mhz is None or other.max_mhz is None:
        return ()
    ratio = one.max_mhz / other.max_mhz
    cores = f"other cores ({other.core} for {one.core})"
    if one.core == other.core:
        cores = "the same cores"
    note = (
        f"no point of its own: the coefficients of {sibling.id} times {ratio:.3f}, the ratio "
        f"of their clocks, with {cores}"
    )
    width = SAME_CORE_HALF_WIDTH if one.core == other.core else OTHER_CORE_HALF_WIDTH
    return tuple(
        _scaled(model, ratio, width, note, sibling.id, cluster_for(profile, model.threads))
        for model in models
        if model.threads <= profile.cores
    )


def cluster_for(profile: DeviceProfile, threads: int) -> str:
    """The fastest cores where they are enough for the threads, else all."""
    fastest = profile.fastest_first()[0]
    if len(profile.clusters) == 1 or fastest.cores < threads:
        return "all"
    return fastest.name


def _scaled(
    model: LatencyModel, ratio: float, width: float, note: str, like: str, cluster: str
) -> LatencyModel:
    if len({point.family for point in model.points}) < FEW_FAMILIES:
        # Without points here, nothing tells a familiar network from another.
        width = math.hypot(width, SIBLING_FAMILY_HALF_WIDTH)
    residuals = [
        log_residual(point.measured_ms, held)
        for point in model.points
        for held in [point.family_held_out_ms or point.held_out_ms]
        if held is not None
    ]
    return replace(
        model,
        cluster=cluster,
        coefficients={name: value * ratio for name, value in model.coefficients.items()},
        points=(),
        standing="guess",
        like=like,
        like_runtime="",
        like_dtype="",
        scale_note=note,
        residuals=tuple(residuals) or model.residuals,
        spread=math.hypot(width, model.spread),
        coverage80=None,
        p90_over_p50=None,
    )
