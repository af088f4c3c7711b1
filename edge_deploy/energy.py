"""Energy of one inference and what it costs a battery: pure functions over power and time.

Two figures are kept apart: marginal, what an inference adds to an idle device,
(P_load - P_idle) * t, and gross, P_load * t. A load power that is stated for all cores is spread
over them evenly, which is an assumption and not a measurement.
"""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass, replace

from edge_deploy_runner.bench.records import BatteryUse, Energy
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.machine.power_log import CounterSlice
from edge_deploy_runner.machine.power_meters import PowerWindow

# What a 5 V converter leaves of a cell's energy (0.80 to 0.90 is published).
CONVERTER_EFFICIENCY = 0.85


@dataclass(frozen=True)
class Battery:
    """A battery: what it holds, and the share of it that reaches the device."""

    capacity_mah: float
    voltage_v: float
    efficiency: float = CONVERTER_EFFICIENCY

    def __post_init__(self) -> None:
        for name in ("capacity_mah", "voltage_v", "efficiency"):
            value = getattr(self, name)
            if not math.isfinite(value) or value <= 0:
                raise BadInputError(f"a battery's {name} is {value}; it must be greater than 0")
        if self.efficiency > 1:
            raise BadInputError(f"a battery's efficiency is {self.efficiency}; it is at most 1")

    @property
    def energy_j(self) -> float:
        """Joules that reach the device."""
        return self.capacity_mah / 1000 * self.voltage_v * 3600 * self.efficiency


@dataclass(frozen=True)
class PowerDraw:
    """Power at idle and above it under a load of so many threads, in watts, low to high.

    Idle is None where no source states it; then gross figures are unknown.
    """

    marginal_w: tuple[float, float]
    idle_w: tuple[float, float] | None
    evidence: str
    source: str


def user_power(idle_w: float, load_w: float) -> PowerDraw:
    """What the user measured: idle, and while the model runs."""
    return PowerDraw((load_w - idle_w,) * 2, (idle_w, idle_w), "user", "--watts")


def scaled_load(
    idle_w: tuple[float, float], load_w: tuple[float, float], busy_cores: int, cores: int
) -> tuple[float, float]:
    """Marginal power of some busy cores from the power with all of them busy, low to high.

    Low is the least load above the highest idle, but never below 0.
    """
    share = min(1.0, busy_cores / max(1, cores))
    low = max(0.0, load_w[0] - idle_w[1]) * share
    return low, max(low, (load_w[1] - idle_w[0]) * share)


def predicted_energy(draw: PowerDraw, latency_ms: float) -> Energy:
    """Energy of one inference of `latency_ms` from a power draw; the value is the middle."""
    marginal = [watts * latency_ms for watts in draw.marginal_w]  # W * ms = mJ
    energy = Energy(
        evidence=draw.evidence,
        mj_per_inference=sum(marginal) / 2,
        low=marginal[0],
        high=marginal[1],
        source=draw.source,
    )
    if draw.idle_w is None:
        return replace(energy, reason="the idle power is not known, so gross energy is not either")
    idle_w = sum(draw.idle_w) / 2
    gross = [(extra + idle) * latency_ms for extra, idle in zip(
        draw.marginal_w, draw.idle_w, strict=True)]  # fmt: skip
    return replace(
        energy,
        gross_mj_per_inference=sum(gross) / 2,
        gross_low=gross[0],
        gross_high=gross[1],
        idle_w=idle_w,
        load_w=idle_w + sum(draw.marginal_w) / 2,
    )


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
    return Energy(
        evidence=evidence,
        mj_per_inference=middle,
        low=middle - half,
        high=middle + half,
        gross_mj_per_inference=gross_middle,
        gross_low=gross_middle - gross_half,
        gross_high=gross_middle + gross_half,
        idle_w=statistics.fmean(idle_w),
        load_w=statistics.fmean(load.energy_uj / 1e6 / load.seconds for _, load in pairs),
        source=source,
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
    )


def _median(values: list[float]) -> float:
    """The upper median: one that was measured."""
    return sorted(values)[len(values) // 2]


def battery_use(
    battery: Battery, energy: Energy, latency_ms: float, rate_hz: float | None = None,
) -> BatteryUse:  # fmt: skip
    """What the inferences cost a battery: P = P_idle + marginal energy * rate.

    Raises `BadInputError` where the rate is higher than one inference after the other allows.
    """
    use = BatteryUse(
        capacity_mah=battery.capacity_mah,
        voltage_v=battery.voltage_v,
        efficiency=battery.efficiency,
        evidence=energy.evidence,
        rate_hz=rate_hz,
    )
    if rate_hz is not None and rate_hz * latency_ms > 1000:
        raise BadInputError(
            f"{rate_hz:g} inferences a second cannot be done: one takes {latency_ms:.2f} ms, so at "
            f"most {1000 / latency_ms:.2f} a second fit; ask for a lower rate"
        )
    if energy.mj_per_inference is None:
        return use
    use = replace(use, percent_per_1000=energy.mj_per_inference / battery.energy_j * 100)
    if energy.idle_w is None:
        return use
    hours = battery.energy_j / 3600
    marginal_w = energy.mj_per_inference / latency_ms
    return replace(
        use,
        hours_idle=hours / energy.idle_w if energy.idle_w > 0 else None,
        hours_continuous=hours / (energy.idle_w + marginal_w),
        hours_at_rate=None
        if rate_hz is None
        else hours / (energy.idle_w + energy.mj_per_inference / 1000 * rate_hz),
    )
