"""Intervals of work that no measured model shows: wider, with the reason, or refused."""

from __future__ import annotations

import pytest
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.tflite.model_file import ModelFile
from known_devices import KINDS, latency
from small_models import float_model

from edge_deploy.prediction.features import unknown_share
from edge_deploy.prediction.latency.model import Interval
from edge_deploy.prediction.unseen import widened
from edge_deploy.prediction.workload import Workload, read_workload

FOUND = Interval(10.0, 8.0, 12.0, 0.8, ("as it was",))


def workload(size: int = 64) -> Workload:
    return read_workload(ModelFile(float_model(size)))


def test_a_model_of_known_kinds_keeps_its_interval() -> None:
    assert widened(FOUND, workload(), latency(), "Board") == FOUND


def test_unknown_work_may_take_nothing_or_three_times_as_long() -> None:
    model = latency(kinds=tuple(kind for kind in KINDS if kind != "MEAN"))
    share = unknown_share(workload(), model.kinds)
    assert 0.01 < share < 0.2
    found = widened(FOUND, workload(), model, "Board")
    assert found.value == 10.0
    assert (found.low, found.high) == pytest.approx((8 * (1 - share), 12 * (1 + 2 * share)))
    assert found.reasons[0] == "as it was"
    assert "(MEAN), which may be 3 times slower, a guess" in found.reasons[1]


def test_much_unknown_work_is_refused_with_the_most_of_it_first() -> None:
    model = latency(kinds=("SOFTMAX",))
    with pytest.raises(BadInputError, match=r"Board has any of \(CONV_2D, MEAN\)"):
        widened(FOUND, workload(), model, "Board")


def test_calls_may_be_most_of_the_time_of_a_very_small_model() -> None:
    small = Interval(0.02, 0.01, 0.04, 0.8)
    calls = len(workload().operators)
    found = widened(small, workload(), latency(), "Board")
    assert (found.value, found.low) == (0.02, 0.01)
    assert found.high == pytest.approx(0.02 + 0.01 * calls)
    assert f"calling its operators ({calls})" in found.reasons[-1]


def test_times_of_models_as_small_know_of_their_calls() -> None:
    small = Interval(0.02, 0.01, 0.04, 0.8)
    assert widened(small, workload(), latency(1e-5), "Board") == small
    nothing = latency(points=())
    assert widened(small, workload(), nothing, "Board").high > small.high
