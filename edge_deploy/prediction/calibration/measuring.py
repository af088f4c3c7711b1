"""Measuring the micro-models on a device: on this computer, over ssh, or on a phone.

Everything goes through the paths that `profile` measures by. Rounds with different numbers of
threads take turns, so that what changes on the device meets all of them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_deploy_android.measuring import AndroidOptions
from edge_deploy_runner.bench.caveats import HIGH_OTHERS_SHARE
from edge_deploy_runner.errors import DeviceError, UsageError
from edge_deploy_runner.progress import Progress, silent

from .connection import Target, connected, name_of
from .micro_models import MICRO_MODELS, MicroModel
from .models import TimedModel, prepare_models
from .rounds import Job, Pass
from .tail_models import LONG_MODELS, carriers, for_rounds, tail_looks
from .times import DISTURBED, Calibration, ModelTimes

ROUNDS = 3
QUICK_MODELS = ("inverted_residual_net", "gated_residual_net", "residual_net")
"""What a calibration from a sibling's coefficients runs."""
_NOISY = 0.10
_MOST_DEFAULT_THREADS = 4
# Warnings of a measurement that say nothing of a calibration, or are said once for all rounds.
_LEFT_OUT = ("p99 needs", "XNNPACK takes only", "latencies vary by", "other programs used")


def calibrate(
    target: Target,
    *,
    threads: Sequence[int] | None = None,
    dtypes: Sequence[str] = ("float32", "int8"),
    micro_models: Sequence[MicroModel] = MICRO_MODELS,
    operators: bool = True,
    rounds: int = ROUNDS,
    wheels: Path | None = None,
    android: AndroidOptions | None = None,
    on_machine: Callable[[dict[str, Any]], None] | None = None,
    on_progress: Progress = silent,
) -> Calibration:
    """Time the micro-models on a device.

    `target`: None for this computer, or what `profiling.check_device` makes of a device's name.
    `threads`: numbers of threads, None for 1 and as many as there are cores, at most four.
    `operators` times theirs alone as well, which a fit that starts from nothing needs.
    `on_machine` is told what the device is before anything takes long, and may refuse.
    Raises `DeviceError` where the device cannot be reached or has no runtime, where a micro-model
    does not run there, and where it was held back (heat, supply) meanwhile: those times would
    stay wrong for ever.
    """
    if rounds < 1:
        raise UsageError(f"rounds is {rounds}; use 1 or more")
    began = time.monotonic()
    models = prepare_models(micro_models, dtypes, operators=operators, on_progress=on_progress)
    long = [one for one in MICRO_MODELS if one.name in LONG_MODELS and one not in micro_models]
    found = carriers((*models, *prepare_models(long, tuple(dtypes)[:1], operators=False)))
    taken: list[Pass] = []
    with tempfile.TemporaryDirectory(prefix="edge-deploy-") as folder:
        paths = tuple(Path(folder) / f"{one.model}_{one.dtype}.tflite" for one in found)
        for path, one in zip(paths, found, strict=True):
            path.write_bytes(one.data)
        with connected(target, paths, wheels, android, on_progress) as (there, measure):
            where = name_of(target)
            short = there[: for_rounds(found)]
            job = Job(models, short, measure, where, target is None, on_progress)
            on_progress(f"looking at {where}", 0, 0)
            machine = job.look(1).device
            if on_machine is not None:
                on_machine(machine)
            numbers = _thread_counts(threads, machine, where)
            for number in range(rounds):
                for count in numbers if number % 2 == 0 else reversed(numbers):
                    taken.append(job.run(count, number, rounds, len(numbers), len(taken)))
            for count in numbers:
                again = _disturbed(_times(models, _on(count, taken)))
                if again:
                    taken.append(job.run_again(count, again, rounds))
            # At the end, as what held the device back during the last round shows now.
            on_progress("looking at how times vary", 0, 0)
            job = replace(job, paths=there)
            looks = [
                Pass(count, job.look(count, carrier), (), rounds)
                for count in numbers
                for carrier in tail_looks(found, _wholes(found, _times(models, _on(count, taken))))
            ]
    return _together(models, taken, looks, time.monotonic() - began, android)


def _on(threads: int, passes: Sequence[Pass]) -> list[Pass]:
    return [one for one in passes if one.threads == threads]


