"""`edge-deploy bundle`: what a device without network installs, or an app takes in."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from .options import PATH, contract_options, json_option, read_contract_options

if TYPE_CHECKING:
    from edge_deploy.bundles.bundle_record import Bundle


def _targets_beginning_with(_: click.Context, __: click.Parameter, text: str) -> list[str]:
    from edge_deploy.bundles.targets import target_names

    return [name for name in target_names() if name.startswith(text)]


@click.command("bundle")
@click.argument("model", type=PATH, metavar="MODEL")
@click.option(
    "--target",
    shell_complete=_targets_beginning_with,
    metavar="android-aar|android-module|rpi-bookworm|rpi-trixie|rpi-bookworm-armv7",
    help="A library for an Android app, as an AAR or as a Gradle module's source; or the "
    "Raspberry Pi OS of a device, of which armv7 is the 32-bit edition. Required.",
)
@click.option(
    "-o",
    "--output",
    default=".",
    metavar="PATH",
    type=PATH,
    help="A folder, or the file itself; by default NAME-TARGET.tar.gz, NAME.aar, or the folder "
    "NAME-android-module (a .zip if PATH ends so) in this folder.",
)
@click.option(
    "--name",
    metavar="NAME",
    help="What it is installed as, or its folder among an app's assets; by default the model's "
    "name.",
)
@click.option(
    "--package",
    metavar="NAME",
    help="Android: the Java package of its classes, such as com.example.flowers; by default "
    "dev.edgedeploy.NAME. A package of its own: not the app's namespace, and another for each "
    "model.",
)
@click.option(
    "--verdict",
    metavar="FILE",
    type=PATH,
    help="What profile --budget -o or judge --json wrote; a verdict that did not pass builds no "
    "bundle (exit code 1).",
)
@click.option(
    "--budget",
    metavar="FILE",
    type=PATH,
    help="Raspberry Pi: its memory limit is kept by the service. Android: its size limit is held "
    "against the model.",
)
@click.option(
    "--service",
    metavar="FILE",
    type=PATH,
    help="Raspberry Pi: a service.toml (camera, events, sinks); without one the service watches a "
    "folder for photos. It can be changed on the device later.",
)
@click.option(
    "--wheels",
    metavar="DIR",
    type=PATH,
    help="Raspberry Pi: take the device's packages from here, not from the cache or the network.",
)
@contract_options
@click.option(
    "--force", is_flag=True, help="Replace an existing bundle; a module that you changed stays."
)
@json_option
def command(
    *,
    model: str,
    target: str | None,
    output: str,
    name: str | None,
    package: str | None,
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
    """Pack MODEL with all that a Raspberry Pi or an Android app needs to run it, offline.

    For a Pi the bundle holds the model, the runner, the runtime's packages for that system, a
    self-test and an installer. For an app it holds the model, a classifier in Java, and golden
    answers to test it with. Two builds of the same are the same, byte for byte.
    """  # fmt: skip
    from edge_deploy_runner.errors import UsageError

    from edge_deploy.bundles.bundling import bundle
    from edge_deploy.bundles.targets import target_names

    from .rendering import emit_json, progress_bar, warn

    if target is None:
        raise UsageError(f"--target is missing; use one of {', '.join(target_names())}")
    preprocessing, labels = read_contract_options(preprocess, labels_file, background_class)
    with progress_bar() as on_progress:
        made = bundle(
            model, target, output, name=name, package=package, verdict=verdict, budget=budget,
            service=service, preprocessing=preprocessing, labels=labels, override=override,
            wheels=wheels, force=force, on_progress=on_progress,
        )  # fmt: skip
    for text in made.warnings:
        warn(text)
    if as_json:
        emit_json(made.to_json())
    else:
        _show(made)
    return 0


def _show(made: Bundle) -> None:
    from .rendering import human_size, note

    gate = "no verdict stands behind it (--verdict)"
    if made.gated:
        verdict_of = made.manifest["verdict"]
        where = [text for key in ("device", "architecture") if (text := verdict_of[key])]
        how = "predicted for" if "predicted" in verdict_of["evidence"] else "on"
        gate = f"its verdict passed, {how} {', '.join(where)}" if where else "its verdict passed"
    click.echo(f"{made.path}  {human_size(made.size_bytes)}")
    if made.target.startswith("android-"):
        dependencies = ", ".join(made.manifest["wrapper"]["dependencies"])
        click.echo(f"  package    {made.manifest['target']['package']}")
        click.echo(f"  assets     edge-deploy/{made.name}/")
        click.echo(f"  needs      {dependencies}")
        click.echo(f"  gate       {gate}")
        note(_next_for_android(made))
        return
    packages = ", ".join(f"{key} {value}" for key, value in made.manifest["packages"].items())
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


def _next_for_android(made: Bundle) -> str:
    from edge_deploy_android.library.content import kotlin_text

    needs = made.manifest["wrapper"]["dependencies"][0]
    package = made.manifest["target"]["package"]
    apart = f"{package} must not be the app's own namespace, nor another model's package"
    if made.target == "android-aar":
        return (
            f"Next: copy it to app/libs/, and add to the app's dependencies "
            f'implementation(files("libs/{kotlin_text(made.path.name)}")) and '
            f'implementation("{needs}"); {apart}; '
            f"more in its README.md (unzip -p {shlex.quote(str(made.path))} README.md)"
        )
    is_zip = made.path.suffix == ".zip"
    folder = made.path.stem if is_zip else made.path.name
    unpack = "unpack it" if is_zip else "move it"
    return (
        f'Next: {unpack} into the project, add include(":{folder}") to settings.gradle.kts and '
        f'implementation(project(":{folder}")) to the app\'s dependencies; {apart}; more in its '
        "README.md"
    )
