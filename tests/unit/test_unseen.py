"""Intervals of work that no measured model shows: wider, with the reason, or refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.tflite.model_file import ModelFile
from known_devices import KINDS, latency
from small_models import float_model

from edge_deploy.catalogue import device_profile
from edge_deploy.prediction import unseen
from edge_deploy.prediction.features import unknown_share
from edge_deploy.prediction.latency.model import Interval, LatencyModel
from edge_deploy.prediction.unseen import widened
from edge_deploy.prediction.workload import Workload, read_workload

BOARD = device_profile("raspberry-pi-4b")
FOUND = Interval(10.0, 8.0, 12.0, 0.8, ("as it was",))


def workload(size: int = 64) -> Workload:
    return read_workload(ModelFile(float_model(size)))


def test_a_model_of_known_kinds_keeps_its_interval() -> None:
    assert widened(FOUND, workload(), latency(), BOARD) == FOUND


def test_unknown_work_may_take_nothing_or_three_times_as_long() -> None:
    model = latency(kinds=tuple(kind for kind in KINDS if kind != "MEAN"))
    share = unknown_share(workload(), model.kinds)
    assert 0.01 < share < 0.2
    found = widened(FOUND, workload(), model, BOARD)
    assert found.value == 10.0
    assert (found.low, found.high) == pytest.approx((8 * (1 - share), 12 * (1 + 2 * share)))
    assert found.reasons[0] == "as it was"
    assert "(MEAN), which may be 3 times slower, a guess" in found.reasons[1]


def test_much_unknown_work_is_refused_with_the_most_of_it_first() -> None:
    model = latency(kinds=("SOFTMAX",))
    with pytest.raises(BadInputError, match=r"4 Model B has any of \(CONV_2D, MEAN\)"):
        widened(FOUND, workload(), model, BOARD)


def test_calls_may_be_most_of_the_time_of_a_very_small_model() -> None:
    small = Interval(0.02, 0.01, 0.04, 0.8)
    calls = len(workload().operators)
    found = widened(small, workload(), latency(), BOARD)
    assert (found.value, found.low) == (0.02, 0.01)
    assert found.high == pytest.approx(0.02 + 0.01 * calls)
    assert f"calling its operators ({calls})" in found.reasons[-1]


def test_times_of_models_as_small_know_of_their_calls() -> None:
    small = Interval(0.02, 0.01, 0.04, 0.8)
    assert widened(small, workload(), latency(1e-5), BOARD) == small
    nothing = latency(points=())
    assert widened(small, workload(), nothing, BOARD).high > small.high


def test_a_refusal_shows_that_the_share_is_above_the_limit_and_advises_what_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unseen, "unknown_share", lambda *_: 0.2041)
    with pytest.raises(BadInputError) as caught:
        widened(FOUND, workload(), latency(kinds=("SOFTMAX",)), BOARD)
    said = str(caught.value)
    assert said.startswith("20.4% of the work of")
    assert said.endswith("allows 20%; measure on the device itself, with --device ssh://USER@HOST")


def test_kinds_that_only_the_sibling_has_timed_are_said_as_such() -> None:
    kinds = tuple(kind for kind in KINDS if kind != "MEAN")
    model = latency(kinds=kinds, like_kinds=("MEAN",), like="pixel-3")
    share = unknown_share(workload(), kinds)
    found = widened(FOUND, workload(), model, BOARD)
    assert (found.value, found.low) == (10.0, 8.0)
    assert found.high == pytest.approx(12 * (1 + 2 * share))
    assert "none of the models timed has (MEAN): what they cost is taken from" in found.reasons[-1]
    # Much of such work is no reason to refuse, as it is where nobody timed it.
    most = latency(kinds=("SOFTMAX",), like_kinds=KINDS, like="pixel-3")
    assert widened(FOUND, workload(), most, BOARD).high > 2 * FOUND.high


def calibrated(calls_ms: float, dtype: str = "float32") -> LatencyModel:
    """A calibration whose largest share of calls is a twentieth of a model's time."""
    points = tuple(
        replace(point, features={"DENSE.mmac": 19 * point.measured_ms, "ALL.n": point.measured_ms})
        for point in latency().points
    )
    costs = {"DENSE.mmac": calls_ms, "ALL.n": calls_ms}
    return latency(dtype=dtype, coefficients=costs, points=points)


def test_a_time_that_is_mostly_calls_is_less_sure_than_any_that_was_measured() -> None:
    calls = len(workload().operators)
    found = widened(FOUND, workload(), calibrated(4.0 / calls), BOARD)  # 4 ms of 10
    assert (found.low, found.high) == pytest.approx((8 * 0.6, 12 * 1.4))
    assert (
        f"calling its {calls} operators makes 40% of its time, and at most 5%" in found.reasons[-1]
    )
    assert widened(FOUND, workload(), calibrated(0.4 / calls), BOARD) == FOUND
    lent = replace(calibrated(4.0 / calls), points=())
    assert widened(FOUND, workload(), lent, BOARD).reasons[-1] == (
        f"calling its {calls} operators makes 40% of its time: a call may take nothing, or twice "
        "as long"
    )
    nothing_else = widened(FOUND, workload(), calibrated(10.0 / calls), BOARD)
    assert nothing_else.low > 0


def test_dynamic_quantization_is_never_surer_than_it_was_seen_to_be() -> None:
    found = widened(FOUND, workload(), calibrated(1e-6, "dynamic"), BOARD)
    assert (found.low, found.high) == pytest.approx((10 / 3.2, 10 * 3.2))
    assert "a factor of 3.2 at least" in found.reasons[-1]
    wide = Interval(10.0, 1.0, 100.0, 0.8)
    kept = widened(wide, workload(), calibrated(1e-6, "dynamic"), BOARD)
    assert (kept.low, kept.high) == (1.0, 100.0)
