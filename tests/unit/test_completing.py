"""What a shell offers behind the options of `profile` and `doctor`."""

from __future__ import annotations

import pytest
from click.shell_completion import ShellComplete
from edge_deploy_android.measuring import MODES
from edge_deploy_runner.bench.run_spec import DELEGATES
from edge_deploy_runner.machine.power_meters import METERS

from edge_deploy.catalogue import all_profiles
from edge_deploy.cli import cli


def offered(command: str, option: str, start: str = "") -> set[str]:
    shell = ShellComplete(cli, {}, "edge-deploy", "_EDGE_DEPLOY_COMPLETE")
    return {item.value for item in shell.get_completions([command, option], start)}


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("--device", {"local", "android", "android:", "ssh://", *all_profiles()}),
        ("--power-profile", set(all_profiles())),
        ("--delegate", set(DELEGATES)),
        ("--mode", set(MODES)),
        ("--cpus", {"big", "little", "all"}),
        ("--meter", {"phone", *METERS}),
    ],
)
def test_every_value_is_offered(option: str, values: set[str]) -> None:
    assert offered("profile", option) == values


def test_what_does_not_begin_as_typed_is_not_offered() -> None:
    assert offered("profile", "--delegate", "x") == {"xnnpack"}
    assert offered("doctor", "--device", "a") == {"android", "android:"}
