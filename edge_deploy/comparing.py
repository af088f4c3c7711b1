"""Has it got worse? Two models, two measurements or two accuracies held against each other."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from edge_deploy_runner.bench.measuring import input_ranges
from edge_deploy_runner.bench.percentiles import Estimate, ratio_interval
from edge_deploy_runner.bench.process import baseline_memory_bytes, start_run
from edge_deploy_runner.bench.record_reading import measurement_from_json
from edge_deploy_runner.bench.records import FORMAT, Measurement
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.interpreter import default_threads
from edge_deploy_runner.json_reader import Reader, read_json_object
from edge_deploy_runner.progress import Progress, silent
from edge_deploy_runner.tflite.model_file import ModelFile

from .accuracy import check_accuracy, is_accuracy
from .changes import (
    DEFAULT_NOISE,
    SIZE_NOISE,
    Change,
    Comparison,
    exact_change,
    memory_change,
    ratio_change,
)
from .comparing_predictions import compare_with_predictions
from .intervals import Z95

# Fresh processes per model: where each has its memory laid out is luck. With four a side the
# extremes hold the shift between them with 97% (1 - 2/70).
ROUNDS = 4
_PAIRS_PER_ROUND = 4
_BLOCK_SECONDS = 0.08


def diff(
    old: str | os.PathLike[str],
    new: str | os.PathLike[str],
    *,
    noise: float = DEFAULT_NOISE,
    threads: int | None = None,
    delegate: str = "auto",
    on_progress: Progress = silent,
) -> Comparison:
    """Compare two `.tflite` models, two measurement files or two accuracy files.

    Models are run in turn, block by block, and compared as ratios. `noise` is the share of change
    in latency that counts as none. Raises `BadInputError` for files that cannot be compared.
    """
    if not math.isfinite(noise) or not 0 <= noise < 1:
        raise BadInputError(f"the noise floor is {noise}; write a share from 0 to below 1")
    kinds = [_kind(Path(path)) for path in (old, new)]
    if kinds[0] != kinds[1]:
        raise BadInputError(
            f"{Path(old).name} is {_article(kinds[0])} and {Path(new).name} {_article(kinds[1])}; "
            "compare two of a kind"
        )
    names = (Path(old).name, Path(new).name)
    if kinds[0] == "model":
        return compare_models(
            Path(old),
            Path(new),
            noise=noise,
            threads=threads,
            delegate=delegate,
            on_progress=on_progress,
        )
    documents = [read_json_object(path) for path in (old, new)]
    if kinds[0] == "accuracy":
        return compare_accuracies(documents[0], documents[1], names)
    found = [
        measurement_from_json(document, name)
        for document, name in zip(documents, names, strict=True)
    ]
    return compare_measurements(found[0], found[1], noise, names)


def _kind(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            start = file.read(64).lstrip()
    except OSError:
        start = b""
    if not start.startswith(b"{"):
        ModelFile.open(path)  # says what is wrong with the file, if anything
        return "model"
    document = read_json_object(path)
    if document.get("format") == FORMAT:
        return "measurement"
    if is_accuracy(document):
        return "accuracy"
    raise BadInputError(
        f"{path.name} is neither a measurement (`edge-deploy profile -o`) nor an accuracy "
        "(`edge-deploy evaluate --json`)"
    )


def _article(kind: str) -> str:
    return f"an {kind}" if kind == "accuracy" else f"a {kind}"


def compare_models(
    old: Path, new: Path, *, noise: float = DEFAULT_NOISE, threads: int | None = None,
    delegate: str = "auto", on_progress: Progress = silent,
) -> Comparison:  # fmt: skip
    """Size, latency and peak memory of two models, in rounds of fresh processes.

    Each round has one process per model, and takes latencies from them in interleaved blocks.
    """
    files = [ModelFile.open(path) for path in (old, new)]
    changes = [exact_change("size", "bytes", len(files[0].data), len(files[1].data), SIZE_NOISE)]
    spec = RunSpec(threads=threads or default_threads(), delegate=delegate)
    spec.check_for_cpu()
    ranges = [input_ranges(file) for file in files]
    medians: tuple[list[float], list[float]] = ([], [])
    memory: tuple[list[float], list[float]] = ([], [])
    delegates: list[tuple[str, str]] = []
    for number in range(ROUNDS):
        on_progress("timing both in turn", number, ROUNDS)
        delegates.append(_run_round((old, new), spec, ranges, number % 2 == 1, medians, memory))
    on_progress("timing both in turn", ROUNDS, ROUNDS)
    warnings = _unlike(*files)
    warnings += [
        f"the delegates differ: {a} and {b}" for a, b in dict.fromkeys(delegates) if a != b
    ]
    ratio = ratio_interval([b / a for a, b in zip(*medians, strict=True)])
    changes.append(
        ratio_change(
            "latency_p50", float(np.median(medians[0])), float(np.median(medians[1])),
            ratio, noise,
        )
    )  # fmt: skip
    base = baseline_memory_bytes()
    if base is not None and all(len(side) == ROUNDS for side in memory):
        above = [[max(0.0, value - base) for value in side] for side in memory]
        changes.append(memory_change(*above))
    return Comparison("model", old.name, new.name, tuple(changes), tuple(warnings))


def _unlike(old: ModelFile, new: ModelFile) -> list[str]:
    """A warning where two models cannot be versions of one network."""
    takes = [[tuple(tensor.shape) for tensor in file.inputs] for file in (old, new)]
    gives = [[tuple(tensor.shape) for tensor in file.outputs] for file in (old, new)]
    found = []
    for what, (a, b) in (("inputs", takes), ("outputs", gives)):
        if a != b:
            found.append(
                f"the {what} differ, {_shapes(a)} and {_shapes(b)}: these look like two networks, "
                "of which neither is the other one grown worse"
            )
    return found


def _shapes(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join("x".join(map(str, shape)) or "a scalar" for shape in shapes)


def _run_round(
    paths: tuple[Path, Path],
    spec: RunSpec,
    ranges: Sequence[list[list[float] | None]],
    new_first: bool,
    medians: tuple[list[float], list[float]],
    memory: tuple[list[float], list[float]],
) -> tuple[str, str]:
    """Add one round's medians in ms and peak memory in bytes; return the delegates used."""
    sides = (1, 0) if new_first else (0, 1)
    with contextlib.ExitStack() as stack:
        children = {
            side: stack.enter_context(start_run(paths[side], spec, ranges[side])) for side in sides
        }
        used = {side: str(children[side].answer()["delegate"]["used"]) for side in sides}
        last: dict[int, int | None] = {}
        for number in range(_PAIRS_PER_ROUND):
            for side in sides if number % 2 == 0 else sides[::-1]:
                answer = children[side].block(5, _BLOCK_SECONDS, discard=1)
                medians[side].append(float(np.median(answer["latencies_ns"])) / 1e6)
                last[side] = answer["memory_bytes"]
    for side, value in last.items():
        if value is not None:
            memory[side].append(value)
    return used[0], used[1]


