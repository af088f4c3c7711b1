"""What a prediction looks like in a terminal: its own by default, the rest with --why."""

from __future__ import annotations

from typing import Any

import pytest
from edge_deploy_runner.bench.percentiles import Estimate
from measurements import basis, predicted

from edge_deploy.cli.measurement_view import show_measurement
from edge_deploy.energy import Battery, PowerDraw, battery_use, predicted_energy

LATENCY = Estimate(10.0, 8.0, 12.0)
OTHER = PowerDraw((6.0, 6.0), (2.0, 2.0), "predicted", "power model of x (a long story)", "guess")
DRAW = PowerDraw((3.0, 3.0), (2.0, 2.0), "predicted", "power model of x (a page)", "read", (OTHER,))


def shown(capsys: pytest.CaptureFixture[str], why: bool = False, **changes: Any) -> str:
    energy = predicted_energy(DRAW, LATENCY)
    use = battery_use(Battery(5000, 3.85), energy, LATENCY, 1.0)
    found = predicted(**{"energy": energy, "battery": use, **changes})
    show_measurement(found, why)
    return capsys.readouterr().out


def rows(text: str) -> dict[str, str]:
    """Each row by its name; lines that go on are of the row above."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        column = line[:18]
        if line.startswith("To measure"):
            break
        name = column.strip() or name
        found[name] = f"{found.get(name, '')} {line[18:].strip()}".strip()
    return found


def test_what_a_prediction_must_name(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(shown(capsys))
    assert found["p50"].split("  ")[:2] == ["10.00 ms", "[8.00 to 12.00 ms]"]
    assert found["coefficients"] == "of LiteRT 2.1, fitted 2026-01-31"
    assert found["nearest models"] == "net-1 9.00 ms, net-2 14.00 ms"
    assert found["rests on"] == "times of 12 models on this device; off by 5.0% on one left out"
    assert found["wider because"] == "its mix of work is like none of them"
    assert found["disagrees"] == "30.00 ms  [25.00 to 35.00 ms] with TFLite 2.5: another table"
    last = shown(capsys).splitlines()[-2:]
    assert last[0] == (
        "To measure instead: edge-deploy profile model.tflite --device android --threads 4"
    )
    assert "80% of models" in last[1]
    assert "--why" in last[1]


def test_both_figures_of_two_sources_are_there_in_short(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(shown(capsys))
    assert found["source 1 of 2"].startswith("30 mJ  [24 to 36 mJ], idle 2, load 5 W")
    assert found["source 2 of 2"].startswith("60 mJ  [48 to 72 mJ], idle 2, load 8 W")
    assert found["energy"].startswith("30 mJ an inference above idle  [24 to 72 mJ]")


def test_what_is_the_same_each_time_waits_for_why(capsys: pytest.CaptureFixture[str]) -> None:
    constant = (
        "p90 is a guess", "memory is a sum", "a long story", "a page", "no prediction knows them",
        "--runtime-version", "each then moved",
    )  # fmt: skip
    started = basis(like="pixel-3", scale_note="started from pixel-3; each then moved")
    short = " ".join(shown(capsys, rests_on=started).split())
    long = " ".join(shown(capsys, why=True, rests_on=started).split())
    assert not any(words in short for words in constant)
    assert all(words in long for words in constant)
    assert "starting from those of pixel-3" in short
    assert "80% of models" in long
    assert "--why" not in long


def test_reasons_are_told_apart_where_there_are_several(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, rests_on=basis(widened=("one reason", "another reason")))
    assert "wider because    - one reason\n" in text
    assert "\n                   - another reason\n" in text


def test_a_name_that_is_the_id_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(shown(capsys, device={"id": "pixel-4", "target": None, "name": "pixel-4"}))
    assert found["device"] == "pixel-4; nothing was run"
    assert rows(shown(capsys))["device"] == "pixel-4  Google Pixel 4; nothing was run"


@pytest.mark.parametrize("width", [40, 80, 100, 140])
def test_a_source_is_never_cut(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    path = "somebody/benchmarks/tensorflow/lite/efficientdet.md@422e0a0"
    text = shown(capsys, why=True, rests_on=basis(source=f"{path} there", memory=f"see {path}"))
    assert text.split().count(path) == 2
    if width >= 80:
        lines = text.split("To measure")[0].splitlines()
        assert max(map(len, lines)) <= width
