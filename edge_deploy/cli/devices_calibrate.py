"""`edge-deploy devices calibrate`: measure a device of one's own, and write its file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from . import completing
from .options import PATH, json_option

if TYPE_CHECKING:
    from edge_deploy_runner.progress import Progress

    from edge_deploy.prediction.calibration.own_device import OwnDevice
    from edge_deploy.prediction.latency.model import LatencyModel


@click.command("calibrate")
@click.option(
    "--device", metavar="local|ssh://USER@HOST|android[:SERIAL]", help="The device to measure.",
    shell_complete=completing.measured_devices,
)  # fmt: skip
@click.option(
    "--id", "device_id", metavar="ID", help="What to call it; else its own name.",
    shell_complete=completing.known_devices,
)  # fmt: skip
@click.option(
    "--like",
    metavar="ID",
    help="A known device of the same kind.",
    shell_complete=completing.known_devices,
)
@click.option(
    "--quick", is_flag=True,
    help="Three models, and the coefficients of --like, which must fit; those of float32 alone "
    "(--dtypes float32) may where those of int8 do not.",
)  # fmt: skip
@click.option("--threads", metavar="N,...", help="Numbers of threads.  [default: 1 and up to 4]")
@click.option(
    "--dtypes", metavar="NAME,...", default="float32,int8", show_default=True,
    shell_complete=completing.dtypes,
)  # fmt: skip
@click.option("--rounds", type=int, help="How often to time everything.  [default: 3]")
@click.option("--wheels", type=PATH, metavar="DIR", help="Runtime for a board without network.")
@click.option(
    "--cpus", metavar="big|little|all|LIST", help="On a phone: run on these cores only.",
    shell_complete=completing.cores,
)  # fmt: skip
@click.option("--table", type=PATH, metavar="CSV", help="Fit measured times instead of measuring.")
@click.option(
    "--features", type=PATH, multiple=True, metavar="CSV|MODEL",
    help="What the table's networks are: a CSV, or .tflite files called as in the table.",
)  # fmt: skip
@click.option("-o", "--output", type=PATH, metavar="FILE", help="ID.toml, elsewhere.")
@click.option(
    "--force", is_flag=True, help="Replace a device's coefficients; keep disturbed times."
)
@json_option
def command(
    *, device: str | None, device_id: str | None, like: str | None, quick: bool,
    threads: str | None, dtypes: str, rounds: int | None, wheels: str | None, cpus: str | None,
    table: str | None, features: tuple[str, ...], output: str | None, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Make a device predictable: run generated micro-models on it, and write what they say.

    Takes a minute or three. The file goes among your own devices, with every time beside it;
    `edge-deploy profile MODEL --device ID` then predicts for it.

    With --table the times come from a CSV file with the columns model, dtype, device, threads,
    latency_ms and runtime, and nothing is run.
    """
    from edge_deploy_runner.errors import UsageError

    from edge_deploy.prediction.calibration.measuring import ROUNDS
    from edge_deploy.prediction.calibration.own_device import calibrate_device, device_from_table

    if table is not None and device is None:
        source = click.get_current_context().get_parameter_source("dtypes")
        given = {
            "--quick": quick, "--threads": threads, "--rounds": rounds, "--wheels": wheels,
            "--cpus": cpus, "--dtypes": source is click.core.ParameterSource.COMMANDLINE,
        }  # fmt: skip
        _refuse("--table measures nothing", given)
        if device_id is None:
            raise UsageError("--table needs --id, the name of the device that it is about")
        own = device_from_table(
            table, device_id, features=features, like=like, output=output, force=force,
        )  # fmt: skip
    elif device is not None and table is None:
        _refuse("--features belongs to --table", {"--features": features})
        with _calibration_bar() as report:
            own = calibrate_device(
                device,
                device_id=device_id,
                like=like,
                quick=quick,
                threads=_numbers(threads),
                dtypes=[word.strip() for word in dtypes.split(",")],
                rounds=ROUNDS if rounds is None else rounds,
                wheels=wheels,
                cpus=cpus,
                output=output,
                force=force,
                on_progress=report,
            )
    else:
        raise UsageError(
            "give --device (local, ssh://USER@HOST or android) to measure one, or --table CSV to "
            "fit times that you have" + ("; not both" if device else "")
        )
    _show(own, as_json)


