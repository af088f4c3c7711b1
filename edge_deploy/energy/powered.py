"""Energy of one inference from a power draw and a latency, each with its low and high end.

What is not known of either multiplies: the low end of the energy is the least power for the
shortest latency, the high end the most power for the longest one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

from edge_deploy_runner.bench.records import Energy, EnergySource
from edge_deploy_runner.errors import BadInputError

# Two sources disagree where a gap of more than this share lies between their ranges: plug meters
# and boards of one kind differ by as much.
DISAGREEMENT = 0.1
# Whatever runs such models draws more than the one and less than the other; beyond them energies
# leave the range of floats.
_LEAST_W, _MOST_W = 1e-9, 1e6


class LatencyRange(Protocol):
    """A latency in ms with its ends, such as a prediction's interval or an `Estimate`."""

    @property
    def value(self) -> float:
        """The latency itself."""

    @property
    def low(self) -> float | None:
        """The least it may be; None where that is not known."""

    @property
    def high(self) -> float | None:
        """The most it may be; None where that is not known."""


@dataclass(frozen=True)
class PowerDraw:
    """Power at idle and above it under a load of so many threads, in watts, low to high.

    Idle is None where no source states it; then gross figures are unknown. `standing` is what the
    source is worth: "read", "guess" or "user". `alternatives` are what other sources say of the
    same device.
    """

    marginal_w: tuple[float, float]
    idle_w: tuple[float, float] | None
    evidence: str
    source: str
    standing: str = "read"
    alternatives: tuple[PowerDraw, ...] = ()

    def __post_init__(self) -> None:
        for name, pair in (("power above idle", self.marginal_w), ("idle power", self.idle_w)):
            if pair is not None and not 0 <= pair[0] <= pair[1] <= _MOST_W:
                raise BadInputError(
                    f"the {name} of {self.source} is {pair[0]:g} to {pair[1]:g} W; it needs two "
                    f"values from 0 to {_MOST_W / 1e6:g} MW, the lower one first"
                )


def user_power(idle_w: float, load_w: float) -> PowerDraw:
    """What the user measured: idle, and while the model runs.

    Raises `BadInputError` for a load that does not lie above idle, and for watts that no device
    draws.
    """
    if not (idle_w >= 0 and idle_w + _LEAST_W <= load_w <= _MOST_W):
        raise BadInputError(
            f"the watts are {idle_w:g} at idle and {load_w:g} under load; idle must be 0 or more "
            f"and the load above it, up to {_MOST_W / 1e6:g} MW"
        )
    return PowerDraw((load_w - idle_w,) * 2, (idle_w, idle_w), "user", "--watts", "user")


def scaled_load(
    idle_w: tuple[float, float], load_w: tuple[float, float], busy_cores: int, cores: int
) -> tuple[float, float]:
    """Marginal power of some busy cores from the power with all of them busy, low to high.

    That each core takes the same share is an assumption and not a measurement. Low is the least
    load above the highest idle, but never below 0.
    """
    share = min(1.0, busy_cores / max(1, cores))
    low = max(0.0, load_w[0] - idle_w[1]) * share
    return low, max(low, (load_w[1] - idle_w[0]) * share)


