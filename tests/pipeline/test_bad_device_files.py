"""Device files of the user's own that are damaged: a sentence, and never more than that device."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from known_devices import latency
from small_models import float_model

from edge_deploy.catalogue import all_profiles, with_latency
from edge_deploy.cli import run

BOARD = """id = "mine"
name = "A Board"
soc = "X1"
clusters = [{ cores = 4, core = "A53", max_mhz = 1000 }]
clusters_source = { source = "a page", standing = "read" }
[facts]
ram = { value = "4 GB", source = "a page", standing = "read" }
"""
TIMED = with_latency(BOARD, (latency(cluster="all", threads=1),))


def changed(old: str, new: str, text: str = BOARD) -> Callable[[Path], object]:
    assert old in text
    return lambda path: path.write_text(text.replace(old, new, 1))


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "memory without a unit": (changed('"4 GB"', '"4"'), "ram is '4', which has no unit"),
    "a clock of 0": (changed("1000", "0"), "clusters[0].max_mhz is 0, which no processor runs at"),
    "a clock below 0": (changed("1000", "-5"), "clusters[0].max_mhz is -5, which no processor"),
    "a clock in GHz": (changed("1000", "1.8"), "as in 1800 for 1.8 GHz"),
    "90 GHz": (changed("1000", "90000"), "clusters[0].max_mhz is 90000, which no processor"),
    "90 GHz in words": (changed("1000", '"90 GHz"'), "max_mhz is '90 GHz'; write a clock in MHz"),
    "a fast clock": (changed("1000", '"fast"'), "clusters[0].max_mhz is 'fast'; write a clock"),
    "not TOML": (changed('name = "A Board"', "name ="), "is not TOML: Invalid value (at line 2"),
    "UTF-16": (lambda path: path.write_text(BOARD, "utf-16"), "byte 1 is 0xff); save it as UTF-8"),
    "Latin-1": (
        lambda path: path.write_bytes(BOARD.replace("A Board", "é").encode("latin-1")),
        "is not UTF-8 text (byte 21 is 0xe9); save it as UTF-8",
    ),
    "empty": (lambda path: path.write_text(""), 'lacks id; write id = "mine"'),
    "a folder": (Path.mkdir, "cannot be read: Is a directory"),
    "a link to nothing": (
        lambda path: path.symlink_to(path.with_name("nothing")),
        "cannot be read: No such file",
    ),
    "a link to itself": (lambda path: path.symlink_to(path), "cannot be read: Too many levels"),
    "a sibling that is none": (
        changed("soc", 'like = "pixel4"\nsoc'),
        "like names the unknown device 'pixel4'; did you mean pixel-4?",
    ),
    "coefficients of another runtime": (
        changed('model = "net-1"', 'model = "net-1"\nruntime = "TFLite 2.5"', TIMED),
        "latency entry 1, point 2 was measured with TFLite 2.5, the entry is of LiteRT 2.1",
    ),
    "coefficients without a unit": (
        changed("coefficients_ms", "coefficients", TIMED),
        "latency entry 1: coefficients says no unit; call it coefficients_ms",
    ),
}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "devices"
    folder.mkdir()
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(folder))
    return folder


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "m.tflite"
    path.write_bytes(float_model(size=64, layers=4))
    return str(path)


@pytest.mark.parametrize("case", BAD)
def test_it_is_one_sentence_and_the_others_stay_usable(
    case: str, own: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    break_it, words = BAD[case]
    path = own / "mine.toml"
    break_it(path)
    assert run(["profile", model, "--device", "mine"]) == 3
    caught = capsys.readouterr()
    assert caught.out == ""
    (line,) = caught.err.splitlines()
    assert line.startswith(f"Error: the device file {path}")
    assert words in line
    assert run(["devices", "list"]) == 0
    caught = capsys.readouterr()
    assert "pixel-4" in caught.out
    assert caught.err.count(str(path)) == 1
    assert words in caught.err
    assert run(["devices", "list", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["damaged"]
    assert (entry["id"], words in entry["error"]) == ("mine", True)
    assert run(["profile", model, "--device", "pixel-4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["evidence"] == "predicted"


def test_a_damaged_file_never_hides_a_packaged_device_in_silence(
    own: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / "pixel-4.toml").write_text('id = "pixel-4"\nname = 4\n')
    assert run(["profile", model, "--device", "PIXEL 4"]) == 3
    assert f"the device file {own / 'pixel-4.toml'}: name is 4" in capsys.readouterr().err
    assert all_profiles()["pixel-4"].origin == "package"
    assert run(["profile", model, "--device", "pixel-6"]) == 0  # which is scaled from it


def test_a_file_that_is_mended_is_read_again(
    own: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / "mine.toml").write_text(TIMED.replace("max_mhz = 1000", 'max_mhz = "fast"'))
    assert run(["profile", model, "--device", "mine"]) == 3
    (own / "mine.toml").write_text(TIMED)
    assert run(["profile", model, "--device", "mine", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["device"]["name"] == "A Board"
