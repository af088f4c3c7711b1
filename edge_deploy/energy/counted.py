"""Energy from readings of a counter or a power meter: windows of idling and load in turn."""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass

from edge_deploy_runner.bench.records import Energy
from edge_deploy_runner.machine.power_log import CounterSlice
from edge_deploy_runner.machine.power_meters import PowerWindow


def measured_energy(pairs: list[tuple[CounterSlice, CounterSlice]]) -> Energy:
    """Energy from (idle, load) slices of a machine's counter: the median pair, and the extremes.

    A pair whose marginal energy is not above 0 says that the noise is larger than the model.
    """
    return _energy_of(
        [
            _Pair(
                idle.energy_uj / 1e6 / idle.seconds, load.energy_uj / 1e6, load.seconds, load.runs
            )
            for idle, load in pairs
        ],
        "the energy counter",
        "RAPL package counter (the CPU package, not the whole machine)",
    )


def counted_energy(
    pairs: list[tuple[CounterSlice, CounterSlice]],
    source: str,
    resolution_uj: float,
    evidence: str = "measured",
) -> Energy:
    """Energy from (idle, load) slices of a coarse counter, such as a phone's battery has.

    The figure is the mean pair. Low and high are its 95% interval, from the spread of the pairs
    (Student's t) and from `resolution_uj`, how far one pair may be off by the counter's steps.
    Where that interval reaches 0 the energy is unknown.
    """
    if len(pairs) < 2:
        return Energy("unknown", reason=f"{source}: fewer than two pairs of windows")
    count = len(pairs)
    gross = [load.energy_uj / 1e3 / load.runs for _, load in pairs]
    idle_w = [idle.energy_uj / 1e6 / idle.seconds for idle, _ in pairs]
    marginal = [
        whole - watts * 1e3 * load.seconds / load.runs
        for whole, watts, (_, load) in zip(gross, idle_w, pairs, strict=True)
    ]
    step_mj = max(resolution_uj / 1e3 / load.runs for _, load in pairs) / count**0.5
    middle, half = statistics.fmean(marginal), _half_width(marginal, step_mj)
    if middle - half <= 0:
        return Energy(
            "unknown",
            reason=f"not measurable: {middle:.3g} mJ, give or take {half:.3g} mJ, by {source}; "
            "stop other programs on the phone and measure again",
        )
    gross_middle, gross_half = statistics.fmean(gross), _half_width(gross, step_mj)
    step_w = max(resolution_uj / 1e6 / idle.seconds for idle, _ in pairs) / count**0.5
    idle_middle, idle_half = statistics.fmean(idle_w), _half_width(idle_w, step_w)
    return Energy(
        evidence=evidence,
        mj_per_inference=middle,
        low=middle - half,
        high=middle + half,
        gross_mj_per_inference=gross_middle,
        gross_low=gross_middle - gross_half,
        gross_high=gross_middle + gross_half,
        idle_w=idle_middle,
        load_w=statistics.fmean(load.energy_uj / 1e6 / load.seconds for _, load in pairs),
        source=source,
        idle_w_low=max(0.0, idle_middle - idle_half),
        idle_w_high=idle_middle + idle_half,
    )


# Student's t at 95%, by degrees of freedom; the last one for all beyond.
_T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)


def _half_width(values: list[float], step: float) -> float:
    spread = statistics.stdev(values) / len(values) ** 0.5
    return math.hypot(_T95[min(len(values) - 1, len(_T95)) - 1] * spread, step)


def metered_energy(
    pairs: list[tuple[PowerWindow, PowerWindow]],
    meter: str,
    interval_s: float,
    evidence: str = "measured",
) -> Energy:
    """Energy from (idle, load) windows of a power meter that was read every `interval_s`.

    A window's power is the trapezoid over its readings, divided by their time. The figure is the
    median pair, low and high the extremes: what the windows differ by is its uncertainty, and the
    meter's own accuracy comes on top. `evidence` is that of its watts. Windows with fewer
    than two readings of power are left out.
    """
    found = []
    for idle, load in pairs:
        idle_w, load_w = mean_watts(idle), mean_watts(load)
        if idle_w is not None and load_w is not None and load.runs > 0 and load.seconds > 0:
            found.append(_Pair(idle_w, load_w * load.seconds, load.seconds, load.runs))
    source = (
        f"{meter}; read every {interval_s:g} s, {len(found)} idle and load windows in turn, "
        "idle subtracted"
    )
    return _energy_of(found, "the power meter", source, evidence)


def mean_watts(window: PowerWindow) -> float | None:
    """Mean power by straight lines between the readings; None for fewer than two of them."""
    known = [(r.seconds, r.watts) for r in window.readings if r.watts is not None]
    if len(known) < 2 or known[-1][0] <= known[0][0]:
        return None
    joules = sum(
        (watts + next_watts) / 2 * (then - now)
        for (now, watts), (then, next_watts) in itertools.pairwise(known)
    )
    return joules / (known[-1][0] - known[0][0])


@dataclass(frozen=True)
class _Pair:
    """Power at idle, and what a load of so many runs took in so many seconds."""

    idle_w: float
    load_j: float
    load_s: float
    runs: int


def _energy_of(
    pairs: list[_Pair], meter: str, source: str, evidence: str = "measured"
) -> Energy:  # fmt: skip
    if not pairs:
        return Energy("unknown", reason=f"{meter} gave no reading")
    gross = [pair.load_j * 1e3 / pair.runs for pair in pairs]
    marginal = [(pair.load_j - pair.idle_w * pair.load_s) * 1e3 / pair.runs for pair in pairs]
    middle = _median(marginal)
    if middle <= 0:
        return Energy(
            "unknown",
            reason=f"{meter} shows no more power under load than at idle; "
            "stop other programs and measure again",
        )
    return Energy(
        evidence=evidence,
        mj_per_inference=middle,
        low=min(marginal),
        high=max(marginal),
        gross_mj_per_inference=_median(gross),
        gross_low=min(gross),
        gross_high=max(gross),
        idle_w=_median([pair.idle_w for pair in pairs]),
        load_w=_median([pair.load_j / pair.load_s for pair in pairs]),
        source=source,
        idle_w_low=min(pair.idle_w for pair in pairs),
        idle_w_high=max(pair.idle_w for pair in pairs),
    )


def _median(values: list[float]) -> float:
    """The upper median: one that was measured."""
    return sorted(values)[len(values) // 2]