def compare_measurements(
    old: Measurement,
    new: Measurement,
    noise: float = DEFAULT_NOISE,
    names: tuple[str, str] = ("old", "new"),
) -> Comparison:
    """Two measurements of one device: ratios of percentiles, their intervals combined.

    Either may be a prediction for that device. Raises `BadInputError` for two devices.
    """
    if old.prediction is not None or new.prediction is not None:
        return compare_with_predictions(old, new, noise, names)
    devices = [_device_words(measurement) for measurement in (old, new)]
    boards = [measurement.device.get("board") for measurement in (old, new)]
    # A board gets another id once its owner has calibrated it.
    same_board = boards[0] and boards[0] == boards[1] and old.evidence == new.evidence
    if devices[0] != devices[1] and not same_board:
        raise BadInputError(
            f"{names[0]} was made on {devices[0]} and {names[1]} on {devices[1]}; compare "
            "measurements of one device"
        )
    warnings = []
    for what, first, second in (
        ("ways to run", old.device.get("mode"), new.device.get("mode")),
        ("cores", old.device.get("cpus") or "any", new.device.get("cpus") or "any"),
        ("threads", old.spec.threads, new.spec.threads),
        ("delegates", old.delegate.used, new.delegate.used),
        ("runtimes", old.runtime, new.runtime),
        ("governors", old.telemetry_after.governor, new.telemetry_after.governor),
    ):
        if first != second:
            warnings.append(f"the {what} differ: {_words(first)} and {_words(second)}")
    for name, side in zip(names, (old, new), strict=True):
        if side.void:
            warnings.append(f"{name} is void ({'; '.join(side.void)}); measure it again")
    changes = [
        exact_change("size", "bytes", old.model.size_bytes, new.model.size_bytes, SIZE_NOISE)
    ]
    estimates = (old.latency(), new.latency())
    for name in ("p50", "p90"):
        a, b = estimates[0][name], estimates[1][name]
        if a is not None and b is not None:
            low = b.low / a.high if b.low is not None and a.high is not None else None
            high = b.high / a.low if b.high is not None and a.low is not None else None
            ratio = Estimate(b.value / a.value, low, high)
            changes.append(ratio_change(f"latency_{name}", a.value, b.value, ratio, noise))
    if old.peak_memory_bytes is not None and new.peak_memory_bytes is not None:
        changes.append(memory_change([old.peak_memory_bytes], [new.peak_memory_bytes]))
    return Comparison("measurement", names[0], names[1], tuple(changes), tuple(warnings))


