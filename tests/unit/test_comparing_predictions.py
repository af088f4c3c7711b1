"""Predictions compared with each other, and with a measurement of their device."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edge_deploy_runner.bench.records import Measurement, ModelIdentity
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.errors import BadInputError
from known_devices import latency, write_device
from measurements import basis, made_up, predicted

from edge_deploy.changes import Change, Comparison
from edge_deploy.cli import run
from edge_deploy.comparing import compare_measurements

OTHER = ModelIdentity("other.tflite", "cd" * 32, 2_000_000)


def measured_on(machine: str, **changes: Any) -> Measurement:
    found = made_up(device="local")
    return replace(found, device={**found.device, "machine": machine, **changes})


def on_the_phone(ms: float, **changes: Any) -> Measurement:
    usual = {"peak_memory_bytes": 40_000_000, "spec": RunSpec(threads=4)}
    return made_up([ms] * 300, device="pixel-4", **{**usual, **changes})


def change(found: Comparison, metric: str) -> Change:
    return next(entry for entry in found.changes if entry.metric == metric)


@pytest.mark.parametrize(
    ("ends", "status", "clear"),
    [
        ((16.0, 20.0, 24.0), "worse", True),  # 16 / 12 at the least
        ((11.0, 13.0, 15.0), "same", False),
        ((4.0, 5.0, 6.0), "better", True),
    ],
)
def test_two_predictions_are_compared_as_intervals(
    ends: tuple[float, float, float], status: str, clear: bool
) -> None:
    found = compare_measurements(predicted(), predicted(ends, model=OTHER))
    entry = change(found, "latency_p50")
    assert (entry.status, entry.is_clear) == (status, clear)
    assert entry.ci95 is None
    assert entry.predicted_range == pytest.approx((ends[0] / 12, ends[2] / 8))
    assert "errors are largely common" in found.notes[0]
    assert found.to_json()["notes"] == list(found.notes)


def test_predictions_of_two_dtypes_err_on_their_own() -> None:
    found = compare_measurements(predicted(), predicted(rests_on=basis(dtype="int8"), model=OTHER))
    assert "errors are not common" in found.notes[0]


def test_runtimes_and_devices_are_not_mixed() -> None:
    other = predicted(rests_on=basis(runtime="TFLite 2.5"))
    with pytest.raises(BadInputError, match=r"never mixed; predict both with the same --runtime-"):
        compare_measurements(predicted(), other)
    integers = predicted(rests_on=basis(runtime="TFLite 2.5", dtype="int8"))
    with pytest.raises(BadInputError) as raised:
        compare_measurements(predicted(), integers)
    # The Pixel 4 has times of floats with TFLite 2020 alone, and of integers with 2021 alone.
    assert str(raised.value).endswith(
        "never mixed; of Google Pixel 4 no runtime has times of both float32 and int8 models: "
        "measure on the device itself, with --device android"
    )
    with pytest.raises(BadInputError, match="old is predicted for pixel-4 and new is of pixel-3"):
        compare_measurements(predicted(), made_up(device="pixel-3"))
    unnamed = compare_measurements(predicted(), made_up(device="android"))
    assert any("whether they are one device is yours" in text for text in unnamed.warnings)
    with pytest.raises(BadInputError, match="in an emulator"):
        compare_measurements(predicted(), on_the_phone(10.0, evidence="simulated"))


@pytest.mark.parametrize("machine", ["x86_64", "AMD64", "i686"])
def test_a_machine_with_other_instructions_is_another_device(machine: str) -> None:
    with pytest.raises(BadInputError, match=rf"new was .* {machine} instructions, .*pixel-4 is no"):
        compare_measurements(predicted(), measured_on(machine))
    with pytest.raises(BadInputError, match=r"old was .*compare figures of one device"):
        compare_measurements(measured_on(machine), predicted())
    assert compare_measurements(predicted(), measured_on("aarch64")).warnings


def test_a_calibrated_computer_is_known_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(tmp_path))
    cpu = "Intel Celeron J4125"
    path = write_device(tmp_path, [latency()], "my-box", "computer")
    text = path.read_text().replace("Cortex-A76", cpu).replace("a test chip", cpu)
    path.write_text(text.replace("cores = 8", "cores = 4"))
    device = {"id": "my-box", "name": "my-box", "soc": cpu, "cores": 4}
    found = predicted(rests_on=basis(device="my-box"), device=device)
    same = compare_measurements(found, measured_on("x86_64", cpu_model=cpu, cores=4))
    other = compare_measurements(found, measured_on("x86_64", cpu_model="another", cores=4))
    doubt = "whether they are one device"
    assert [any(doubt in text for text in one.warnings) for one in (same, other)] == [False, True]
    with pytest.raises(BadInputError, match="aarch64 instructions, which my-box is not"):
        compare_measurements(found, measured_on("aarch64"))


def test_a_board_that_the_user_calibrated_is_still_one_of_its_kind() -> None:
    board = {"board": "Raspberry Pi 4 Model B Rev 1.5", "machine": "aarch64"}
    found = made_up(device="my-pi")
    found = replace(found, device={**found.device, **board})
    device = {"id": "raspberry-pi-4b", "name": "Raspberry Pi 4B"}
    prediction = predicted(rests_on=basis(device="raspberry-pi-4b"), device=device)
    warnings = compare_measurements(prediction, found).warnings
    assert not any("whether they are one device" in text for text in warnings)
    other = replace(found, device={**found.device, "board": "Raspberry Pi 5 Model B Rev 1.0"})
    with pytest.raises(BadInputError, match="compare figures of one device"):
        compare_measurements(prediction, other)


@pytest.mark.parametrize(
    ("ms", "where", "status"),
    [(11.5, "inside", "same"), (13.0, "above", "worse"), (7.0, "below", "better")],
)
def test_a_measurement_shows_whether_the_prediction_held(
    ms: float, where: str, status: str
) -> None:
    found = compare_measurements(predicted(), on_the_phone(ms))
    prediction = predicted(rests_on=basis(runtime="ai_edge_litert 2.3.0"))
    found = compare_measurements(prediction, on_the_phone(ms))
    assert found.notes[0].endswith(f"lies {where} the predicted 80% interval, 8 to 12 ms")
    assert change(found, "latency_p50").status == status
    assert change(found, "latency_p50").is_clear
    assert change(found, "peak_memory").status == "same"
    assert not any("was measured with" in text for text in found.warnings)
    turned = compare_measurements(on_the_phone(ms), prediction)
    assert turned.notes[0].startswith("old: the measured p50")


@pytest.mark.parametrize(
    ("ms", "status", "is_clear"), [(11.5, "same", False), (13.0, "worse", True)]
)
def test_another_runtime_is_not_the_predictions_error_alone(
    ms: float, status: str, is_clear: bool
) -> None:
    for old, new, name in (
        (predicted(), on_the_phone(ms), "new"),
        (on_the_phone(10 / ms * 10), predicted(), "old"),
    ):
        found = compare_measurements(old, new)
        assert any(
            text.startswith(f"{name} was measured with ai_edge_litert 2.3.0 and the prediction is ")
            and text.endswith("not the prediction's error alone")
            for text in found.warnings
        )
        assert found.notes[0].endswith("8 to 12 ms, of another runtime")
    found = compare_measurements(predicted(), on_the_phone(ms))
    assert (found.status, change(found, "latency_p50").is_clear) == (status, is_clear)


def test_a_prediction_beside_a_measurement_of_another_model() -> None:
    found = compare_measurements(on_the_phone(10.0, model=OTHER), predicted())
    assert found.notes == ("one of two models is predicted and the other measured",)
    assert not change(found, "latency_p50").is_clear


def test_a_void_measurement_and_other_threads_are_warned_of() -> None:
    rests_on = basis(runtime="ai_edge_litert 2.3.0")
    measured = on_the_phone(10.0, void=("heat",), spec=RunSpec(threads=2))
    found = compare_measurements(predicted(rests_on=rests_on), measured)
    assert any("is void" in text for text in found.warnings)
    assert "the threads differ: 4 and 2" in found.warnings
    assert found.notes[0].endswith("8 to 12 ms, of other threads")
    assert not change(found, "latency_p50").is_clear
    both = compare_measurements(predicted(), measured)
    assert both.notes[0].endswith("8 to 12 ms, of another runtime and other threads")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for name, side in (("p", predicted()), ("slow", on_the_phone(13.0)), ("m", on_the_phone(10))):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(side.to_json()))
    assert run(["diff", str(paths[0]), str(paths[1])]) == 1
    text = capsys.readouterr().out
    assert "from end to end" in text
    assert "lies above the predicted 80% interval" in text
    assert run(["diff", str(paths[0]), str(paths[2])]) == 0
