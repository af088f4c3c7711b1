"""Latency models of calibrations and of somebody's own tables, alone and from a sibling's."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edge_deploy_runner.errors import BadInputError, UsageError
from known_devices import latency
from small_models import float_model

from edge_deploy.catalogue import DeviceProfile, device_profile
from edge_deploy.prediction.calibration.latency_models import (
    calibrated_models,
    merged,
    models_of_tables,
    read_features,
)
from edge_deploy.prediction.calibration.models import TimedModel
from edge_deploy.prediction.calibration.times import Calibration, ModelTimes
from edge_deploy.prediction.latency.model import LatencyModel
from edge_deploy.prediction.tables.published import published_fits
from edge_deploy.prediction.tables.reading import parse_latencies

# ms for each unit of work, of a device that was made up.
TRUE = {"DENSE.mmac": 0.02, "DEPTHWISE.mmac": 0.05, "ALL.n": 0.002}


def timed(
    name: str, dense: float, depthwise: float, slower: float = 1.0, kind: str = ""
) -> TimedModel:
    features = {"DENSE.mmac": dense, "DEPTHWISE.mmac": depthwise, "ALL.n": 10.0}
    return TimedModel(name, name[0], "float32", kind, ("CONV_2D", "ADD"), features, b"")


def cost(model: TimedModel, slower: float = 1.0) -> float:
    return slower * sum(TRUE[name] * model.features[name] for name in TRUE)


def calibration(
    count: int = 8, slower: float = 1.0, threads: tuple[int, ...] = (1,), **changes: Any
) -> Calibration:
    models = [timed(f"{'abcd'[n % 4]}{n}", 10.0 + 7 * n, 5.0 + n * n % 11) for n in range(count)]
    times = tuple(
        ModelTimes(model, number, (cost(model, slower) / number,) * 3)
        for number in threads
        for model in models
    )
    found = Calibration(
        {"cores": 4},
        "LiteRT 2.1",
        "xnnpack",
        "measured",
        None,
        times,
        {1: ((2.0, 1.02), (3.0, 1.05), (4.0, 1.03))},
        (),
        1.0,
    )
    return replace(found, **changes)


def sibling(*models: LatencyModel) -> DeviceProfile:
    return replace(device_profile("raspberry-pi-4b"), latency=models)


def test_one_model_for_each_number_of_threads() -> None:
    one, two = calibrated_models(calibration(threads=(1, 2)))
    assert (one.threads, two.threads) == (1, 2)
    assert one.coefficients == pytest.approx(TRUE, rel=1e-3)
    assert two.coefficients["DENSE.mmac"] == pytest.approx(0.01, rel=1e-3)
    assert one.standing == "measured"
    assert one.runtime == "LiteRT 2.1"
    assert one.kinds == ("ADD", "CONV_2D")
    assert one.p90_over_p50 == pytest.approx((1.0, 1.03, 1.03))
    assert two.p90_over_p50 is None
    assert one.noise == two.noise == 0
    assert not one.like
    error = one.error()
    assert error.n == 8
    assert error.mae_loo is not None
    assert error.mae_loo < 0.01


def test_a_disturbed_calibration_says_so_in_its_entry() -> None:
    quiet = calibration()
    times = tuple(
        replace(entry, times_ms=(entry.ms, 1.5 * entry.ms, 1.5 * entry.ms)) for entry in quiet.times
    )
    (model,) = calibrated_models(replace(quiet, times=times))
    assert model.noise == pytest.approx(0.5)


def test_an_emulators_times_are_simulated() -> None:
    (model,) = calibrated_models(calibration(evidence="simulated"))
    assert model.standing == "simulated"


def test_three_points_start_from_a_sibling_and_say_so() -> None:
    (start,) = calibrated_models(calibration())
    (model,) = calibrated_models(calibration(3, slower=2.0), prior=sibling(start))
    assert model.like == "raspberry-pi-4b"
    assert "times 2" in model.scale_note
    features = {"DENSE.mmac": 300.0, "DEPTHWISE.mmac": 20.0, "ALL.n": 60.0}
    interval, whole = model.estimate(features), start.estimate(features)
    assert interval.value == pytest.approx(2 * whole.value, rel=0.02)
    assert interval.high / interval.low > whole.high / whole.low
    assert any("raspberry-pi-4b" in reason for reason in interval.reasons)


def test_a_sibling_of_another_runtime_is_only_a_start_and_widens_more() -> None:
    (start,) = calibrated_models(calibration())
    (same,) = calibrated_models(calibration(3), prior=sibling(start))
    (other,) = calibrated_models(
        calibration(3), prior=sibling(replace(start, runtime="TFLite 2.5"))
    )
    assert {point.runtime for point in other.points} == {"LiteRT 2.1"}
    assert (same.like_runtime, other.like_runtime) == ("", "TFLite 2.5")
    assert "with TFLite 2.5" in other.scale_note
    assert "no point of that runtime stands here" in other.scale_note
    features = {"DENSE.mmac": 30.0, "DEPTHWISE.mmac": 5.0, "ALL.n": 10.0}
    assert other.estimate(features).high > same.estimate(features).high


def test_the_same_runtime_and_threads_are_chosen_first() -> None:
    (start,) = calibrated_models(calibration())
    others = (
        replace(start, runtime="TFLite 2.5", coefficients={"DENSE.mmac": 9.0}),
        replace(start, threads=4, coefficients={"DENSE.mmac": 9.0}),
    )
    (model,) = calibrated_models(calibration(3), prior=sibling(*others, start))
    assert "on 1 thread with LiteRT 2.1" in model.scale_note


def test_a_sibling_that_cannot_say_what_the_device_took_is_refused() -> None:
    (start,) = calibrated_models(calibration())
    found = calibration(3)
    slow = replace(found.times[1], times_ms=(5 * found.times[1].ms,))
    odd = replace(found, times=(found.times[0], slow, found.times[2]))
    with pytest.raises(UsageError, match=f"do not fit float32 here: {slow.timed.model} took"):
        calibrated_models(odd, prior=sibling(start))


def test_a_disturbed_device_may_miss_a_sibling_by_its_noise_as_well() -> None:
    (start,) = calibrated_models(calibration())
    found = calibration(3)
    first, second, third = found.times
    slow = replace(second, times_ms=(1.6 * second.ms,))
    with pytest.raises(UsageError, match="do not fit"):
        calibrated_models(replace(found, times=(first, slow, third)), prior=sibling(start))
    shaky = tuple(replace(each, times_ms=(each.ms, 1.8 * each.ms)) for each in (first, slow, third))
    (model,) = calibrated_models(replace(found, times=shaky), prior=sibling(start))
    assert model.noise > 0.5


def test_too_few_models_without_a_sibling_and_a_sibling_without_the_dtype() -> None:
    with pytest.raises(BadInputError, match="3 points are too few"):
        calibrated_models(calibration(3))
    with pytest.raises(UsageError, match=r"no coefficients of float32 .*it has: int8"):
        calibrated_models(calibration(3), prior=sibling(latency(dtype="int8")))


def rows(count: int, device: str = "My Phone", **changes: str) -> str:
    """A table of published times, as if of a device of one's own."""
    fit = next(one for one in published_fits() if len(one.model.points) > 20)
    columns = ["model", "dtype", "device", "threads", "latency_ms", "runtime"]
    lines = [",".join(columns)]
    for point in fit.model.points[:count]:
        values = {
            "model": point.model, "dtype": "float32", "device": device, "threads": "4",
            "latency_ms": str(point.measured_ms * 1.5), "runtime": "TFLite 2.17", **changes,
        }  # fmt: skip
        lines.append(",".join(values[name] for name in columns))
    return "\n".join(lines) + "\n"


