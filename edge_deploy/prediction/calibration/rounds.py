"""One round of a calibration: a request that has many small models timed one after the other.

The runner on the device measures one of the carriers, looks at the machine, and times all the
others in one process.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_deploy_runner.bench.measuring import Request
from edge_deploy_runner.bench.records import Measurement, OperatorTiming
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.errors import DeviceError
from edge_deploy_runner.progress import Progress, silent

from .connection import Measure
from .models import TimedModel

_SPEC = RunSpec(warm_up_runs=3, warm_up_seconds=0.1, min_runs=20, min_seconds=0.5)
# Whole models are timed this often in a round, spread over it; operators once. What goes over a
# wire and is larger than this is sent once.
_WHOLE_TIMES = 3
_LARGE_BYTES = 300_000
# The first of so many rounds have the operators as well; of those over a wire only one.
_ROUNDS_WITH_OPERATORS = 2


@dataclass(frozen=True)
class Pass:
    """What one round on so many threads measured. `order`: which model was timed when.

    `again` says that it was added because those before it differed.
    """

    threads: int
    measurement: Measurement
    order: tuple[int, ...]
    round: int
    again: bool = False


@dataclass(frozen=True)
class Job:
    """The models to be timed and the way to the device.

    `paths` are the carriers on the device, whole models that a request measures itself.
    """

    models: tuple[TimedModel, ...]
    paths: tuple[Path, ...]
    measure: Measure
    where: str
    is_here: bool
    on_progress: Progress

    def run(self, threads: int, number: int, rounds: int, counts: int, before: int) -> Pass:
        """One round on so many threads."""
        with_operators = number < (_ROUNDS_WITH_OPERATORS if self.is_here else 1)
        order = order_of(self.models, with_operators, math.inf if self.is_here else _LARGE_BYTES)
        passes = rounds * counts
        words = f"round {number + 1} of {rounds} on {threads} thread{'s' * (threads > 1)}"

        def report(stage: str, done: int, total: int) -> None:
            if stage == "timing operators" and total:
                share = before + done / total
                name = self.models[order[done]].name if done < len(order) else "done"
                self.on_progress(f"{words}: {name}", round(1000 * share), 1000 * passes)
            elif stage != "timing operators":
                self.on_progress(f"{words}: {stage}", 1000 * before, 1000 * passes)

        return Pass(threads, self._time(threads, number, order, report), order, number)

    def run_again(self, threads: int, again: Sequence[int], number: int) -> Pass:
        """A further round of these models alone."""
        small = [
            index for index in again if self.is_here or len(self.models[index].data) <= _LARGE_BYTES
        ]
        order = (*again, *small * (_WHOLE_TIMES - 1))
        self.on_progress(f"again what was disturbed ({len(again)} times differ)", 0, 0)
        return Pass(threads, self._time(threads, number, order, silent), order, number, True)

    def look(self, threads: int, carrier: int = 0) -> Measurement:
        """One short measurement, to see the device; raises `DeviceError` where it is held back."""
        measured = self.measure(self._request(threads, carrier, 0), (), silent).measurement
        self._check(measured)
        return measured

    def _time(
        self, threads: int, carrier: int, order: Sequence[int], report: Progress
    ) -> Measurement:
        request = self._request(threads, carrier, len(order))
        operators = [self.models[index].to_operator() for index in order]
        measured = self.measure(request, operators, report).measurement
        self._check(measured)
        for index, timing in zip(order, measured.operators, strict=True):
            self._check_timing(self.models[index], timing)
        return measured

    def _request(self, threads: int, carrier: int, operators: int) -> Request:
        spec = replace(_SPEC, threads=threads)
        path = self.paths[carrier % len(self.paths)]
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


def order_of(
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
