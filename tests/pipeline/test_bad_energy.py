"""Batteries, rates and watts that cannot be, on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_deploy.cli import run


@pytest.mark.parametrize("device", ["local", "raspberry-pi-3b-plus"])
@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--battery", "0mAh@3.85V"], 3, "must be greater than 0"),
        (["--battery", "5000mAh@0V"], 3, "must be greater than 0"),
        (["--battery", "-5000mAh@3.85V"], 3, "cannot be negative"),
        (["--battery", "nanmAh@3.85V"], 3, "finite number"),
        (["--battery", "5000mAh"], 3, "5000mAh@3.85V"),
        (["--battery", "1e300Ah@1e300V"], 3, "cannot be; state what is printed on it"),
        (["--battery", "5000mAh@3.85V", "--rate", "-1/s"], 3, "cannot be negative"),
        (["--battery", "5000mAh@3.85V", "--rate", "0/s"], 3, "must be greater than 0"),
        (["--battery", "5000mAh@3.85V", "--rate", "nan/s"], 3, "finite number"),
        (["--watts", "5:2"], 3, "must be above the idle power"),
        (["--watts", "2:2"], 3, "must be above the idle power"),
        (["--watts", "nan:2"], 3, "finite number"),
        (["--watts", "-1:2"], 3, "cannot be negative"),
        (["--watts", "2"], 3, "IDLE:LOAD"),
    ],
)
def test_what_power_cannot_be(
    house: Path, say: Callable[..., str], device: str, options: list[str], code: int, words: str
) -> None:
    assert words in say(code, "profile", house / "m.tflite", "--device", device, *options)


def _predicted(
    house: Path, capsys: pytest.CaptureFixture[str], device: str, *options: str
) -> dict[str, Any]:
    line = ["profile", str(house / "m.tflite"), "--device", device, "--json"]
    capsys.readouterr()
    assert run([*line, "--battery", "5000mAh@3.85V", *options]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_rate_is_held_against_the_ends_of_a_predicted_latency(
    house: Path, say: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    device = "raspberry-pi-4b"
    low, high = _predicted(house, capsys, device)["latency_ms"]["interval80"]["p50"]
    assert low < high
    line = ["profile", house / "m.tflite", "--device", device, "--battery", "5000mAh@3.85V"]
    assert "takes at the least" in say(3, *line, "--rate", f"{1001 / low:.6f}/s")
    found = _predicted(house, capsys, device, "--rate", f"{1001 / high:.6f}/s")
    assert any("a second fit at its high end" in text for text in found["warnings"])
    use = found["battery"]
    assert use["hours_at_rate_low"] == pytest.approx(use["hours_continuous_low"])
    found = _predicted(house, capsys, device, "--rate", f"{999 / high:.6f}/s")
    assert not any("fit at its high end" in text for text in found["warnings"])


def test_the_users_watts_over_a_predicted_latency_stay_predicted(
    house: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    energy = _predicted(house, capsys, "raspberry-pi-3b-plus", "--watts", "2.5:9")["energy"]
    assert (energy["evidence"], energy["source"]) == ("predicted", "--watts")
    assert (energy["idle_w"], energy["load_w"]) == (2.5, 9.0)
    # 6.5 W above idle against the catalogue's 3.2 W: both are shown.
    assert [entry["standing"] for entry in energy["alternatives"]] == ["user", "read"]
    energy = _predicted(house, capsys, "raspberry-pi-3b-plus", "--watts", "2:5.3")["energy"]
    assert energy["alternatives"] == []
