"""Fits of few points are judged by the times of the device that they started from as well."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from known_devices import latency, write_device

from edge_deploy.catalogue import all_profiles, device_profile
from edge_deploy.prediction.latency.model import Interval, LatencyModel
from edge_deploy.prediction.leaning import estimated

TINY = {"dense_mmac": 0.5}  # a fortieth of the smallest network of `latency`
USUAL = {"dense_mmac": 60.0}


def high_end(found: Interval) -> float:
    return math.log(found.high / found.value)


@pytest.fixture
def sibling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LatencyModel:
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(tmp_path))
    model = latency(runtime="TFLite 2.5")
    write_device(tmp_path, [latency(threads=1, runtime="TFLite 2.5"), model], "first")
    return device_profile("first").latency[1]


@pytest.fixture
def few(sibling: LatencyModel) -> LatencyModel:
    """Two points of its own, started from those of the sibling."""
    return latency(points=latency().points[:2], like="first", like_runtime="TFLite 2.5", spread=0.1)


def test_less_data_never_looks_surer(sibling: LatencyModel, few: LatencyModel) -> None:
    alone, theirs, found = few.estimate(TINY), sibling.estimate(TINY), estimated(few, TINY)
    assert high_end(alone) < high_end(theirs)
    assert (found.value, high_end(found)) == (alone.value, pytest.approx(high_end(theirs)))
    assert found.low == pytest.approx(found.value * theirs.low / theirs.value)
    assert found.reasons[0].startswith("2 points of its own")
    whose = "by the float32 times of first with TFLite 2.5: "
    assert found.reasons[1:] == tuple(whose + reason for reason in theirs.reasons)
    assert any("the shortest measured time is 40 times its own" in said for said in found.reasons)


def test_what_the_sibling_is_sure_of_stays_as_it_was(few: LatencyModel) -> None:
    assert estimated(few, USUAL) == few.estimate(USUAL)


def test_enough_points_of_its_own_judge_alone(sibling: LatencyModel, few: LatencyModel) -> None:
    own = replace(few, points=sibling.points)
    assert estimated(own, TINY) == own.estimate(TINY)


def test_a_sibling_that_is_gone_says_nothing(few: LatencyModel) -> None:
    gone = replace(few, like="nobody")
    assert estimated(gone, TINY) == gone.estimate(TINY)


def test_what_the_start_adds_to_the_siblings_width_is_added_where_its_residuals_stand(
    sibling: LatencyModel, few: LatencyModel
) -> None:
    quick = replace(few, residuals=(0.1, -0.1, 0.1, -0.1, 0.1), spread=0.5)
    expected = math.hypot(high_end(sibling.estimate(TINY)), 0.5)
    assert high_end(estimated(quick, TINY)) == pytest.approx(expected)


def test_a_scaled_device_is_less_sure_than_the_one_that_was_timed(sibling: LatencyModel) -> None:
    scaled = replace(sibling, points=(), like="first", residuals=(0.1,) * 5, spread=0.3)
    expected = math.hypot(high_end(sibling.estimate(TINY)), 0.3)
    found = estimated(scaled, TINY)
    assert high_end(found) == pytest.approx(expected)
    assert any("40 times its own" in reason for reason in found.reasons)


def test_a_start_of_another_dtype_is_that_which_is_looked_at(
    sibling: LatencyModel, few: LatencyModel
) -> None:
    codes = replace(few, dtype="int8", like_dtype="float32")
    assert high_end(estimated(codes, TINY)) == high_end(estimated(few, TINY))
    assert estimated(replace(codes, like_dtype=""), TINY) == few.estimate(TINY)


def test_no_packaged_fit_of_few_points_is_surer_than_its_start() -> None:
    looked_at = 0
    tiny = {"dense_mmac": 2.0, "activation_melems": 0.3, "weight_melems": 0.2}
    for profile in all_profiles().values():
        for model in profile.latency:
            if not 2 <= len(model.points) <= 3:
                continue
            looked_at += 1
            (start, *_) = (
                other
                for other in device_profile(model.like).latency
                if other.runtime == (model.like_runtime or model.runtime)
                and other.dtype == (model.like_dtype or model.dtype)
                and other.threads == model.threads
            )
            found = estimated(model, tiny)
            assert high_end(found) >= high_end(start.estimate(tiny)) - 1e-9
            assert len(found.reasons) > 1
    assert looked_at > 10


def test_kinds_of_two_networks_are_not_those_of_their_sibling() -> None:
    short = [model for model in device_profile("raspberry-pi-4b").latency if len(model.points) == 2]
    assert short
    for model in short:
        assert not {"HARD_SWISH", "PACK", "RESIZE_NEAREST_NEIGHBOR"} & set(model.kinds)
        assert "HARD_SWISH" in model.like_kinds
        assert not set(model.kinds) & set(model.like_kinds)
