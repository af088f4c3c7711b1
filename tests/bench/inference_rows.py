"""What our classifier adds to the runtime, and whether our profiler's p50 is the official one."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from statistics import median
from typing import Any

from edge_deploy_runner.bench.child import fill_inputs
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.classifier import Classifier
from edge_deploy_runner.interpreter import LoadedModel

from edge_deploy.profiling import profile
from tests.small_models import float_model

from .measuring import (
    SCRIPTS,
    Row,
    at_most,
    interleaved,
    left_out,
    medians,
    ratios,
    say,
    seconds_of,
)
from .subjects import Subjects

_OVERHEAD, _AGREE = 1.05, 0.03
_WANTED_MS = (1.0, 5.0)
_LEAST_MS = 4.0
_BLOCK_S = 0.1


def classifier_rows(subjects: Subjects) -> list[Row]:
    """`Classifier.scores` on a prepared tensor against set_tensor, invoke and get_tensor."""
    rows = []
    timed = [(path, _invoke_ms(path)) for path in _candidates(subjects)]
    for wanted in _WANTED_MS:
        path, ms = min(timed, key=lambda item: abs(math.log(item[1] / wanted)))
        say(f"classifier on {path.name}, {ms:.2f} ms")
        pairs = _scores_against_bare(path, max(3, round(_BLOCK_S * 1e3 / ms)), subjects.quick)
        rows.append(
            at_most(
                f"Classifier.scores, {path.stem}", "ours / set, invoke, get; 1 thread",
                ratios(pairs), _OVERHEAD, medians(pairs, "ms", 3),
            )
        )  # fmt: skip
    return rows


def _candidates(subjects: Subjects) -> list[Path]:
    """Converted models; convolutions of several sizes fill the gaps between them."""
    recipes = ("int8", "float32")
    found = [subjects.model(subject, recipe) for subject in subjects.both for recipe in recipes]
    for size in (48, 64, 80, 96, 128, 160, 224):
        found.append(subjects.folder / f"convolutions_{size}_float32.tflite")
        found[-1].write_bytes(float_model(size))
    return found


def _invoke_ms(path: Path) -> float:
    model = LoadedModel(path, 1)
    fill_inputs(model)
    return median(_timed(model.interpreter.invoke, 20)) * 1e3


def _timed(call: Any, count: int) -> list[float]:
    seconds = []
    for _ in range(count):
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return seconds


def _scores_against_bare(path: Path, block: int, quick: bool) -> list[tuple[float, float]]:
    """Medians of blocks in milliseconds, both sides in this process with a model of their own."""
    classifier = Classifier(path, 1)
    interpreter = LoadedModel(path, 1).interpreter
    source = interpreter.get_input_details()[0]["index"]
    target = interpreter.get_output_details()[0]["index"]
    fill_inputs(classifier.loaded)
    tensor = classifier.loaded.interpreter.get_tensor(source)

    def bare() -> None:
        interpreter.set_tensor(source, tensor)
        interpreter.invoke()
        interpreter.get_tensor(target)

    def ours() -> None:
        classifier.scores(tensor)

    for call in (bare, ours):
        _timed(call, block)
    return interleaved(
        lambda: median(_timed(ours, block)) * 1e3,
        lambda: median(_timed(bare, block)) * 1e3,
        10 if quick else 40,
    )


def profile_rows(subjects: Subjects) -> list[Row]:
    """Our p50 against litert-benchmark's, one thread each, interleaved."""
    name, what = "profile p50", "ours / litert-benchmark, 1 thread"
    subject = subjects.efficientnet
    if subject is None:
        return [left_out(name, what, "there is no EfficientNet-Lite0 on this machine")]
    model = subjects.model(subject, "float32")
    if _invoke_ms(model) < _LEAST_MS:
        return [left_out(name, what, f"{model.name} takes less than {_LEAST_MS:g} ms here")]
    spec = RunSpec(threads=1, min_runs=200, min_seconds=1.5)
    result = subjects.folder / "litert-benchmark.json"

    def ours() -> float:
        found = profile(model, threads=1, operators=False, spec=spec).latency()["p50"]
        assert found is not None
        return found.value

    def theirs() -> float:
        seconds_of(
            [
                SCRIPTS / "python", "-m", "ai_edge_litert.tools.benchmark_litert_model", "--model",
                model, "--num_threads", "1", "--num_runs", "250", "--warmup_runs", "30",
                "--result_json", result,
            ]
        )  # fmt: skip
        return float(json.loads(result.read_text("utf-8"))["latency"]["median_ms"])

    pairs = interleaved(ours, theirs, 3 if subjects.quick else 11, f"profile of {model.name}, ms")
    values = ratios(pairs)
    return [
        Row(
            f"{name}, {model.stem}", what, tuple(values), f"1 +- {_AGREE:g}",
            abs(median(values) - 1) <= _AGREE, note=medians(pairs, "ms"),
        )
    ]  # fmt: skip