def _wholes(found: Sequence[TimedModel], times: dict[int, ModelTimes]) -> dict[str, ModelTimes]:
    """The times of the carriers, by their names."""
    return {entry.timed.model: entry for entry in times.values() if entry.timed in found}


def _disturbed(times: dict[int, ModelTimes]) -> tuple[int, ...]:
    """What to time again, by its number: nothing unless a whole model is among it."""
    found = tuple(index for index, entry in times.items() if entry.spread > DISTURBED)
    return found if any(not times[index].timed.kind for index in found) else ()


def _times(models: Sequence[TimedModel], passes: Sequence[Pass]) -> dict[int, ModelTimes]:
    """What passes on one number of threads took for each model, by the model's number."""
    found: dict[int, list[tuple[float, int, bool]]] = {}
    for one in passes:
        for index, timing in zip(one.order, one.measurement.operators, strict=True):
            if timing.ms:
                found.setdefault(index, []).append((timing.ms, one.round, one.again))
    return {
        index: ModelTimes(
            models[index],
            passes[0].threads,
            tuple(ms for ms, _, _ in times),
            tuple(number for _, number, _ in times),
            any(again for _, _, again in times),
        )
        for index, times in sorted(found.items())
    }


def _thread_counts(
    asked: Sequence[int] | None, machine: dict[str, Any], where: str
) -> tuple[int, ...]:
    cores = int(machine.get("cores") or 1)
    if not asked:
        return tuple(dict.fromkeys((1, min(_MOST_DEFAULT_THREADS, cores))))
    if max(asked) > cores:
        raise UsageError(
            f"--threads {max(asked)}: {where} has {cores} cores, and threads that share one say "
            "nothing; use fewer"
        )
    return tuple(dict.fromkeys(asked))


def _together(
    models: Sequence[TimedModel],
    passes: Sequence[Pass],
    looks: Sequence[Pass],
    seconds: float,
    android: AndroidOptions | None,
) -> Calibration:
    tails: dict[int, list[tuple[float, float]]] = {}
    for one in (*passes, *looks):
        latency = one.measurement.latency()
        p50, p90 = latency["p50"], latency["p90"]
        if p50 is not None and p90 is not None:
            tails.setdefault(one.threads, []).append((p50.value, p90.value / p50.value))
    last = passes[-1].measurement
    runtimes = {
        f"{p.measurement.runtime['name']} {p.measurement.runtime['version']}" for p in passes
    }
    if len(runtimes) > 1:
        raise DeviceError(
            f"the device's runtime changed during the calibration ({', '.join(sorted(runtimes))}); "
            "calibrate again"
        )
    clocks = [one.measurement.telemetry_before.max_frequency_mhz for one in passes]
    result = Calibration(
        machine=last.device,
        runtime=runtimes.pop(),
        delegate=last.delegate.used.lower(),
        evidence=last.evidence,
        max_mhz=max((clock for clock in clocks if clock), default=None),
        times=tuple(
            entry
            for threads in sorted({one.threads for one in passes})
            for entry in _times(models, _on(threads, passes)).values()
        ),
        tails={threads: tuple(values) for threads, values in tails.items()},
        warnings=(),
        seconds=seconds,
        cpus=android.cpus if android else None,
    )
    return replace(result, warnings=_warnings(result.noise, passes))


def _warnings(noise: float, passes: Sequence[Pass]) -> tuple[str, ...]:
    """What is said of all rounds together, each thing once and with its worst figure."""
    found = list(
        dict.fromkeys(
            text
            for one in passes
            for text in one.measurement.warnings
            if not text.startswith(_LEFT_OUT)
        )
    )
    shares = [one.measurement.telemetry_after.others_cpu_share or 0.0 for one in passes]
    busy = sum(share > HIGH_OTHERS_SHARE for share in shares)
    if busy:
        found.append(
            f"other programs used up to {max(shares):.0%} of the CPU meanwhile (in {busy} of "
            f"{len(shares)} rounds)"
        )
    if noise > _NOISY:
        noisy = (
            f"times of the same model differ by {noise:.0%} between rounds: other programs "
            "ran, or the clock changed; the lower quartile was taken"
        )
        if noise > DISTURBED:
            noisy += (
                ", and predictions are widened by as much; calibrate again when nothing else runs, "
                "with --force"
            )
        found.append(noisy)
    return tuple(found)
