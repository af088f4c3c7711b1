"""Energy by counters and meters: arithmetic against figures worked out by hand."""

from __future__ import annotations

import pytest
from edge_deploy_runner.machine.power_log import CounterSlice, counted_uj
from edge_deploy_runner.machine.power_meters import PowerReading, PowerWindow

from edge_deploy.energy import counted_energy, mean_watts, measured_energy, metered_energy


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


def test_idle_power_has_the_ends_of_its_windows() -> None:
    pairs = [
        (CounterSlice(idle_uj, 1.0), CounterSlice(6_000_000, 1.0, 100))
        for idle_uj in (1_900_000, 2_000_000, 2_300_000)
    ]
    energy = measured_energy(pairs)
    assert (energy.idle_w_low, energy.idle_w, energy.idle_w_high) == (1.9, 2.0, 2.3)
    coarse = counted_energy(pairs, "a phone's charge counter", resolution_uj=1000)
    assert coarse.idle_w == pytest.approx(6.2 / 3)
    assert coarse.idle_w_low is not None
    assert coarse.idle_w_high is not None
    # Student's t at 95% for two degrees of freedom times the standard error of three windows.
    spread = 4.30 * 0.208167 / 3**0.5
    assert coarse.idle_w_high - 6.2 / 3 == pytest.approx(spread, rel=0.01)
    assert 6.2 / 3 - coarse.idle_w_low == pytest.approx(spread, rel=0.01)
