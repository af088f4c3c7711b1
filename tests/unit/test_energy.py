"""Energy and batteries: arithmetic against figures worked out by hand."""

from __future__ import annotations

import pytest
from edge_deploy_runner.bench.records import Energy
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.machine.power_log import CounterSlice, counted_uj
from edge_deploy_runner.machine.power_meters import PowerReading, PowerWindow

from edge_deploy.energy import (
    Battery,
    PowerDraw,
    battery_use,
    mean_watts,
    measured_energy,
    metered_energy,
    predicted_energy,
    scaled_load,
    user_power,
)


def test_users_watts() -> None:
    energy = predicted_energy(user_power(2.0, 6.0), 50.0)
    assert energy.evidence == "user"
    assert energy.mj_per_inference == pytest.approx(200.0)  # 4 W for 50 ms
    assert energy.gross_mj_per_inference == pytest.approx(300.0)
    assert (energy.idle_w, energy.load_w) == (2.0, 6.0)


def test_a_range_stays_a_range() -> None:
    energy = predicted_energy(PowerDraw((2.0, 4.0), (1.0, 2.0), "predicted", "a table"), 10.0)
    assert (energy.low, energy.mj_per_inference, energy.high) == (20.0, 30.0, 40.0)
    assert (energy.gross_low, energy.gross_high) == (30.0, 60.0)


def test_without_idle_power_gross_is_unknown() -> None:
    energy = predicted_energy(PowerDraw((1.0, 1.0), None, "predicted", "a table"), 10.0)
    assert energy.mj_per_inference == 10.0
    assert energy.gross_mj_per_inference is None
    assert "idle" in energy.reason


def test_load_is_spread_over_the_cores() -> None:
    assert scaled_load((2.0, 2.0), (6.0, 6.0), 4, 4) == (4.0, 4.0)
    assert scaled_load((2.0, 2.0), (6.0, 6.0), 1, 4) == (1.0, 1.0)
    assert scaled_load((2.0, 2.0), (6.0, 6.0), 8, 4) == (4.0, 4.0)
    assert scaled_load((2.0, 3.0), (5.0, 6.0), 4, 4) == (2.0, 4.0)
    assert scaled_load((2.0, 6.0), (5.0, 6.0), 4, 4) == (0.0, 4.0)


def test_counter_that_wraps() -> None:
    assert counted_uj(10, 30, None) == 20
    assert counted_uj(90, 10, 100) == 20
    assert counted_uj(90, 10, None) is None


def test_measured_energy_is_the_median_pair() -> None:
    idle = CounterSlice(energy_uj=2_000_000, seconds=1.0)  # 2 W
    loads = [CounterSlice(uj, 1.0, 100) for uj in (5_000_000, 6_000_000, 9_000_000)]
    energy = measured_energy([(idle, load) for load in loads])
    assert energy.evidence == "measured"
    # (6 W - 2 W) * 1 s over 100 inferences.
    assert energy.mj_per_inference == pytest.approx(40.0)
    assert (energy.low, energy.high) == (pytest.approx(30.0), pytest.approx(70.0))
    assert energy.gross_mj_per_inference == pytest.approx(60.0)


def test_a_load_that_costs_nothing_is_not_believed() -> None:
    pair = (CounterSlice(2_000_000, 1.0), CounterSlice(1_900_000, 1.0, 100))
    assert measured_energy([pair]).evidence == "unknown"
    assert measured_energy([]).evidence == "unknown"


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


def window(watts: list[float | None], runs: int = 0, step_s: float = 0.5) -> PowerWindow:
    readings = tuple(PowerReading(10 + number * step_s, w) for number, w in enumerate(watts))
    return PowerWindow(readings, len(watts) * step_s, runs)


def test_mean_watts_weighs_by_time() -> None:
    uneven = (PowerReading(0.0, 2.0), PowerReading(1.0, 4.0), PowerReading(4.0, 4.0))
    assert mean_watts(PowerWindow(uneven, 5.0)) == pytest.approx((3.0 + 12.0) / 4)
    assert mean_watts(PowerWindow((PowerReading(0.0, 2.0),), 1.0)) is None
    # A reading that failed is a gap, bridged by a straight line.
    assert mean_watts(window([2.0, None, 4.0])) == pytest.approx(3.0)


def test_metered_energy_is_the_median_pair_above_idle() -> None:
    pairs = [
        (window([2.0, 2.0, 2.0, 2.0]), window([w, w, w, w], runs=100)) for w in (5.0, 6.0, 4.0)
    ]
    energy = metered_energy(pairs, "INA219 at 0x40", 0.5)
    assert energy.evidence == "measured"
    # 3 W above idle for 2 s, over 100 runs
    assert energy.mj_per_inference == pytest.approx(60.0)
    assert (energy.low, energy.high) == (pytest.approx(40.0), pytest.approx(80.0))
    assert energy.gross_mj_per_inference == pytest.approx(100.0)
    assert (energy.idle_w, energy.load_w) == (2.0, 5.0)
    assert "INA219 at 0x40; read every 0.5 s, 3 idle and load windows in turn" in energy.source


def test_metered_energy_that_drowns_in_noise_is_unknown() -> None:
    pair = (window([2.0, 2.0]), window([1.9, 1.9], runs=10))
    assert metered_energy([pair], "a meter", 0.5).evidence == "unknown"
    assert "no more power under load" in metered_energy([pair], "a meter", 0.5).reason


@pytest.mark.parametrize(
    "pair",
    [
        (window([2.0, 2.0]), window([5.0, 5.0], runs=0)),
        (window([None, None]), window([5.0, 5.0], runs=9)),
        (window([2.0, 2.0]), window([5.0], runs=9)),
    ],
)
def test_windows_without_power_or_runs_give_no_figure(
    pair: tuple[PowerWindow, PowerWindow],
) -> None:
    energy = metered_energy([pair], "a meter", 0.5)
    assert (energy.evidence, energy.reason) == ("unknown", "the power meter gave no reading")
