"""What a shell offers behind the options of `profile`, `doctor` and `devices`."""

from __future__ import annotations

import pytest
from click.shell_completion import ShellComplete
from edge_deploy_android.measuring import MODES
from edge_deploy_converters.recipes import RECIPES
from edge_deploy_runner.bench.run_spec import DELEGATES
from edge_deploy_runner.contract import PRESETS
from edge_deploy_runner.machine.power_meters import METERS

from edge_deploy.catalogue import all_profiles
from edge_deploy.cli import cli
from edge_deploy.prediction.synthetic.layers import DTYPES


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
        ("devices calibrate", "--dtypes", set(DTYPES)),
        ("devices show", "", set(all_profiles())),
        ("convert", "-r", {*RECIPES, "all"}),
        ("convert", "--recipe", {*RECIPES, "all"}),
        ("convert", "--preprocess", set(PRESETS)),
        ("run", "--preprocess", set(PRESETS)),
    ],
)
def test_every_command_offers_what_it_takes(command: str, option: str, values: set[str]) -> None:
    assert offered(command, option) == values


def test_one_letter_is_enough_for_what_has_no_other() -> None:
    assert offered("devices calibrate", "--device", "l") == {"local"}
    assert offered("profile", "--device", "l") == {"local"}
    assert offered("profile", "--device", "pixel-4") == {"pixel-4"}


def test_what_does_not_begin_as_typed_is_not_offered() -> None:
    assert offered("profile", "--delegate", "x") == {"xnnpack"}
    assert offered("doctor", "--device", "a") == {"android", "android:"}


def test_dtypes_are_offered_behind_the_last_comma_and_once() -> None:
    assert offered("devices calibrate", "--dtypes", "int8,f") == {"int8,float32"}
    assert offered("devices calibrate", "--dtypes", "int8,") == {
        f"int8,{name}" for name in DTYPES if name != "int8"
    }


def test_runtimes_are_those_of_the_named_device() -> None:
    known = {entry.runtime for entry in all_profiles()["raspberry-pi-4b"].latency}
    assert len(known) > 2
    assert offered("profile --device raspberry-pi-4b", "--runtime-version") == known
    assert offered("profile --device raspberry-pi-4b", "--runtime-version", "TFLite 2.1") == {
        "TFLite 2.18"
    }
    assert offered("profile", "--runtime-version") == set()
    assert offered("profile --device local", "--runtime-version") == set()


def test_spaces_are_escaped_for_bash_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_EDGE_DEPLOY_COMPLETE", "bash_complete")
    assert offered("profile --device raspberry-pi-5", "--runtime-version") == {r"TFLite\ 2.18"}
    monkeypatch.setenv("_EDGE_DEPLOY_COMPLETE", "zsh_complete")
    assert offered("profile --device raspberry-pi-5", "--runtime-version") == {"TFLite 2.18"}


def test_a_file_stands_where_a_name_may() -> None:
    shell = ShellComplete(cli, {}, "edge-deploy", "_EDGE_DEPLOY_COMPLETE")
    for words in (["convert", "-r"], ["run", "--preprocess"]):
        assert [item.type for item in shell.get_completions(words, "./mine")] == ["file"]
