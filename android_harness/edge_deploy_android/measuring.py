"""Measuring a model on a phone: push, run, fetch one JSON, and leave the phone as it was found."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_deploy_runner.bench.caveats import void_reasons, warnings_of
from edge_deploy_runner.bench.measuring import (
    Measured,
    Request,
    input_ranges,
    missing_note,
)
from edge_deploy_runner.bench.operators import OperatorModel
from edge_deploy_runner.bench.records import Measurement
from edge_deploy_runner.errors import BadInputError, DeviceError, EdgeDeployError
from edge_deploy_runner.machine.telemetry import Telemetry
from edge_deploy_runner.progress import Progress, silent
from edge_deploy_runner.tflite.model_file import ModelFile

from . import cpu_cores, delegate_check, runtime_library
from .adb import Adb
from .app_run import AppHarness
from .built_files import build, built_file
from .device import look
from .energy_readings import with_energy, with_warnings
from .harness_protocol import HarnessJob, RemotePaths, measurement_of, operators_file
from .harness_run import Harness, ShellHarness
from .job import MODES, AndroidOptions, Job, too_many_threads, with_cores
from .leaving import Leaving
from .pushing import LocalFile, push_files
from .runtime_caveats import runtime_caveats
from .runtime_library import RuntimeFiles
from .target import AndroidTarget
from .telemetry import AndroidTelemetry, parse_delegate_log, phone_caveats

__all__ = ["MODES", "AndroidOptions", "find_phone", "measure_on_android", "refuse_operators"]

_AS_USUAL = AndroidOptions()
_OPERATORS_S = 60.0
# What TFLite's own list of operators has under "custom" names.
_KNOWN_CUSTOM = ("TFLite_Detection_PostProcess", "NumericVerify", "Mfcc", "AudioSpectrogram")


def measure_on_android(
    target: AndroidTarget,
    request: Request,
    operators: Iterable[OperatorModel] = (),
    options: AndroidOptions = _AS_USUAL,
    on_progress: Progress = silent,
) -> Measured:
    """Measure a model on a phone over adb.

    Raises `BadInputError` for the model or a runtime, and `DeviceError` for the phone, also where
    another delegate ran than the one that was asked for. However it ends, what was put on the
    phone is removed.
    """
    model = ModelFile.open(request.model)
    if request.name:
        model = ModelFile(model.data, request.name)
    refuse_operators(model)
    gpu = request.spec.delegate == "gpu"
    runtime_library.check_given(options.runtime, gpu=gpu)
    made = build()
    on_progress("looking for the phone", 0, 0)
    adb = Adb()
    device = adb.choose(target)
    phone = look(device)
    cores = None if options.cpus is None else cpu_cores.choose(options.cpus, phone)
    job = Job(request, model, options, device, phone, cores, on_progress)
    with tempfile.TemporaryDirectory(prefix="edge-deploy-") as folder:
        runtime = runtime_library.runtime_files(
            options.runtime, phone.abi, Path(folder), desktop_too=phone.emulator is not None,
            gpu=gpu,
        )  # fmt: skip
        runtime_library.check_pages(runtime, phone.page_bytes, device.serial)
        with Leaving(device, options.keep) as leaving:
            paths, jars = _push(job, runtime, operators, leaving, Path(folder))
            if options.mode == "app":
                harness: Harness = AppHarness(
                    device, made, leaving, model.name, phone.api, on_progress
                )
            else:
                harness = ShellHarness(
                    device, made, leaving.run, jars, model=model.name, cores=cores,
                    has_taskset="taskset" in phone.tools,
                )  # fmt: skip
            work = HarnessJob(
                made, model.name, request.spec, job.threads(), input_ranges(model), runtime.kind,
                paths, harness.ends_with_stdin,
            )  # fmt: skip
            try:
                measured = _measured(job, harness, work, runtime)
            except EdgeDeployError as error:
                raise _in_the_users_words(error, request.spec.delegate, runtime) from error
            result = with_energy(job, harness, work, leaving, measured)
    return with_warnings(result, leaving.trouble)


def find_phone(
    target: AndroidTarget, delegate: str, options: AndroidOptions, on_progress: Progress = silent
) -> dict[str, Any]:
    """The "device" that a measurement of this phone will have, before anything is prepared for it.

    Raises what `measure_on_android` would for the options and for the phone.
    """
    runtime_library.check_given(options.runtime, gpu=delegate == "gpu")
    on_progress("looking for the phone", 0, 0)
    device = Adb().choose(target)
    phone = look(device)
    if options.cpus is not None:
        cpu_cores.choose(options.cpus, phone)
    return {**phone.to_json(), "serial": device.serial}


def refuse_operators(model: ModelFile) -> None:
    """Raise `BadInputError` for a model with operators that no TFLite runtime on a phone has."""
    custom = {
        operator.custom: operator.is_flex
        for graph in model.subgraphs
        for operator in graph.operators
        if operator.custom and operator.custom not in _KNOWN_CUSTOM
    }
    if not custom:
        return
    flex = [name for name, is_flex in custom.items() if is_flex]
    kind = "TensorFlow (Flex)" if flex else "custom"
    names = ", ".join((flex or list(custom))[:5])
    raise BadInputError(
        f"{model.name} needs {kind} operators, which the TFLite runtime on a phone does not have "
        f"({names}); convert it without them (`edge-deploy inspect` lists all)"
    )


def _in_the_users_words(
    error: EdgeDeployError, delegate: str, runtime: RuntimeFiles
) -> EdgeDeployError:
    """An error of the harness with the names of the user's files, and of what a runtime lacks."""
    text = str(error)
    # The words of a missing native method are its signature alone.
    if delegate == "nnapi" and re.search("UnsatisfiedLinkError|NnApiDelegateImpl", text):
        return DeviceError(
            f"{runtime.library.source}: this runtime has no NNAPI; measure with another --delegate"
        )
    for library in filter(None, (runtime.library, runtime.gpu)):
        named = library.file.name
        if library.source != named:
            named = f"{named} (of {library.source})"
        text = named.join(re.split(rf"[^\s\"']*{library.file.sha256}\.so", text))
    return type(error)(text)


