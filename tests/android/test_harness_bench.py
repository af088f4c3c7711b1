"""The Java bench measures as the Python bench does; its answers are read by Python."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from edge_deploy_runner.bench.operators import OperatorModel
from edge_deploy_runner.bench.record_reading import measurement_from_json
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.machine.telemetry import Telemetry
from edge_deploy_runner.version import VERSION
from golden_keys import check_golden, key_paths
from small_models import custom_operator_model, float_model

from . import toolchain
from .harness_jvm import QUICK, HarnessJvm, digest, harness_jvm, running
from .java import stand_in

# What the host derives, or fills in from what only it knows.
DERIVED = {
    "latency_ms", "operators_sum_ms", "operators_ratio",
    "sustained.first_p50_ms", "sustained.last_p50_ms", "sustained.first_p90_ms",
    "sustained.last_p90_ms", "sustained.slowdown", "sweep.[].latency_ms",
}  # fmt: skip
HARNESS_ALONE = {"harness", "pid"}


@pytest.fixture(scope="module")
def jvm() -> HarnessJvm:
    """The harness."""
    return harness_jvm()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes some tenths of a millisecond."""
    path = tmp_path_factory.mktemp("model") / "convolutions.tflite"
    path.write_bytes(float_model(64))
    return path


def _operators() -> list[OperatorModel]:
    return [
        OperatorModel("first", "CONV_2D", float_model(16, 1)),
        OperatorModel("constant", "DEQUANTIZE", None, 0.0),
        OperatorModel("odd", "Mystery", custom_operator_model()),
        OperatorModel("control", "IF", None, None, "it has graphs of its own"),
    ]


