"""`devices list` and `devices show`, in words and in JSON, with files of the user's own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import edge_deploy
from golden_keys import check_golden
from rich.console import Console

from edge_deploy.catalogue import all_profiles, device_profile, with_latency
from edge_deploy.catalogue.own_files import split_at_marker
from edge_deploy.cli import devices_list_view, devices_view, run
from edge_deploy.prediction.latency.model import LatencyModel, Point

BOARD = """\
id = "my-board"
name = "My Board"
kind = "board"
soc = "X1"
like = "raspberry-pi-4b"
currents_source = { source = "a profile", standing = "read" }

[[clusters]]
cores = 2
core = "Cortex-A76"
max_mhz = 2000
active_ma_per_core = [50, 150]
alternatives = [{ value = [60, 200], source = "another profile", standing = "guess" }]

[clusters_source]
source = "a [page]"
standing = "read"

[facts]
isa = { value = "NEON", source = "a page", standing = "read" }
ram = { value = ["1 GB", "2 GB"], source = "a page", standing = "guess" }
ram_kind = { value = "DDR3", source = "a page", standing = "read" }
storage_budget = { value = "50 MB", source = "a page", standing = "guess" }
delegates = { value = ["XNNPACK", "NPU"], source = "a page", standing = "read" }
accelerator = { value = "an NPU", source = "a page", standing = "read" }
battery_mah = { value = 1000, source = "a page", standing = "read" }
battery_v = { value = 3.7, source = "a page", standing = "read" }
idle_w = { value = [0.1, 0.2], source = "a page", standing = "read", alternatives = [{ value = [0.3, 0.3], source = "a meter", standing = "read" }] }
load_w = { value = [2.5, 2.5], source = "a page", standing = "read" }
"""  # noqa: E501


def entry(threads: int) -> LatencyModel:
    features = {"dense_mmac": 40.0, "depthwise_mmac": 2.0}
    return LatencyModel(
        cluster="all",
        dtype="float32",
        threads=threads,
        runtime="TFLite 2.5",
        delegate="xnnpack",
        coefficients={"dense_mmac": 0.25, "depthwise_mmac": 0.5},
        points=(
            Point("net_[a]", "net", 10.0, features, 9.0, 8.0),
            Point("net_b", "net", 20.0, features, 25.0, 30.0),
            Point("other", "others", 5.0, features, 5.25, None),
        ),
        made="2026-01-02",
        source="a table",
        standing="read",
        like="raspberry-pi-4b",
        scale_note="scaled by 1.5",
        kinds=("CONV_2D",),
        coverage80=0.75,
    )


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's with one device that knows everything."""
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(tmp_path))
    (tmp_path / "my-board.toml").write_text(with_latency(BOARD, (entry(1), entry(2))))
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *line: str) -> Any:
    assert run([*line, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def at_width(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(width=width, highlight=False)
    for view in (devices_view, devices_list_view):
        monkeypatch.setattr(view, "table_console", lambda: console)


def test_the_keys_of_a_device(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = printed(capsys, "devices", "show", "my-board")
    check_golden("devices_keys.json", document)
    assert document["origin"] == str(own / "my-board.toml")
    first = document["latency"][0]
    assert first["coefficients_ms"] == {"dense_mmac": 0.25, "depthwise_mmac": 0.5}
    assert first["error"]["leave_one_out"] == pytest.approx((0.1 + 0.25 + 0.05) / 3)
    assert first["error"]["worst"] == pytest.approx(0.25)
    assert [point["family"] for point in first["points"]] == ["net", "net", "others"]


def test_the_keys_of_the_list(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own / "damaged.toml").write_text("[[")
    document = printed(capsys, "devices", "list")
    ids = [device["id"] for device in document["devices"]]
    assert ids == sorted([*all_profiles()])
    mine = document["devices"][ids.index("my-board")]
    check_golden("devices_list_keys.json", {**document, "devices": [mine]})
    assert document["damaged"][0]["id"] == "damaged"
    assert mine["latency"][0]["models"] == 3


def test_without_a_command_it_lists(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "--json"]) == 0
    bare = json.loads(capsys.readouterr().out)
    assert bare == printed(capsys, "devices", "list")
    assert run(["devices"]) == 0
    out = capsys.readouterr().out
    assert "raspberry-pi-5" in out
    assert "my-board*" in out
    assert str(own) in out.replace("\n", "")
    assert run(["devices", "--json", "show", "pixel-3"]) == 2
    assert "behind show" in capsys.readouterr().err


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_the_list_has_a_line_a_device(
    width: int, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_width(width, monkeypatch)
    assert run(["devices", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[:-1])) <= width
    table, legend = lines[1 : lines.index("")], "\n".join(lines[lines.index("") :])
    ids = [line.split()[0] for line in table]
    assert ids == [name + "*" * (name == "my-board") for name in all_profiles()]
    mine = table[ids.index("my-board*")]
    for words, least_width in (
        ("2xA76", 0), ("13%", 0), ("1-2 GB?", 0), ("float32", 80), ("0.1-0.2", 100), ("2.5", 100),
        ("1, 2", 140), ("My Board", 200), ("X1", 200),
    ):  # fmt: skip
        assert (words in mine) == (width >= least_width), words
    assert ("Left out, for want of width: SoC" in legend) == (width < 200)
    for words in ("?  ", "*  ", "!  ", "off by  ", "show ID"):
        assert words in legend
    assert ("+  " in legend) == (width >= 100)  # what it is about gave way


def test_long_names_of_cores_are_left_to_show(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = BOARD.replace("Cortex-A76", "A Processor With A Long Name @ 2.30GHz")
    text = text.replace('["1 GB", "2 GB"]', '"25277 MB"')
    (own / "my-board.toml").write_text(text)
    assert run(["devices"]) == 0
    (mine,) = (line for line in capsys.readouterr().out.splitlines() if "my-board" in line)
    assert mine.split()[1:6] == ["2", "cores", "2", "25", "GB?"]
    assert run(["devices", "show", "my-board"]) == 0
    out = capsys.readouterr().out
    assert "2x A Processor With A Long Name @ 2.30GHz at 2000 MHz" in out
    assert "25277 MB" in out


@pytest.mark.parametrize(("width", "words"), [(80, "guess"), (200, "guess raspberry-pi-4b")])
def test_an_entry_without_points_is_a_guess(
    width: int,
    words: str,
    own: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scaled = replace(entry(1), points=(), standing="guess", coverage80=None)
    (own / "my-board.toml").write_text(with_latency(BOARD, (scaled,)))
    at_width(width, monkeypatch)
    assert run(["devices"]) == 0
    (mine,) = (line for line in capsys.readouterr().out.splitlines() if "my-board" in line)
    assert words in " ".join(mine.split())
    assert run(["devices", "show", "my-board", "--points"]) == 0
    assert "TFLite 2.5, xnnpack; guess [6]; fitted" in " ".join(capsys.readouterr().out.split())
    errors = printed(capsys, "devices", "show", "my-board")["latency"][0]["error"]
    assert set(errors.values()) == {None}


def test_show_names_every_source(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "show", "my-board"]) == 0
    out = capsys.readouterr().out
    for words in (
        "My Board", "a [page]", "another profile", "50 to 150 mA", "60 to 200 mA", "a meter",
        "0.3 W", "1 GB to 2 GB", "guess", "1000 mAh", "XNNPACK, NPU", "TFLite 2.5",
        "2026-01-02", "raspberry-pi-4b", "scaled by 1.5", "xnnpack; read [6]", "[6] a table",
        "75%", "13.3%", "25.0%", "--points",
    ):  # fmt: skip
        assert words in " ".join(out.split()), words
    assert "net_[a]" not in out


@pytest.mark.parametrize("width", [80, 100, 140])
def test_show_names_each_source_once_in_notes(
    width: int, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = "https://example.org/a/page/whose/address/is/longer/than/many/columns/of/a/table.html"
    (own / "my-board.toml").write_text(BOARD.replace("a page", page))
    at_width(width, monkeypatch)
    assert run(["devices", "show", "my-board"]) == 0
    out = capsys.readouterr().out
    facts, notes = out.split("Sources\n")
    assert page not in facts
    assert notes.split().count(page) == 1
    numbers = [line.split()[0] for line in notes.splitlines() if line.startswith("[")]
    assert numbers == [f"[{number}]" for number in range(1, len(numbers) + 1)]
    lines = facts.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("cores"))
    rows = lines[first : lines.index("", first)]
    assert len(rows) == 14
    assert all(line.endswith("]") for line in rows)  # a line a fact
    assert all(number in facts for number in numbers)


def test_show_with_points_names_every_model(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "show", "my-board", "--points"]) == 0
    out = capsys.readouterr().out
    assert out.count("net_[a]") == 2
    assert "+25.0%" in out
    assert "-10.0%" in out
    assert "0.25 dense_mmac" in out


def test_every_shipped_device_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for name in all_profiles():
        assert run(["devices", "show", name]) == 0
        out = capsys.readouterr().out
        assert "guess" in out
        shown = printed(capsys, "devices", "show", name)
        assert len(shown["latency"]) == len(device_profile(name).latency)


def test_a_start_from_older_times_of_the_device_itself_names_their_runtime(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["devices", "show", "raspberry-pi-4b"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "starts from the coefficients of raspberry-pi-4b with TFLite 2.5, 64-bit" in out


@pytest.mark.parametrize("damage", ["head", "latency"])
def test_a_damaged_file_is_named_and_the_others_are_listed(
    own: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = own / "my-board.toml"
    old, new = ("cores = 2", "cores = 0") if damage == "head" else ("threads = 2", "threads = 9")
    path.write_text(path.read_text().replace(old, new, 1))
    assert run(["devices"]) == 0
    told = capsys.readouterr()
    assert f"Warning: the device file {path}" in told.err
    assert "raspberry-pi-5" in told.out
    listed = printed(capsys, "devices", "list")
    assert [error["id"] for error in listed["damaged"]] == ["my-board"]
    for options in ([], ["--json"]):
        assert run(["devices", "show", "my-board", *options]) == 3
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith(f"Error: the device file {path}")
        assert told.err.count("\n") == 1


def test_damaged_entries_are_named_once_though_another_device_is_scaled_from_them(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = own / "my-board.toml"
    above, _ = split_at_marker(path.read_text())
    path.write_text(path.read_text().replace("threads = 2", "threads = 9", 1))
    (own / "another.toml").write_text(
        above.replace('"my-board"', '"another"').replace('"raspberry-pi-4b"', '"my-board"')
    )
    assert run(["devices"]) == 0
    told = capsys.readouterr()
    assert told.err.count("Warning: ") == 1
    assert f"the device file {path}: latency entry" in told.err
    assert len(re.findall(r"^(my-board|another)\*.*damaged", told.out, re.MULTILINE)) == 2


def test_an_unknown_device_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "show", "Pixel 4 XL"]) == 2
    assert "did you mean pixel-4?" in capsys.readouterr().err
    assert run(["devices", "pixel-4"]) == 2
    assert "devices show ID" in capsys.readouterr().err


def test_help_lists_all_commands_and_imports_none() -> None:
    shown = edge_deploy("devices", "--help")
    assert shown.returncode == 0
    for name in ("list", "show", "accuracy", "calibrate"):
        assert f"  {name} " in shown.stdout
    for name in ("accuracy", "calibrate"):
        assert edge_deploy("devices", name, "--help").returncode == 0
    program = "import sys; from edge_deploy.cli import run; run(['devices', '--help']); " + (
        "sys.exit(any(name in sys.modules for name in ('numpy', 'rich', 'platformdirs')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0


def test_a_clock_that_nobody_can_read_is_shown_as_unknown(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = BOARD.replace("max_mhz = 2000\n", "").replace("currents_source", "# currents_source")
    (own / "my-board.toml").write_text(with_latency(text, (entry(1),)))
    monkeypatch.setenv("COLUMNS", "200")
    assert run(["devices", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("my-board*"))
    place = lines[0].index("GHz")
    assert row[place : place + 4].strip() == "-"
    assert run(["devices", "show", "my-board"]) == 0
    assert "2x Cortex-A76 at an unknown clock" in capsys.readouterr().out
    document = printed(capsys, "devices", "show", "my-board")
    assert document["clusters"][0]["max_mhz"] is None
    assert device_profile("my-board").latency[0].threads == 1
