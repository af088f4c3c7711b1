"""What is said of a command that is none."""

from __future__ import annotations

import pytest

from edge_deploy.cli import run


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("devcies", "no command 'devcies'; did you mean devices? Commands: convert, inspect,"),
        ("device list", "no command 'device'; did you mean devices? Commands: convert"),
        ("Profil", "no command 'Profil'; did you mean profile? Commands: convert"),
        ("qqq", "no command 'qqq'; commands: convert, inspect,"),
        ("devices shwo", "no command 'shwo'; did you mean show? Commands: list, show,"),
        (
            "devices qqq",
            "no command 'qqq'; commands: list, show, accuracy, calibrate (one device: edge-deploy "
            "devices show ID)",
        ),
    ],
)
def test_the_nearest_command_is_named(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line.split()) == 2
    assert said in capsys.readouterr().err
