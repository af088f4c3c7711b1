"""Measuring a model on this machine: one request, one measurement.

The same function runs on a laptop, on a board, and on a board that a laptop reaches over ssh. The
model runs in child processes only (`child.py`), so that a crash is a sentence.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge_deploy_runner.contract import read_contract
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.interpreter import default_threads
from edge_deploy_runner.machine import environment
from edge_deploy_runner.machine.power_log import CounterSlice, PowerLog, counted_uj
from edge_deploy_runner.machine.power_meters import Meter, alternate, open_meter
from edge_deploy_runner.machine.telemetry import (
    Look,
    Telemetry,
    energy_counter_range_uj,
    read_energy_uj,
)
from edge_deploy_runner.progress import Progress, silent
from edge_deploy_runner.tflite.model_file import ModelFile
from edge_deploy_runner.version import VERSION

from .caveats import void_reasons, warnings_of
from .operators import OperatorModel, time_operators
from .percentiles import latency_estimates
from .process import BenchProcess, baseline_memory_bytes, start_run
from .records import DelegateUse, Measurement, ModelIdentity, OperatorTiming, SweepPoint
from .run_spec import RunSpec
from .sustained import sustain

LARGEST_SWEEP = 8
METER_INTERVAL_S = 0.2
_SWEEP_ROUNDS = 8
_MOST_PARTS = 60
_ENERGY_SLICES = 5
_ENERGY_SLICE_S = 0.4


@dataclass(frozen=True)
class MeterChoice:
    """A power meter that the user names; see `power_meters.open_meter`."""

    kind: str
    address: int = 0x40
    shunt_ohms: float = 0.1
    bus: int = 1


@dataclass(frozen=True)
class Request:
    """What to measure. `name` is what sentences call the model; "" its file's own name.

    `threads` 0 stands for as many as there are cores, at most four, and "sweep" tries 1 to all in
    turn. `operators` is how many operators come with it. `count_energy` asks for the energy
    counter, `meter` for a power meter.
    """

    model: Path
    spec: RunSpec
    threads: int | str = 0
    name: str = ""
    operators: int = 0
    operators_note: str = ""
    count_energy: bool = False
    meter: MeterChoice | None = None


@dataclass(frozen=True)
class Measured:
    """A measurement, and the raw readings of power that its energy is worked out from."""

    measurement: Measurement
    power: PowerLog = field(default_factory=PowerLog)


def measure(
    request: Request,
    operators: Iterable[OperatorModel] = (),
    on_progress: Progress = silent,
) -> Measured:
    """Measure a model: load, latency, memory, operators, and what the machine was doing.

    Raises `BadInputError` for the model, `DeviceError` for the machine.
    """
    request.spec.check_for_cpu()
    parsed = ModelFile.open(request.model)
    if request.name:
        parsed = ModelFile(parsed.data, request.name)
    # Opened first: a meter that is not there is told before minutes of measuring.
    meter = None
    if request.meter is not None:
        chosen = request.meter
        meter = open_meter(
            chosen.kind, bus=chosen.bus, address=chosen.address, shunt_ohms=chosen.shunt_ohms
        )
    job = _Job(request.model, parsed, input_ranges(parsed), on_progress)
    if request.threads == "sweep":
        result = _sweep(job, request.spec)
    else:
        threads = int(request.threads) or default_threads()
        result = _measure(job, replace(request.spec, threads=threads))
    machine = environment.describe()
    baseline = baseline_memory_bytes()
    total = result.total_memory_bytes
    result = replace(
        result,
        device={"id": "local", "target": "local", "name": None, **machine.to_json()},
        evidence="simulated" if machine.emulated else "measured",
        baseline_memory_bytes=baseline,
        peak_memory_bytes=None if total is None or baseline is None else max(0, total - baseline),
        created_by={"python": platform.python_version(), "edge-deploy": VERSION, **_numpy()},
    )
    if request.operators:
        timings = time_operators(
            operators, request.operators, result.spec, parsed.name, on_progress
        )
        result = replace(result, operators=timings, operators_note=missing_note(timings))
    if request.operators_note:
        result = replace(result, operators_note=request.operators_note)
    integer = any(tensor.dtype in ("int8", "uint8") for tensor in parsed.graph.tensors)
    result = replace(result, void=void_reasons(result), warnings=warnings_of(result, integer))
    power = PowerLog()
    if meter is not None:
        power = _metered(job, result.spec, meter)
    elif request.count_energy and not machine.emulated and read_energy_uj() is not None:
        power = _counted(job, result.spec)
    return Measured(result, power)


def input_ranges(model: ModelFile) -> list[list[float] | None]:
    """For each input the range that the model's own contract states; None where it has none."""
    ranges: list[list[float] | None] = [None] * len(model.inputs)
    with contextlib.suppress(BadInputError):  # a damaged contract does not change the latency
        preprocessing = read_contract(model).preprocessing
        if preprocessing is not None and ranges:
            ranges[0] = list(preprocessing.input_range())
    return ranges


