"""Measuring the micro-models on a device: on this computer, over ssh, or on a phone.

Everything goes through the paths that `profile` measures by. A pass is one request: the runner on
the device measures one small model, looks at the machine, and times all the others one after the
other in one process. Passes with different numbers of threads take turns, so that what changes
on the device meets all of them.
"""

from __future__ import annotations

import contextlib
import math
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_deploy_android.measuring import AndroidOptions, measure_on_android
from edge_deploy_android.target import AndroidTarget
from edge_deploy_runner.bench.measuring import Measured, Request, measure
from edge_deploy_runner.bench.operators import OperatorModel
from edge_deploy_runner.bench.records import Measurement, OperatorTiming
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.errors import DeviceError, UsageError
from edge_deploy_runner.progress import Progress, silent
from edge_deploy_runner.tflite.model_file import ModelFile

from edge_deploy.remote.target import SshTarget

from .micro_models import MICRO_MODELS, MicroModel
from .models import TimedModel, prepare_models
from .times import DISTURBED, Calibration, ModelTimes

ROUNDS = 3
QUICK_MODELS = ("inverted_residual_net", "gated_residual_net", "residual_net")
"""What a calibration from a sibling's coefficients runs."""
_SPEC = RunSpec(warm_up_runs=3, warm_up_seconds=0.1, min_runs=20, min_seconds=0.5)
# Whole models are timed this often in a round, spread over it; operators once. What goes over a
# wire and is larger than this is sent once.
_WHOLE_TIMES = 3
_LARGE_BYTES = 300_000
# The first of so many rounds have the operators as well; of those over a wire only one.
_ROUNDS_WITH_OPERATORS = 2
_NOISY = 0.10
# p90 over p50 is read off so many models, the longest of no more than so many million MACs.
_TAIL_MODELS = 4
_MOST_TAIL_MMAC = 120.0
_MOST_DEFAULT_THREADS = 4
# Warnings of a measurement that say nothing of a calibration.
_BESIDE_THE_POINT = ("p99 needs", "XNNPACK takes only", "latencies vary by")

Target = SshTarget | AndroidTarget | None
_Measure = Callable[[Request, Sequence[OperatorModel], Progress], Measured]


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
    longest = _longest(models)
    taken: list[_Pass] = []
    with tempfile.TemporaryDirectory(prefix="edge-deploy-") as folder:
        paths = tuple(Path(folder) / f"{one.model}_{one.dtype}.tflite" for one in longest)
        for path, one in zip(paths, longest, strict=True):
            path.write_bytes(one.data)
        with _open(target, paths, wheels, android, on_progress) as (there, measure_there):
            job = _Job(models, there, measure_there, _name(target), target is None, on_progress)
            on_progress(f"looking at {job.where}", 0, 0)
            machine = job.look(1).device
            if on_machine is not None:
                on_machine(machine)
            numbers = _thread_counts(threads, machine, job.where)
            for number in range(rounds):
                for count in numbers if number % 2 == 0 else reversed(numbers):
                    taken.append(job.run(count, number, rounds, len(numbers), len(taken)))
            for count in numbers:
                again = _disturbed(_times(models, [one for one in taken if one.threads == count]))
                if again:
                    taken.append(job.run_again(count, again, rounds))
            # At the end, as what held the device back during the last pass shows now.
            on_progress("looking at how times vary", 0, 0)
            looks = [
                _Pass(count, job.look(count, n), (), rounds)
                for count in numbers
                for n in range(len(longest))
            ]
    return _together(models, taken, looks, time.monotonic() - began, android)


@dataclass(frozen=True)
class _Pass:
    threads: int
    measurement: Measurement
    order: tuple[int, ...]
    round: int
    again: bool = False


@dataclass(frozen=True)
class _Job:
    models: tuple[TimedModel, ...]
    paths: tuple[Path, ...]
    measure: _Measure
    where: str
    is_here: bool
    on_progress: Progress

    def run(self, threads: int, number: int, rounds: int, counts: int, before: int) -> _Pass:
        """One round on so many threads."""
        with_operators = number < (_ROUNDS_WITH_OPERATORS if self.is_here else 1)
        order = _order(self.models, with_operators, math.inf if self.is_here else _LARGE_BYTES)
        passes = rounds * counts
        words = f"round {number + 1} of {rounds} on {threads} thread{'s' * (threads > 1)}"

        def report(stage: str, done: int, total: int) -> None:
            if stage == "timing operators" and total:
                share = before + done / total
                name = self.models[order[done]].name if done < len(order) else "done"
                self.on_progress(f"{words}: {name}", round(1000 * share), 1000 * passes)
            elif stage != "timing operators":
                self.on_progress(f"{words}: {stage}", 1000 * before, 1000 * passes)

        return _Pass(threads, self._time(threads, number, order, report), order, number)

    def run_again(self, threads: int, again: Sequence[int], number: int) -> _Pass:
        """A further round of these models alone."""
        small = [
            index for index in again if self.is_here or len(self.models[index].data) <= _LARGE_BYTES
        ]
        order = (*again, *small * (_WHOLE_TIMES - 1))
        self.on_progress(f"again what was disturbed ({len(again)} times differ)", 0, 0)
        return _Pass(threads, self._time(threads, number, order, silent), order, number, True)

    def look(self, threads: int, number: int = 0) -> Measurement:
        """One short measurement, to see the device; raises `DeviceError` where it is held back."""
        measured = self.measure(self._request(threads, number, 0), (), silent).measurement
        self._check(measured)
        return measured

    def _time(
        self, threads: int, number: int, order: Sequence[int], report: Progress
    ) -> Measurement:
        request = self._request(threads, number, len(order))
        operators = [self.models[index].to_operator() for index in order]
        measured = self.measure(request, operators, report).measurement
        self._check(measured)
        for index, timing in zip(order, measured.operators, strict=True):
            self._check_timing(self.models[index], timing)
        return measured

    def _request(self, threads: int, number: int, operators: int) -> Request:
        spec = replace(_SPEC, threads=threads)
        path = self.paths[number % len(self.paths)]
        return Request(path, spec, threads, "a micro-model", operators)

    def _check(self, measured: Measurement) -> None:
        if measured.void:
            raise DeviceError(
                f"{self.where} was held back while it was calibrated: {'; '.join(measured.void)}. "
                "Mend its power supply or cooling, let it cool down, and calibrate again"
            )

    def _check_timing(self, model: TimedModel, timing: OperatorTiming) -> None:
        if timing.ms is None and not model.kind:
            raise DeviceError(
                f"the micro-model {model.name} does not run on {self.where}: {timing.reason}; "
                "leave its dtype out with --dtypes"
            )


