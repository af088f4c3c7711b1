"""`edge-deploy profile`: measure a model, and hold it against a budget."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from . import completing
from .options import PATH, json_option


@click.command("profile")
@click.argument("model", type=PATH, metavar="MODEL")
@click.option(
    "--device",
    default="local",
    show_default=True,
    metavar="local|ssh://USER@HOST[:PORT]|android[:SERIAL]|ID",
    help="Where to measure; the ID of a known device predicts, with nothing at hand.",
    shell_complete=completing.devices,
)
@click.option(
    "--wheels", type=PATH, metavar="DIR", help="The runtime's wheels, for a board without one."
)
@click.option("--threads", metavar="N|sweep", help="Threads; sweep tries 1 to all cores in turn.")
@click.option(
    "--delegate",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="auto (XNNPACK where it helps), xnnpack (an error where it takes nothing), none; on a "
    "phone gpu and nnapi as well.",
    shell_complete=completing.delegates,
)
@click.option("--runs", type=int, metavar="N", help="Fewest timed runs (50; p99 needs 299).")
@click.option("--seconds", type=float, metavar="S", help="Shortest time of timed runs (2).")
@click.option("--sustained", type=float, metavar="S", help="Run on for S seconds (0); shows heat.")
@click.option(
    "--meter",
    metavar="KIND[@ADDRESS[,OHMS]]",
    help="Power meter on the device: pmic, ina219, ina226, pisugar; phone for a phone's own.",
    shell_complete=completing.meters,
)
@click.option(
    "--mode",
    metavar="shell|app",
    help="On a phone: as a shell program, or an app.",
    shell_complete=completing.modes,
)
@click.option(
    "--runtime",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="On a phone: this runtime (.so or .aar) instead of the pinned one; may be repeated.",
)
@click.option(
    "--cpus",
    metavar="big|little|all|LIST",
    help="On a phone: run on these cores only.",
    shell_complete=completing.cores,
)
@click.option(
    "--runtime-version",
    metavar="TEXT",
    help="For a prediction: with this runtime, of those whose times are known.",
    shell_complete=completing.runtimes,
)
@click.option("--keep", is_flag=True, help="Leave the pushed files on the phone for the next run.")
@click.option("--rate", metavar="1/s", help="How often it will run; with --battery.")
@click.option("--battery", metavar="5000mAh@3.85V", help="What it will run on.")
@click.option("--watts", metavar="IDLE:LOAD", help="Power that you measured, in watts.")
@click.option(
    "--power-profile",
    metavar="ID",
    help="Use the power model of a known device.",
    shell_complete=completing.known_devices,
)
@click.option("--no-operators", is_flag=True, help="Skip the table of operators.")
@click.option("--why", is_flag=True, help="For a prediction: say how its figures come about.")
@click.option("-o", "--output", type=PATH, metavar="FILE", help="Write the measurement (JSON).")
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option(
    "--budget", "budget_file", type=PATH, metavar="FILE", help="Judge by this budget (TOML)."
)
@click.option(
    "--accuracy", "accuracy_file", type=PATH, metavar="FILE", help="What evaluate --json printed."
)
@click.option(
    "--junit", "junit_file", type=PATH, metavar="FILE", help="Write the verdict as JUnit XML."
)
@json_option
@click.pass_context
def command(
    ctx: click.Context, *, model: str, device: str, wheels: str | None, threads: str | None,
    delegate: str, runs: int | None, seconds: float | None, sustained: float | None,
    meter: str | None, mode: str | None, runtime: tuple[str, ...], cpus: str | None,
    runtime_version: str | None, keep: bool,
    rate: str | None,
    battery: str | None, watts: str | None, power_profile: str | None, no_operators: bool,
    why: bool, output: str | None, force: bool, budget_file: str | None, accuracy_file: str | None,
    junit_file: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure load time, latency, memory, operators and energy of a .tflite MODEL.

    With --device ssh://USER@HOST it is measured on a board: ssh connects as in a terminal, and
    what the board lacks to run a model is put into ~/.cache/edge-deploy there.

    With --device android[:SERIAL] it is measured on a phone that adb knows. It needs nothing
    installed; what is put there is removed again, however the run ends.

    With --device ID, as `edge-deploy devices` lists them, nothing is run: latency, memory, energy
    and battery are predicted, each with an interval, from times of other models on such devices.

    With --budget the exit code is 1 where the gate does not pass. Figures carry their evidence:
    measured, simulated, predicted, user or unknown.
    """
    from edge_deploy_android.measuring import AndroidOptions
    from edge_deploy_runner.bench.run_spec import RunSpec
    from edge_deploy_runner.commands.bench import parse_meter, parse_threads
    from edge_deploy_runner.errors import UsageError
    from edge_deploy_runner.json_reader import read_json_object
    from edge_deploy_runner.output import check_free, write_json

    from edge_deploy.budget import read_budget
    from edge_deploy.catalogue import DeviceProfile, device_profile
    from edge_deploy.energy import Battery, user_power
    from edge_deploy.judging import judge
    from edge_deploy.profiling import check_device, profile
    from edge_deploy.units import parse_battery, parse_rate_hz, parse_watts_pair

    from . import measurement_view
    from .rendering import emit_json, note, progress_bar

    if budget_file is None and (accuracy_file or junit_file):
        option = "--accuracy" if accuracy_file else "--junit"
        raise UsageError(f"{option} belongs to a verdict; give --budget as well")
    if watts and power_profile:
        raise UsageError("--watts and --power-profile exclude each other; give one")
    if meter and (watts or power_profile):
        raise UsageError("--meter, --watts and --power-profile exclude each other; give one")
    known = check_device(device)
    if isinstance(known, DeviceProfile):
        _refuse_to_run(
            device,
            {
                "--meter": meter, "--wheels": wheels, "--runs": runs, "--seconds": seconds,
                "--sustained": sustained, "--mode": mode, "--runtime": runtime, "--cpus": cpus,
                "--keep": keep,
            },
        )  # fmt: skip
    elif why:
        raise UsageError(
            "--why explains a prediction, and this is a measurement; leave it out, or name a known "
            "device, as in --device raspberry-pi-5"
        )
    elif rate and not battery and not power_profile:
        raise UsageError("--rate needs a battery; add --battery, as in --battery 5000mAh@3.85V")
    kind, at, _ = (meter or "").partition("@")
    if kind == "phone" and at:
        raise UsageError("a phone's own meter takes no address; write --meter phone")
    if runs is not None and runs < 1:
        raise UsageError(f"--runs is {runs}; use 1 or more")
    if seconds is not None and not 0 <= seconds < math.inf:
        raise UsageError(f"--seconds is {seconds:g}; use a number of seconds that is not negative")
    if sustained is not None and not 0 <= sustained < math.inf:
        raise UsageError(
            f"--sustained is {sustained:g}; give the seconds to run on for, or 0 for none"
        )
    # Whatever can be wrong on the command line is, before minutes of measuring.
    budget = read_budget(budget_file) if budget_file else None
    accuracy = read_json_object(accuracy_file) if accuracy_file else None
    for path in (output, junit_file):
        if path:
            check_free(path, force)
    given: dict[str, Any] = {
        "min_runs": runs, "min_seconds": seconds, "sustained_seconds": sustained,
    }  # fmt: skip
    options = {key: value for key, value in given.items() if value is not None}
    android = None
    if mode or runtime or cpus or keep or meter == "phone":
        if device.partition(":")[0] != "android":
            option = (
                "--mode" if mode else "--runtime" if runtime else "--cpus" if cpus
                else "--keep" if keep else "--meter phone"
            )  # fmt: skip
            raise UsageError(f"{option} is for a phone; add --device android, or leave it out")
        android = AndroidOptions(
            mode or "shell", tuple(map(Path, runtime)), cpus, keep, energy=meter == "phone"
        )
    with progress_bar() as report:
        measurement = profile(
            model,
            device=device,
            threads=parse_threads(threads, "--threads"),
            delegate=delegate,
            operators=not no_operators,
            rate_hz=parse_rate_hz(rate, "--rate") if rate else None,
            battery=Battery(*parse_battery(battery, "--battery")) if battery else None,
            power=user_power(*parse_watts_pair(watts)) if watts else None,
            device_profile=device_profile(power_profile) if power_profile else None,
            meter=parse_meter(meter) if meter and meter != "phone" else None,
            wheels=wheels,
            spec=RunSpec(**options) if options else None,
            android=android,
            runtime_version=runtime_version,
            for_device=budget.device if budget else None,
            on_progress=report,
        )
    verdict = judge(measurement, budget, accuracy) if budget else None
    document = measurement.to_json()
    if verdict is not None:
        document["verdict"] = verdict.to_json()
    if output:
        write_json(output, document, force)
        note(f"{'prediction' if measurement.prediction else 'measurement'} written to {output}")
    if verdict is not None and junit_file:
        measurement_view.write_junit(verdict, junit_file, force)
    if as_json:
        emit_json(document)
    else:
        measurement_view.show_measurement(measurement, why)
        if verdict is not None:
            measurement_view.show_verdict(verdict)
    if verdict is not None and not verdict.passed:
        ctx.exit(1)


def _refuse_to_run(device: str, options: dict[str, object]) -> None:
    """Raise `UsageError` for options that need a device to run on."""
    from edge_deploy_runner.errors import UsageError

    # By identity: 0 is given, though it equals False.
    given = [
        name
        for name, value in options.items()
        if value is not None and value is not False and value != ()
    ]
    if given:
        raise UsageError(
            f"{given[0]} needs the device itself, and figures for {device} are predicted: nothing "
            "is run; leave it out, or measure with --device local, ssh://USER@HOST or android"
        )
