"""Latency, load, memory, operators and energy of a model in one value: measured or predicted."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from edge_deploy_android.measuring import (
    AndroidOptions,
    find_phone,
    measure_on_android,
    refuse_operators,
)
from edge_deploy_android.target import AndroidTarget
from edge_deploy_android.target import parse_target as parse_android_target
from edge_deploy_runner.bench.caveats import held_back_between
from edge_deploy_runner.bench.measuring import Measured, MeterChoice, Request, measure
from edge_deploy_runner.bench.operators import OperatorModel
from edge_deploy_runner.bench.records import Energy, Measurement
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.errors import UsageError
from edge_deploy_runner.machine import environment
from edge_deploy_runner.machine.power_log import PowerLog
from edge_deploy_runner.progress import Progress, silent
from edge_deploy_runner.tflite.model_file import ModelFile

from .budget_device import check_budget_device, other_device
from .catalogue import DeviceProfile, device_profile, is_machine, profile_power, recognised
from .energy import (
    Battery,
    PowerDraw,
    battery_use,
    beside,
    counted_energy,
    measured_energy,
    metered_energy,
    predicted_energy,
    without_converter,
)
from .operator_cutting import cut_operators
from .prediction.consumption import with_consumption
from .prediction.predicting import predict
from .remote.target import SshTarget, parse_target


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
    meter: MeterChoice | None = None,
    wheels: str | os.PathLike[str] | None = None,
    spec: RunSpec | None = None,
    android: AndroidOptions | None = None,
    runtime_version: str | None = None,
    for_device: str | None = None,
    on_progress: Progress = silent,
) -> Measurement:
    """Measure a `.tflite` model on a device, or predict what one that is not at hand would take.

    `device`: "local", "ssh://USER@HOST[:PORT]", or "android[:SERIAL]", for which `android` has
    options of its own. The id of a known device (`edge-deploy devices`) runs nothing: figures are
    predicted, and `Measurement.prediction` says what they rest on; `runtime_version` then chooses
    among the runtimes that times are known of. `threads`: a number, "sweep" (1 to the number
    of cores in turn; the fastest becomes the result), or None for as many as there are cores, at
    most four. `spec` overrides how long to run; `threads` and `delegate` win over its own.
    `meter` names a power meter on the device; a phone reads its own with `android.energy`.
    `device_profile` lends its power model to the energy
    figures; `power` states what the user measured. `rate_hz` and `battery` give a duty cycle its
    hours. `for_device` is the device that a budget names: another one is a `UsageError` before
    anything is measured, where it can be known. `wheels` is a folder with the runtime's wheels, for
    a device that has none and a computer without network. Raises `BadInputError` for the model and
    `DeviceError` for the device.
    """
    target = check_device(device)
    if for_device is not None:
        check_budget_device(for_device, target)
    if isinstance(threads, int) and threads < 1:
        raise UsageError(f"threads is {threads}; use 1 or more, or sweep")
    if isinstance(target, DeviceProfile):
        if meter is not None or wheels is not None or android is not None or spec is not None:
            raise UsageError(
                f"figures for {device} are predicted and nothing is run, so there is no meter, no "
                "wheels, no time to run for and no options of a phone"
            )
        if device_profile is not None and device_profile.id != target.id:
            raise UsageError(
                f"figures for {device} are predicted with its own power model, not with that of "
                f"{device_profile.id}; leave it out, or state watts"
            )
        predicted = predict(
            ModelFile.open(Path(model)), target, threads=threads, runtime=runtime_version,
            delegate=delegate, path=os.fspath(model),
        )  # fmt: skip
        return with_consumption(
            replace(predicted, created_by=_tools()), target, power=power, battery=battery,
            rate_hz=rate_hz,
        )  # fmt: skip
    if runtime_version is not None:
        raise UsageError(
            "a runtime's version is for predictions; a measurement uses the runtime that is there"
        )
    if wheels is not None and not isinstance(target, SshTarget):
        raise UsageError("--wheels is for a device that is reached over ssh; leave it out")
    if android is not None and not isinstance(target, AndroidTarget):
        raise UsageError("these options are for a phone; measure with --device android")
    if meter is not None and isinstance(target, AndroidTarget):
        raise UsageError(f"a phone has no {meter.kind} power meter; use --meter phone")
    metered = meter is not None or (android is not None and android.energy)
    if metered and (power is not None or device_profile is not None):
        raise UsageError("a power meter and stated power exclude each other; give one")
    path = Path(model)
    parsed = ModelFile.open(path)
    asked = replace(spec or RunSpec(), delegate=delegate)
    if isinstance(target, AndroidTarget):
        refuse_operators(parsed)
        options = android or AndroidOptions()
        found = find_phone(target, delegate, options, on_progress)
        other = other_device(for_device or "", _device(found, recognised(found), target), None)
        if for_device is not None and other:
            raise UsageError(other)
    else:
        asked.check_for_cpu()
        if target is None and for_device is not None:
            _check_this_computer(for_device)
    cuts, note = cut_operators(parsed, on_progress) if operators else ((), "")
    request = Request(
        path,
        asked,
        threads or 0,
        parsed.name,
        len(cuts),
        note,
        count_energy=power is None and device_profile is None,
        meter=meter,
    )
    if target is None:
        measured = measure(request, cuts, on_progress)
    elif isinstance(target, AndroidTarget):
        measured = measure_on_android(target, request, cuts, options, on_progress)
    else:
        measured = _measure_over_ssh(target, request, parsed.sha256, cuts, wheels, on_progress)
    board = recognised(measured.measurement.device)
    result = replace(
        measured.measurement,
        device=_device(measured.measurement.device, board, target),
        created_by={**measured.measurement.created_by, **_tools()},
    )
    energy, energy_warnings = _energy(result, measured.power, power, device_profile, board)
    result = replace(result, energy=energy, warnings=(*result.warnings, *energy_warnings))
    if battery is None:
        owner = device_profile or board
        battery = owner.battery() if owner else None
    elif isinstance(target, AndroidTarget):
        battery = without_converter(battery)
    if battery is not None:
        return replace(result, battery=battery_use(battery, energy, _p50_ms(result), rate_hz))
    if rate_hz is not None:
        raise UsageError("--rate needs a battery; add --battery, as in --battery 5000mAh@3.85V")
    return result


def check_device(device: str) -> SshTarget | AndroidTarget | DeviceProfile | None:
    """The target of an ssh device or a phone, None for "local", or the profile of a known device.

    Raises `UsageError` for any other, with what it may be.
    """
    if device == "local":
        return None
    if device.startswith("ssh:"):
        return parse_target(device)
    if device.partition(":")[0] == "android":
        return parse_android_target(device)
    if device.lower() in ("android", "adb", "phone"):
        raise UsageError(
            f"unknown device {device!r}; did you mean android? A phone is android or android:SERIAL"
        )
    return device_profile_of(device)


def device_profile_of(device_id: str) -> DeviceProfile:
    """A catalogue device, or `UsageError` that says what --device may be."""
    try:
        return device_profile(device_id)
    except UsageError as error:
        if "@" in device_id:  # as ssh itself is called
            raise UsageError(
                f"unknown device {device_id!r}; did you mean ssh://{device_id}?"
            ) from None
        raise UsageError(
            f"{error}, and one at hand is local, ssh://USER@HOST[:PORT] or android[:SERIAL]"
        ) from None


def _check_this_computer(for_device: str) -> None:
    """Raise `UsageError` where this computer is not the device of a budget."""
    here = environment.describe().to_json()
    other = other_device(for_device, _device(here, recognised(here), None), None)
    if other:
        raise UsageError(other)


def _measure_over_ssh(
    target: SshTarget,
    request: Request,
    sha256: str,
    cuts: tuple[OperatorModel, ...],
    wheels: str | os.PathLike[str] | None,
    on_progress: Progress,
) -> Measured:
    from .remote.runner import RemoteRunner
    from .remote.ssh import SshDevice

    on_progress(f"connecting to {target.login}", 0, 0)
    with SshDevice(target) as device:
        runner = RemoteRunner(device, None if wheels is None else Path(wheels))
        runner.prepare(on_progress)
        path = runner.push_model(request.model, sha256, on_progress)
        return runner.bench(replace(request, model=Path(path)), cuts, on_progress)


def _device(
    machine: Mapping[str, Any],
    board: DeviceProfile | None,
    target: SshTarget | AndroidTarget | None,
) -> dict[str, Any]:
    """The machine with the catalogue's id for it, and where it was reached."""
    if isinstance(target, AndroidTarget):
        target = AndroidTarget(str(machine["serial"]))
        kind = "android"
    else:
        kind = "ssh" if target else "local"
    return {
        **machine,
        "id": board.id if board else kind,
        "target": target.url if target else "local",
        "name": board.name if board else None,
    }