def _device_words(measurement: Measurement) -> str:
    """What makes two measurements those of one device; phones of many makes share an id."""
    device = measurement.device
    phone = f"{device.get('manufacturer') or ''} {device['model']}" if device.get("model") else ""
    name = phone.strip() or device.get("cpu_model") or "unknown CPU"
    cpu = f", {device.get('cpu_model') or 'unknown CPU'}" if phone else ""
    return f"{device.get('id')} ({name}{cpu}, {measurement.evidence})"


def _words(value: object) -> str:
    return " ".join(str(v) for v in value.values()) if isinstance(value, dict) else str(value)


def compare_accuracies(
    old: Mapping[str, Any], new: Mapping[str, Any], names: tuple[str, str] = ("old", "new")
) -> Comparison:
    """Two documents of `evaluate`: top-1 and top-5 differences with their 95% intervals.

    The interval takes the two as independent; on the same images it is wider than the paired one
    of `evaluate --reference`, and so calls fewer things worse.
    """
    for document, name in zip((old, new), names, strict=True):
        check_accuracy(document, name)
    changes = []
    samples = [Reader(d, n).integer("samples") for d, n in zip((old, new), names, strict=True)]
    if 0 in samples:
        raise BadInputError("an accuracy of 0 samples cannot be compared; evaluate on some images")
    for key in ("top1", "top5"):
        if old.get(key) is None or new.get(key) is None:
            continue
        a, b = (
            Reader(d, n).number(key, largest=1.0) for d, n in zip((old, new), names, strict=True)
        )
        spread = Z95 * math.sqrt(_share_variance(a, samples[0]) + _share_variance(b, samples[1]))
        ends = (b - a - spread, b - a + spread)
        status = "worse" if ends[1] < 0 else "better" if ends[0] > 0 else "same"
        changes.append(
            Change(key, "share", a, b, b - a, ends, spread, status, is_clear=status != "same")
        )
    warnings = () if samples[0] == samples[1] else (
        f"the numbers of samples differ: {samples[0]} and {samples[1]}",
    )  # fmt: skip
    return Comparison("accuracy", names[0], names[1], tuple(changes), warnings)


def _share_variance(share: float, samples: int) -> float:
    # Two successes and two failures added (Agresti and Coull): no zero width at 0 or 1.
    adjusted = (share * samples + 2) / (samples + 4)
    return adjusted * (1 - adjusted) / (samples + 4)
