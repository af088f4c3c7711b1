"""What inferences cost a battery: against figures worked out by hand, and what always holds."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from edge_deploy_runner.bench.percentiles import Estimate
from edge_deploy_runner.bench.records import BatteryUse, Energy
from edge_deploy_runner.errors import BadInputError

from edge_deploy.energy import (
    Battery,
    PowerDraw,
    battery_use,
    predicted_energy,
    rate_warning,
    user_power,
    without_converter,
)


def test_battery() -> None:
    battery = Battery(1000, 3.6, efficiency=1.0)  # 12960 J
    energy = predicted_energy(user_power(1.0, 2.0), 100.0)  # 100 mJ
    use = battery_use(battery, energy, 100.0, rate_hz=1.0)
    assert use.percent_per_1000 == pytest.approx(100 / 12960 * 100)
    assert use.hours_idle == pytest.approx(3.6)
    assert use.hours_continuous == pytest.approx(1.8)
    assert use.hours_at_rate == pytest.approx(3.6 / 1.1)
    assert use.evidence == "user"


def test_what_is_not_known_stays_unknown() -> None:
    use = battery_use(Battery(1000, 3.6), Energy("unknown", reason="no counter"), 10.0, 1.0)
    assert (use.percent_per_1000, use.hours_continuous, use.hours_at_rate) == (None, None, None)
    no_idle = predicted_energy(PowerDraw((1.0, 1.0), None, "predicted", "a table"), 10.0)
    use = battery_use(Battery(1000, 3.6), no_idle, 10.0, 1.0)
    assert use.percent_per_1000 is not None
    assert use.hours_at_rate is None


def test_a_rate_that_cannot_be_kept() -> None:
    energy = predicted_energy(user_power(1.0, 2.0), 100.0)
    with pytest.raises(BadInputError, match=r"at most 10\.00 a second"):
        battery_use(Battery(1000, 3.6), energy, 100.0, rate_hz=11.0)
    assert battery_use(Battery(1000, 3.6), energy, 100.0, rate_hz=10.0).hours_at_rate is not None


@pytest.mark.parametrize("values", [(0, 3.6, 1.0), (1000, -1, 1.0), (1000, 3.6, 1.5)])
def test_batteries_that_cannot_be(values: tuple[float, float, float]) -> None:
    with pytest.raises(BadInputError):
        Battery(*values)


@pytest.mark.parametrize(
    ("capacity", "voltage"),
    [(math.nan, 3.6), (1000, math.inf), (5e-324, 3.6), (1e308, 1e308), (1e-9, 3.6), (1e18, 3.6)],
)
def test_batteries_out_of_this_world(capacity: float, voltage: float) -> None:
    with pytest.raises(BadInputError, match="battery"):
        Battery(capacity, voltage)


def test_the_converter_is_part_of_what_is_not_known() -> None:
    usual = Battery(1000, 3.6)  # 12960 J in the cell
    assert usual.energy_range_j == (pytest.approx(12960 * 0.80), pytest.approx(12960 * 0.90))
    stated = Battery(1000, 3.6, efficiency=0.92)
    assert stated.energy_range_j == (stated.energy_j, stated.energy_j)


def test_a_phones_battery_has_no_converter() -> None:
    assert without_converter(Battery(1000, 3.6)) == Battery(1000, 3.6, efficiency=1.0)
    stated = Battery(1000, 3.6, efficiency=0.92)
    assert without_converter(stated) == stated


def test_the_far_ends_of_everything_meet() -> None:
    draw = PowerDraw((1.0, 3.0), (0.5, 1.0), "predicted", "a table")
    latency = Estimate(100.0, 80.0, 200.0)
    energy = predicted_energy(draw, latency)  # 200 mJ, 80 to 600
    use = battery_use(Battery(1000, 3.6), energy, latency, rate_hz=2.0)
    least, usual, most = (3.6 * share for share in (0.80, 0.85, 0.90))  # Wh
    assert use.percent_per_1000_low == pytest.approx(80 / (most * 3600) * 100)
    assert use.percent_per_1000_high == pytest.approx(600 / (least * 3600) * 100)
    assert use.hours_idle == pytest.approx(usual / 0.75)
    assert (use.hours_idle_low, use.hours_idle_high) == (
        pytest.approx(least / 1.0), pytest.approx(most / 0.5),
    )  # fmt: skip
    assert use.hours_continuous == pytest.approx(usual / 2.75)
    assert (use.hours_continuous_low, use.hours_continuous_high) == (
        pytest.approx(least / 4.0), pytest.approx(most / 1.5),
    )  # fmt: skip
    # Two a second: 0.4 W above idle, 0.16 to 1.2 W.
    assert use.hours_at_rate == pytest.approx(usual / 1.15)
    assert (use.hours_at_rate_low, use.hours_at_rate_high) == (
        pytest.approx(least / 2.2), pytest.approx(most / 0.66),
    )  # fmt: skip
    assert use.idle_share_at_rate == pytest.approx(0.75 / 1.15)


def test_a_rate_that_only_the_high_end_does_not_allow_warns() -> None:
    latency = Estimate(100.0, 80.0, 200.0)
    assert rate_warning(5.0, latency) is None
    text = rate_warning(6.0, latency)
    assert text is not None
    assert "may not be done" in text
    assert "5.00 a second fit at its high end" in text
    text = rate_warning(11.0, latency)
    assert text is not None
    assert "can probably not be done" in text
    assert rate_warning(12.5, latency) is not None
    with pytest.raises(BadInputError, match=r"at the least 80\.00 ms, so at most 12\.50 a second"):
        rate_warning(12.6, latency)
    with pytest.raises(BadInputError, match=r"at most 12\.50 a second"):
        battery_use(Battery(1000, 3.6), Energy("unknown"), latency, 12.6)


def test_what_is_slower_than_the_rate_runs_without_a_pause() -> None:
    draw = PowerDraw((2.0, 2.0), (1.0, 1.0), "predicted", "a table")
    latency = Estimate(100.0, 80.0, 200.0)
    use = battery_use(Battery(1000, 3.6), predicted_energy(draw, latency), latency, 8.0)
    assert use.hours_at_rate_low == use.hours_continuous_low
    assert use.hours_at_rate is not None
    assert use.hours_continuous is not None
    assert use.hours_at_rate > use.hours_continuous


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, math.nan, math.inf])
def test_rates_that_cannot_be(rate_hz: float) -> None:
    with pytest.raises(BadInputError, match="the rate is"):
        rate_warning(rate_hz, 10.0)
    with pytest.raises(BadInputError, match="the rate is"):
        battery_use(Battery(1000, 3.6), Energy("unknown"), 10.0, rate_hz)


def test_without_idle_power_hours_have_an_upper_end_only() -> None:
    energy = predicted_energy(PowerDraw((1.0, 2.0), None, "predicted", "a table"), 100.0)
    use = battery_use(Battery(1000, 3.6, efficiency=1.0), energy, 100.0, 1.0)
    assert (use.hours_continuous, use.hours_continuous_low) == (None, None)
    assert use.hours_continuous_high == pytest.approx(3.6)
    assert use.hours_at_rate_high == pytest.approx(36.0)
    assert (use.hours_idle, use.hours_idle_high, use.idle_share_at_rate) == (None, None, None)


def test_a_measured_energy_that_may_be_nothing_bounds_no_hours() -> None:
    energy = Energy("measured", 1.0, -0.5, 2.0, source="a meter")
    use = battery_use(Battery(1000, 3.6), energy, 10.0, 1.0)
    assert use.percent_per_1000_low == 0.0
    assert (use.hours_continuous_high, use.hours_at_rate_high) == (None, None)


_FIGURES = ("percent_per_1000", "hours_idle", "hours_continuous", "hours_at_rate")


@pytest.mark.parametrize("seed", range(200))
def test_what_always_holds(seed: int) -> None:
    rng = random.Random(seed)
    idle_low, low = rng.uniform(0.1, 3), rng.uniform(0, 4)
    draw = PowerDraw(
        (low, low + rng.uniform(0.01, 3)), (idle_low, idle_low + rng.uniform(0, 1)),
        "predicted", "a table",
    )  # fmt: skip
    value = math.exp(rng.uniform(-2, 7))
    latency = Estimate(value, value * rng.uniform(0.3, 1), value * rng.uniform(1, 3))
    assert latency.low is not None
    rate_hz = rng.uniform(0.01, 1) * 1000 / latency.low
    battery = Battery(rng.uniform(100, 20000), 3.85)
    energy = predicted_energy(draw, latency)
    use = battery_use(battery, energy, latency, rate_hz)
    for name in _FIGURES:
        ends = [getattr(use, name + end) for end in ("_low", "", "_high")]
        assert None not in ends
        assert ends[0] <= ends[1] * (1 + 1e-12), name
        assert ends[1] <= ends[2] * (1 + 1e-12), name
    assert use.idle_share_at_rate is not None
    assert 0 < use.idle_share_at_rate <= 1
    for end in ("_low", "", "_high"):
        assert _hours(use, "continuous", end) <= _hours(use, "at_rate", end) * (1 + 1e-12)
        assert _hours(use, "at_rate", end) <= _hours(use, "idle", end) * (1 + 1e-12)
    rarer = battery_use(battery, energy, latency, rate_hz / 2)
    larger = battery_use(replace(battery, capacity_mah=battery.capacity_mah * 2), energy, latency)
    for end in ("_low", "", "_high"):
        assert _hours(rarer, "at_rate", end) >= _hours(use, "at_rate", end)
        assert _hours(larger, "continuous", end) == pytest.approx(
            2 * _hours(use, "continuous", end)
        )


def _hours(use: BatteryUse, name: str, end: str) -> float:
    value = getattr(use, f"hours_{name}{end}")
    assert isinstance(value, float)
    return value
