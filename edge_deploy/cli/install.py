"""`edge-deploy install`: put a bundle on a device, test it there and switch to it."""

from __future__ import annotations

import click

from .options import PATH, json_option


@click.command("install")
@click.argument("bundle", type=PATH, metavar="BUNDLE")
@click.option(
    "--device",
    required=True,
    metavar="ssh://USER@HOST[:PORT]|local",
    help="Where it goes; local is this very machine.",
)
@click.option("--prefix", metavar="DIR", help="Install below this folder of the device.")
@click.option("--rollback", is_flag=True, help="Go back to the version before.")
@click.option("--no-service", is_flag=True, help="Leave systemd alone.")
@json_option
def command(
    *, bundle: str, device: str, prefix: str | None, rollback: bool, no_service: bool,
    as_json: bool,
) -> int:  # fmt: skip
    """Put BUNDLE on a device, test it there, and switch to it in one step.

    What ran before runs on until the self-test has passed. A broken connection is taken up again
    by the same command. As root (or through sudo, if that asks for no password) it becomes a
    service; else it is installed for the user.
    """
    from edge_deploy.bundle_files.installer.command import words
    from edge_deploy.bundle_files.installer.service_unit import service_problem
    from edge_deploy.bundles.installing import install

    from .rendering import emit_json, progress_bar

    with progress_bar() as on_progress:
        done = install(
            bundle, device, prefix=prefix, rollback=rollback, with_service=not no_service,
            on_progress=on_progress,
        )  # fmt: skip
    if as_json:
        emit_json(done.to_json())
    else:
        click.echo(words(done.record))
        if done.record.get("selftest"):
            click.echo(f"  self-test {len(done.record['selftest']['checks'])} answers agree")
    problem = service_problem(done.record)
    if problem is not None:
        click.echo(f"Error: {problem}", err=True)
        return 5
    return 0