@pytest.fixture(scope="module")
def full_answer(
    jvm: HarnessJvm, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The answer to a request for everything."""
    folder = tmp_path_factory.mktemp("full")
    operators = folder / "operators.jsonl"
    operators.write_text("".join(json.dumps(o.to_json()) + "\n" for o in _operators()))
    spec = replace(QUICK, min_seconds=0.4, sustained_seconds=1.2, max_runs=4000)
    request = jvm.request(
        model, folder, spec=spec.to_json(), threads=[1, 2], operators=str(operators)
    )
    answer = jvm.answer(request, folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "answer.json", "operators.jsonl", "request.json",
    ]  # fmt: skip
    return answer


def _top(path: str) -> str:
    return path.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0]


def test_python_reads_the_answer(full_answer: dict[str, Any], model: Path) -> None:
    found = measurement_from_json(full_answer)
    assert found.model.name == model.name
    assert found.model.size_bytes == model.stat().st_size
    assert found.spec.threads in (1, 2)
    assert found.latencies_ns == tuple(full_answer["latencies_ns"])
    assert found.load_ms > 0
    assert found.first_inference_ms > 0
    assert found.total_memory_bytes is not None
    assert found.total_memory_bytes > 10_000_000
    assert found.evidence == "simulated"  # a JVM is no phone
    assert found.created_by["edge-deploy"] == VERSION
    assert full_answer["harness"] == {"version": VERSION, "digest": digest()}


def test_the_answer_has_every_key_that_python_writes(full_answer: dict[str, Any]) -> None:
    """Whoever adds a key to a measurement is told that the harness has to know it, too."""
    plain = _without_sensors(full_answer)
    python = set(key_paths(measurement_from_json(plain).to_json()))
    java = set(key_paths(plain))
    missing = {path for path in python - java if not any(_within(path, key) for key in DERIVED)}
    # Without a figure of energy its keys are not there, and no harness predicts; "created_by" is
    # the host's own.
    assert {_top(path) for path in missing} <= {"energy", "prediction"}
    assert {_top(path) for path in java - python} == HARNESS_ALONE
    check_golden("android_answer_keys.json", plain)


def _without_sensors(document: Any) -> Any:
    """The names of a machine's sensors are its own."""
    if isinstance(document, list):
        return [_without_sensors(item) for item in document]
    if not isinstance(document, dict):
        return document
    return {
        key: None if key == "temperatures_celsius" else _without_sensors(value)
        for key, value in document.items()
    }


def _within(path: str, key: str) -> bool:
    return path == key or path.startswith(f"{key}.")


def test_a_sweep_takes_the_fastest(full_answer: dict[str, Any]) -> None:
    found = measurement_from_json(full_answer)
    assert [point.threads for point in found.sweep] == [1, 2]
    best = min(found.sweep, key=lambda point: median(point.latencies_ns))
    assert found.spec.threads == best.threads == full_answer["threads"]
    assert found.latencies_ns == best.latencies_ns


def test_operators_alone(full_answer: dict[str, Any]) -> None:
    found = measurement_from_json(full_answer)
    first, constant, odd, control = found.operators
    assert (first.name, first.kind) == ("first", "CONV_2D")
    assert first.ms is not None
    assert 0 < first.ms < median(found.latencies_ns) / 1e6
    assert (constant.ms, constant.reason) == (0.0, "")
    assert odd.ms is None
    assert "operators that the TFLite runtime does not have" in odd.reason
    assert (control.ms, control.reason) == (None, "it has graphs of its own")
    assert found.operators_note == "2 of 4 operators could not be run alone"


def test_a_sustained_run(full_answer: dict[str, Any]) -> None:
    sustained = measurement_from_json(full_answer).sustained
    assert sustained is not None
    assert 1.2 <= sustained.seconds < 10
    assert sustained.part_seconds == pytest.approx(0.12)
    assert sustained.runs > len(sustained.first_latencies_ns) > 0
    assert sustained.last_latencies_ns
    assert sum(window.runs for window in sustained.windows) == sustained.runs
    begins = [window.start_s for window in sustained.windows]
    assert begins == sorted(begins)
    assert all(window.p50_ms <= window.p90_ms for window in sustained.windows)


def test_looks_at_the_machine(full_answer: dict[str, Any]) -> None:
    found = measurement_from_json(full_answer)
    assert len(found.telemetry_during) == 8 - 1  # the rounds of a sweep, but for the last
    seconds = [look.seconds for look in found.telemetry_during]
    assert seconds == sorted(seconds)
    assert found.telemetry_after.others_cpu_share is not None
    assert 0 <= found.telemetry_after.others_cpu_share <= 1
    assert found.telemetry_before.load_average is not None
    assert set(full_answer["telemetry"]["before"]) == set(Telemetry().to_json())


@pytest.mark.parametrize(
    ("spec", "runs"),
    [
        (QUICK, 20),
        (replace(QUICK, min_runs=1), 1),
        # Three parts: each rounds its runs up.
        (replace(QUICK, min_runs=10, min_seconds=3.0, max_runs=30), 30),
    ],
)
def test_how_long_it_runs(
    jvm: HarnessJvm, model: Path, tmp_path: Path, spec: RunSpec, runs: int
) -> None:
    answer = jvm.answer(jvm.request(model, tmp_path, spec=spec.to_json()), tmp_path)
    assert len(answer["latencies_ns"]) == runs
    assert len(answer["warm_up_ns"]) == 1
    assert all(isinstance(ns, int) and ns > 0 for ns in answer["latencies_ns"])


@pytest.mark.parametrize(("milliseconds", "runs"), [(1100, 1), (40, 9)])
def test_only_where_a_run_takes_longer_than_a_second_it_ends_early(
    jvm: HarnessJvm, model: Path, tmp_path: Path, milliseconds: int, runs: int
) -> None:
    """Of 9 runs the first is then the last: the time of the whole block is over."""
    source = f"""
    int usleep(unsigned microseconds);
    int LiteRtRunCompiledModel(
        void *model, unsigned long signature, unsigned long inputs, void *given,
        unsigned long outputs, void *found) {{
        usleep({milliseconds} * 1000);
        return 0;
    }}
    """
    runtime = {**jvm.runtime(), "library": str(stand_in.litert_with(tmp_path / "it", source))}
    spec = replace(QUICK, min_runs=9, max_seconds=0.06)
    request = jvm.request(model, tmp_path, runtime=runtime, spec=spec.to_json())
    found = jvm.answer(request, tmp_path)["latencies_ns"]
    assert len(found) == runs
    assert min(found) >= milliseconds * 1_000_000


def test_it_runs_at_least_so_long(jvm: HarnessJvm, model: Path, tmp_path: Path) -> None:
    spec = replace(QUICK, min_runs=1, min_seconds=0.5, warm_up_runs=3, warm_up_seconds=0.1)
    answer = jvm.answer(jvm.request(model, tmp_path, spec=spec.to_json()), tmp_path)
    assert sum(answer["latencies_ns"]) / 1e9 > 0.4
    assert sum(answer["warm_up_ns"]) / 1e9 > 0.08


@pytest.mark.parametrize("kind", ["litert", "tflite"])
def test_memory_without_a_model_is_less(
    jvm: HarnessJvm, digits_models: Path, tmp_path: Path, kind: str
) -> None:
    model = digits_models / "digits_mobilenet_v2_float32.tflite"
    runtime = jvm.runtime(kind)
    run = jvm.answer(jvm.request(model, tmp_path, runtime=runtime), tmp_path)
    empty = jvm.answer(jvm.request(model, tmp_path, runtime=runtime, task="baseline"), tmp_path)
    assert 10_000_000 < empty["memory_bytes"] < run["memory"]["total_bytes"]
    assert empty["runtime"]["name"] == {"litert": "litert", "tflite": "tensorflow-lite"}[kind]


def test_windows_lie_on_the_clock_of_proc_uptime(
    jvm: HarnessJvm, model: Path, tmp_path: Path
) -> None:
    windows = [
        {"kind": "idle", "seconds": 0.3},
        {"kind": "load", "seconds": 0.3},
        {"kind": "idle", "seconds": 0.1},
    ]
    before = float(Path("/proc/uptime").read_text().split()[0])
    request = jvm.request(model, tmp_path, task="windows", windows=windows)
    ended = jvm.carry_out(request, tmp_path)
    after = float(Path("/proc/uptime").read_text().split()[0])
    assert ended.answer is not None
    found = ended.answer["windows"]
    assert [window["kind"] for window in found] == ["idle", "load", "idle"]
    clock = [window[key] for window in found for key in ("begin_s", "end_s")]
    assert [before, *clock, after] == sorted([before, *clock, after])
    for window, asked in zip(found, windows, strict=True):
        assert window["end_s"] - window["begin_s"] >= asked["seconds"] - 0.02
    assert [window["runs"] > 0 for window in found] == [False, True, False]
    stages = [line["stage"] for line in ended.progress]
    assert stages == ["idle window", "load window", "idle window", "windows"]


def test_progress_is_told(jvm: HarnessJvm, model: Path, tmp_path: Path) -> None:
    ended = jvm.carry_out(jvm.request(model, tmp_path, threads=[1, 2]), tmp_path)
    assert ended.code == 0
    assert ended.progress[0] == {"stage": "loading and warming up", "done": 0, "total": 0}
    assert {"stage": "timing inferences", "done": 7, "total": 8} in ended.progress


def test_it_ends_with_its_host(jvm: HarnessJvm, model: Path, tmp_path: Path) -> None:
    """A run of minutes is gone a moment after the other end of stdin is."""
    spec = replace(QUICK, min_seconds=600.0, max_seconds=600.0, max_runs=10**9)
    request = jvm.request(model, tmp_path, spec=spec.to_json(), ends_with_stdin=True)
    path = tmp_path / "request.json"
    path.write_text(json.dumps(request))
    with subprocess.Popen(
        jvm.command(path), stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=stand_in.environment(),
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stderr is not None
        while "timing inferences" not in process.stderr.readline():
            assert process.poll() is None
        assert running(process.pid)
        begun = time.monotonic()
        process.stdin.close()
        assert process.wait(60) == 1
    assert time.monotonic() - begun < 60
    assert not (tmp_path / "answer.json").exists()


def test_a_crash_while_operators_are_timed_loses_nothing_else(
    jvm: HarnessJvm, model: Path, tmp_path: Path
) -> None:
    """The answer lies there before; here the operators' file is what ends it."""
    operators = tmp_path / "operators.jsonl"
    operators.write_text('{"name": "a", "kind": "b", "model": "AAAA"}\n{"broken\n')
    request = jvm.request(model, tmp_path, operators=str(operators))
    ended = jvm.carry_out(request, tmp_path)
    assert ended.error[0] == "BadInputError"
    # A crash cannot be had on demand; what would be found after one is written here by hand.
    halting = tmp_path / "Halting.java"
    halting.write_text(
        "package dev.edgedeploy.harness; public final class Halting {"
        " public static void main(String[] a) throws Exception {"
        "  Thread t = new Thread(() -> { while (true) { if (new java.io.File(a[1]).exists())"
        "   Runtime.getRuntime().halt(134); } }); t.setDaemon(true); t.start();"
        "  Main.run(a[0]); } }"
    )
    classes = tmp_path / "classes"
    toolchain.javac([halting], classes, jvm.class_path)
    operators.write_text(
        (json.dumps({"name": "a", "kind": "b", "model": base64.b64encode(float_model()).decode()})
         + "\n") * 2000
    )  # fmt: skip
    (tmp_path / "answer.json").unlink()
    command = [*jvm.command(tmp_path / "request.json")[:-2], "dev.edgedeploy.harness.Halting"]
    command[2] = f"{command[2]}:{classes}"
    command += [str(tmp_path / "request.json"), str(tmp_path / "answer.json")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 134
    found = measurement_from_json(json.loads((tmp_path / "answer.json").read_text()))
    assert found.latencies_ns
    assert found.operators == ()
    assert "crashed while it timed operators" in found.operators_note
