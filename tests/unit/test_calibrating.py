"""Calibrations of this machine, short ones, and what makes one impossible."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from typing import Any

import pytest
from edge_deploy_runner.bench.measuring import Measured, Request, measure
from edge_deploy_runner.bench.records import OperatorTiming
from edge_deploy_runner.errors import DeviceError, UsageError

from edge_deploy.prediction.calibration import connection
from edge_deploy.prediction.calibration import measuring as calibrating
from edge_deploy.prediction.calibration.measuring import calibrate
from edge_deploy.prediction.calibration.micro_models import MICRO_MODELS, MicroModel
from edge_deploy.prediction.calibration.models import TimedModel, prepare_models
from edge_deploy.prediction.calibration.rounds import order_of
from edge_deploy.prediction.calibration.tail_models import (
    LONG_MODELS,
    LOOKS,
    carriers,
    for_rounds,
    tail_looks,
)
from edge_deploy.prediction.calibration.times import Calibration, ModelTimes

# The two that are made and run fastest.
SMALL = tuple(one for one in MICRO_MODELS if one.name in ("separable_net", "elementwise"))


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return calibrate(None, threads=(1,), dtypes=("int8",), micro_models=SMALL, rounds=2)


def test_models_come_before_their_operators_and_each_shape_once() -> None:
    models = prepare_models(SMALL, ("float32", "int8"))
    wholes, parts = models[:4], models[4:]
    assert [(one.model, one.dtype) for one in wholes] == [
        (one.name, dtype) for dtype in ("float32", "int8") for one in SMALL
    ]
    assert all(not one.kind and len(one.kinds) > 1 for one in wholes)
    assert all(one.kind and one.kinds == (one.kind,) for one in parts)
    shapes = [(one.dtype, one.kind, *sorted(one.features.items())) for one in parts]
    assert len(set(shapes)) == len(shapes)
    for dtype in ("float32", "int8"):
        whole = sum(one.features["dense_mmac"] for one in wholes if one.dtype == dtype)
        alone = sum(one.features["dense_mmac"] for one in parts if one.dtype == dtype)
        assert 0.5 * whole < alone <= whole


def test_a_short_calibration_of_this_machine(calibration: Calibration) -> None:
    assert calibration.evidence == "measured"
    assert calibration.delegate == "xnnpack"
    assert calibration.runtime.split()[0] in ("ai_edge_litert", "tflite_runtime")
    assert calibration.machine["cores"] == os.cpu_count()
    wholes = [one for one in calibration.times if not one.timed.kind]
    parts = [one for one in calibration.times if one.timed.kind]
    assert {one.timed.model for one in wholes} == {one.name for one in SMALL}
    assert all(len(one.times_ms) == (2 + one.retaken) * 3 for one in wholes)
    assert all(one.rounds[:6] == (0, 0, 0, 1, 1, 1) for one in wholes)
    assert all(len(one.times_ms) == (5 if one.retaken else 2) for one in parts)
    assert all(0 < min(one.times_ms) <= one.ms <= max(one.times_ms) for one in calibration.times)
    assert all(ratio >= 1 and p50 > 0 for p50, ratio in calibration.tails[1])
    assert len(calibration.tails[1]) >= 2 + len(SMALL)
    # HARD_SWISH of integers runs on slow kernels: the features must not hide that.
    by_kind = {one.timed.kind: one for one in parts}
    slow, fast = by_kind["HARD_SWISH"], by_kind["ADD"]
    assert slow.ms / slow.timed.features["HARD_SWISH.melems"] > (
        fast.ms / fast.timed.features["ADD.melems"]
    )


def test_every_time_is_in_the_record(calibration: Calibration) -> None:
    document = json.loads(json.dumps(calibration.to_json()))
    assert document["runtime"] == calibration.runtime
    assert len(document["times"]) == len(calibration.times)
    first = document["times"][0]
    assert first["operator"] is None
    assert first["times_ms"] == list(calibration.times[0].times_ms)


def test_progress_goes_from_nothing_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int, int]] = []
    calibrate(
        None, threads=(1,), dtypes=("int8",), micro_models=SMALL[:1], rounds=1,
        on_progress=lambda stage, done, total: seen.append((stage, done, total)),
    )  # fmt: skip
    rounds = [entry for entry in seen if entry[0].startswith("round")]
    assert any(f"{SMALL[0].name} int8, " in stage for stage, _, _ in rounds)
    assert [done for _, done, _ in rounds] == sorted(done for _, done, _ in rounds)
    assert rounds[-1][1] == rounds[-1][2] == 1000


def changed(**changes: Any) -> Any:
    """A measure that measures, and then says something else."""

    def measured(request: Request, operators: Any = (), report: Any = None) -> Measured:
        found = measure(request, operators)
        return replace(found, measurement=replace(found.measurement, **changes))

    return measured


def quick(**options: Any) -> Calibration:
    settings: dict[str, Any] = {
        "threads": (1,), "dtypes": ("int8",), "micro_models": SMALL[:1], "rounds": 1, **options,
    }  # fmt: skip
    return calibrate(None, **settings)


def test_a_device_that_was_held_back_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "measure", changed(void=("the board reported throttled",)))
    with pytest.raises(DeviceError, match=r"held back .* the board reported throttled.*calibrate"):
        quick()


def test_a_model_that_does_not_run_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def crashing(request: Request, operators: Any = (), report: Any = None) -> Measured:
        found = measure(request)
        timings = tuple(
            OperatorTiming(one.name, one.kind, None, "the runtime crashed") for one in operators
        )
        return replace(found, measurement=replace(found.measurement, operators=timings))

    monkeypatch.setattr(connection, "measure", crashing)
    with pytest.raises(
        DeviceError, match=f"{SMALL[0].name} int8 does not run .* the runtime crashed.*--dtypes"
    ):
        quick()


def test_a_runtime_that_changes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = iter("01234567")

    def updated(request: Request, operators: Any = (), report: Any = None) -> Measured:
        runtime = {"name": "tflite", "version": next(versions), "origin": "device"}
        found: Measured = changed(runtime=runtime)(request, operators)
        return found

    monkeypatch.setattr(connection, "measure", updated)
    with pytest.raises(DeviceError, match="runtime changed during the calibration"):
        quick(rounds=2)


def test_a_refusal_comes_before_the_long_part() -> None:
    def refuse(machine: dict[str, Any]) -> None:
        raise UsageError(f"not on {machine['cores']} cores")

    stages: list[str] = []
    with pytest.raises(UsageError, match="not on"):
        quick(on_machine=refuse, on_progress=lambda stage, done, total: stages.append(stage))
    assert not [stage for stage in stages if stage.startswith("round")]


def test_more_threads_than_cores_and_no_rounds() -> None:
    with pytest.raises(UsageError, match="threads that share one"):
        quick(threads=(1, (os.cpu_count() or 1) + 1))
    with pytest.raises(UsageError, match="rounds is 0"):
        quick(rounds=0)


def test_noise_is_what_whole_models_differ_by() -> None:
    def times(*values: float, kind: str = "") -> ModelTimes:
        return ModelTimes(TimedModel("a", "a", "int8", kind, (), {}, b""), 1, values)

    noisy = Calibration(
        {}, "x 1", "xnnpack", "measured", None,
        (times(1.0, 1.0, 1.2), times(1.0, 9.0, kind="ADD")), {}, (), 1.0,
    )  # fmt: skip
    assert noisy.noise == pytest.approx(0.2)
    assert noisy.widening("int8", 1) == 0
    disturbed = replace(noisy, times=(*noisy.times, *(times(1.0, 1.43) for _ in range(9))))
    assert disturbed.noise == disturbed.widening("int8", 1) == pytest.approx(0.43)
    assert disturbed.widening("int8", 4) == 0


def test_rounds_are_held_against_each_other_and_one_more_may_calm_them() -> None:
    timed = TimedModel("a", "a", "int8", "", (), {}, b"")
    shaky = ModelTimes(timed, 1, (1.0, 1.0, 5.0, 2.0, 2.0, 9.0), (0, 0, 0, 1, 1, 1))
    assert shaky.spread == pytest.approx(1.0)
    calmed = replace(
        shaky, times_ms=(*shaky.times_ms, 1.1), rounds=(*shaky.rounds, 2), retaken=True
    )
    assert calmed.spread == pytest.approx(0.1)
    still = replace(calmed, times_ms=(*shaky.times_ms, 1.9))
    assert still.spread == pytest.approx(0.9)
    part = replace(shaky, timed=replace(timed, kind="ADD"))
    steady = ModelTimes(timed, 1, (1.0, 1.1))
    assert calibrating._disturbed({3: shaky, 5: part, 6: steady}) == (3, 5)
    assert calibrating._disturbed({5: part, 6: steady}) == ()


def test_a_disturbed_round_is_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = iter([1.0, 3.0, 1.1])
    asked: list[int] = []

    def slowed(request: Request, operators: Any = (), report: Any = None) -> Measured:
        found = measure(request)
        if operators:
            asked.append(len(operators))
            ms = next(rounds)
            timings = tuple(OperatorTiming(one.name, one.kind, ms) for one in operators)
            found = replace(found, measurement=replace(found.measurement, operators=timings))
        return found

    monkeypatch.setattr(connection, "measure", slowed)
    taken = quick(rounds=2, operators=False)
    assert asked == [3, 3, 3]
    assert taken.times[0].retaken
    assert taken.noise == pytest.approx(0.1)


def test_a_tail_is_that_of_long_models_and_never_of_one() -> None:
    def tail(*values: tuple[float, float]) -> tuple[float, float, float] | None:
        return Calibration(
            {}, "x 1", "xnnpack", "measured", None, (), {1: values}, (), 1.0
        ).tail(1)  # fmt: skip

    assert tail((0.2, 4.67), (2.0, 1.1), (3.0, 1.2)) is None
    assert tail((0.2, 4.67), (2.0, 1.1), (3.0, 1.2), (9.0, 1.0)) == (1.0, 1.1, 1.1)
    assert tail((5.0, 1.05), (5.0, 1.1), (5.0, 1.2), (5.0, 4.67)) == pytest.approx((1, 1.15, 1.2))
    assert tail() is None


def whole(name: str, mmac: float, dtype: str = "float32", kind: str = "") -> TimedModel:
    return TimedModel(name, name, dtype, kind, (), {"dense_mmac": mmac}, name.encode())


def test_how_times_vary_is_read_off_models_that_take_long_where_they_run() -> None:
    models = (
        whole("tiny", 5), whole("small", 60), whole("large", 110), whole("huge", 1000),
        whole("huge", 1000, "int8"), whole("huge", 1000, kind="CONV_2D"),
    )  # fmt: skip
    found = carriers(models)
    assert [one.model for one in found] == ["large", "small", "tiny", "huge"]
    assert {one.dtype for one in found} == {"float32"}
    assert for_rounds(found) == 3  # what nobody timed yet is not run for half a minute

    def looked(**ms: float) -> list[str]:
        times = {one.model: ModelTimes(one, 1, (ms[one.model],)) for one in found}
        return [found[number].model for number in tail_looks(found, times)]

    slow = {"tiny": 20.0, "small": 200.0, "large": 400.0, "huge": 4000.0}
    assert looked(**slow) == ["large", "small", "tiny", "large"]
    middling = {"tiny": 0.5, "small": 1.5, "large": 3.0, "huge": 25.0}
    assert looked(**middling) == ["huge", "large", "small", "huge"]
    fast = {"tiny": 0.02, "small": 0.2, "large": 0.4, "huge": 5.0}
    assert looked(**fast) == ["huge"] * 4
    assert looked(tiny=0.01, small=0.02, large=0.03, huge=0.3) == [
        "huge", "large", "small", "tiny",
    ]  # fmt: skip
    untimed = {"small": ModelTimes(found[1], 1, (0.3,))}  # 0.005 ms a million: huge takes about 5
    assert [found[number].model for number in tail_looks(found, untimed)] == ["huge"] * 4
    slower = {"small": ModelTimes(found[1], 1, (3.0,))}  # and here 50, which is too long
    assert "huge" not in [found[number].model for number in tail_looks(found, slower)]
    alone = carriers((whole("huge", 1000),))
    assert for_rounds(alone) == 1
    assert tail_looks(alone, {}) == (0, 0, 0, 0)


def test_other_programs_are_told_of_once_with_the_worst(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = iter([None, 0.01, 0.31, 0.12, 0.02])

    def busy(request: Request, operators: Any = (), report: Any = None) -> Measured:
        found = measure(request)
        share = next(shares, None)
        after = replace(found.measurement.telemetry_after, others_cpu_share=share)
        timings = tuple(OperatorTiming(one.name, one.kind, 1.0) for one in operators)
        words = ("the phone was warm",) if share is None else (f"other programs used {share:.0%}",)
        changed = replace(
            found.measurement, telemetry_after=after, operators=timings, warnings=words
        )
        return replace(found, measurement=changed)

    monkeypatch.setattr(connection, "measure", busy)
    taken = quick(rounds=4, operators=False)
    assert taken.warnings == (
        "other programs used up to 31% of the CPU meanwhile (in 2 of 4 rounds)",
    )


def test_large_models_are_sent_once_over_a_wire() -> None:
    def model(size: int, kind: str = "") -> TimedModel:
        return TimedModel("a", "a", "int8", kind, (), {}, bytes(size))

    models = (model(10), model(1000), model(10, "ADD"), model(10, "MUL"))
    assert order_of(models, True, math.inf) == (0, 1, 2, 0, 1, 3, 0, 1)
    assert order_of(models, True, 500) == (0, 1, 2, 0, 3, 0)
    assert order_of(models, False, 500) == (0, 1, 0, 0)


def test_micro_models_for_a_quick_calibration_exist() -> None:
    names = {one.name for one in MICRO_MODELS}
    assert set(LONG_MODELS) <= names
    assert set(calibrating.QUICK_MODELS) <= names
    assert all(isinstance(one, MicroModel) for one in MICRO_MODELS)


def test_of_a_fast_computer_too_it_is_measured_how_times_vary() -> None:
    models = [one for one in MICRO_MODELS if one.name == "residual_net"]
    taken = calibrate(
        None, threads=(1,), dtypes=("float32",), micro_models=models, operators=False, rounds=1
    )
    long = [ratio for p50, ratio in taken.tails[1] if p50 >= 1.0]
    assert len(long) >= LOOKS
    tail = taken.tail(1)
    assert tail is not None
    assert tail[0] == 1.0 <= tail[1] <= tail[2] <= max(long)
