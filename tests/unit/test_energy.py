"""Energy from power and latency: arithmetic against figures worked out by hand."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from edge_deploy_runner.bench.percentiles import Estimate
from edge_deploy_runner.bench.record_reading import measurement_from_json
from edge_deploy_runner.bench.records import Energy
from edge_deploy_runner.errors import BadInputError
from measurements import made_up

from edge_deploy.energy import (
    Battery,
    PowerDraw,
    battery_use,
    beside,
    predicted_energy,
    scaled_load,
    user_power,
)

TABLE = PowerDraw((2.0, 4.0), (1.0, 2.0), "predicted", "a table")


def test_users_watts() -> None:
    energy = predicted_energy(user_power(2.0, 6.0), 50.0)
    assert energy.evidence == "user"
    assert energy.mj_per_inference == pytest.approx(200.0)  # 4 W for 50 ms
    assert energy.gross_mj_per_inference == pytest.approx(300.0)
    assert (energy.idle_w, energy.load_w) == (2.0, 6.0)


@pytest.mark.parametrize(
    ("idle", "load"),
    [
        (6.0, 2.0),
        (2.0, 2.0),
        (-1.0, 2.0),
        (math.nan, 2.0),
        (2.0, math.nan),
        (2.0, math.inf),
        (0.0, 1e308),
        (0.0, 1e-320),
    ],
)
def test_watts_that_cannot_be(idle: float, load: float) -> None:
    with pytest.raises(BadInputError, match="idle must be 0 or more and the load above it"):
        user_power(idle, load)


def test_a_range_stays_a_range() -> None:
    energy = predicted_energy(TABLE, 10.0)
    assert (energy.low, energy.mj_per_inference, energy.high) == (20.0, 30.0, 40.0)
    assert (energy.gross_low, energy.gross_high) == (30.0, 60.0)
    assert (energy.idle_w_low, energy.idle_w, energy.idle_w_high) == (1.0, 1.5, 2.0)


def test_the_far_ends_of_power_and_latency_multiply() -> None:
    energy = predicted_energy(TABLE, Estimate(10.0, 8.0, 15.0))
    assert (energy.low, energy.mj_per_inference, energy.high) == (16.0, 30.0, 60.0)
    assert (energy.gross_low, energy.gross_mj_per_inference, energy.gross_high) == (
        24.0,
        45.0,
        90.0,
    )
    # Power is not a question of how long it is drawn.
    assert (energy.idle_w, energy.load_w) == (1.5, 4.5)


def test_a_latency_without_ends_is_a_number() -> None:
    assert predicted_energy(TABLE, Estimate(10.0)).high == predicted_energy(TABLE, 10.0).high


@pytest.mark.parametrize(
    ("draw", "latency", "evidence", "expected"),
    [
        (user_power(1.0, 2.0), 10.0, None, "user"),
        (user_power(1.0, 2.0), Estimate(10.0, 9.0, 11.0), None, "predicted"),
        (user_power(1.0, 2.0), Estimate(10.0, 9.0, 11.0), "measured", "user"),
        (user_power(1.0, 2.0), 10.0, "simulated", "simulated"),
        (TABLE, 10.0, None, "predicted"),
        (TABLE, 10.0, "simulated", "predicted"),
    ],
)
def test_evidence_is_that_of_the_less_certain_of_the_two(
    draw: PowerDraw, latency: float | Estimate, evidence: str | None, expected: str
) -> None:
    found = predicted_energy(draw, latency, evidence)
    assert found.evidence == expected
    # No time is in the power at idle: it stays what the power is.
    assert (found.idle_evidence or found.evidence) == draw.evidence


@pytest.mark.parametrize(
    "latency",
    [0.0, -1.0, math.nan, math.inf, Estimate(10.0, 11.0, 12.0), Estimate(10.0, 0.0, 12.0),
     Estimate(10.0, 9.0, math.inf), Estimate(math.nan, 1.0, 2.0)],
)  # fmt: skip
def test_latencies_that_cannot_be(latency: float | Estimate) -> None:
    with pytest.raises(BadInputError, match="latency"):
        predicted_energy(TABLE, latency)


@pytest.mark.parametrize(
    ("marginal", "idle"),
    [((2.0, 1.0), None), ((math.nan, 1.0), None), ((-1.0, 1.0), None), ((1.0, math.inf), None),
     ((1.0, 2.0), (2.0, 1.0)), ((1.0, 2.0), (math.nan, math.nan))],
)  # fmt: skip
def test_powers_that_cannot_be(
    marginal: tuple[float, float], idle: tuple[float, float] | None
) -> None:
    with pytest.raises(BadInputError, match="a meter"):
        PowerDraw(marginal, idle, "measured", "a meter")


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


def test_two_sources_that_disagree_are_both_shown() -> None:
    other = PowerDraw((3.0, 3.5), (0.5, 0.5), "predicted", "a blog", "guess")
    silent = PowerDraw((1.0, 1.0), None, "predicted", "a forum", "guess")
    draw = PowerDraw((2.0, 2.0), (1.0, 1.0), "predicted", "a table", "read", (other, silent))
    energy = predicted_energy(draw, 10.0)
    assert [(it.source, it.standing, it.low, it.value, it.high) for it in energy.alternatives] == [
        ("a table", "read", 20.0, 20.0, 20.0),
        ("a blog", "guess", 30.0, 32.5, 35.0),
        ("a forum", "guess", 10.0, 10.0, 10.0),
    ]
    assert [(it.idle_w, it.load_w) for it in energy.alternatives] == [
        (1.0, 3.0), (0.5, 3.75), (None, None),
    ]  # fmt: skip
    # The first source gives the figure, all of them what it may be.
    assert (energy.low, energy.mj_per_inference, energy.high) == (10.0, 20.0, 35.0)
    assert (energy.gross_low, energy.gross_mj_per_inference, energy.gross_high) == (
        30.0,
        30.0,
        40.0,
    )
    assert (energy.idle_w_low, energy.idle_w, energy.idle_w_high) == (0.5, 1.0, 1.0)


def test_one_source_has_no_alternatives() -> None:
    assert predicted_energy(TABLE, 10.0).alternatives == ()


def test_a_power_model_stands_beside_what_was_measured_where_they_disagree() -> None:
    measured = Energy("measured", 100.0, 90.0, 110.0, 150.0, 140.0, 160.0, 5.0, 15.0, "a meter")
    shown = beside(measured, TABLE, 10.0)  # 20 to 40 mJ
    assert [(it.source, it.standing) for it in shown.alternatives] == [
        ("a meter", "measured"), ("a table", "read"),
    ]  # fmt: skip
    assert [it.value for it in shown.alternatives] == [100.0, 30.0]
    # What was measured stays what it was.
    assert (shown.low, shown.mj_per_inference, shown.high) == (90.0, 100.0, 110.0)
    assert beside(measured, TABLE, 50.0) == measured  # 100 to 200 mJ: they agree
    assert beside(measured, TABLE, 23.0) == measured  # up to 92 mJ: they touch
    assert beside(measured, None, 10.0) == measured
    unknown = Energy("unknown", reason="no meter")
    assert beside(unknown, TABLE, 10.0) == unknown


def test_a_gap_below_ten_percent_is_no_disagreement() -> None:
    stated = predicted_energy(user_power(2.0, 6.0), 10.0)  # 40 mJ
    near, far = (
        PowerDraw((watts, watts), (2.0, 2.0), "predicted", "a table") for watts in (3.7, 3.6)
    )
    assert beside(stated, near, 10.0).alternatives == ()
    assert [it.standing for it in beside(stated, far, 10.0).alternatives] == ["user", "read"]


def test_a_wide_latency_hides_no_disagreement_of_power() -> None:
    wide = Estimate(10.0, 5.0, 20.0)
    stated = predicted_energy(user_power(2.0, 6.0), wide)
    shown = beside(stated, PowerDraw((2.0, 2.5), (2.0, 2.0), "predicted", "a table"), wide, "user")
    assert [it.standing for it in shown.alternatives] == ["user", "read"]
    # Their ranges of energy overlap, those of power do not.
    assert shown.alternatives[0].low < shown.alternatives[1].high
    agreeing = PowerDraw((2.0, 4.0), (2.0, 2.0), "predicted", "a table")
    assert beside(stated, agreeing, wide, "user").alternatives == ()


def _random_draw(rng: random.Random) -> PowerDraw:
    low, idle_low = rng.uniform(0, 5), rng.uniform(0, 5)
    return PowerDraw(
        (low, low + rng.uniform(0, 5)),
        rng.choice((None, (idle_low, idle_low + rng.uniform(0, 2)))),
        "predicted",
        "a table",
    )


def _random_latency(rng: random.Random) -> Estimate:
    value = math.exp(rng.uniform(-5, 8))
    return Estimate(value, value * rng.uniform(0.1, 1), value * rng.uniform(1, 5))


@pytest.mark.parametrize("seed", range(200))
def test_value_lies_between_its_ends_and_grows_with_latency_and_power(seed: int) -> None:
    rng = random.Random(seed)
    others = tuple(_random_draw(rng) for _ in range(rng.randrange(3)))
    first = _random_draw(rng)
    draw = PowerDraw(first.marginal_w, first.idle_w, "predicted", "a table", "read", others)
    latency = _random_latency(rng)
    energy = predicted_energy(draw, latency)
    for name in ("{}", "gross_{}"):
        value = getattr(energy, name.format("mj_per_inference"))
        low, high = getattr(energy, name.format("low")), getattr(energy, name.format("high"))
        assert value is None or low <= value * (1 + 1e-12)
        assert value is None or value <= high * (1 + 1e-12)
    assert latency.low is not None
    assert latency.high is not None
    longer = Estimate(latency.value * 1.5, latency.low * 1.5, latency.high * 1.5)
    stronger = PowerDraw(
        (draw.marginal_w[0] + 1, draw.marginal_w[1] + 1), draw.idle_w, "predicted", "a table",
        "read", others,
    )  # fmt: skip
    for more in (predicted_energy(draw, longer), predicted_energy(stronger, latency)):
        for name in ("mj_per_inference", "low", "high", "gross_mj_per_inference", "gross_high"):
            before, after = getattr(energy, name), getattr(more, name)
            assert (before is None) == (after is None)
            assert before is None or after >= before * (1 - 1e-12), name


@pytest.mark.parametrize("seed", range(50))
def test_more_busy_cores_draw_more_power(seed: int) -> None:
    rng = random.Random(seed)
    idle = (rng.uniform(0, 3), rng.uniform(3, 4))
    load = (rng.uniform(3, 8), rng.uniform(8, 9))
    draws = [scaled_load(idle, load, busy, 4) for busy in range(1, 6)]
    assert draws == sorted(draws)
    assert draws[3] == draws[4]
    assert all(0 <= low <= high for low, high in draws)


def _with_sources() -> dict[str, Any]:
    other = PowerDraw((3.0, 3.5), None, "predicted", "a blog", "guess")
    draw = PowerDraw((2.0, 2.0), (1.0, 1.0), "predicted", "a table", "read", (other,))
    latency = Estimate(100.0, 90.0, 120.0)
    energy = predicted_energy(draw, latency)
    use = battery_use(Battery(1000, 3.6), energy, latency, 9.0)
    document: dict[str, Any] = json.loads(json.dumps(made_up(energy=energy, battery=use).to_json()))
    found = measurement_from_json(document)
    assert (found.energy, found.battery) == (energy, use)
    return document


def test_sources_and_ends_survive_a_measurement_file() -> None:
    assert [entry["standing"] for entry in _with_sources()["energy"]["alternatives"]] == [
        "read", "guess",
    ]  # fmt: skip


def test_a_file_of_an_older_version_has_no_sources_and_no_ends() -> None:
    document = _with_sources()
    for name in ("alternatives", "idle_w_low", "idle_w_high"):
        del document["energy"][name]
    for name in [key for key in document["battery"] if key.endswith(("_low", "_high"))]:
        del document["battery"][name]
    found = measurement_from_json(document)
    assert found.energy.alternatives == ()
    assert found.energy.idle_w_low is None
    assert found.battery is not None
    assert found.battery.hours_idle is not None
    assert found.battery.hours_idle_low is None


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [("value", None, "energy.alternatives.*value"), ("low", "much", "energy.alternatives.*low"),
     ("source", 7, "energy.alternatives.*source"), ("high", math.nan, "energy.alternatives.*high")],
)  # fmt: skip
def test_sources_that_make_no_sense_are_refused(key: str, value: object, words: str) -> None:
    document = _with_sources()
    document["energy"]["alternatives"][1][key] = value
    with pytest.raises(BadInputError, match=words):
        measurement_from_json(document)
