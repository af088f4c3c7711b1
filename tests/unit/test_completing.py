"""What a shell offers behind the options of `profile`, `doctor` and `devices`."""

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
    words = [*command.split(), *option.split()]
    return {item.value for item in shell.get_completions(words, start)}


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


@pytest.mark.parametrize(
    ("command", "option", "values"),
    [
        ("devices calibrate", "--device", {"local", "android", "android:", "ssh://"}),
        ("devices calibrate", "--like", set(all_profiles())),
        ("devices calibrate", "--id", set(all_profiles())),
        ("devices calibrate", "--cpus", {"big", "little", "all"}),
        ("devices accuracy", "--device", set(all_profiles())),
        ("devices show", "", set(all_profiles())),
    ],
)
def test_devices_are_offered_to_the_commands_about_them(
    command: str, option: str, values: set[str]
) -> None:
    assert offered(command, option) == values


def test_one_letter_is_enough_for_what_has_no_other() -> None:
    assert offered("devices calibrate", "--device", "l") == {"local"}
    assert offered("profile", "--device", "l") == {"local"}
    assert offered("profile", "--device", "pixel-4") == {"pixel-4"}


def test_what_does_not_begin_as_typed_is_not_offered() -> None:
    assert offered("profile", "--delegate", "x") == {"xnnpack"}
    assert offered("doctor", "--device", "a") == {"android", "android:"}