def _refuse(reason: str, given: dict[str, Any]) -> None:
    from edge_deploy_runner.errors import UsageError

    for option, value in given.items():
        if value is not None and value is not False and value != ():
            raise UsageError(f"{reason}; leave {option} out")


def _numbers(text: str | None) -> tuple[int, ...] | None:
    from edge_deploy_runner.errors import UsageError

    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdigit() and int(word) >= 1 for word in words):
        raise UsageError(f"--threads is {text!r}; use numbers from 1 up, as in 1,4")
    return tuple(int(word) for word in words)


@contextlib.contextmanager
def _calibration_bar() -> Iterator[Progress]:
    """One bar that names what runs and says how long it will take; lines where there is none."""
    import sys

    if not sys.stderr.isatty():
        seen: set[str] = set()

        def report(stage: str, done: int, total: int) -> None:
            words = stage.partition(":")[0]
            if words not in seen:
                seen.add(words)
                click.echo(f"{words[:1].upper()}{words[1:]} ...", err=True)

        yield report
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("Starting", total=None)

        def draw(stage: str, done: int, total: int) -> None:
            title = f"{stage[:1].upper()}{stage[1:]}"
            bars.update(task, description=title, completed=done, total=total or None)

        yield draw


def _show(own: OwnDevice, as_json: bool) -> None:
    from edge_deploy.catalogue import user_folder

    from .rendering import emit_json, note, plain_table, table_console, warn

    for text in own.warnings:
        warn(text)
    calibration = own.calibration
    if as_json:
        emit_json(
            {
                "id": own.id,
                "file": str(own.path),
                "record": str(own.record) if own.record else None,
                "seconds": round(calibration.seconds, 1) if calibration else None,
                "noise": calibration.noise if calibration else None,
                "warnings": list(own.warnings),
                "models": [_model_json(model) for model in own.models],
            }
        )
        return
    runtimes = sorted({model.runtime for model in own.models})
    # In a column of its own only where it tells rows apart: its names are long.
    several = len(runtimes) > 1
    if calibration:
        title = f"calibrated with {calibration.runtime} in {calibration.seconds:.0f} s"
        title += f", {own.models[0].standing}"
    else:
        title = "fitted to a table of times" + ("" if several else f" with {runtimes[0]}")
    table = plain_table(f"{own.id}: {title}")
    for heading in ("dtype", "threads", "cores", *["runtime"] * several):
        table.add_column(heading, justify="left" if heading in ("dtype", "runtime") else "right")
    for heading in ("points", "error", "worst", "covered"):
        table.add_column(heading, justify="right")
    for model in own.models:
        error = model.error()
        table.add_row(
            model.dtype, str(model.threads), model.cluster, *[model.runtime] * several,
            str(error.n), _share(error.mae_loo), _share(error.worst), _share(error.coverage80),
        )  # fmt: skip
    table_console().print(table)
    note("error: mean and worst on models left out, of their time; covered: how many of these the")
    note("80% interval holds")
    for model in own.models:
        if model.scale_note:
            runtime = f" on {model.runtime}" if several else ""
            note(
                f"{model.dtype}, threads {model.threads}{runtime}, like {model.like}: "
                f"{model.scale_note}"
            )
    note(f"written to {own.path}")
    if own.path.parent.resolve() == user_folder().resolve():
        note(f"now: edge-deploy profile MODEL --device {own.id}")
    else:
        note(f"put it into {user_folder()}, then: edge-deploy profile MODEL --device {own.id}")


def _model_json(model: LatencyModel) -> dict[str, Any]:
    error = model.error()
    return {
        "dtype": model.dtype,
        "threads": model.threads,
        "cluster": model.cluster,
        "runtime": model.runtime,
        "delegate": model.delegate,
        "standing": model.standing,
        "like": model.like or None,
        "scale_note": model.scale_note or None,
        "noise": model.noise or None,
        "points": error.n,
        "mae_loo": error.mae_loo,
        "mae_lofo": error.mae_lofo,
        "worst": error.worst,
        "coverage80": error.coverage80,
    }


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"
