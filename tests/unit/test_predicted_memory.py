"""The predicted peak memory, held against measurements, and the tail of the latencies."""

from __future__ import annotations

import csv
import statistics
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.tflite.model_file import ModelFile
from small_models import Builder, float_model, int8_model

from edge_deploy.prediction.memory import predicted_memory
from edge_deploy.prediction.networks.efficientdet import SCALES, efficientdet_lite
from edge_deploy.prediction.tail import BOARD, tail_of
from edge_deploy.prediction.workload import Workload, read_workload
from edge_deploy.profiling import profile


def workload(data: bytes) -> Workload:
    return read_workload(ModelFile(data))


@pytest.mark.parametrize("build", [lambda: float_model(512), lambda: float_model(64), int8_model])
@pytest.mark.parametrize("delegate", ["xnnpack", "none"])
def test_it_holds_on_this_computer(tmp_path: Path, build: object, delegate: str) -> None:
    assert callable(build)
    path = tmp_path / "m.tflite"
    path.write_bytes(build())
    spec = RunSpec(min_runs=2, min_seconds=0.0, warm_up_runs=1, warm_up_seconds=0.0)
    measured = profile(path, threads=1, operators=False, spec=spec, delegate=delegate)
    if measured.peak_memory_bytes is None:
        pytest.skip("this system does not tell peak memory")
    found, _ = predicted_memory(workload(path.read_bytes()), delegate, 1)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= measured.peak_memory_bytes <= found.high


def test_its_ends_hold_its_value_and_it_grows_with_the_model() -> None:
    values = []
    for size in (16, 256):
        for delegate in ("xnnpack", "none"):
            found, words = predicted_memory(workload(float_model(size)), delegate, 4)
            assert found.low is not None
            assert found.high is not None
            assert found.low < found.value < found.high
            assert "held against 15 models" in words
            values.append(found.value)
    assert values[2] - values[0] > 4e6  # two maps of 256 x 256 x 8 floats


def unpacked_model(dtype: str) -> bytes:
    """Eight fully connected layers of 2.4 MB of floats each, stored in a smaller type."""
    build = Builder()
    current = vector = build.tensor("vector", (1, 768))
    for number in range(8):
        weights = np.ones((768, 768), np.int8 if dtype == "int8" else np.float16)
        scale = [0.01] * 768 if dtype == "int8" else None
        stored = build.tensor(f"stored{number}", weights.shape, dtype, weights, scale=scale)
        kernel = build.tensor(f"kernel{number}", weights.shape)
        build.operator("DEQUANTIZE", [stored], [kernel], version=3 if dtype == "float16" else 5)
        bias = build.tensor(f"bias{number}", (768,), data=np.zeros(768, np.float32))
        out = build.tensor(f"layer{number}", (1, 768))
        options = schema.FullyConnectedOptionsT()
        build.operator("FULLY_CONNECTED", [current, kernel, bias], [out], options)
        current = out
    return build.finish([vector], [current])


@pytest.mark.parametrize("dtype", ["float16", "int8"])
@pytest.mark.parametrize("delegate", ["xnnpack", "none"])
def test_unpacked_weights_lie_in_memory_once_more(
    tmp_path: Path, dtype: str, delegate: str
) -> None:
    data = unpacked_model(dtype)
    path = tmp_path / "m.tflite"
    path.write_bytes(data)
    spec = RunSpec(min_runs=2, min_seconds=0.0, warm_up_runs=1, warm_up_seconds=0.0)
    measured = profile(path, threads=1, operators=False, spec=spec, delegate=delegate)
    if measured.peak_memory_bytes is None:
        pytest.skip("this system does not tell peak memory")
    found, words = predicted_memory(workload(data), delegate, 1)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= measured.peak_memory_bytes <= found.high
    assert ("unpacked floats" in words) == ((dtype, delegate) != ("float16", "xnnpack"))


@pytest.mark.parametrize("key", ["0", "2", "4"])
@pytest.mark.parametrize(("dtype", "bytes_less"), [("fp32", 1), ("int8", 4)])
def test_it_holds_the_published_peaks_of_detectors(key: str, dtype: str, bytes_less: int) -> None:
    network = efficientdet_lite(f"EfficientDet-Lite{key}", SCALES[key])
    operators = tuple(
        replace(
            entry,
            input_bytes=entry.input_bytes // bytes_less,
            output_bytes=entry.output_bytes // bytes_less,
            weight_bytes=entry.weight_bytes // bytes_less,
        )
        for entry in network.operators
    )
    arena = max(entry.input_bytes + entry.output_bytes for entry in operators)
    found, _ = predicted_memory(
        replace(
            network,
            operators=operators,
            size_bytes=network.size_bytes // bytes_less,
            arena_bytes=arena,
        ),
        "xnnpack",
        4,
    )
    name = f"efficientdet-lite{key}_{dtype}.tflite"
    peaks = [float(row["mem_overall_MB"]) * 2**20 for row in published() if row["graph"] == name]
    assert len(peaks) >= 8
    assert found.low is not None
    assert found.high is not None
    assert found.low < min(peaks)
    assert max(peaks) < found.high
    assert max(abs(peak / found.value - 1) for peak in peaks) < 0.12


def published() -> list[dict[str, str]]:
    table = resources.files("edge_deploy") / "reference" / "memory_raspberry_pi_published.csv"
    return list(csv.DictReader(table.read_text().splitlines()))


def test_an_arena_that_cannot_be_planned_widens_it() -> None:
    known = workload(float_model(64))
    found, words = predicted_memory(replace(known, arena_bytes=None), "xnnpack", 1)
    planned, _ = predicted_memory(known, "xnnpack", 1)
    assert found.high is not None
    assert planned.high is not None
    assert found.high > planned.high
    assert "could not be planned" in words


def test_the_tail_of_boards_is_that_of_the_table() -> None:
    ratios = [1 + 1.2816 * float(row["std_us"]) / float(row["avg_us"]) for row in published()]
    assert len(ratios) == 50
    assert "50 published runs" in BOARD.source
    assert pytest.approx(statistics.median(ratios), abs=5e-4) == BOARD.factor
    assert pytest.approx(max(ratios), abs=5e-3) == BOARD.high
    assert pytest.approx(min(ratios), abs=5e-3) == BOARD.low


def test_tails_of_phones_and_computers_are_called_guesses() -> None:
    for kind in ("phone", "computer"):
        assert "a guess" in tail_of(kind).source
    assert tail_of("raspberry-pi") == tail_of("board") == BOARD


def test_a_calibrations_own_tail_comes_first() -> None:
    found = tail_of("phone", (1.05, 1.2))
    assert (found.low, found.high) == (1.05, 1.2)
    assert found.low < found.factor < found.high
    assert "measured" in found.source
    found = tail_of("phone", (1.0, 1.05, 1.2))
    assert (found.low, found.factor, found.high) == (1.0, 1.05, 1.2)
