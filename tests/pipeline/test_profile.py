"""Profiling real models in real child processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import small_models
from edge_deploy_runner.bench import measuring
from edge_deploy_runner.bench import operators as operator_bench
from edge_deploy_runner.bench.measuring import MeterChoice
from edge_deploy_runner.bench.process import BenchProcess, start_run
from edge_deploy_runner.bench.record_reading import measurement_from_json
from edge_deploy_runner.bench.records import OperatorTiming
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.errors import BadInputError, DeviceError, UsageError
from edge_deploy_runner.machine import environment
from edge_deploy_runner.machine.power_meters import PowerReading, alternate
from edge_deploy_runner.tflite.model_file import ModelFile
from golden_keys import check_golden
from known_devices import FACTS, latency
from measurements import made_up

from edge_deploy.budget import parse_budget
from edge_deploy.catalogue import device_profile
from edge_deploy.cli import run
from edge_deploy.energy import Battery, user_power
from edge_deploy.judging import judge
from edge_deploy.operator_cutting import cut_operators
from edge_deploy.prediction.calibration.device_file import device_text
from edge_deploy.profiling import profile


def time_operators(model: ModelFile) -> tuple[tuple[OperatorTiming, ...], str]:
    """Cut and time a model's operators, as `profile` does."""
    cuts, note = cut_operators(model)
    assert note == ""
    timings = operator_bench.time_operators(cuts, len(cuts), RunSpec(), model.name)
    return timings, measuring.missing_note(timings)


