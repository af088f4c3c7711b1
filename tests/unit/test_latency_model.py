"""A latency model: its estimates, its file entry, and the entries that it refuses."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import tomli_w
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.toml import tomllib

from edge_deploy.prediction.latency.entry import from_entry, to_entry
from edge_deploy.prediction.latency.model import LatencyModel, Point

COSTS = {"dense_mmac": 0.1, "weight_melems": 1.0}


def point(number: int, error: float, family: str = "a", dense: float = 100.0) -> Point:
    """A network whose fit without it was off by `error` (as a log)."""
    features = {"dense_mmac": dense * number, "weight_melems": 2.0 * number}
    time = 0.1 * features["dense_mmac"] + features["weight_melems"]
    held = time * math.exp(-error)
    return Point(f"net{number}", family, time, features, held, held, "TFLite 2.18")


def model(**changes: Any) -> LatencyModel:
    """Eight points of four families with errors from 1 to 8%."""
    points = tuple(point(n, 0.01 * n, "abcd"[n % 4]) for n in range(1, 9))
    return replace(
        LatencyModel(
            "big", "float32", 4, "TFLite 2.18", "xnnpack", COSTS, points, "2026-11-23",
            "somebody/benchmarks@1234567", "read", kinds=("CONV_2D",), coverage80=0.875,
        ),
        **changes,
    )  # fmt: skip


def test_a_familiar_network_gets_the_quantile_of_the_errors() -> None:
    found = model().estimate({"dense_mmac": 300.0, "weight_melems": 6.0})
    assert found.value == pytest.approx(36.0)
    # Eight errors: rank 9 * 0.8 = 7.2 of 1 to 8%.
    assert math.log(found.high / found.value) == pytest.approx(0.072, abs=0.001)
    assert found.value / found.low == pytest.approx(found.high / found.value)
    assert (found.coverage, found.reasons) == (0.8, ())


def test_another_mix_of_work_widens_and_says_so() -> None:
    familiar = model().estimate({"dense_mmac": 300.0, "weight_melems": 6.0})
    strange = model().estimate({"dense_mmac": 10.0, "weight_melems": 35.0})
    assert strange.high / strange.value > familiar.high / familiar.value
    assert "other work than that of the nearest measured model" in strange.reasons[0]


def test_a_size_far_beyond_the_points_widens_and_says_so() -> None:
    huge = model().estimate({"dense_mmac": 50000.0, "weight_melems": 1000.0})
    assert "its time is 62 times the longest measured" in huge.reasons
    tiny = model().estimate({"dense_mmac": 10.0, "weight_melems": 0.2})
    assert "the shortest measured time is 10 times its own" in tiny.reasons
    assert huge.high / huge.value > math.exp(0.08)


def test_one_family_tells_little_of_another() -> None:
    alone = model(points=tuple(point(n, 0.01 * n) for n in range(1, 9)))
    strange = {"dense_mmac": 10.0, "weight_melems": 35.0}
    found = alone.estimate(strange)
    assert found.high / found.value >= 2
    assert any("1 family of networks" in reason for reason in found.reasons)
    helped = replace(alone, like="pixel-3").estimate(strange)
    assert 1.2 < helped.high / helped.value < 2


def test_one_family_does_not_vouch_for_another_that_merely_looks_like_it() -> None:
    four, alone = model(), model(points=tuple(point(n, 0.01 * n) for n in range(1, 9)))
    looks_alike = {"dense_mmac": 320.0, "weight_melems": 5.5}  # 2% of its time lies elsewhere
    assert four.estimate(looks_alike).reasons == ()
    assert any("1 family of networks" in reason for reason in alone.estimate(looks_alike).reasons)
    assert alone.estimate({"dense_mmac": 330.0, "weight_melems": 6.6}).reasons == ()
    # Left-out networks are of that family, and counted without the doubt.
    assert alone.learnt(looks_alike).reasons == ()


def test_the_time_of_the_same_network_lies_in_the_interval() -> None:
    points = list(model().points)
    points[2] = replace(points[2], measured_ms=50.0)  # 36 ms by the coefficients
    odd = model(points=tuple(points))
    # Another converter's file: features that cost 3% of the time differ.
    found = odd.estimate({"dense_mmac": 300.0, "weight_melems": 7.0})
    assert found.high == 50.0
    assert found.low == pytest.approx(odd.learnt({"dense_mmac": 300.0, "weight_melems": 7.0}).low)
    assert "net3, which asks for the same work, took 50 ms" in found.reasons[-1]
    # Nothing of it in what coverage is counted by, nor for a network that asks for 6% more.
    assert odd.learnt(points[2].features).high < 45
    other = odd.estimate({"dense_mmac": 300.0, "weight_melems": 8.3})
    assert other.high < 45
    assert other.reasons == ()


def test_a_disturbed_calibration_widens_both_ends_and_says_so() -> None:
    wanted = point(3, 0).features
    usual, disturbed = model().estimate(wanted), model(noise=0.43).estimate(wanted)
    assert disturbed.value == usual.value
    assert disturbed.low == pytest.approx(usual.low / 1.43)
    assert disturbed.high == pytest.approx(usual.high * 1.43)
    assert disturbed.reasons == (
        *usual.reasons,
        "the calibration was disturbed: times of the same model differed by 43%",
    )


def test_few_points_lean_on_the_sibling_and_say_so() -> None:
    few = model(points=model().points[:3], like="pixel-3", spread=0.25)
    found = few.estimate({"dense_mmac": 100.0, "weight_melems": 2.0})
    assert math.log(found.high / found.value) == pytest.approx(0.25)
    assert found.reasons == ("3 points of its own; the rest is taken from pixel-3",)
    older = replace(few, like="raspberry-pi-4b", like_runtime="TFLite 2.5, 64-bit")
    reason = older.estimate({"dense_mmac": 100.0, "weight_melems": 2.0}).reasons[0]
    assert reason.endswith("the rest is taken from raspberry-pi-4b with TFLite 2.5, 64-bit")


def test_no_points_at_all_take_the_siblings_errors_and_what_scaling_adds() -> None:
    scaled = model(points=(), like="pixel-3", spread=0.3, residuals=(0.1, -0.2, 0.4, 0.1, 0.2))
    found = scaled.estimate({"dense_mmac": 100.0})
    assert math.log(found.high / found.value) == pytest.approx(math.hypot(0.36, 0.3))
    assert "no points of its own" in found.reasons[0]


def test_few_points_without_a_sibling_are_a_factor_of_two() -> None:
    found = model(points=model().points[:2]).estimate({"dense_mmac": 100.0})
    assert found.high / found.value == pytest.approx(2)
    assert "too few to tell the error" in found.reasons[0]


def test_time_is_never_below_zero() -> None:
    found = model().estimate({})
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_the_nearest_points_come_first() -> None:
    names = [near.model for near in model().nearest({"dense_mmac": 290.0, "weight_melems": 6.0})]
    assert names[0] == "net3"
    assert len(names) == 3


def test_errors_are_of_the_points_left_out() -> None:
    error = model().error()
    assert error.n == 8
    assert error.mae_loo == pytest.approx(sum(1 - math.exp(-0.01 * n) for n in range(1, 9)) / 8)
    assert error.worst == pytest.approx(1 - math.exp(-0.08))
    assert error.coverage80 == 0.875
    assert model(points=()).error().mae_loo is None


def test_an_entry_reads_back_as_it_was() -> None:
    before = model(
        like="pixel-3", like_runtime="TFLite 2.5", scale_note="times 2", residuals=(0.1, -0.2),
        spread=0.2,
        noise=0.43,
        p90_over_p50=(1.0, 1.1, 1.2),
        like_dtype="uint8",
        like_kinds=("HARD_SWISH",),
    )  # fmt: skip
    text = tomli_w.dumps({"latency": [to_entry(before)]})
    after = from_entry(tomllib.loads(text)["latency"][0], "here")
    assert to_entry(after) == to_entry(before)
    assert after.coefficients == before.coefficients
    assert after.like_runtime == "TFLite 2.5"
    assert (after.like_dtype, after.like_kinds) == ("uint8", ("HARD_SWISH",))
    assert after.points[2].runtime == "TFLite 2.18"
    features = {"dense_mmac": 250.0, "weight_melems": 9.0}
    assert after.estimate(features).high == pytest.approx(before.estimate(features).high, rel=1e-4)


def test_an_entry_keeps_no_features_without_coefficients() -> None:
    one = replace(model().points[0], features={**model().points[0].features, "n_ops": 30.0})
    entry = to_entry(model(points=(one,)))
    assert set(entry["points"][0]["features"]) == set(COSTS)


REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("negative", {"coefficients_ms": {"dense_mmac": -0.1}}, "of dense_mmac is negative"),
    ("unknown", {"coefficients_ms": {"flops": 0.1}}, "unknown feature 'flops'"),
    ("no unit", {"coefficients": {"dense_mmac": 0.1}}, "coefficients says no unit"),
    ("nothing", {"coefficients_ms": {"dense_mmac": 0.0}}, "no coefficient above 0"),
    ("text", {"coefficients_ms": {"dense_mmac": "fast"}}, "is 'fast', not a figure"),
    ("not finite", {"coefficients_ms": {"dense_mmac": math.inf}}, "not a figure"),
    ("standing", {"standing": "sure"}, "standing is 'sure'; valid: read, guess"),
    ("date", {"made": "yesterday"}, "not YYYY-MM-DD"),
    ("threads", {"threads": 0}, "threads is 0, not a whole number"),
    ("version", {"feature_version": 99}, "of feature version 99"),
    ("key", {"colour": "red"}, "unknown key 'colour'"),
    ("empty", {"runtime": " "}, "runtime is ' '; it needs text"),
    ("spread", {"spread": -0.1}, "spread is negative"),
    ("noise", {"noise": -0.1}, "noise is negative"),
]


@pytest.mark.parametrize(
    ("changes", "words"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS]
)
def test_a_wrong_entry_is_refused_by_name(changes: dict[str, Any], words: str) -> None:
    entry = {**to_entry(model()), **changes}
    with pytest.raises(BadInputError, match=words) as caught:
        from_entry(entry, "the device file x.toml: latency entry 1")
    assert "x.toml: latency entry 1" in str(caught.value)


POINT_REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("runtime", {"runtime": "TFLite 2.5"}, "measured with TFLite 2.5, the entry is of TFLite 2.18"),
    ("no unit", {"measured": 4}, "measured says no unit; call it measured_ms"),
    ("zero", {"measured_ms": 0}, "a latency is above 0"),
    ("negative", {"features": {"dense_mmac": -5}}, "its dense_mmac is negative"),
    ("list", {"features": [1]}, "features is no table"),
]


@pytest.mark.parametrize(
    ("changes", "words"), [r[1:] for r in POINT_REFUSALS], ids=[r[0] for r in POINT_REFUSALS]
)
def test_a_wrong_point_is_refused_by_number(changes: dict[str, Any], words: str) -> None:
    entry = copy.deepcopy(to_entry(model()))
    entry["points"][2].update(changes)
    with pytest.raises(BadInputError, match=f"point 3.*{words}"):
        from_entry(entry, "here")


@pytest.mark.parametrize("key", ["cluster", "threads", "runtime", "coefficients_ms", "source"])
def test_a_missing_key_is_named(key: str) -> None:
    entry = to_entry(model())
    del entry[key]
    with pytest.raises(BadInputError, match=f"lacks {key}"):
        from_entry(entry, "here")
