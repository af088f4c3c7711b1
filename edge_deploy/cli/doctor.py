"""`edge-deploy doctor`: what this computer and a device have and lack."""

from __future__ import annotations

from pathlib import Path

import click

from . import completing
from .options import PATH, json_option


@click.command("doctor")
@click.option(
    "--device", metavar="ssh://USER@HOST[:PORT]|android[:SERIAL]",
    help="Examine this device as well.", shell_complete=completing.reachable_devices,
)  # fmt: skip
@click.option(
    "--target", metavar="TARGET",
    help="What a bundle is to be built for: rpi-bookworm, rpi-trixie or rpi-bookworm-armv7.",
)  # fmt: skip
@click.option(
    "--wheels", metavar="DIR", type=PATH,
    help="Take the runtime for the device from wheels in this folder, not from the network.",
)  # fmt: skip
@json_option
@click.pass_context
def command(
    ctx: click.Context, device: str | None, target: str | None, wheels: str | None, as_json: bool
) -> None:
    """Say what this computer, and a device, have and lack for running models.

    Each finding that is not ok carries the one line that mends it. The exit code is 0 where there
    is no problem, else 1; warnings pass. A device over ssh is given what `profile` would give it:
    the runner, and the runtime where it has none; on a phone nothing is put.
    """
    from edge_deploy_runner.doctor.examining import render, summary

    from edge_deploy.diagnosis import diagnose

    from .rendering import emit_json, progress_bar

    with progress_bar() as report:
        found = diagnose(
            device, target, wheels=Path(wheels) if wheels else None, on_progress=report
        )
    if as_json:
        emit_json(found.to_json())
    else:
        click.echo(f"This computer\n{render(found.findings)}")
        if found.device is not None:
            click.echo(f"\n{found.device.url}\n{render(found.device.findings)}")
        click.echo(f"\n{summary(found.all_findings)}")
    if not found.passed:
        ctx.exit(1)