SHORT = RunSpec(min_runs=30, min_seconds=0.05, warm_up_seconds=0.01)
FAST = ["--runs", "30", "--seconds", "0.05"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "small.tflite"
    path.write_bytes(small_models.float_model())
    return path


def test_a_profile_holds_its_promises(model: Path) -> None:
    found = profile(model, threads=1, spec=SHORT)
    assert found.model.size_bytes == model.stat().st_size
    assert len(found.latencies_ns) >= 30
    assert all(latency > 0 for latency in found.latencies_ns)
    assert found.load_ms > 0
    assert found.first_inference_ms > 0
    assert found.delegate.used == "XNNPACK"
    assert found.delegate.operator_share == 1.0
    assert found.evidence in ("measured", "simulated")
    assert [entry.kind for entry in found.operators] == [*["CONV_2D"] * 3, "MEAN", "SOFTMAX"]
    assert all(entry.ms is not None and entry.ms > 0 for entry in found.operators)
    if sys.platform.startswith("linux"):
        assert found.total_memory_bytes is not None
        assert found.baseline_memory_bytes is not None
        assert found.baseline_memory_bytes > 1e6
        expected = max(0, found.total_memory_bytes - found.baseline_memory_bytes)
        assert found.peak_memory_bytes == expected


def test_the_json_keys_are_golden_and_come_back(model: Path) -> None:
    found = profile(
        model,
        threads="sweep",
        spec=replace(SHORT, sustained_seconds=0.2),
        power=user_power(1, 2),
        battery=Battery(1000, 3.7),
        rate_hz=1.0,
    )
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert measurement_from_json(document) == found
    # The machine decides which temperatures there are.
    for side in ("before", "after"):
        document["telemetry"][side]["temperatures_celsius"] = None
    for look in document["telemetry"]["during"]:
        look["telemetry"]["temperatures_celsius"] = None
    check_golden("profile_keys.json", document)


def test_the_machine_is_looked_at_about_once_a_second(model: Path) -> None:
    long = replace(SHORT, min_seconds=3.0, max_runs=10_000_000)
    found = profile(model, threads=1, operators=False, spec=long)
    seconds = [look.seconds for look in found.telemetry_during]
    assert len(seconds) == 2
    assert seconds == sorted(seconds)
    assert sum(found.latencies_ns) > 2e9
    assert not profile(model, threads=1, operators=False, spec=SHORT).telemetry_during


def test_peak_memory_grows_with_the_model(tmp_path: Path) -> None:
    peaks = []
    for size in (16, 512):
        path = tmp_path / f"{size}.tflite"
        path.write_bytes(small_models.float_model(size))
        spec = RunSpec(min_runs=2, min_seconds=0.0, warm_up_runs=1, warm_up_seconds=0.0)
        peaks.append(profile(path, threads=1, operators=False, spec=spec).peak_memory_bytes)
    if peaks[0] is None or peaks[1] is None:
        pytest.skip("this system does not tell peak memory")
    # Two maps of 512 x 512 x 8 floats are alive at once: 16.8 MB.
    assert peaks[1] - peaks[0] > 16e6


def test_a_sweep_keeps_the_fastest(model: Path) -> None:
    found = profile(model, threads="sweep", operators=False, spec=SHORT)
    assert [point.threads for point in found.sweep] == list(range(1, len(found.sweep) + 1))
    chosen = next(point for point in found.sweep if point.threads == found.spec.threads)
    assert chosen.latencies_ns == found.latencies_ns
    medians = [made_up([ns / 1e6 for ns in point.latencies_ns]) for point in found.sweep]
    values = [m.latency()["p50"] for m in medians]
    best = found.latency()["p50"]
    assert best is not None
    assert best.value <= min(v.value for v in values if v) + 1e-9


@pytest.mark.parametrize(
    ("build", "used", "share"),
    [
        (small_models.int8_model, "XNNPACK", 1.0),
        (small_models.float16_model, "XNNPACK", 1.0),
        (small_models.two_input_model, "XNNPACK", 1.0),
        (small_models.rank_two_model, "XNNPACK", 1.0),
        (small_models.dynamic_batch_model, "XNNPACK", 1.0),
        (small_models.undelegated_model, "none", 0.0),
    ],
)
def test_models_of_every_shape(
    tmp_path: Path, build: Callable[[], bytes], used: str, share: float
) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(build())
    found = profile(path, threads=1, spec=SHORT)
    assert (found.delegate.used, found.delegate.operator_share) == (used, share)
    assert all(entry.ms is not None for entry in found.operators)
    if used == "none":
        assert any("takes none of the operators" in text for text in found.warnings)


def test_without_a_delegate(model: Path) -> None:
    found = profile(model, threads=1, delegate="none", operators=False, spec=SHORT)
    assert (found.delegate.asked, found.delegate.used) == ("none", "none")
    assert found.delegate.operator_share == 0.0


def test_asking_for_a_delegate_and_getting_none_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(small_models.undelegated_model())
    with pytest.raises(DeviceError, match="--delegate none"):
        profile(path, delegate="xnnpack", spec=SHORT)


def test_float16_weights_are_counted_with_their_user(tmp_path: Path) -> None:
    timings, note = time_operators(ModelFile(small_models.float16_model()))
    assert [(entry.kind, entry.ms == 0.0) for entry in timings] == [
        ("DEQUANTIZE", True), ("CONV_2D", False),
    ]  # fmt: skip
    assert "constants" in timings[0].reason
    assert note == ""


@pytest.mark.parametrize(
    ("custom", "reason"), [("Mystery", "custom operator"), ("FlexErf", "TensorFlow")]
)
def test_operators_that_cannot_run_are_listed_with_a_reason(custom: str, reason: str) -> None:
    timings, note = time_operators(ModelFile(small_models.custom_operator_model(custom)))
    assert [(entry.kind, entry.ms) for entry in timings] == [(custom, None)]
    assert reason in timings[0].reason
    assert "1 of 1" in note


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x89PNG\r\n\x1a\n" + b"x" * 50, b"PK\x03\x04" + b"x" * 50,
        small_models.float_model()[:2000], b"\x1c\x00\x00\x00TFL3" + b"\xff" * 500,
        small_models.custom_operator_model(), small_models.custom_operator_model("FlexErf"),
    ],
    ids=["empty", "png", "zip", "truncated", "garbage", "custom", "flex"],
)  # fmt: skip
def test_bad_models_end_in_one_sentence(
    tmp_path: Path, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.tflite"
    path.write_bytes(data)
    out = tmp_path / "m.json"
    assert run(["profile", str(path), "-o", str(out), "--json", *FAST]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len([line for line in captured.err.splitlines() if line.startswith("Error:")]) == 1
    assert "bad.tflite" in captured.err
    assert "Traceback" not in captured.err
    assert not out.exists()


def test_a_missing_model_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.tflite", tmp_path):
        with pytest.raises(BadInputError):
            profile(path)


def test_a_crash_of_the_runtime_is_a_sentence(model: Path) -> None:
    with start_run(model, RunSpec()) as child:
        child.answer()
        os.kill(child._child.pid, signal.SIGSEGV)
        with pytest.raises(BadInputError, match=r"crashed \(signal 11.*small\.tflite"):
            child.block(1, 0.0)


def test_an_unknown_task_is_an_error() -> None:
    with BenchProcess({"task": "dance"}, "x") as child, pytest.raises(BadInputError):
        child.answer()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux for it")
def test_the_child_dies_with_its_parent(model: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from edge_deploy_runner.bench.process import start_run\n"
        "from edge_deploy_runner.bench.run_spec import RunSpec\n"
        "child = start_run(Path(sys.argv[1]), RunSpec())\nchild.answer()\n"
        "print(child._child.pid, flush=True)\nchild.block(1, 600.0)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(model)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    number = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not _is_running(number):
            return
        time.sleep(0.1)
    os.kill(number, signal.SIGKILL)
    pytest.fail("the child outlived its parent")


def _is_running(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_one_request_one_answer(model: Path) -> None:
    request = {
        "task": "run", "once": True, "model": str(model),
        "spec": {"threads": 1, "min_runs": 20, "min_seconds": 0.0},
    }  # fmt: skip
    answer = subprocess.run(
        [sys.executable, "-m", "edge_deploy_runner.bench.child"],
        input=json.dumps(request), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert len(json.loads(answer.stdout)["latencies_ns"]) == 20


def test_profiling_imports_no_tensorflow_in_the_parent(model: Path) -> None:
    code = (
        "import sys\nfrom edge_deploy.profiling import profile\n"
        "from edge_deploy_runner.bench.run_spec import RunSpec\n"
        "profile(sys.argv[1], spec=RunSpec(min_runs=5, min_seconds=0.0))\n"
        "print([name for name in ('tensorflow', 'keras', 'torch', 'rich', 'click')"
        " if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(model)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_energy_is_counted_where_there_is_a_counter(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A machine that draws 2 W, and 5 mJ more for every inference.
    runs = [0]
    block = BenchProcess.block

    def counted_block(child: BenchProcess, *limits: Any, **options: Any) -> dict[str, Any]:
        answer = block(child, *limits, **options)
        runs[0] += len(answer["latencies_ns"])
        return answer

    monkeypatch.setattr(BenchProcess, "block", counted_block)
    monkeypatch.setattr(
        measuring, "read_energy_uj", lambda: int(time.perf_counter() * 2e6 + runs[0] * 5000)
    )
    monkeypatch.setattr(measuring, "energy_counter_range_uj", lambda: None)
    monkeypatch.setattr(measuring, "_ENERGY_SLICE_S", 0.03)
    found = profile(model, threads=1, operators=False, spec=SHORT)
    if found.evidence == "simulated":
        pytest.skip("an emulated machine's counter is not asked")
    assert found.energy.evidence == "measured"
    assert found.energy.mj_per_inference == pytest.approx(5.0, rel=0.05)
    assert found.energy.idle_w == pytest.approx(2.0, rel=0.05)


def test_energy_is_read_from_the_meter_that_is_named(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A machine that draws 2 W at idle and 5 W while it runs the model.
    busy = [False]
    block = BenchProcess.block

    def loaded_block(child: BenchProcess, *limits: Any, **options: Any) -> dict[str, Any]:
        busy[0] = True
        try:
            return block(child, *limits, **options)
        finally:
            busy[0] = False

    class Shunt:
        source = "a shunt"
        evidence = "measured"
        shortest_interval_s = 0.01

        def read(self) -> PowerReading:
            return PowerReading(time.monotonic(), 5.0 if busy[0] else 2.0)

    def opened(kind: str, **where: Any) -> Shunt:
        assert (kind, where) == ("ina219", {"bus": 1, "address": 0x41, "shunt_ohms": 0.1})
        return Shunt()

    monkeypatch.setattr(BenchProcess, "block", loaded_block)
    monkeypatch.setattr(measuring, "open_meter", opened)
    monkeypatch.setattr(measuring, "METER_INTERVAL_S", 0.02)
    quick = partial(alternate, pairs=3, window_s=0.3, settle_s=0.02)
    monkeypatch.setattr(measuring, "alternate", quick)
    found = profile(
        model, threads=1, operators=False, spec=SHORT, meter=MeterChoice("ina219", 0x41)
    )
    assert found.energy.evidence == "measured"
    assert found.energy.idle_w == pytest.approx(2.0, rel=0.1)
    assert found.energy.load_w == pytest.approx(5.0, rel=0.1)
    assert found.energy.mj_per_inference is not None
    assert found.energy.source.startswith("a shunt")
    # The board is held back while its power is read, long after the timed runs.
    timed = [0]

    def throttled_block(child: BenchProcess, *limits: Any, **options: Any) -> dict[str, Any]:
        answer = loaded_block(child, *limits, **options)
        timed[0] += 1
        if timed[0] > 1:
            answer["telemetry"]["throttled"] = 0x4
        return answer

    monkeypatch.setattr(BenchProcess, "block", throttled_block)
    monkeypatch.setattr(Shunt, "evidence", "predicted")
    held = profile(model, threads=1, operators=False, spec=SHORT, meter=MeterChoice("ina219", 0x41))
    assert held.void == ()
    assert held.energy.evidence == "unknown"
    assert held.energy.mj_per_inference is None
    assert "throttled while its power was read" in held.energy.reason
    monkeypatch.setattr(BenchProcess, "block", loaded_block)
    fitted = profile(
        model, threads=1, operators=False, spec=SHORT, meter=MeterChoice("ina219", 0x41)
    )
    assert fitted.energy.evidence == "predicted"


def test_a_pi_is_recognised_and_lends_its_own_power_model(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = replace(
        environment.describe(), board="Raspberry Pi 4 Model B Rev 1.4", emulated=False
    )
    monkeypatch.setattr(environment, "describe", lambda: machine)
    monkeypatch.setattr(measuring, "read_energy_uj", lambda: None)
    found = profile(model, threads=4, operators=False, spec=SHORT)
    assert found.device["id"] == "raspberry-pi-4b"
    assert found.device["target"] == "local"
    assert (found.evidence, found.energy.evidence) == ("measured", "predicted")
    assert "raspberry-pi-4b" in found.energy.source
    assert not any("power model" in text for text in found.warnings)
    emulated = replace(machine, emulated=True)
    monkeypatch.setattr(environment, "describe", lambda: emulated)
    assert profile(model, operators=False, spec=SHORT).evidence == "simulated"


def test_a_child_that_crashes_on_one_operator_costs_only_that_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = BenchProcess.answer
    asked = [0]

    def crashing(child: BenchProcess, limit_s: float = 60.0) -> dict[str, Any]:
        asked[0] += 1
        if asked[0] == 2:
            child._child.kill()
            child._child.wait()
            while child._lines.get() is not None:  # what it answered before
                pass
            child._lines.put(None)
        return answer(child, limit_s)

    monkeypatch.setattr(BenchProcess, "answer", crashing)
    timings, note = time_operators(ModelFile(small_models.float_model()))
    assert [entry.ms is None for entry in timings] == [False, True, False, False, False]
    assert "crashed" in timings[1].reason
    assert "1 of 5" in note


def test_a_budget_for_another_computer_is_refused_before_anything_runs(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "devices"
    folder.mkdir()
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(folder))
    here = environment.describe().to_json()
    path = folder / "here.toml"
    entries = [latency(cluster="all", threads=1)]
    path.write_text(device_text("here", path, entries, machine=here, max_mhz=1500.0))
    found = profile(model, spec=SHORT, operators=False, for_device="here")
    assert found.device["id"] == "local"
    budget = parse_budget('device = "here"\n[limits]\nsize = "1 GB"')
    assert judge(found, budget).passed
    other = {**here, "cores": here["cores"] + 1}
    path.unlink()
    path.write_text(device_text("here", path, entries, machine=other, max_mhz=1500.0))

    def no_run(*_: object) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr("edge_deploy.profiling.measure", no_run)
    with pytest.raises(UsageError, match=r"the budget is for here .* and this is local"):
        profile(model, for_device="here")
    assert judge(found, budget).status == "unmeasured"


def test_the_power_model_of_this_very_machine_is_not_lent(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(tmp_path))
    here = environment.describe().to_json()
    for device_id, machine in (("here", here), ("there", {**here, "cores": here["cores"] + 1})):
        path = tmp_path / f"{device_id}.toml"
        entries = [latency(cluster="all", threads=1)]
        text = device_text(device_id, path, entries, machine=machine, max_mhz=1500.0)
        path.write_text(text.replace("[facts.ram]", f"[facts]\n{FACTS}\n[facts.ram]"))

    def warnings(device_id: str) -> list[str]:
        found = profile(
            model, spec=SHORT, operators=False, device_profile=device_profile(device_id)
        )
        assert found.energy.mj_per_inference is not None
        return [text for text in found.warnings if "it is not that device's energy" in text]

    assert (len(warnings("here")), len(warnings("there"))) == (0, 1)
