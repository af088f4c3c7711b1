"""`edge-deploy bundle`: one file that a device without network installs."""

from __future__ import annotations

import click

from .options import PATH, contract_options, json_option, read_contract_options


@click.command("bundle")
@click.argument("model", type=PATH, metavar="MODEL")
@click.option(
    "--target",
    metavar="rpi-bookworm|rpi-trixie|rpi-bookworm-armv7",
    help="The Raspberry Pi OS of the device; armv7 is its 32-bit edition. Required.",
)
@click.option(
    "-o",
    "--output",
    default=".",
    metavar="PATH",
    type=PATH,
    help="A folder, or the .tar.gz itself; by default NAME-TARGET.tar.gz in this folder.",
)
@click.option(
    "--name", metavar="NAME", help="What it is installed as; by default the model's name."
)
@click.option(
    "--verdict",
    metavar="FILE",
    type=PATH,
    help="What profile --budget -o or judge --json wrote; a verdict that did not pass builds no "
    "bundle (exit code 1).",
)
@click.option(
    "--budget", metavar="FILE", type=PATH, help="Its memory limit is kept by the service."
)
@click.option(
    "--service",
    metavar="FILE",
    type=PATH,
    help="A service.toml (camera, events, sinks); without one the service watches a folder for "
    "photos. It can be changed on the device later.",
)
@click.option(
    "--wheels",
    metavar="DIR",
    type=PATH,
    help="Take the packages for the device from here, not from the cache or the network.",
)
@contract_options
@click.option("--force", is_flag=True, help="Replace an existing bundle.")
@json_option
def command(
    *,
    model: str,
    target: str | None,
    output: str,
    name: str | None,
    verdict: str | None,
    budget: str | None,
    service: str | None,
    wheels: str | None,
    preprocess: str | None,
    labels_file: str | None,
    background_class: bool,
    override: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Pack MODEL with all that a Raspberry Pi needs to run it, offline.

    The bundle holds the model, the runner, the runtime's packages for that system, a self-test
    and an installer. Two builds of the same are the same, byte for byte.
    """  # fmt: skip
    from edge_deploy_runner.errors import UsageError

    from edge_deploy.bundles.bundling import bundle
    from edge_deploy.bundles.targets import target_names

    from .rendering import emit_json, human_size, note, progress_bar, warn

    if target is None:
        raise UsageError(f"--target is missing; use one of {', '.join(target_names())}")
    preprocessing, labels = read_contract_options(preprocess, labels_file, background_class)
    with progress_bar() as on_progress:
        made = bundle(
            model, target, output, name=name, verdict=verdict, budget=budget, service=service,
            preprocessing=preprocessing, labels=labels, override=override, wheels=wheels,
            force=force, on_progress=on_progress,
        )  # fmt: skip
    for text in made.warnings:
        warn(text)
    if as_json:
        emit_json(made.to_json())
        return 0
    packages = ", ".join(f"{key} {value}" for key, value in made.manifest["packages"].items())
    gate = "no verdict stands behind it (--verdict)"
    if made.gated:
        verdict_of = made.manifest["verdict"]
        where = [text for key in ("device", "architecture") if (text := verdict_of[key])]
        gate = f"its verdict passed, on {', '.join(where)}" if where else "its verdict passed"
    click.echo(f"{made.path}  {human_size(made.size_bytes)}")
    click.echo(f"  installed  {human_size(made.installed_bytes)}, as {made.name}")
    click.echo(f"  packages   {packages}")
    click.echo(f"  gate       {gate}")
    note(
        f"Next: edge-deploy install {made.path} --device ssh://USER@HOST; or copy it there, unpack "
        "it, and run sudo python3 install.py in its folder"
    )
    note(
        f"Later, on the device: edit /opt/edge-deploy/{made.name}/service.toml (a camera, say), "
        f"then sudo systemctl reload edge-deploy-{made.name}"
    )
    return 0
