"""The budget file and everything that can be wrong in one."""

from __future__ import annotations

from pathlib import Path

import pytest
from edge_deploy_runner.errors import BadInputError

from edge_deploy.budget import METRICS, parse_budget, read_budget

DESIGN = """
device = "pixel-4"           # what the measurement must come from
allow = []                   # or ["predicted", "simulated"]
[battery]
capacity = "2800 mAh"
voltage = "3.85 V"
[limits]                     # satisficing: every one must hold
size = "5 MB"
latency_p90 = "60 ms"
first_inference = "1 s"
peak_memory = "120 MB"
energy_per_inference = "300 mJ"
battery_per_1000 = "1 %"
accuracy_drop = "1 pt"
[optimize]                   # exactly one
metric = "accuracy"
"""


def test_the_design_documents_example() -> None:
    budget = parse_budget(DESIGN)
    assert budget.device == "pixel-4"
    assert budget.optimize == "accuracy"
    assert budget.battery is not None
    assert budget.battery.capacity_mah == 2800
    assert {limit.metric: limit.bound for limit in budget.limits} == {
        "size": 5e6, "latency_p90": 60, "first_inference": 1000, "peak_memory": 120e6,
        "energy_per_inference": 300, "battery_per_1000": 1, "accuracy_drop": 1,
    }  # fmt: skip


def test_a_limit_can_be_a_table() -> None:
    budget = parse_budget('[limits]\nlatency_p90 = {max = "60 ms", allow = ["predicted"]}')
    assert budget.limits[0].allow == ("predicted",)
    assert budget.limits[0].bound == 60


def test_minima_are_minima() -> None:
    budget = parse_budget('[limits]\nhours_continuous = "8 h"\naccuracy_top1 = {min = "70 %"}')
    assert [limit.is_minimum for limit in budget.limits] == [True, True]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "no limits"),
        ("[limits]", "no limits"),
        ("devise = 'x'\n[limits]\nsize='1 MB'", "did you mean device"),
        ("[limits]\nlatency_p95 = '1 ms'", "did you mean latency_p9"),
        ("[limits]\nzzz = '1 ms'", "accuracy_top1"),
        ("[limits]\nsize = '-5 MB'", "negative"),
        ("[limits]\nlatency_p90 = '5 parsecs'", "valid units"),
        ("[limits]\nsize = 5", "unit"),
        ("[limits]\nsize = '5 ms'", "valid units: B"),
        ("[limits]\nsize = {min = '5 MB'}", "write max"),
        ("[limits]\naccuracy_top1 = {max = '5 %'}", "write min"),
        ("[limits]\naccuracy_top1 = '170 %'", "at most 100"),
        ("[limits]\nsize = {max = '5 MB', alow = []}", "did you mean allow"),
        ("[limits]\nsize = {allow = []}", "no max"),
        ("[limits]\nslowdown = 0.9", "1.2x"),
        ("[limits]\nslowdown = '20 %'", "1.2x"),
        ("[limits]\nslowdown = true", "1.2x"),
        ("[limits]\nslowdown = 'nan'", "1.2x"),
        ("[limits]\nsustained_p90 = '1 parsec'", "valid units"),
        ("allow = 'predicted'\n[limits]\nsize='1 MB'", "list"),
        ("allow = ['guessed']\n[limits]\nsize='1 MB'", "guessed"),
        ("device = 5\n[limits]\nsize='1 MB'", "device"),
        ("gross = 'yes'\n[limits]\nsize='1 MB'", "true or false"),
        ("limits = 5", "table"),
        ("[limits]\nsize='1 MB'\n[battery]\ncapacity='1 mAh'", "voltage"),
        ("[limits]\nsize='1 MB'\n[battery]\ncapacity='0 mAh'\nvoltage='1 V'", "greater than 0"),
        ("[limits]\nsize='1 MB'\n[battery]\ncapacity='-2 mAh'\nvoltage='1 V'", "negative"),
        (
            "[limits]\nsize='1 MB'\n[battery]\ncapacity='2 mAh'\nvoltage='1 V'\nefficiency='0 %'",
            "b.toml: a battery's efficiency is 0.0",
        ),
        ("[limits]\nsize='1 MB'\n[optimize]\nmetric='speed'", "exactly one of"),
        ("[limits]\nsize='1 MB'\n[optimize]\nmetric=['size', 'accuracy']", "exactly one of"),
        ("[limits]\nsize='1 MB'\n[optimize]\n", "exactly one of"),
        ("not toml at all", "not TOML"),
        ("[limits]\nsize='1 MB'\nsize='2 MB'", "not TOML"),
    ],
)
def test_what_is_wrong_is_named(text: str, named: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_budget(text, "b.toml")
    assert named in str(caught.value)
    assert "b.toml" in str(caught.value) or "battery" in str(caught.value)


def test_an_unknown_limit_lists_every_valid_one() -> None:
    with pytest.raises(BadInputError) as caught:
        parse_budget("[limits]\nlatency = '1 ms'")
    assert all(name in str(caught.value) for name in METRICS)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\xff\xfe", b"\x00\x01\x02"])
def test_files_that_are_no_text(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "b.toml"
    path.write_bytes(content)
    with pytest.raises(BadInputError):
        read_budget(path)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no budget"):
        read_budget(tmp_path / "none.toml")
    with pytest.raises(BadInputError, match="folder"):
        read_budget(tmp_path)
