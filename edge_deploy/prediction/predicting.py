"""The figures of a model on a device that is not at hand, each with its interval and its basis."""

from __future__ import annotations

import math
import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Literal

from edge_deploy_runner.bench.percentiles import Estimate
from edge_deploy_runner.bench.prediction import (
    Basis,
    NearModel,
    OtherSource,
    Prediction,
)
from edge_deploy_runner.bench.records import (
    DelegateUse,
    Measurement,
    ModelIdentity,
    SweepPoint,
)
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.tflite.model_file import ModelFile

from edge_deploy.catalogue import DeviceProfile, all_profiles
from edge_deploy.prediction.latency.model import Interval, LatencyModel

from .accelerators import refuse_accelerator
from .choosing import choose, same_runs, scaled_from, target_of
from .features import features
from .leaning import estimated
from .memory import predicted_memory
from .tail import tail_of
from .unseen import widened
from .workload import Workload, read_workload

_NEAREST = 3
_DELEGATE_NAMES = {"xnnpack": "XNNPACK"}


def predict(
    model: ModelFile,
    device: DeviceProfile,
    *,
    threads: int | Literal["sweep"] | None = None,
    runtime: str | None = None,
    delegate: str = "auto",
    path: str = "",
) -> Measurement:
    """What a model will take on a device, from its file and the device's profile alone.

    `threads`: a number that coefficients were fitted for, "sweep" for all of them (the fastest
    becomes the result), or None for the most up to four. `runtime` chooses among the runtimes that
    times are known of, by a name or a part of it. `path` is what the command that measures instead
    calls the model. Energy is left to `profiling.profile`. Raises `BadInputError` for a model and
    `UsageError` for options that nothing is known of: no other network, number of threads, runtime
    or delegate is put in their place.
    """
    spec = RunSpec(delegate=delegate)
    workload = read_workload(model)
    refuse_accelerator(device, delegate, workload)
    found = choose(
        device,
        workload.dtype,
        threads=None if threads == "sweep" else threads,
        runtime=runtime,
        delegate=delegate,
    )
    runs = same_runs(found[0], found) if threads == "sweep" else (found[0],)
    values = features(workload)
    estimates = [(run, widened(estimated(run, values), workload, run, device)) for run in runs]
    points = [(run, _latency(run, estimate, device)) for run, estimate in estimates]
    best, interval = min(estimates, key=lambda estimate: estimate[1].value)
    latency = _latency(best, interval, device)
    memory, memory_words = predicted_memory(workload, best.delegate, best.threads)
    others = _others(best, interval, device.latency, values)
    timed, way = scaled_from(best)
    basis = Basis(
        device=device.id,
        cluster=best.cluster,
        runtime=best.runtime,
        dtype=best.dtype,
        threads=best.threads,
        delegate=best.delegate,
        models=len(best.points),
        error={key: value for key, value in asdict(best.error()).items() if key != "n"},
        made=best.made,
        like=best.like,
        scale_note=_scale_note(best, way),
        source=best.source,
        standing=best.standing,
        nearest=tuple(
            NearModel(point.model, point.measured_ms, way[-1] if way else device.id)
            for point in timed.nearest(values, _NEAREST)
        ),
        widened=interval.reasons,
        tail=tail_of(device.kind, best.p90_over_p50).source,
        memory=memory_words,
        others=others,
        other_runtimes=tuple(
            dict.fromkeys(
                model.runtime
                for model in found
                if model.threads == best.threads and model.runtime != best.runtime
            )
        ),
        replace_with=_command(device, path or model.name, best),
    )
    return Measurement(
        model=ModelIdentity(model.name, model.sha256, len(model.data)),
        device=_device(device, best),
        runtime={"name": best.runtime, "version": "", "origin": "prediction"},
        spec=replace(spec, threads=best.threads),
        delegate=DelegateUse(delegate, _DELEGATE_NAMES.get(best.delegate, best.delegate), None),
        load_ms=None,
        first_inference_ms=None,
        warm_up_ns=(),
        latencies_ns=(),
        peak_memory_bytes=round(memory.value),
        sweep=tuple(SweepPoint(run.threads, (), found) for run, found in points)
        if threads == "sweep"
        else (),
        warnings=_warnings(device, workload, memory, interval, basis, _chain(way) or best.like),
        evidence="predicted",
        prediction=Prediction(latency, memory, basis),
    )


