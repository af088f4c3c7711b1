"""`edge-deploy devices calibrate`: measure a device of one's own, and write its file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from . import completing
from .options import PATH, json_option

if TYPE_CHECKING:
    from pathlib import Path

    from edge_deploy_runner.progress import Progress

    from edge_deploy.catalogue import DeviceProfile
    from edge_deploy.prediction.calibrating import Calibration
    from edge_deploy.prediction.latency_model import LatencyModel


@click.command("calibrate")
@click.option(
    "--device", metavar="local|ssh://USER@HOST|android[:SERIAL]", help="The device to measure."
)
@click.option("--id", "device_id", metavar="ID", help="What to call it; else its own name.")
@click.option(
    "--like",
    metavar="ID",
    help="A known device of the same kind.",
    shell_complete=completing.known_devices,
)
@click.option("--quick", is_flag=True, help="Three models, and the coefficients of --like.")
@click.option("--threads", metavar="N,...", help="Numbers of threads.  [default: 1 and up to 4]")
@click.option("--dtypes", metavar="NAME,...", default="float32,int8", show_default=True)
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
@click.option("--force", is_flag=True, help="Replace the coefficients of a device that has some.")
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

    from edge_deploy.catalogue import device_profile

    if (device is None) == (table is None):
        raise UsageError(
            "give --device (local, ssh://USER@HOST or android) to measure one, or --table CSV to "
            "fit times that you have" + ("; not both" if device else "")
        )
    sibling = device_profile(like) if like else None
    if table is not None:
        _refuse(
            "--table measures nothing",
            {
                "--quick": quick, "--threads": threads, "--rounds": rounds, "--wheels": wheels,
                "--cpus": cpus,
            },
        )  # fmt: skip
        if device_id is None:
            raise UsageError("--table needs --id, the name of the device that it is about")
        _from_table(table, features, device_id, sibling, output, force, as_json)
        return
    _refuse("--features belongs to --table", {"--features": features})
    assert device is not None
    _measure(
        device, device_id, sibling, quick=quick, threads=_numbers(threads), dtypes=_dtypes(dtypes),
        rounds=rounds, wheels=wheels, cpus=cpus, output=output, force=force, as_json=as_json,
    )  # fmt: skip


def _measure(
    device: str, device_id: str | None, sibling: DeviceProfile | None, *, quick: bool,
    threads: tuple[int, ...] | None, dtypes: tuple[str, ...], rounds: int | None,
    wheels: str | None, cpus: str | None, output: str | None, force: bool, as_json: bool,
) -> None:  # fmt: skip
    from pathlib import Path

    from edge_deploy_android.measuring import AndroidOptions
    from edge_deploy_android.target import AndroidTarget
    from edge_deploy_runner.errors import UsageError

    from edge_deploy.catalogue import DeviceProfile, all_profiles
    from edge_deploy.prediction import calibrated_device as place
    from edge_deploy.prediction.calibrated_models import calibrated_models
    from edge_deploy.prediction.calibrating import QUICK_MODELS, ROUNDS, calibrate
    from edge_deploy.prediction.micro_models import MICRO_MODELS
    from edge_deploy.profiling import check_device
    from edge_deploy.remote.target import SshTarget

    target = check_device(device)
    if isinstance(target, DeviceProfile):
        raise UsageError(
            f"{target.id} is a known device, not one that can be reached; calibrate over --device "
            f"ssh://USER@HOST, android or local, with --id {target.id} if it is one"
        )
    if cpus and not isinstance(target, AndroidTarget):
        raise UsageError("--cpus is for a phone; leave it out")
    if wheels and not isinstance(target, SshTarget):
        raise UsageError("--wheels is for a device that is reached over ssh; leave it out")
    if device_id is None and output is not None:
        device_id = Path(output).stem
    if device_id is not None:
        place.check_place(device_id, output, force)
    models = [one for one in MICRO_MODELS if not quick or one.name in QUICK_MODELS]
    found: dict[str, Any] = {}

    def settle(machine: dict[str, Any]) -> None:
        """Whatever else can be wrong is, before minutes of measuring."""
        import platform

        host = target.host if isinstance(target, SshTarget) else platform.node()
        found["id"] = device_id or place.id_of(machine, host)
        found["path"] = place.check_place(found["id"], output, force)
        found["prior"] = sibling or all_profiles().get(found["id"]) if quick else None
        if quick and (found["prior"] is None or not found["prior"].latency):
            raise UsageError(
                "--quick starts from a known device's coefficients; name one with --like ID "
                "(`edge-deploy devices` says which have any), or leave --quick out"
            )

    with _calibration_bar() as report:
        calibration = calibrate(
            target,
            threads=threads,
            dtypes=dtypes,
            micro_models=models,
            operators=not quick,
            rounds=rounds if rounds is not None else ROUNDS,
            wheels=Path(wheels) if wheels else None,
            android=AndroidOptions(cpus=cpus) if isinstance(target, AndroidTarget) else None,
            on_machine=settle,
            on_progress=report,
        )
    profile = all_profiles().get(found["id"])
    cluster = place.cluster_of(
        profile, [entry.threads for entry in calibration.times], calibration.cpus
    )
    fitted = calibrated_models(calibration, cluster, found["prior"])
    text = place.device_text(
        found["id"], found["path"], fitted, machine=calibration.machine,
        max_mhz=calibration.max_mhz, like=sibling,
    )  # fmt: skip
    record = place.write_calibration(found["path"], text, calibration, force)
    _show(found["id"], found["path"], fitted, calibration.warnings, calibration, record, as_json)


def _from_table(
    table: str, features: tuple[str, ...], device_id: str, sibling: DeviceProfile | None,
    output: str | None, force: bool, as_json: bool,
) -> None:  # fmt: skip
    from pathlib import Path

    from edge_deploy.prediction import calibrated_device as place
    from edge_deploy.prediction.calibrated_models import models_of_tables, read_features
    from edge_deploy.prediction.tables import read_latencies

    path = place.check_place(device_id, output, force)
    latencies = read_latencies(Path(table))
    networks = read_features([Path(one) for one in features])
    fitted, notes = models_of_tables(latencies, networks, Path(table).name, sibling)
    text = place.device_text(device_id, path, fitted, like=sibling)
    place.write_calibration(path, text, None, force)
    _show(device_id, path, fitted, notes, None, None, as_json)


def _refuse(reason: str, given: dict[str, Any]) -> None:
    from edge_deploy_runner.errors import UsageError

    for option, value in given.items():
        if value:
            raise UsageError(f"{reason}; leave {option} out")


def _numbers(text: str | None) -> tuple[int, ...] | None:
    from edge_deploy_runner.errors import UsageError

    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdigit() and int(word) >= 1 for word in words):
        raise UsageError(f"--threads is {text!r}; use numbers from 1 up, as in 1,4")
    return tuple(int(word) for word in words)


def _dtypes(text: str) -> tuple[str, ...]:
    from edge_deploy_runner.errors import UsageError

    from edge_deploy.prediction.layers import DTYPES

    words = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in words:
        if word not in DTYPES:
            raise UsageError(f"--dtypes has {word!r}; valid: {', '.join(DTYPES)}")
    return words


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


def _show(
    device_id: str, path: Path, models: tuple[LatencyModel, ...], warnings: tuple[str, ...],
    calibration: Calibration | None, record: Path | None, as_json: bool,
) -> None:  # fmt: skip
    from edge_deploy.catalogue import user_folder

    from .rendering import emit_json, note, plain_table, table_console, warn

    for text in warnings:
        warn(text)
    if as_json:
        emit_json(
            {
                "id": device_id,
                "file": str(path),
                "record": str(record) if record else None,
                "seconds": round(calibration.seconds, 1) if calibration else None,
                "noise": calibration.noise if calibration else None,
                "warnings": list(warnings),
                "models": [_model_json(model) for model in models],
            }
        )
        return
    took = f" in {calibration.seconds:.0f} s" if calibration else ""
    table = plain_table(f"{device_id}: calibrated{took}, {models[0].standing}")
    for heading in ("dtype", "threads", "cores", "runtime", "points", "error", "worst", "covered"):
        table.add_column(heading, justify="left" if heading in ("dtype", "runtime") else "right")
    for model in models:
        error = model.error()
        table.add_row(
            model.dtype, str(model.threads), model.cluster, model.runtime, str(error.n),
            _share(error.mae_loo), _share(error.worst), _share(error.coverage80),
        )  # fmt: skip
    table_console().print(table)
    note("error: mean and worst on models left out, of their time; covered: how many of these the")
    note("80% interval holds")
    for model in models:
        if model.scale_note:
            note(f"{model.dtype}, threads {model.threads}, like {model.like}: {model.scale_note}")
    note(f"written to {path}")
    if path.parent.resolve() == user_folder().resolve():
        note(f"now: edge-deploy profile MODEL --device {device_id}")
    else:
        note(f"put it into {user_folder()}, then: edge-deploy profile MODEL --device {device_id}")


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
        "points": error.n,
        "mae_loo": error.mae_loo,
        "mae_lofo": error.mae_lofo,
        "worst": error.worst,
        "coverage80": error.coverage80,
    }


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"