@dataclass(frozen=True)
class _Job:
    path: Path
    model: ModelFile
    ranges: list[list[float] | None]
    on_progress: Progress


@dataclass
class _Run:
    """A child at work, and what it has answered so far."""

    child: BenchProcess
    spec: RunSpec
    summary: dict[str, Any]
    latencies_ns: list[int] = field(default_factory=list)
    blocks: list[dict[str, Any]] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls, job: _Job, spec: RunSpec, stack: contextlib.ExitStack) -> _Run:
        child = stack.enter_context(start_run(job.path, spec, job.ranges, job.model.name))
        return cls(child, spec, child.answer())

    def block(
        self, runs: int, seconds: float, *, discard: int = 0, limit_s: float | None = None,
        most_runs: int | None = None,
    ) -> list[int]:  # fmt: skip
        answer = self.child.block(
            runs, seconds, discard=discard, limit_s=limit_s, most_runs=most_runs
        )
        self.blocks.append({**answer, "ended": time.monotonic()})
        latencies: list[int] = answer["latencies_ns"]
        self.latencies_ns.extend(latencies)
        return latencies

    def part(self, parts: int, discard: int) -> None:
        """One of so many equal parts of the timed runs."""
        spec = self.spec
        self.block(
            -(-spec.min_runs // parts),
            spec.min_seconds / parts,
            discard=discard,
            limit_s=spec.max_seconds / parts,
            most_runs=max(1, spec.max_runs // parts),
        )

    def looks(self) -> tuple[Telemetry, ...]:
        """What the child saw of the machine: before it loaded the model, and after each block."""
        seen = (self.summary, *self.blocks)
        return tuple(Telemetry(**answer["telemetry"]) for answer in seen)

    def sustained_block(self, seconds: float) -> tuple[list[int], Telemetry]:
        answer = self.child.block(1, seconds)
        return answer["latencies_ns"], Telemetry(**answer["telemetry"])

    def measurement(self, model: ModelFile) -> Measurement:
        last = self.blocks[-1]
        shares = [block["telemetry"]["others_cpu_share"] for block in self.blocks]
        known = [share for share in shares if share is not None]
        after = Telemetry(**last["telemetry"])
        return Measurement(
            model=ModelIdentity(model.name, model.sha256, len(model.data)),
            device={},
            runtime={**self.summary["runtime"], "origin": "device"},
            spec=self.spec,
            delegate=DelegateUse(**self.summary["delegate"]),
            load_ms=self.summary["load_ms"],
            first_inference_ms=self.summary["first_inference_ms"],
            warm_up_ns=tuple(self.summary["warm_up_ns"]),
            latencies_ns=tuple(self.latencies_ns),
            total_memory_bytes=last["memory_bytes"],
            telemetry_before=Telemetry(**self.summary["telemetry"]),
            telemetry_during=tuple(
                Look(round(block["ended"] - self.begun, 3), Telemetry(**block["telemetry"]))
                for block in self.blocks[:-1]
            ),
            telemetry_after=replace(
                after, others_cpu_share=sum(known) / len(known) if known else None
            ),
        )

    def sustained(self, result: Measurement, on_progress: Progress) -> Measurement:
        """The result with a sustained run, where its spec asks for one."""
        seconds = self.spec.sustained_seconds
        if seconds <= 0:
            return result
        return replace(result, sustained=sustain(self.sustained_block, seconds, on_progress))


def _measure(job: _Job, spec: RunSpec) -> Measurement:
    with contextlib.ExitStack() as stack:
        job.on_progress("loading and warming up", 0, 0)
        run = _Run.start(job, spec, stack)
        job.on_progress("timing inferences", 0, 0)
        # About a second each: the child looks at the machine after every block.
        parts = min(_MOST_PARTS, max(1, round(spec.min_seconds)))
        for number in range(parts):
            run.part(parts, discard=min(1, number))
        return run.sustained(run.measurement(job.model), job.on_progress)


def _sweep(job: _Job, spec: RunSpec) -> Measurement:
    """Numbers of threads in turn, block by block, so that a change of the machine meets all."""
    most = min(LARGEST_SWEEP, os.cpu_count() or 1)
    with contextlib.ExitStack() as stack:
        job.on_progress("loading and warming up", 0, 0)
        runs = [
            _Run.start(job, replace(spec, threads=count), stack) for count in range(1, most + 1)
        ]
        for number in range(_SWEEP_ROUNDS):
            job.on_progress("timing inferences", number, _SWEEP_ROUNDS)
            for run in runs if number % 2 == 0 else reversed(runs):
                run.part(_SWEEP_ROUNDS, discard=1)
        best = min(runs, key=lambda run: _p50_ms(run.latencies_ns))
        result = best.sustained(best.measurement(job.model), job.on_progress)
    points = tuple(SweepPoint(run.spec.threads, tuple(run.latencies_ns)) for run in runs)
    return replace(result, sweep=points)


def _p50_ms(latencies_ns: list[int]) -> float:
    found = latency_estimates(latencies_ns)["p50"]
    assert found is not None
    return found.value


def missing_note(timings: Sequence[OperatorTiming]) -> str:
    """How many of the operators have no time; "" where all have."""
    missing = sum(entry.ms is None for entry in timings)
    return f"{missing} of {len(timings)} operators could not be run alone" if missing else ""


def _counted(job: _Job, spec: RunSpec) -> PowerLog:
    wrap = energy_counter_range_uj()
    pairs = []
    with contextlib.ExitStack() as stack:
        run = _Run.start(job, spec, stack)
        for number in range(_ENERGY_SLICES):
            job.on_progress("counting energy", number, _ENERGY_SLICES)
            idle = _slice(lambda: _idle(_ENERGY_SLICE_S), wrap)
            load = _slice(lambda: len(run.block(1, _ENERGY_SLICE_S)), wrap)
            if idle is not None and load is not None:
                pairs.append((idle, load))
        return PowerLog(counter=tuple(pairs), telemetry=run.looks())


def _idle(seconds: float) -> int:
    time.sleep(seconds)
    return 0


def _slice(work: Callable[[], int], wrap: int | None) -> CounterSlice | None:
    before, begun = read_energy_uj(), time.perf_counter()
    runs = work()
    after, seconds = read_energy_uj(), time.perf_counter() - begun
    if before is None or after is None:
        return None
    energy_uj = counted_uj(before, after, wrap)
    return None if energy_uj is None else CounterSlice(energy_uj, seconds, runs)


def _metered(job: _Job, spec: RunSpec, meter: Meter) -> PowerLog:
    interval_s = max(METER_INTERVAL_S, meter.shortest_interval_s)
    with contextlib.ExitStack() as stack:
        run = _Run.start(job, spec, stack)
        job.on_progress("reading the power meter", 0, 0)
        pairs = alternate(meter, lambda seconds: len(run.block(1, seconds)), interval_s=interval_s)
        return PowerLog(
            windows=tuple(pairs),
            meter=meter.source,
            interval_s=interval_s,
            evidence=meter.evidence,
            telemetry=run.looks(),
        )


def _numpy() -> dict[str, str]:
    import numpy as np

    return {"numpy": np.__version__}