def _longest(models: Sequence[TimedModel]) -> tuple[TimedModel, ...]:
    """Whole models of one dtype, the most work first, but none that takes minutes anywhere."""

    def work(one: TimedModel) -> float:
        return one.features.get("dense_mmac", 0.0) + one.features.get("depthwise_mmac", 0.0)

    wholes = [one for one in models if not one.kind and one.dtype == models[0].dtype]
    fitting = [one for one in wholes if work(one) <= _MOST_TAIL_MMAC] or wholes[:1]
    return tuple(sorted(fitting, key=work, reverse=True)[:_TAIL_MODELS])


def _disturbed(times: dict[int, ModelTimes]) -> tuple[int, ...]:
    """What to time again, by its number: nothing unless a whole model is among it."""
    found = tuple(index for index, entry in times.items() if entry.spread > DISTURBED)
    return found if any(not times[index].timed.kind for index in found) else ()


def _times(models: Sequence[TimedModel], passes: Sequence[_Pass]) -> dict[int, ModelTimes]:
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


def _order(
    models: Sequence[TimedModel], with_operators: bool, largest_again: float
) -> tuple[int, ...]:
    """Which model is timed when: whole models before, among and after their operators.

    Those larger than `largest_again` bytes are timed once.
    """
    wholes = [index for index, model in enumerate(models) if not model.kind]
    again = [index for index in wholes if len(models[index].data) <= largest_again]
    parts = [index for index, model in enumerate(models) if model.kind and with_operators]
    found = list(wholes)
    for number in range(1, _WHOLE_TIMES):
        begin, end = (len(parts) * n // (_WHOLE_TIMES - 1) for n in (number - 1, number))
        found += [*parts[begin:end], *again]
    return tuple(found)


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
    passes: Sequence[_Pass],
    looks: Sequence[_Pass],
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
    warnings = dict.fromkeys(
        text
        for one in passes
        for text in one.measurement.warnings
        if not text.startswith(_BESIDE_THE_POINT)
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
            for entry in _times(models, [one for one in passes if one.threads == threads]).values()
        ),
        tails={threads: tuple(values) for threads, values in tails.items()},
        warnings=tuple(warnings),
        seconds=seconds,
        cpus=android.cpus if android else None,
    )
    if result.noise > _NOISY:
        noisy = (
            f"times of the same model differ by {result.noise:.0%} between rounds: other programs "
            "ran, or the clock changed; the lower quartile was taken"
        )
        if result.noise > DISTURBED:
            noisy += ", and predictions are widened by as much"
        result = replace(result, warnings=(*result.warnings, noisy))
    return result


@contextlib.contextmanager
def _open(
    target: Target,
    paths: tuple[Path, ...],
    wheels: Path | None,
    android: AndroidOptions | None,
    on_progress: Progress,
) -> Iterator[tuple[tuple[Path, ...], _Measure]]:
    """The way to a device, held open: where the models lie there, and how to measure."""
    if target is None:
        yield paths, measure
    elif isinstance(target, AndroidTarget):
        options = android or AndroidOptions()

        def on_phone(
            request: Request, operators: Sequence[OperatorModel], report: Progress
        ) -> Measured:
            return measure_on_android(target, request, operators, options, report)

        yield paths, on_phone
    else:
        from edge_deploy.remote.runner import RemoteRunner
        from edge_deploy.remote.ssh import SshDevice

        on_progress(f"connecting to {target.login}", 0, 0)
        with SshDevice(target) as device:
            runner = RemoteRunner(device, wheels)
            runner.prepare(on_progress)
            there: list[str] = []
            try:
                for path in paths:
                    sha256 = ModelFile.open(path).sha256
                    there.append(runner.push_model(path, sha256, on_progress))
                yield tuple(Path(one) for one in there), runner.bench
            finally:
                with contextlib.suppress(DeviceError, OSError):
                    device.run(["rm", "-f", "--", *there], timeout_s=20)


def _name(target: Target) -> str:
    if target is None:
        return platform.node() or "this computer"
    return target.login if isinstance(target, SshTarget) else target.url
