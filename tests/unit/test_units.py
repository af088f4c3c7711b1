"""Quantities as people write them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from edge_deploy_runner.errors import BadInputError

from edge_deploy import units


@pytest.mark.parametrize(
    ("parser", "text", "value"),
    [
        (units.parse_size, "5 MB", 5e6),
        (units.parse_size, "5 MiB", 5 * 2**20),
        (units.parse_size, "1.5kB", 1500),
        (units.parse_size, "12 B", 12),
        (units.parse_size, "2e3 B", 2000),
        (units.parse_time_ms, "60 ms", 60),
        (units.parse_time_ms, " 250 us ", 0.25),
        (units.parse_time_ms, "250 \u00b5s", 0.25),
        (units.parse_time_ms, "250 \u03bcs", 0.25),
        (units.parse_time_ms, "800 ns", 8e-4),
        (units.parse_time_ms, "1 s", 1000),
        (units.parse_time_ms, ".5 min", 30000),
        (units.parse_hours, "90 min", 1.5),
        (units.parse_energy_mj, "300 mJ", 300),
        (units.parse_energy_mj, "1 mWh", 3600),
        (units.parse_energy_mj, "7 uJ", 0.007),
        (units.parse_percent, "1 %", 1),
        (units.parse_points, "1 pt", 1),
        (units.parse_points, "0 pt", 0),
        (units.parse_rate_hz, "1/s", 1),
        (units.parse_rate_hz, "30/min", 0.5),
        (units.parse_capacity_mah, "2.8 Ah", 2800),
    ],
)
def test_values(parser: Callable[[object], float], text: str, value: float) -> None:
    assert parser(text) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    ["", "  ", "-1 MB", "nan MB", "inf MB", "1e999 MB", "5", "MB", "5 MB 6", "five MB", "5 mb"],
)
def test_refused_sizes(text: str) -> None:
    with pytest.raises(BadInputError):
        units.parse_size(text)


@pytest.mark.parametrize("value", [5, 5.0, None, True, ["5 MB"]])
def test_a_bare_value_has_no_unit(value: object) -> None:
    with pytest.raises(BadInputError, match="number and a unit"):
        units.parse_size(value)


def test_an_unknown_unit_lists_the_valid_ones() -> None:
    with pytest.raises(BadInputError) as caught:
        units.parse_time_ms("5 parsecs", "latency_p90")
    message = str(caught.value)
    assert "latency_p90" in message
    assert "parsecs" in message
    for unit in ("ns", "ms", "s", "min"):
        assert unit in message.split("valid units:")[1]


def test_battery() -> None:
    assert units.parse_battery("5000mAh@3.85V") == (5000, 3.85)
    assert units.parse_battery("2.5 Ah @ 3700 mV") == (2500, pytest.approx(3.7))


@pytest.mark.parametrize("text", ["5000mAh", "5000mAh@", "0mAh@3.85V", "5000mAh@0V", "5000@3.85"])
def test_refused_batteries(text: str) -> None:
    with pytest.raises(BadInputError):
        units.parse_battery(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("18.5Wh", '"5000mAh@3.7V", which holds as much energy'),
        ("37 Wh", '"10000mAh@3.7V", which holds as much energy'),
        ("20Wh", '"5405mAh@3.7V", which holds as much energy'),
        ("0Wh", '"5000mAh@3.85V"'),
        ("5000mAh", '"5000mAh@3.85V"'),
        ("large", '"5000mAh@3.85V"'),
    ],
)
def test_a_power_bank_in_wh_is_told_how_to_be_written(text: str, written: str) -> None:
    with pytest.raises(BadInputError) as raised:
        units.parse_battery(text, "--battery")
    said = f"--battery is {text!r}; write capacity@voltage, as in {written}"
    assert str(raised.value) == said
    if "energy" in written:
        mah, volts = units.parse_battery(written.split('"')[1])
        energy_mj = mah * volts * units.ENERGIES_MJ["mWh"]
        assert energy_mj == pytest.approx(units.parse_energy_mj(text), rel=1e-3)


def test_watts() -> None:
    assert units.parse_watts_pair("2.4:6.1") == (2.4, 6.1)
    assert units.parse_watts_pair("500 mW:2 W") == (0.5, 2.0)


@pytest.mark.parametrize("text", ["6:2", "2:2", "2", "1:2:3", "a:b", "-1:2"])
def test_refused_watts(text: str) -> None:
    with pytest.raises(BadInputError):
        units.parse_watts_pair(text)


def test_a_rate_of_zero_is_refused() -> None:
    with pytest.raises(BadInputError, match="greater than 0"):
        units.parse_rate_hz("0/s")


@pytest.mark.parametrize(
    ("parser", "bare", "example"),
    [
        (units.parse_time_ms, 30, "30 ms"),
        (units.parse_time_ms, 0.5, "0.5 ms"),
        (units.parse_time_ms, True, "2 ms"),
        (units.parse_time_ms, -1, "2 ms"),
        (units.parse_time_ms, float("nan"), "2 ms"),
        (units.parse_hours, 8, "8 h"),
        (units.parse_size, 5, "5 MB"),
        (units.parse_size, 5_000_000, "2 MB"),
        (units.parse_energy_mj, 300, "300 mJ"),
        (units.parse_percent, 1, "1 %"),
        (units.parse_points, 1, "1 pt"),
        (units.parse_capacity_mah, 5000, "5000 mAh"),
        (units.parse_voltage_v, 3.85, "3.85 V"),
    ],
)
def test_the_example_is_in_the_usual_unit(
    parser: Callable[[object], float], bare: object, example: str
) -> None:
    with pytest.raises(BadInputError, match=f'as in "{example}"'):
        parser(bare)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2/s", "2 a second"),
        ("12345/s", "12345 a second"),
        ("12.5 Hz", "12.5 a second"),
        ("1/min", "1 a minute"),
        ("5/min", "5 a minute"),
        ("0.5/s", "30 a minute"),
        ("1/h", "1 an hour"),
        ("7/h", "7 an hour"),
        ("0.25/h", "6 a day"),
        ("0.001/h", "0.024 a day"),
    ],
)
def test_a_rate_is_told_in_the_unit_that_fits(text: str, words: str) -> None:
    assert units.rate_words(units.parse_rate_hz(text)) == words
