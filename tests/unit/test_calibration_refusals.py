"""Calibrations that end without a result: too much noise, Ctrl-C, a disk that is full.

The real command runs, on this machine's own way of measuring; only the times are made up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from edge_deploy_runner.bench.measuring import Measured, Request, measure
from edge_deploy_runner.bench.records import OperatorTiming
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.errors import OutputError
from known_devices import latency, write_device
from shape_coefficients import SHAPE_COEFFICIENTS
from small_models import float_model

import edge_deploy
from edge_deploy.catalogue import device_profile
from edge_deploy.cli import run
from edge_deploy.prediction.calibration import connection, device_file
from edge_deploy.prediction.calibration.measuring import QUICK_MODELS
from edge_deploy.prediction.calibration.micro_models import MICRO_MODELS
from edge_deploy.prediction.calibration.models import prepare_models
from edge_deploy.prediction.calibration.times import Calibration

SIBLING = "made-up-board"
COMMAND = [
    "devices", "calibrate", "--device", "local", "--id", "mine", "--quick", "--like", SIBLING,
    "--dtypes", "int8", "--threads", "1",
]  # fmt: skip
Answer = Callable[[Request, Any, Any], Measured]
Timed = Callable[[Iterator[float]], Answer]


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder with a sibling to start from."""
    folder = tmp_path / "devices"
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(folder))
    models = [latency(threads=1, dtype="int8", coefficients=SHAPE_COEFFICIENTS["int8"])]
    write_device(folder, models, SIBLING)
    return folder


@lru_cache(maxsize=1)
def on_this_machine(spec: RunSpec, folder: Path) -> Measured:
    """One true measurement, which stands for all of them."""
    model = folder / "m.tflite"
    model.write_bytes(float_model())
    return measure(Request(model, spec, spec.threads, "a micro-model"))


@lru_cache(maxsize=1)
def sibling_ms() -> dict[str, float]:
    """What the sibling takes for each model that runs."""
    quick = [one for one in MICRO_MODELS if one.name in QUICK_MODELS]
    return {
        one.model: sum(
            slope * one.features.get(name, 0.0)
            for name, slope in SHAPE_COEFFICIENTS["int8"].items()
        )
        for one in prepare_models(quick, ("int8",), operators=False)
    }


@pytest.fixture
def timed(tmp_path_factory: pytest.TempPathFactory) -> Timed:
    """A device whose rounds take what the sibling says, each times the next of these factors."""
    folder = tmp_path_factory.getbasetemp()

    def with_factors(factors: Iterator[float]) -> Answer:
        def answer(request: Request, operators: Any = (), report: Any = None) -> Measured:
            found = on_this_machine(request.spec, folder)
            factor = next(factors) if operators else 1.0
            timings = tuple(
                OperatorTiming(
                    one.name, one.kind, sibling_ms()[one.name.partition(" ")[0]] * factor
                )
                for one in operators
            )
            return replace(found, measurement=replace(found.measurement, operators=timings))

        return answer

    return with_factors


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_noise_of_more_than_all_is_refused_and_nothing_is_written(
    devices: Path,
    timed: Timed,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = files(devices)
    monkeypatch.setattr(connection, "measure", timed(iter([1.0, 5.0, 2.5])))
    assert run([*COMMAND, "--rounds", "2"]) == 5
    caught = capsys.readouterr()
    assert caught.out == ""
    assert "times of the same model differ by 150% between rounds" in caught.err
    assert "nothing was written; calibrate again when nothing else runs" in caught.err
    assert "--force" in caught.err
    assert files(devices) == before


def test_with_force_the_noise_is_kept_and_widens(
    devices: Path,
    timed: Timed,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(connection, "measure", timed(iter([1.0, 5.0, 2.5])))
    assert run([*COMMAND, "--rounds", "2", "--force"]) == 0
    caught = capsys.readouterr()
    assert caught.err.count("times of the same model differ by 150% between rounds") == 1
    assert "predictions are widened by as much; calibrate again when nothing else" in caught.err
    (model,) = device_profile("mine").latency
    assert model.noise == pytest.approx(1.5)
    assert f"mine: calibrated with {model.runtime} in " in caught.out
    assert sorted(files(devices)) == ["made-up-board.toml", "mine.calibration.json", "mine.toml"]


def test_from_python_paths_may_be_texts(
    devices: Path, timed: Timed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(connection, "measure", timed(iter([1.0] * 3)))
    place = tmp_path / "elsewhere" / "mine.toml"
    own = edge_deploy.calibrate_device(
        "local", like=SIBLING, quick=True, dtypes=["int8"], threads=[1], rounds=2, output=str(place)
    )
    assert (own.id, own.path, own.record) == ("mine", place, place.parent / "mine.calibration.json")
    assert place.is_file()


@pytest.mark.parametrize("force", [False, True], ids=["new", "replacing"])
@pytest.mark.parametrize("call", [1, 2, 3, 5])
def test_ctrl_c_leaves_what_was_there(
    devices: Path,
    timed: Timed,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    call: int,
    force: bool,
) -> None:
    if force:
        (devices / "mine.toml").write_bytes(
            (devices / f"{SIBLING}.toml").read_bytes().replace(SIBLING.encode(), b"mine")
        )
        (devices / "mine.calibration.json").write_text("{}")
    before = files(devices)
    calls = iter(range(1, 100))
    answer = timed(iter([1.0] * 9))

    def stopped(request: Request, operators: Any = (), report: Any = None) -> Measured:
        if next(calls) == call:
            raise KeyboardInterrupt
        return answer(request, operators, report)

    monkeypatch.setattr(connection, "measure", stopped)
    assert run([*COMMAND, "--rounds", "2", *["--force"] * force]) == 130
    assert capsys.readouterr().out == ""
    assert files(devices) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OutputError("the disk is full")])
@pytest.mark.parametrize("before", [None, b"{}"])
def test_record_and_device_file_are_written_together_or_not_at_all(
    devices: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, before: bytes | None
) -> None:
    record = devices / "mine.calibration.json"
    if before is not None:
        record.write_bytes(before)
    kept = files(devices)
    real = device_file.write_bytes

    def failing(path: Path, data: bytes, force: bool = False) -> Path:
        if path.suffix == ".toml":
            assert json.loads(record.read_text())["format"] == "edge-deploy calibration"
            raise error
        return real(path, data, force)

    monkeypatch.setattr(device_file, "write_bytes", failing)
    taken = Calibration({}, "x 1", "xnnpack", "measured", None, (), {}, (), 1.0)
    with pytest.raises(type(error)):
        device_file.write_calibration(devices / "mine.toml", "text", taken, force=True)
    assert files(devices) == kept