def test_a_table_of_ones_own() -> None:
    models, notes = models_of_tables(parse_latencies(rows(20), "t.csv"), read_features([]), "t.csv")
    (model,) = models
    assert notes == ()
    assert (model.threads, model.dtype, model.runtime) == (4, "float32", "TFLite 2.17")
    assert (model.source, model.standing, model.like) == ("t.csv", "read", "pixel-3")
    assert len(model.points) == 20


def test_a_short_table_starts_from_published_times() -> None:
    models, _ = models_of_tables(parse_latencies(rows(4), "t.csv"), read_features([]), "t.csv")
    assert models[0].like == "pixel-3"
    assert models[0].like_runtime == "TFLite 2019-20"
    assert "times 1.5" in models[0].scale_note
    assert models[0].residuals
    assert "DEPTHWISE_CONV_2D" in models[0].kinds


def test_kinds_and_dtype_of_the_start_stand_apart() -> None:
    (start,) = calibrated_models(calibration())
    known = replace(start, kinds=("ADD", "HARD_SWISH"), like_kinds=("PACK",))
    (model,) = calibrated_models(calibration(3), prior=sibling(known))
    assert (model.kinds, model.like_kinds) == (("ADD", "CONV_2D"), ("HARD_SWISH", "PACK"))
    assert model.like_dtype == ""
    models, _ = models_of_tables(
        parse_latencies(rows(4).replace("float32", "int8"), "t.csv"), read_features([]), "t.csv"
    )
    assert (models[0].dtype, models[0].like_dtype) == ("int8", "uint8")


def test_tables_that_cannot_be_fitted() -> None:
    networks = read_features([])
    two = rows(3) + "\n".join(rows(3, device="Other").splitlines()[1:])
    with pytest.raises(BadInputError, match=r"2 devices \(My Phone, Other\)"):
        models_of_tables(parse_latencies(two, "t.csv"), networks, "t.csv")
    with pytest.raises(BadInputError, match=r"1 points? (is|are) too few"):
        models_of_tables(parse_latencies(rows(1), "t.csv"), networks, "t.csv")
    with pytest.raises(BadInputError, match="number of threads is not known"):
        models_of_tables(parse_latencies(rows(8, threads="many"), "t.csv"), networks, "t.csv")
    with pytest.raises(BadInputError, match="networks without features: mine"):
        models_of_tables(parse_latencies(rows(8, model="mine"), "t.csv"), networks, "t.csv")


def test_features_come_from_models_and_tables(tmp_path: Path) -> None:
    (tmp_path / "mine.tflite").write_bytes(float_model())
    with (tmp_path / "more.csv").open("w", newline="") as file:
        names = ("dense_mmac", "depthwise_mmac", "fc_mmac", "activation_melems", "weight_melems")
        writer = csv.DictWriter(file, ("model", *names))
        writer.writeheader()
        writer.writerow({"model": "theirs", **dict.fromkeys(names, 3.0)})
    found = read_features([tmp_path / "mine.tflite", tmp_path / "more.csv"])
    assert found["mine"].features["dense_mmac"] > 0
    assert found["theirs"].features["dense_mmac"] == 3
    assert read_features([]) == {}
    with pytest.raises(BadInputError):
        read_features([tmp_path / "none.tflite"])


def test_new_entries_stand_in_for_old_ones_of_the_same_runs() -> None:
    old = (latency(threads=1), latency(threads=4), latency(threads=4, runtime="TFLite 2.5"))
    new = latency(0.3, threads=4)
    assert merged([new], old) == (new, old[0], old[2])
