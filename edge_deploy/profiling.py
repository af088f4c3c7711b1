"""Measuring a model on a device: latency, load, memory, operators and energy, in one value."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from edge_deploy_runner import environment
from edge_deploy_runner.contract import read_contract
from edge_deploy_runner.errors import BadInputError, DeviceError, UsageError
from edge_deploy_runner.interpreter import default_threads
from edge_deploy_runner.model_file import ModelFile
from edge_deploy_runner.percentiles import MIN_RUNS_P99, coefficient_of_variation, latency_estimates
from edge_deploy_runner.progress import Progress, silent
from edge_deploy_runner.records import (
    DelegateUse,
    Energy,
    Measurement,
    ModelIdentity,
    RunSpec,
    Sustained,
    SweepPoint,
)
from edge_deploy_runner.telemetry import (
    Telemetry,
    energy_counter_range_uj,
    read_energy_uj,
    throttling_words,
)

from .bench_process import BenchProcess, baseline_memory_bytes, start_run
from .catalogue import DeviceProfile, all_profiles, device_profile, recognise
from .energy import (
    Battery,
    CounterSlice,
    PowerDraw,
    battery_use,
    counted_uj,
    measured_energy,
    predicted_energy,
)
from .operator_timing import time_operators

HIGH_VARIATION = 0.03
HIGH_OTHERS_SHARE = 0.05
LARGEST_SWEEP = 8
_SWEEP_ROUNDS = 8
_LOW_SHARE_INT8 = 0.9
_ENERGY_SLICES = 5
_ENERGY_SLICE_S = 0.4


def profile(
    model: str | os.PathLike[str],
    *,
    device: str = "local",
    threads: int | Literal["sweep"] | None = None,
    delegate: str = "auto",
    operators: bool = True,
    rate_hz: float | None = None,
    battery: Battery | None = None,
    power: PowerDraw | None = None,
    device_profile: DeviceProfile | None = None,
    spec: RunSpec | None = None,
    on_progress: Progress = silent,
) -> Measurement:
    """Measure a `.tflite` model on a device.

    `threads`: a number, "sweep" (1 to the number of cores in turn; the fastest becomes the
    result), or None for as many as there are cores, at most four. `spec` overrides how long to
    run; `threads` and `delegate` win over its own. `device_profile` lends its power model to the
    energy figures; `power` states what the user measured. `rate_hz` and `battery` give a duty
    cycle its hours. Raises `BadInputError` for the model and `DeviceError` for the device.
    """
    check_device(device)
    path = Path(model)
    parsed = ModelFile.open(path)
    ranges = input_ranges(parsed)
    spec = replace(spec or RunSpec(), delegate=delegate)
    if threads == "sweep":
        result = _sweep(path, parsed, spec, ranges, on_progress)
    elif threads is not None and threads < 1:
        raise UsageError(f"threads is {threads}; use 1 or more, or sweep")
    else:
        spec = replace(spec, threads=threads or default_threads())
        result = _measure(path, parsed, spec, ranges, on_progress)
    machine = environment.describe()
    board = recognise(machine.board)
    result = replace(
        result,
        device={
            "id": board.id if board else "local",
            "target": "local",
            "name": board.name if board else None,
            **machine.to_json(),
        },
        evidence="simulated" if machine.emulated else "measured",
        baseline_memory_bytes=baseline_memory_bytes(),
        created_by=_tools(),
    )
    if result.total_memory_bytes is not None and result.baseline_memory_bytes is not None:
        peak = max(0, result.total_memory_bytes - result.baseline_memory_bytes)
        result = replace(result, peak_memory_bytes=peak)
    if operators:
        timings, note = time_operators(parsed, result.spec, on_progress)
        result = replace(result, operators=timings, operators_note=note)
    energy, energy_warnings = _energy(result, power, device_profile, board)
    if energy is None:
        energy = _counted_energy(path, result.spec, ranges, on_progress)
    result = replace(result, energy=energy)
    if battery is None:
        owner = device_profile or board
        battery = owner.battery() if owner else None
    if battery is not None:
        p50_ms = _p50_ms(result.latencies_ns)
        result = replace(result, battery=battery_use(battery, energy, p50_ms, rate_hz))
    elif rate_hz is not None:
        raise UsageError("--rate needs a battery; add --battery, as in --battery 5000mAh@3.85V")
    integer = any(tensor.dtype in ("int8", "uint8") for tensor in parsed.graph.tensors)
    return replace(result, warnings=(*warnings_of(result, integer), *energy_warnings))


def check_device(device: str) -> None:
    """Raise the error of a device that cannot be measured on (yet); "local" always can."""
    if device == "local":
        return
    kind = device.partition(":")[0]
    if kind in ("ssh", "android"):
        what = "over ssh" if kind == "ssh" else "on an Android device"
        raise DeviceError(
            f"measuring {what} is not available yet; run `edge-deploy profile` on the machine "
            "itself, or use --device local"
        )
    found = device_profile_of(device)
    raise DeviceError(
        f"predicted latency for {found.name} is not available yet; measure on the device itself, "
        f"or use --device local --power-profile {found.id} for its power model alone"
    )


def device_profile_of(device_id: str) -> DeviceProfile:
    """A catalogue device, or `UsageError` that lists every valid value of --device."""
    if device_id in all_profiles():
        return device_profile(device_id)
    try:
        return device_profile(device_id)
    except UsageError as error:
        raise UsageError(f"{error}; or local, ssh://USER@HOST[:PORT], android[:SERIAL]") from None


def input_ranges(model: ModelFile) -> list[list[float] | None]:
    """For each input the range that the model's own contract states; None where it has none."""
    ranges: list[list[float] | None] = [None] * len(model.inputs)
    with contextlib.suppress(BadInputError):  # a damaged contract does not change the latency
        preprocessing = read_contract(model).preprocessing
        if preprocessing is not None and ranges:
            ranges[0] = list(preprocessing.input_range())
    return ranges