def _latency(model: LatencyModel, interval: Interval, device: DeviceProfile) -> dict[str, Estimate]:
    tail = tail_of(device.kind, model.p90_over_p50)
    if not 0 < interval.low <= interval.value <= interval.high < math.inf:
        raise BadInputError(
            f"the times known of {device.name} say nothing of this model's work (they make it "
            f"{interval.value:g} ms); measure on the device itself"
        )
    return {
        "p50": Estimate(interval.value, interval.low, interval.high),
        "p90": Estimate(
            interval.value * tail.factor, interval.low * tail.low, interval.high * tail.high
        ),
    }


def _others(
    chosen: LatencyModel,
    interval: Interval,
    models: Sequence[LatencyModel],
    values: dict[str, float],
) -> tuple[OtherSource, ...]:
    """Other coefficients for the same run whose interval does not meet that of the chosen.

    Of another runtime only where either was measured by the user: published ones may differ.
    """
    found = []
    for model in models:
        alike = (model.dtype, model.threads, model.cluster, model.delegate)
        own = "measured" in (model.standing, chosen.standing)
        if (
            model is chosen
            or alike != (chosen.dtype, chosen.threads, chosen.cluster, chosen.delegate)
            or not (own or model.runtime == chosen.runtime)
        ):
            continue
        other = estimated(model, values)
        if other.low > interval.high or other.high < interval.low:
            found.append(
                OtherSource(model.source, model.runtime, other.value, other.low, other.high)
            )
    return tuple(found)


def _scale_note(model: LatencyModel, way: Sequence[str]) -> str:
    """How the coefficients were scaled, and from whose times where others lie between."""
    if len(way) < 2:
        return model.scale_note
    lead = "no point of its own: "
    return f"{lead}scaled by clock from {_chain(way)}; {model.scale_note.removeprefix(lead)}"


def _chain(way: Sequence[str]) -> str:
    """The device whose models were timed, by its name, and those on the way to it by their ids."""
    if not way:
        return ""
    through = f", by way of {' and '.join(way[:-1])}" if way[:-1] else ""
    return f"the {all_profiles()[way[-1]].name}{through}"


def _warnings(
    device: DeviceProfile,
    workload: Workload,
    memory: Estimate,
    interval: Interval,
    basis: Basis,
    rests_on: str,
) -> tuple[str, ...]:
    found = [
        f"another source disagrees: {other.ms:.3g} ms ({other.low_ms:.3g} to {other.high_ms:.3g}) "
        f"by {other.source}, with {other.runtime}"
        for other in basis.others
    ]
    if not basis.models:
        found.append(f"no model was timed on {device.name}: what is predicted rests on {rests_on}")
    elif basis.standing in ("guess", "simulated"):
        what = "guesses" if basis.standing == "guess" else "an emulator's times"
        found.append(f"the prediction rests on {what}")
    ram = device.ram_bytes()
    assert memory.high is not None
    if ram is not None and memory.high > ram[0]:
        found.append(
            f"it may need {memory.high / 1e6:.0f} MB of memory, and the smallest {device.name} has "
            f"{ram[0] / 1e6:.0f} MB, of which the system takes its part"
        )
    room = device.storage_budget_bytes()
    if room is not None and workload.size_bytes > room:
        found.append(
            f"its file has {workload.size_bytes / 1e6:.1f} MB, and {room / 1e6:.0f} MB is what "
            f"the profile of {device.name} allows a model"
        )
    return tuple(found)


def _device(device: DeviceProfile, model: LatencyModel) -> dict[str, object]:
    return {
        "id": device.id,
        "target": None,
        "name": device.name,
        "soc": device.soc,
        "cores": device.cores,
        "cluster": model.cluster,
        "profile": device.origin,
    }


def _command(device: DeviceProfile, path: str, model: LatencyModel) -> str:
    delegate = " --delegate none" if model.delegate == "none" else ""
    return (
        f"edge-deploy profile {quoted(path)} --device {target_of(device)} --threads {model.threads}"
        f"{delegate}"
    )


def quoted(path: str, *, windows: bool = os.name == "nt") -> str:
    """A path as one word of a command line."""
    return subprocess.list2cmdline([path]) if windows else shlex.quote(path)
