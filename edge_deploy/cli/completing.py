"""What a shell offers behind an option: the values that a command takes there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def one_of(*values: str) -> Complete:
    """Completion with these values."""
    return _offering(lambda: values)


def _offering(values: Callable[[], Iterable[str]]) -> Complete:
    def complete(_: click.Context, __: click.Parameter, start: str) -> list[CompletionItem]:
        return [CompletionItem(value) for value in values() if value.startswith(start)]

    return complete


def _known_devices() -> Iterable[str]:
    from edge_deploy.catalogue import all_profiles

    return all_profiles()


known_devices = _offering(_known_devices)
devices = _offering(lambda: ("local", "android", "android:", "ssh://", *_known_devices()))
reachable_devices = one_of("android", "android:", "ssh://")
measured_devices = one_of("local", "android", "android:", "ssh://")
delegates = one_of("auto", "xnnpack", "none", "gpu", "nnapi")
modes = one_of("shell", "app")
cores = one_of("big", "little", "all")
meters = one_of("phone", "pmic", "ina219", "ina226", "pisugar")


def _recipes() -> Iterable[str]:
    from edge_deploy_converters.recipes import RECIPES

    return (*RECIPES, "all")


def _presets() -> Iterable[str]:
    from edge_deploy_runner.contract import PRESETS

    return PRESETS


def _or_file(values: Callable[[], Iterable[str]]) -> Complete:
    """The values that begin as typed, or where none does, the shell's own completion of files."""

    def complete(
        context: click.Context, option: click.Parameter, start: str
    ) -> list[CompletionItem]:
        found = _offering(values)(context, option, start)
        return found or [CompletionItem(start, type="file")]

    return complete


def dtypes(_: click.Context, __: click.Parameter, start: str) -> list[CompletionItem]:
    """The dtypes of generated models behind the last comma, each of them once."""
    from edge_deploy.prediction.synthetic.graph_assembly import DTYPES

    before, comma, last = start.rpartition(",")
    left = [name for name in DTYPES if name not in before.split(",")]
    return [CompletionItem(before + comma + name) for name in left if name.startswith(last)]


def runtimes(context: click.Context, _: click.Parameter, start: str) -> list[CompletionItem]:
    """The runtimes whose times are known of the device that --device names before it."""
    from edge_deploy_runner.errors import EdgeDeployError

    from edge_deploy.catalogue import device_profile

    try:
        entries = device_profile(str(context.params.get("device"))).latency
        names = dict.fromkeys(entry.runtime for entry in entries)
    except EdgeDeployError:
        return []
    found = [name for name in names if name.startswith(start)]
    if os.environ.get("_EDGE_DEPLOY_COMPLETE", "").startswith("bash"):  # others quote by themselves
        found = [name.replace(" ", "\\ ") for name in found]
    return [CompletionItem(name) for name in found]


recipes = _or_file(_recipes)
presets = _or_file(_presets)