@dataclass
class _Run:
    """A child at work, and what it has answered so far."""

    child: BenchProcess
    spec: RunSpec
    summary: dict[str, Any]
    latencies_ns: list[int]
    blocks: list[dict[str, Any]]

    @classmethod
    def start(
        cls, path: Path, spec: RunSpec, ranges: list[list[float] | None],
        stack: contextlib.ExitStack,
    ) -> _Run:  # fmt: skip
        child = stack.enter_context(start_run(path, spec, ranges))
        return cls(child, spec, child.answer(), [], [])

    def block(
        self, runs: int, seconds: float, *, discard: int = 0, limit_s: float | None = None,
        most_runs: int | None = None,
    ) -> list[int]:  # fmt: skip
        answer = self.child.block(
            runs, seconds, discard=discard, limit_s=limit_s, most_runs=most_runs
        )
        self.blocks.append(answer)
        latencies: list[int] = answer["latencies_ns"]
        self.latencies_ns.extend(latencies)
        return latencies

    def measurement(self, model: ModelFile) -> Measurement:
        last = self.blocks[-1]
        shares = [block["telemetry"]["others_cpu_share"] for block in self.blocks]
        known = [share for share in shares if share is not None]
        after = Telemetry(**last["telemetry"])
        memory = last["memory_bytes"]
        return Measurement(
            model=ModelIdentity(model.name, model.sha256, len(model.data)),
            device={},
            runtime=dict(self.summary["runtime"]),
            spec=self.spec,
            delegate=DelegateUse(**self.summary["delegate"]),
            load_ms=self.summary["load_ms"],
            first_inference_ms=self.summary["first_inference_ms"],
            warm_up_ns=tuple(self.summary["warm_up_ns"]),
            latencies_ns=tuple(self.latencies_ns),
            total_memory_bytes=memory,
            telemetry_before=Telemetry(**self.summary["telemetry"]),
            telemetry_after=replace(
                after, others_cpu_share=sum(known) / len(known) if known else None
            ),
        )


