"""`edge-deploy devices`: what is known of devices, and how well they are predicted."""

from __future__ import annotations

from importlib import import_module

import click

from . import unknown_command
from .completing import known_devices
from .options import json_option

# name: (module in this package, or "" for this one; one line for the list of commands)
COMMANDS = {
    "list": ("", "List the known devices"),
    "show": ("", "Show one device: every value with its source, and how good its prediction is"),
    "accuracy": ("devices_accuracy", "Say how good the predictions are on models left out"),
    "calibrate": ("devices_calibrate", "Measure a device of your own, and write its file"),
}


class DevicesGroup(click.Group):
    """Lists its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table above."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one command that was asked for."""
        module, _ = COMMANDS.get(cmd_name, ("", ""))
        if not module:
            return super().get_command(ctx, cmd_name)
        found: click.Command = import_module(f"edge_deploy.cli.{module}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown name lists the valid ones."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(
                f"{unknown_command(args[0], COMMANDS)} (one device: edge-deploy devices show ID)"
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group("devices", cls=DevicesGroup, invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the known devices, show one, or measure your own.

    A device is a TOML file. Yours lie in $EDGE_DEPLOY_DEVICES, or where `devices list` says; one
    with the id of a known device adds to it.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_devices, as_json=as_json)
    elif as_json:
        ctx.fail(f"--json belongs behind {ctx.invoked_subcommand}")


@command.command("list")
@json_option
def list_devices(as_json: bool) -> None:
    """List the known devices: cores, memory, what is predicted of them, and power.

    A damaged file of yours is named on stderr, and the others are listed.
    """
    from edge_deploy.catalogue import all_profiles, damaged_files

    from . import devices_json, devices_list_view
    from .rendering import emit_json, warn

    profiles, damaged = list(all_profiles().values()), damaged_files()
    for error in damaged.values():
        warn(str(error))
    if as_json:
        emit_json(devices_json.list_json(profiles, damaged))
    else:
        devices_list_view.show_devices(profiles)


@command.command("show")
@click.argument("device_id", metavar="ID", shell_complete=known_devices)
@click.option("--points", is_flag=True, help="Print every model that the prediction rests on.")
@json_option
def show_device(device_id: str, points: bool, as_json: bool) -> None:
    """Show one device: the source of every value, and how good its prediction is.

    The error of a prediction is that on models which its fit did not see: each left out alone,
    and with all others of its family.
    """
    from edge_deploy.catalogue import device_profile

    from . import devices_json, devices_view
    from .rendering import emit_json

    profile = device_profile(device_id)
    if as_json:
        emit_json(devices_json.device_json(profile))
    else:
        devices_view.show_device(profile, points)
