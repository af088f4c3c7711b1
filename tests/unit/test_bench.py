"""The timed loop's rules and the inputs it fills, without a model."""

from __future__ import annotations

import math
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from edge_deploy_runner.bench.child import (
    checked_delegate,
    error_from_answer,
    random_tensor,
    timed_runs,
)
from edge_deploy_runner.errors import BadInputError, DeviceError, EdgeDeployError


def model(seconds: float = 0.0) -> Any:
    """What the loop needs of a model; each run sleeps."""
    calls: list[int] = []

    def invoke() -> None:
        calls.append(1)
        time.sleep(seconds)

    return SimpleNamespace(name="m", calls=calls, interpreter=SimpleNamespace(invoke=invoke))


def test_runs_stop_when_both_minima_are_met() -> None:
    assert len(timed_runs(model(), 25, 0.0, math.inf)) == 25
    latencies = timed_runs(model(0.002), 1, 0.05, math.inf)
    assert sum(latencies) >= 0.04e9
    assert all(latency >= 2e6 for latency in latencies)


def test_short_runs_stop_at_the_most() -> None:
    assert len(timed_runs(model(), 5, 3600.0, math.inf, most_runs=40)) == 40
    assert len(timed_runs(model(), 50, 3600.0, math.inf, most_runs=40)) == 50


def test_the_time_limit_counts_only_for_runs_of_more_than_a_second() -> None:
    assert len(timed_runs(model(0.001), 20, 0.0, 0.005)) == 20
    assert len(timed_runs(model(1.02), 20, 0.0, 0.5)) == 1


def test_discarded_runs_are_not_kept() -> None:
    made = model()
    assert len(timed_runs(made, 10, 0.0, math.inf, discard=3)) == 10
    assert len(made.calls) == 13


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float32", "float16", "bool", "int64"])
def test_inputs_fill_their_range(dtype: str) -> None:
    random = np.random.default_rng(1)
    values = random_tensor(random, (1, 64, 64, 4), np.dtype(dtype), 0.0, 255.0)
    assert values.dtype == np.dtype(dtype)
    assert values.shape == (1, 64, 64, 4)
    if dtype in ("int8", "uint8"):
        assert (values.min(), values.max()) == (np.iinfo(dtype).min, np.iinfo(dtype).max)
    elif dtype.startswith("float"):
        assert 0 <= values.min() < 5
        assert 250 < values.max() <= 255
    elif dtype in ("bool", "int64"):
        assert set(np.unique(values)) == {0, 1}


def test_string_input_is_refused() -> None:
    with pytest.raises(BadInputError, match="random values"):
        random_tensor(np.random.default_rng(1), (1,), np.dtype(object), 0, 1)


@pytest.mark.parametrize(
    ("asked", "used", "accepted"),
    [
        ("auto", "none", True), ("auto", "XNNPACK", True), ("xnnpack", "XNNPACK", True),
        ("xnnpack", "none", False), ("none", "none", True), ("none", "XNNPACK", False),
    ],
)  # fmt: skip
def test_another_delegate_than_asked_for_is_an_error(asked: str, used: str, accepted: bool) -> None:
    made: Any = SimpleNamespace(name="m", delegated_share=lambda: (used, 0.5))
    if accepted:
        assert checked_delegate(made, asked) == (used, 0.5)
    else:
        with pytest.raises(DeviceError):
            checked_delegate(made, asked)


def test_errors_travel_by_name() -> None:
    error = error_from_answer({"error": {"type": "BadInputError", "message": "no"}})
    assert isinstance(error, BadInputError)
    assert str(error) == "no"
    assert (
        type(error_from_answer({"error": {"type": "annotations", "message": ""}}))
        is EdgeDeployError
    )
    assert error_from_answer({"ms": 1}) is None
