"""What inferences cost a battery: percent of it, and hours of it, each with low and high."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from edge_deploy_runner.bench.records import BatteryUse, Energy
from edge_deploy_runner.errors import BadInputError

from .powered import LatencyRange, latency_ends

# What a 5 V converter leaves of a cell's energy, as published, and the middle of it.
CONVERTER_EFFICIENCIES = (0.80, 0.90)
CONVERTER_EFFICIENCY = 0.85
# Joules: beyond these no battery is, and hours and percent leave the range of floats.
_LEAST_J, _MOST_J = 1e-3, 1e15
_LEAST_HZ = 1e-9


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
        if not _LEAST_J <= self.energy_j <= _MOST_J:
            raise BadInputError(
                f"a battery of {self.capacity_mah:g} mAh at {self.voltage_v:g} V cannot be; state "
                "what is printed on it, as in 5000mAh@3.85V"
            )

    @property
    def energy_j(self) -> float:
        """Joules that reach the device."""
        return self.capacity_mah / 1000 * self.voltage_v * 3600 * self.efficiency

    @property
    def energy_range_j(self) -> tuple[float, float]:
        """The least and the most of `energy_j`.

        They differ where the efficiency is the default, which stands for the published
        `CONVERTER_EFFICIENCIES`; an efficiency that was stated is taken as it is.
        """
        if self.efficiency != CONVERTER_EFFICIENCY:
            return self.energy_j, self.energy_j
        low, high = (
            share / CONVERTER_EFFICIENCY * self.energy_j for share in CONVERTER_EFFICIENCIES
        )
        return low, high


def without_converter(battery: Battery) -> Battery:
    """The same battery for a device whose power is stated at the battery itself, as a phone's is.

    An efficiency that was stated stays.
    """
    if battery.efficiency != CONVERTER_EFFICIENCY:
        return battery
    return replace(battery, efficiency=1.0)


def rate_warning(rate_hz: float, latency: float | LatencyRange) -> str | None:
    """Why a rate may be too high for a latency in ms that has an interval; None where it is not.

    Raises `BadInputError` for a rate that even the low end of the latency does not allow, for one
    that is not greater than 0, and for one so low that it is none.
    """
    if not (math.isfinite(rate_hz) and rate_hz >= _LEAST_HZ):
        raise BadInputError(
            f"the rate is {rate_hz:g} a second; it must be greater than 0, and once in 30 years at "
            "the least, as in --rate 1/s"
        )
    low_ms, value_ms, high_ms = latency_ends(latency)
    if not _fits(rate_hz, low_ms):
        least = "" if low_ms == high_ms else "at the least "
        raise BadInputError(
            f"{rate_hz:g} inferences a second cannot be done: one takes {least}{low_ms:.2f} ms, so "
            f"at most {1000 / low_ms:.2f} a second fit; ask for a lower rate"
        )
    if _fits(rate_hz, high_ms):
        return None
    likely = "may not" if _fits(rate_hz, value_ms) else "can probably not"
    return (
        f"{rate_hz:g} inferences a second {likely} be done: one takes {value_ms:.2f} ms "
        f"({low_ms:.2f} to {high_ms:.2f}), so {1000 / high_ms:.2f} a second fit at its high end; "
        "where one is slower than the rate allows, the hours are those of continuous use"
    )


def _fits(rate_hz: float, latency_ms: float) -> bool:
    return rate_hz * latency_ms <= 1000


def battery_use(
    battery: Battery,
    energy: Energy,
    latency: float | LatencyRange,
    rate_hz: float | None = None,
) -> BatteryUse:
    """What the inferences cost a battery: P = P_idle + marginal energy * rate.

    `latency` is in ms, and is that which the energy was worked out from. The ends are the far
    ones of everything that is not known: energy, idle power, and the battery's converter. Where
    the idle power is not known, hours are only known not to exceed their high end. Raises
    `BadInputError` where the rate is higher than one inference after the other allows, at the low
    end of the latency; see `rate_warning` for the high end.
    """
    low_ms, value_ms, high_ms = latency_ends(latency)
    if rate_hz is not None:
        rate_warning(rate_hz, latency)
    use = BatteryUse(
        capacity_mah=battery.capacity_mah,
        voltage_v=battery.voltage_v,
        efficiency=battery.efficiency,
        evidence=energy.evidence,
        rate_hz=rate_hz,
    )
    middle_mj = energy.mj_per_inference
    if middle_mj is None:
        return use
    least_j, most_j = battery.energy_range_j
    low_mj, high_mj = _between(energy.low, middle_mj, energy.high)
    use = replace(  # 1000 inferences of so many mJ are so many J
        use,
        percent_per_1000=middle_mj / battery.energy_j * 100,
        percent_per_1000_low=max(0.0, low_mj) / most_j * 100,
        percent_per_1000_high=high_mj / least_j * 100,
    )
    # One inference after the other; the ends of the energy are those of the latency's ends.
    middle_w = middle_mj / value_ms
    low_w = min(middle_w, low_mj / low_ms)
    high_w = max(middle_w, high_mj / high_ms)
    rate = math.inf if rate_hz is None else rate_hz
    # Slower inferences than the rate allows are continuous use.
    low_at_rate_w = min(low_w, low_mj * rate / 1000) if low_mj > 0 else 0.0
    if energy.idle_w is None:
        return replace(
            use,
            hours_continuous_high=_hours(most_j, max(0.0, low_w)),
            hours_at_rate_high=None if rate_hz is None else _hours(most_j, low_at_rate_w),
        )
    idle_low_w, idle_high_w = _between(energy.idle_w_low, energy.idle_w, energy.idle_w_high)
    use = replace(
        use,
        hours_idle=_hours(battery.energy_j, energy.idle_w),
        hours_idle_low=_hours(least_j, idle_high_w),
        hours_idle_high=_hours(most_j, idle_low_w),
        hours_continuous=_hours(battery.energy_j, energy.idle_w + middle_w),
        hours_continuous_low=_hours(least_j, idle_high_w + high_w),
        hours_continuous_high=_hours(most_j, idle_low_w + max(0.0, low_w)),
    )
    if rate_hz is None:
        return use
    at_rate_w = min(middle_w, middle_mj * rate_hz / 1000)
    return replace(
        use,
        hours_at_rate=_hours(battery.energy_j, energy.idle_w + at_rate_w),
        hours_at_rate_low=_hours(least_j, idle_high_w + min(high_w, high_mj * rate_hz / 1000)),
        hours_at_rate_high=_hours(most_j, idle_low_w + low_at_rate_w),
        idle_share_at_rate=energy.idle_w / (energy.idle_w + at_rate_w),
    )


def _between(low: float | None, value: float, high: float | None) -> tuple[float, float]:
    return (value if low is None else low), (value if high is None else high)


def _hours(energy_j: float, watts: float) -> float | None:
    """None where it draws nothing, or so little that no number says how long it lasts."""
    found = energy_j / 3600 / watts if watts > 0 else math.inf
    return found if found < math.inf else None