def _measure(
    path: Path, model: ModelFile, spec: RunSpec, ranges: list[list[float] | None],
    on_progress: Progress,
) -> Measurement:  # fmt: skip
    with contextlib.ExitStack() as stack:
        on_progress("loading and warming up", 0, 0)
        run = _Run.start(path, spec, ranges, stack)
        on_progress("timing inferences", 0, 0)
        run.block(
            spec.min_runs, spec.min_seconds, limit_s=spec.max_seconds, most_runs=spec.max_runs
        )
        result = run.measurement(model)
        if spec.sustained_seconds > 0:
            result = replace(result, sustained=_sustain(run, spec.sustained_seconds, on_progress))
    return result


def _sustain(run: _Run, seconds: float, on_progress: Progress) -> Sustained:
    latencies: list[int] = []
    begun = time.monotonic()
    while (elapsed := time.monotonic() - begun) < seconds or not latencies:
        on_progress("sustained load", int(elapsed), int(seconds))
        answer = run.child.block(1, min(1.0, max(0.05, seconds - elapsed)))
        latencies.extend(answer["latencies_ns"])
    part = max(1, len(latencies) // 10)
    first, last = _p50_ms(latencies[:part]), _p50_ms(latencies[-part:])
    return Sustained(time.monotonic() - begun, len(latencies), first, last, last / first)


def _sweep(
    path: Path, model: ModelFile, spec: RunSpec, ranges: list[list[float] | None],
    on_progress: Progress,
) -> Measurement:  # fmt: skip
    """Numbers of threads in turn, block by block, so that a change of the machine meets all."""
    most = min(LARGEST_SWEEP, os.cpu_count() or 1)
    with contextlib.ExitStack() as stack:
        on_progress("loading and warming up", 0, 0)
        runs = [
            _Run.start(path, replace(spec, threads=count), ranges, stack)
            for count in range(1, most + 1)
        ]
        share = -(-spec.min_runs // _SWEEP_ROUNDS)
        for number in range(_SWEEP_ROUNDS):
            on_progress("timing inferences", number, _SWEEP_ROUNDS)
            for run in runs if number % 2 == 0 else reversed(runs):
                run.block(
                    share,
                    spec.min_seconds / _SWEEP_ROUNDS,
                    discard=1,
                    limit_s=spec.max_seconds / _SWEEP_ROUNDS,
                    most_runs=max(1, spec.max_runs // _SWEEP_ROUNDS),
                )
        best = min(runs, key=lambda run: _p50_ms(run.latencies_ns))
        result = best.measurement(model)
        if spec.sustained_seconds > 0:
            result = replace(result, sustained=_sustain(best, spec.sustained_seconds, on_progress))
    points = tuple(SweepPoint(run.spec.threads, tuple(run.latencies_ns)) for run in runs)
    return replace(result, sweep=points)


def _p50_ms(latencies_ns: list[int] | tuple[int, ...]) -> float:
    found = latency_estimates(latencies_ns)["p50"]
    assert found is not None
    return found.value


def _energy(
    result: Measurement,
    power: PowerDraw | None,
    lent: DeviceProfile | None,
    board: DeviceProfile | None,
) -> tuple[Energy | None, tuple[str, ...]]:
    """The user's watts, a lent or own power model; None where a counter is there to be read."""
    p50_ms = _p50_ms(result.latencies_ns)
    if power is not None:
        return predicted_energy(power, p50_ms), ()
    if lent is not None and (board is None or lent.id != board.id):
        draw = lent.power(result.spec.threads)
        if draw is None:
            return Energy("unknown", reason=f"{lent.id} has no power model"), ()
        warning = (
            f"energy mixes this machine's latency with the power model of {lent.name}: "
            "it is not that device's energy"
        )
        return predicted_energy(draw, p50_ms), (warning,)
    if read_energy_uj() is not None and result.evidence == "measured":
        return None, ()
    if board is not None:
        draw = board.power(result.spec.threads)
        if draw is not None:
            return predicted_energy(draw, p50_ms), ()
    return (
        Energy(
            "unknown",
            reason="this machine has no readable energy counter and no power model; give "
            "--power-profile DEVICE or --watts IDLE:LOAD",
        ),
        (),
    )


def _counted_energy(
    path: Path, spec: RunSpec, ranges: list[list[float] | None], on_progress: Progress
) -> Energy:
    wrap = energy_counter_range_uj()
    pairs = []
    with contextlib.ExitStack() as stack:
        run = _Run.start(path, spec, ranges, stack)
        for number in range(_ENERGY_SLICES):
            on_progress("counting energy", number, _ENERGY_SLICES)
            idle = _counted(lambda: time.sleep(_ENERGY_SLICE_S), wrap)
            load = _counted(lambda: len(run.block(1, _ENERGY_SLICE_S)), wrap)
            if idle is not None and load is not None:
                pairs.append((idle, load))
    return measured_energy(pairs)


def _counted(work: Any, wrap: int | None) -> CounterSlice | None:
    before, begun = read_energy_uj(), time.perf_counter()
    runs = work() or 0
    after, seconds = read_energy_uj(), time.perf_counter() - begun
    if before is None or after is None:
        return None
    energy_uj = counted_uj(before, after, wrap)
    return None if energy_uj is None else CounterSlice(energy_uj, seconds, runs)


def warnings_of(result: Measurement, integer: bool = False) -> tuple[str, ...]:
    """What makes these figures less than they seem. `integer`: the model holds 8-bit tensors."""
    found = []
    runs = len(result.latencies_ns)
    variation = coefficient_of_variation(result.latencies_ns)
    if variation > HIGH_VARIATION:
        found.append(
            f"latencies vary by {variation:.1%} (coefficient of variation; above "
            f"{HIGH_VARIATION:.0%}): something else runs, or the clock changes"
        )
    if runs < result.spec.min_runs:
        found.append(
            f"only {runs} runs instead of {result.spec.min_runs}: each takes longer than a second"
        )
    if runs < MIN_RUNS_P99:
        found.append(f"p99 needs {MIN_RUNS_P99} runs and there are {runs}; raise --runs")
    before, after = result.telemetry_before, result.telemetry_after
    if after.governor is not None and after.governor != "performance":
        found.append(f"the CPU governor is {after.governor}, not performance: the clock may change")
    if before.governor != after.governor:
        found.append(f"the CPU governor changed from {before.governor} to {after.governor}")
    if after.others_cpu_share is not None and after.others_cpu_share > HIGH_OTHERS_SHARE:
        found.append(f"other programs used {after.others_cpu_share:.0%} of the CPU meanwhile")
    if after.throttled is not None:
        words = throttling_words(after.throttled)
        if words:
            found.append(f"the board reports {', '.join(words)}: measure again when it does not")
        elif before.throttled is not None and before.throttled >> 16 != after.throttled >> 16:
            found.append("the board was throttled during the measurement: measure again")
    if after.on_battery:
        found.append("the machine runs on battery, which may lower its clock")
    share = result.delegate.operator_share
    if result.delegate.asked == "auto" and result.delegate.used == "none":
        found.append("XNNPACK takes none of the operators: TFLite's built-in kernels run them all")
    elif result.delegate.asked != "none" and integer and share < _LOW_SHARE_INT8:
        found.append(
            f"XNNPACK takes only {share:.0%} of the operators of this integer model: the rest run "
            "on slower kernels, so a float model may be faster"
        )
    if result.evidence == "simulated":
        found.append("this machine is emulated: the latencies are not a real device's")
    if result.sustained is not None and result.sustained.slowdown > 1 + HIGH_VARIATION:
        found.append(
            f"under sustained load it became {result.sustained.slowdown - 1:.0%} slower: heat, or "
            "other work"
        )
    return tuple(found)


def _tools() -> dict[str, str]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in ("edge-deploy", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
