"""`edge-deploy devices`: the known devices and what is known of them."""

from __future__ import annotations

import click

from .options import json_option


@click.group("devices", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List the known devices, or show one: its cores, memory and power, each with its source."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_devices, as_json=False)


@command.command("list")
@json_option
def list_devices(as_json: bool) -> None:
    """List the known devices."""
    from edge_deploy.catalogue import all_profiles

    from . import measurement_view
    from .rendering import emit_json

    profiles = list(all_profiles().values())
    if as_json:
        emit_json({"devices": [profile.to_json() for profile in profiles]})
    else:
        measurement_view.show_devices(profiles)


@command.command("show")
@click.argument("device_id", metavar="ID")
@json_option
def show_device(device_id: str, as_json: bool) -> None:
    """Show one device with the source of every value."""
    from edge_deploy.catalogue import device_profile

    from . import measurement_view
    from .rendering import emit_json

    profile = device_profile(device_id)
    if as_json:
        emit_json(profile.to_json())
    else:
        measurement_view.show_device(profile)