def _push(
    job: Job, runtime: RuntimeFiles, operators: Iterable[OperatorModel], leaving: Leaving,
    folder: Path,
) -> tuple[RemotePaths, tuple[str, ...]]:  # fmt: skip
    model = LocalFile(job.request.model, job.model.sha256, job.model.name)
    jars = [] if job.options.mode == "app" else [
        built_file("harness.jar"), built_file("tflite-runtime.jar")
    ]  # fmt: skip
    files = [*jars, *runtime.files(), model]
    cuts = None
    if job.request.operators:
        path = folder / "operators.jsonl"
        path.write_bytes(operators_file(operators))
        cuts = LocalFile.open(path, "the operators")
        files.append(cuts)
    there = push_files(job.device, files, leaving.files, job.on_progress)
    # The runtime's Java classes look for their libraries by name.
    links = [runtime.library, *([runtime.gpu] if runtime.gpu else [])]
    job.device.shell(
        " && ".join(
            shlex.join(["ln", "-sf", there[link.file.sha256], f"{leaving.run}/{link.load_name}"])
            for link in links
        ),
        what="preparing the run",
    )
    paths = RemotePaths(
        model=there[model.sha256],
        library=there[runtime.library.file.sha256],
        shim=there[runtime.shim.sha256] if runtime.shim else None,
        gpu=there[runtime.gpu.file.sha256] if runtime.gpu else None,
        operators=there[cuts.sha256] if cuts else None,
    )
    return paths, tuple(there[jar.sha256] for jar in jars)


def _measured(job: Job, harness: Harness, work: HarnessJob, runtime: RuntimeFiles) -> Measurement:
    spec = job.request.spec
    timed_s = max(spec.min_seconds, spec.max_seconds) * len(work.threads)
    seconds = timed_s + spec.sustained_seconds + _OPERATORS_S
    before = job.look()
    output = harness.ask(work.request("run", harness.output_path()), seconds, job.on_progress)
    after = job.look()
    result = measurement_of(output.document, job.phone.to_json(), job.device.serial)
    log = parse_delegate_log(output.log, output.pid)
    if not log.parts and not log.failures:
        log = parse_delegate_log(output.logcat, output.pid)
    use = delegate_check.settle(result.delegate, log)
    warnings = [*delegate_check.check(use, log, job.model.name)]
    if output.in_front is False:
        warnings.append(
            "the harness app was not in front all the while, and may have had fewer cores than "
            "the app that a user looks at; unlock the phone and leave it alone"
        )
    warnings += phone_caveats(before, pinned=job.cores is not None)
    warnings += runtime_caveats(job.model, runtime)
    job, cut = with_cores(job, output.cores)
    warnings += cut
    warnings += too_many_threads(job)
    result = _completed(job, result, runtime, (before, after))
    result = replace(result, delegate=use)
    result = _with_memory(result, harness, work, job.on_progress)
    integer = any(tensor.dtype in ("int8", "uint8") for tensor in job.model.graph.tensors)
    warnings += warnings_of(result, integer)
    return replace(result, void=void_reasons(result), warnings=tuple(dict.fromkeys(warnings)))


def _completed(
    job: Job, result: Measurement, runtime: RuntimeFiles,
    looks: tuple[AndroidTelemetry, AndroidTelemetry],
) -> Measurement:  # fmt: skip
    """The measurement with what only this side knows."""
    device: dict[str, Any] = {
        **result.device,
        "serial": job.device.serial,
        "mode": job.options.mode,
        "cpus": job.cores.words() if job.cores else None,
        "cpu_list": list(job.cores.cores) if job.cores else None,
    }
    note = job.request.operators_note or result.operators_note or missing_note(result.operators)
    return replace(
        result,
        device=device,
        runtime={**result.runtime, **runtime.to_json()},
        evidence=job.phone.evidence,
        operators_note=note,
        telemetry_before=_merged(result.telemetry_before, looks[0]),
        telemetry_after=_merged(result.telemetry_after, looks[1]),
        created_by={**result.created_by, "adb": job.device.adb.version},
    )


def _merged(inside: Telemetry, outside: AndroidTelemetry) -> Telemetry:
    """What the harness saw from inside, and adb from outside where it saw nothing."""
    seen = outside.to_telemetry().to_json()
    return replace(
        # A phone always is on its battery, or charges it, which has a key of its own.
        replace(inside, on_battery=None),
        **{key: value for key, value in seen.items() if getattr(inside, key) is None},
    )


def _with_memory(
    result: Measurement, harness: Harness, work: HarnessJob, on_progress: Progress
) -> Measurement:
    """The measurement with the memory of the same process without a model taken off."""
    baseline = result.baseline_memory_bytes
    if baseline is None:
        on_progress("measuring the runtime alone", 0, 0)
        answer = harness.ask(work.request("baseline", harness.output_path()), 0.0)
        found = answer.document.get("memory_bytes")
        baseline = int(found) if isinstance(found, int) else None
    total = result.total_memory_bytes
    peak = None if total is None or baseline is None else max(0, total - baseline)
    return replace(result, baseline_memory_bytes=baseline, peak_memory_bytes=peak)
