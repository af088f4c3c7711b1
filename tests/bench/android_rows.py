"""The Java core of the Android harness against the Python bench: same model, threads, runtime.

Both sides run on this machine, the Java one on a desktop JVM: its times are simulated for a
phone, and the ratio is what the harness itself adds.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

import pytest
from edge_deploy_runner.bench.run_spec import RunSpec

from edge_deploy.profiling import profile

from .measuring import ROOT, Row, interleaved, left_out, medians, ratios
from .subjects import Subject, Subjects

# The harness' test code is imported as pytest imports it.
sys.path.insert(0, str(ROOT / "tests"))
from android.harness_jvm import HarnessJvm, harness_jvm

_APART = 0.05
_SPEC = RunSpec(threads=1, min_runs=200, min_seconds=1.5)
_WHAT = "Java core / Python bench, LiteRT, 1 thread"
_RECIPES = ("float32", "int8")


def android_rows(subjects: Subjects) -> list[Row]:
    """p50 of the harness over p50 of `profile`, interleaved."""
    try:
        jvm = harness_jvm()
    except pytest.skip.Exception as reason:
        return [left_out("android p50", _WHAT, str(reason))]
    return [
        _row(jvm, subjects, subject, recipe) for subject in subjects.both for recipe in _RECIPES
    ]


def _row(jvm: HarnessJvm, subjects: Subjects, subject: Subject, recipe: str) -> Row:
    model = subjects.model(subject, recipe)
    pairs = interleaved(
        lambda: _java_p50_ms(jvm, model, subjects.folder),
        lambda: _python_p50_ms(model),
        3 if subjects.quick else 11,
        f"android p50 of {model.name}, ms",
    )
    values = ratios(pairs)
    return Row(
        f"android p50, {subject.name} {recipe}", _WHAT, tuple(values), f"1 +- {_APART:g}",
        abs(median(values) - 1) <= _APART, note=medians(pairs, "ms", 3),
    )  # fmt: skip


def _java_p50_ms(jvm: HarnessJvm, model: Path, folder: Path) -> float:
    answer = jvm.answer(jvm.request(model, folder, spec=_SPEC.to_json()), folder)
    return median(answer["latencies_ns"]) / 1e6


def _python_p50_ms(model: Path) -> float:
    found = profile(model, threads=1, operators=False, spec=_SPEC).latency()["p50"]
    assert found is not None
    return found.value
