"""What energy and batteries look like in a terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from edge_deploy_runner.bench.percentiles import Estimate
from edge_deploy_runner.bench.records import BatteryUse, Energy
from measurements import made_up

from edge_deploy.cli.energy_view import energy_lines, energy_sources, hours, millijoules
from edge_deploy.cli.measurement_view import show_measurement
from edge_deploy.energy import Battery, PowerDraw, battery_use, predicted_energy, user_power


def rows(energy: Energy, battery: BatteryUse | None = None) -> dict[str, tuple[str, str]]:
    return {name.strip(): (value, kind) for name, value, kind in energy_lines(energy, battery)}


def lines(energy: Energy) -> dict[str, tuple[str, str]]:
    return {
        name.strip(): (value, kind) for name, value, kind in energy_lines(energy, None, brief=True)
    }


def test_every_figure_has_its_ends_and_idle_a_line_of_its_own() -> None:
    latency = Estimate(100.0, 80.0, 125.0)
    energy = predicted_energy(PowerDraw((1.0, 3.0), (1.0, 2.0), "predicted", "a table"), latency)
    found = rows(energy, battery_use(Battery(5000, 3.85), energy, latency, 1.0))
    assert found["energy"] == ("200 mJ an inference above idle  [80 to 375 mJ]", "predicted")
    assert found["with idle power"] == ("350 mJ  [160 to 625 mJ]", "predicted")
    assert found["idle power"] == ("1.5 W  [1 to 2 W]", "predicted")
    assert found["source"] == ("a table", "")
    assert found["battery"][0] == "5000 mAh at 3.85 V, 85% of it usable"
    # 69.3 kJ in the cell: 1000 inferences take 0.2 kJ of 58.9, at the ends 0.08 of 62.4 and
    # 0.375 of 55.4.
    assert found["1000 inferences"] == ("0.34 %  [0.128 to 0.676 %]", "predicted")
    assert found["idle alone"] == ("10.9 h  [7.7 to 17.3 h]", "predicted")
    assert found["continuous use"] == ("4.7 h  [3.1 to 8.7 h]", "predicted")
    assert found["at 1 a second"] == (
        "9.6 h  [6.5 to 16.0 h]; idling takes 88% of it", "predicted",
    )  # fmt: skip
    assert not any(name.startswith("source ") for name in found)


def test_a_slow_rate_is_shown_in_a_unit_that_fits() -> None:
    energy = predicted_energy(user_power(2.0, 6.0), 500.0)
    found = rows(energy, battery_use(Battery(5000, 3.85), energy, 500.0, 5 / 60))
    assert "at 5 a minute" in found
    assert not any(name.endswith("a second") for name in found)


def test_figures_without_ends_stand_alone() -> None:
    found = rows(predicted_energy(user_power(2.0, 6.0), 500.0))
    assert found["energy"] == ("2 J an inference above idle", "user")
    assert found["idle power"] == ("2 W", "user")
    assert "battery" not in found
    over_a_predicted_time = rows(predicted_energy(user_power(2.0, 6.0), Estimate(500.0)))
    assert over_a_predicted_time["energy"][1] == "predicted"
    assert over_a_predicted_time["idle power"] == ("2 W", "user")


def test_both_sources_are_shown_where_they_disagree() -> None:
    other = PowerDraw((2.8, 3.2), (2.2, 2.2), "predicted", "a blog", "guess")
    draw = PowerDraw((3.7, 3.7), (2.7, 2.7), "predicted", "a magazine", "read", (other,))
    found = rows(predicted_energy(draw, 100.0))
    assert "source" not in found
    assert found["source 1 of 2"] == ("370 mJ, idle 2.7, load 6.4 W: a magazine", "read")
    assert found["source 2 of 2"] == (
        "300 mJ  [280 to 320 mJ], idle 2.2, load 5.2 W: a blog",
        "guess",
    )


def test_in_brief_a_source_has_its_figures_and_no_story() -> None:
    own = PowerDraw((3.0, 3.0), (2.0, 2.0), "predicted", "a table (read on a page)", "read")
    other = PowerDraw((9.0, 9.0), (2.0, 2.0), "predicted", "a blog (of a stranger)", "guess")
    alone = predicted_energy(own, 100.0)
    assert lines(alone)["source"] == ("a table", "")
    assert energy_sources(alone) == [("power", "a table (read on a page)", "")]
    same = predicted_energy(replace(own, alternatives=(replace(other, source=own.source),)), 100.0)
    assert lines(same)["source 1 of 2"] == ("300 mJ, idle 2, load 5 W", "read")
    assert lines(same)["source 2 of 2"] == ("900 mJ, idle 2, load 11 W", "guess")
    two = predicted_energy(replace(own, alternatives=(other,)), 100.0)
    assert lines(two)["source 2 of 2"] == ("900 mJ, idle 2, load 11 W: a blog", "guess")
    assert energy_sources(two) == [
        ("power, 1 of 2", "a table (read on a page)", "read"),
        ("power, 2 of 2", "a blog (of a stranger)", "guess"),
    ]
    assert energy_sources(Energy("unknown", reason="no meter")) == []


def test_hours_without_idle_power_are_at_most() -> None:
    energy = predicted_energy(PowerDraw((0.5, 1.0), None, "predicted", "a table"), 100.0)
    found = rows(energy, battery_use(Battery(1000, 3.6, 1.0), energy, 100.0, 1.0))
    assert found["idle power"] == ("unknown", "unknown")
    assert found["idle alone"] == ("unknown", "predicted")
    assert found["continuous use"][0] == "at most 7.2 h: the idle power is not known"
    assert found["at 1 a second"][0] == "at most 72.0 h: the idle power is not known"


def test_energy_that_is_unknown_says_why() -> None:
    energy = Energy("unknown", reason="no meter")
    found = rows(energy, battery_use(Battery(1000, 3.6), energy, 10.0, 1.0))
    assert found["energy"] == ("no meter", "unknown")
    assert found["battery"] == (
        "1000 mAh at 3.6 V; how long it lasts is as unknown as the power", "unknown",
    )  # fmt: skip
    assert set(found) == {"energy", "battery"}


def test_the_rows_stand_in_the_table_of_a_measurement(capsys: pytest.CaptureFixture[str]) -> None:
    energy = predicted_energy(user_power(2.0, 6.0), 50.0)
    show_measurement(made_up(energy=energy, battery=battery_use(Battery(5000, 3.85), energy, 50.0)))
    text = capsys.readouterr().out
    assert "200 mJ an inference above idle" in text
    assert "idle power" in text
    assert "5000 mAh at 3.85 V" in text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123, "0.0123 mJ"), (999.0, "999 mJ"), (1366.4, "1.37 J")]
)
def test_energies(value: float, text: str) -> None:
    assert millijoules(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.25, "15 min"), (1.0, "1.0 h"), (52.34, "52.3 h")])
def test_hours(value: float, text: str) -> None:
    assert hours(value) == text