def _p50_ms(result: Measurement) -> float:
    found = result.latency()["p50"]
    assert found is not None
    return found.value


def _energy(
    result: Measurement,
    log: PowerLog,
    power: PowerDraw | None,
    lent: DeviceProfile | None,
    board: DeviceProfile | None,
) -> tuple[Energy, tuple[str, ...]]:
    """A meter's or counter's readings, the user's watts, else a lent or own power model."""
    p50_ms = _p50_ms(result)
    model = profile_power(board, result.spec.threads) if board else None
    own = None if _ran_elsewhere(result) else model
    held_back = held_back_between(log.telemetry)
    if log.windows:
        if held_back:
            return _held_back(held_back), ()
        found = metered_energy(list(log.windows), log.meter, log.interval_s, log.evidence)
        return beside(found, own, p50_ms), ()
    if power is not None:
        return beside(predicted_energy(power, p50_ms, result.evidence), own, p50_ms), ()
    if lent is not None and (board is None or lent.id != board.id):
        draw = profile_power(lent, result.spec.threads)
        if draw is None:
            return Energy("unknown", reason=f"{lent.id} has no power model"), ()
        warning = (
            f"energy mixes this machine's latency with the power model of {lent.name}: "
            "it is not that device's energy"
        )
        is_own = is_machine(lent, result.device)
        return predicted_energy(draw, p50_ms, result.evidence), () if is_own else (warning,)
    if log.counter:
        if held_back:
            return _held_back(held_back), ()
        if log.meter:
            pairs = list(log.counter)
            found = counted_energy(pairs, log.meter, log.resolution_uj, log.evidence)
            return beside(found, own, p50_ms), ()
        return measured_energy(list(log.counter)), ()
    if log.reason:
        return Energy("unknown", reason=log.reason), ()
    if board is not None and model is not None:
        elsewhere = _ran_elsewhere(result)
        if not elsewhere:
            return predicted_energy(model, p50_ms, result.evidence), ()
        return Energy(
            "unknown",
            reason=f"the power model of {board.id} is that of its fastest cores, and this ran on "
            f"{elsewhere}; --meter phone reads the phone's own power",
        ), ()  # fmt: skip
    if result.device.get("android"):
        return result.energy, ()  # with the phone's own reason
    return (
        Energy(
            "unknown",
            reason="this machine has no readable energy counter and no power model; give "
            "--power-profile DEVICE, --meter KIND or --watts IDLE:LOAD",
        ),
        (),
    )


def _ran_elsewhere(result: Measurement) -> str:
    """On what a model ran that is not a phone's fastest cores; "" where it may have been these."""
    if result.delegate.used in ("GPU", "NNAPI"):
        return f"the {result.delegate.used} delegate"
    bound = result.device.get("cpu_list")
    if bound is None:
        return ""
    clocks, threads = result.device.get("core_max_mhz") or {}, result.spec.threads
    fastest = sorted(clocks.values(), reverse=True)[:threads]
    own = sorted((clocks.get(str(core), 0.0) for core in bound), reverse=True)[:threads]
    return "" if own == fastest else str(result.device.get("cpus"))


def _held_back(reasons: tuple[str, ...]) -> Energy:
    return Energy(
        "unknown",
        reason=f"{'; '.join(reasons)} while its power was read: mend its power supply or cooling "
        "and measure again",
    )


def _tools() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    with contextlib.suppress(PackageNotFoundError):
        found["edge-deploy"] = version("edge-deploy")
    return found
