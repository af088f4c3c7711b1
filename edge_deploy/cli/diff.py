"""`edge-deploy diff`: has it got worse?"""

from __future__ import annotations

import click

from .options import PATH, json_option


@click.command("diff")
@click.argument("old", type=PATH, metavar="OLD")
@click.argument("new", type=PATH, metavar="NEW")
@click.option(
    "--noise",
    type=float,
    default=0.03,
    show_default=True,
    metavar="SHARE",
    help="Change of latency that counts as none.",
)
@click.option("--threads", type=int, metavar="N", help="Threads, where models are run.")
@click.option(
    "--delegate",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="auto, xnnpack or none, where models are run.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context, *, old: str, new: str, noise: float, threads: int | None, delegate: str,
    as_json: bool,
) -> None:  # fmt: skip
    """Compare two models, two measurements or two accuracies: better, same or worse.

    Models are run here, in turn. A measurement may be a prediction (`profile --device ID -o FILE`),
    compared with another one or with a measurement of that device. The exit code is 1 where
    anything is worse beyond the noise.
    """
    from edge_deploy_runner.errors import UsageError

    from edge_deploy.comparing import diff

    from . import measurement_view
    from .rendering import emit_json, progress_bar

    if threads is not None and threads < 1:
        raise UsageError(f"--threads is {threads}; write a number from 1 up")
    with progress_bar() as report:
        comparison = diff(
            old, new, noise=noise, threads=threads, delegate=delegate, on_progress=report
        )
    if as_json:
        emit_json(comparison.to_json())
    else:
        measurement_view.show_comparison(comparison)
    if comparison.status == "worse":
        ctx.exit(1)
