"""What a shell offers behind an option: the values that a command takes there."""

from __future__ import annotations

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