def predicted_energy(
    draw: PowerDraw, latency: float | LatencyRange, latency_evidence: str | None = None
) -> Energy:
    """Energy of one inference from a power draw; the value is the middle power for the latency.

    `latency` is in ms: a number, or a range whose ends meet those of the power. Its evidence is
    "measured" for a number and "predicted" for a range unless stated; the energy is as certain
    as the less certain of the two, so the user's own watts over a predicted latency are
    "predicted", but for the idle power, which has no latency in it. Where other sources say
    otherwise, low and high span them all, and `alternatives` lists each.
    """
    ends = latency_ends(latency)
    if latency_evidence is None:
        latency_evidence = "measured" if isinstance(latency, int | float) else "predicted"
    figures = [_source(entry, ends) for entry in (draw, *draw.alternatives)]
    own = figures[0]
    evidence = max(draw.evidence, latency_evidence, key=_CERTAINTY.index)
    energy = Energy(
        evidence=evidence,
        mj_per_inference=own.value,
        low=min(figure.low for figure in figures),
        high=max(figure.high for figure in figures),
        source=draw.source,
        alternatives=tuple(figures) if draw.alternatives else (),
    )
    if draw.idle_w is None:
        return replace(energy, reason="the idle power is not known, so gross energy is not either")
    known = [
        (entry.marginal_w, entry.idle_w)
        for entry in (draw, *draw.alternatives)
        if entry.idle_w is not None
    ]
    low_ms, value_ms, high_ms = ends
    assert own.load_w is not None
    return replace(
        energy,
        gross_mj_per_inference=own.load_w * value_ms,
        gross_low=min(marginal[0] + idle[0] for marginal, idle in known) * low_ms,
        gross_high=max(marginal[1] + idle[1] for marginal, idle in known) * high_ms,
        idle_w=own.idle_w,
        load_w=own.load_w,
        idle_w_low=min(idle[0] for _, idle in known),
        idle_w_high=max(idle[1] for _, idle in known),
        idle_evidence=draw.evidence if draw.evidence != evidence else None,
    )


def beside(
    energy: Energy, other: PowerDraw | None, latency: float | LatencyRange, standing: str = ""
) -> Energy:
    """A measured or stated energy with what a power model says, where the two disagree.

    The figures stay those of the measurement or of the user; `alternatives` then holds both.
    `latency` is the one, in ms, that the energy is of; `standing` is that of its power, and its
    evidence where that is not said.
    """
    if other is None or energy.mj_per_inference is None or energy.alternatives:
        return energy
    value = energy.mj_per_inference
    own = EnergySource(
        source=energy.source,
        standing=standing or energy.evidence,
        value=value,
        low=value if energy.low is None else energy.low,
        high=value if energy.high is None else energy.high,
        idle_w=energy.idle_w,
        load_w=energy.load_w,
    )
    ends = latency_ends(latency)
    # Whatever the latency is, both have the same: power alone can disagree.
    own_w = min(own.low / ends[0], value / ends[1]), max(own.high / ends[2], value / ends[1])
    draws = (other, *other.alternatives)
    if not any(_disagree(own_w, draw.marginal_w) for draw in draws):
        return energy
    return replace(energy, alternatives=(own, *(_source(draw, ends) for draw in draws)))


# From the most certain to the least.
_CERTAINTY = ("measured", "user", "simulated", "predicted", "unknown")


def latency_ends(latency: float | LatencyRange) -> tuple[float, float, float]:
    """Low, value and high of a latency in ms; raises `BadInputError` for what is no latency."""
    if isinstance(latency, int | float):
        ends = (float(latency),) * 3
    else:
        low = latency.value if latency.low is None else latency.low
        high = latency.value if latency.high is None else latency.high
        ends = (float(low), float(latency.value), float(high))
    if not 0 < ends[0] <= ends[1] <= ends[2] < math.inf:
        raise BadInputError(
            f"a latency of {ends[1]:g} ms ({ends[0]:g} to {ends[2]:g}) cannot be; it must be above "
            "0 and lie between its ends"
        )
    return ends


def _source(draw: PowerDraw, ends_ms: tuple[float, float, float]) -> EnergySource:
    low_ms, value_ms, high_ms = ends_ms
    marginal_w = sum(draw.marginal_w) / 2
    idle_w = None if draw.idle_w is None else sum(draw.idle_w) / 2
    return EnergySource(  # W * ms = mJ
        source=draw.source,
        standing=draw.standing,
        value=marginal_w * value_ms,
        low=draw.marginal_w[0] * low_ms,
        high=draw.marginal_w[1] * high_ms,
        idle_w=idle_w,
        load_w=None if idle_w is None else idle_w + marginal_w,
    )


def _disagree(one: tuple[float, float], other: tuple[float, float]) -> bool:
    lower, upper = sorted((one, other))
    return upper[0] > lower[1] * (1 + DISAGREEMENT)
