"""`edge-deploy evaluate` through the real command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small_models_photo import COLORS, write_model, write_photo

from edge_deploy.cli import run

Capture = pytest.CaptureFixture[str]
HELD_OUT = Path(__file__).parents[2] / "assets" / "digits_heldout.npz"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for color in COLORS:
        for number in range(4):
            write_photo(tmp_path / "data" / color, color, f"{number}.png")
    return tmp_path / "data"


def test_one_document_of_json(tmp_path: Path, data: Path, capfd: Capture) -> None:
    model = write_model(tmp_path, "m.tflite", dtype="int8", bias=(0, 0, 9))
    reference = write_model(tmp_path, "r.tflite")
    line = ["evaluate", str(model), "--data", str(data), "--reference", str(reference), "--json"]
    assert run(line) == 0
    document = json.loads(capfd.readouterr().out)
    assert (document["samples"], document["top5"]) == (12, 1.0)
    assert document["top1"] == pytest.approx(1 / 3)
    assert document["reference"]["top1"] == 1.0
    assert document["drop_ci95"][0] < document["drop_points"] < document["drop_ci95"][1]
    assert document["agreement"] == pytest.approx(1 / 3)
    assert {item["label"] for item in document["most_changed"]} == {"red", "green"}
    assert document["flips"][0] == {
        "input": "green/0.png", "label": "green", "reference": "green", "model": "blue",
    }  # fmt: skip


def test_without_a_reference_those_keys_are_null(
    tmp_path: Path, data: Path, capfd: Capture
) -> None:
    assert run(["evaluate", str(write_model(tmp_path)), "--data", str(data), "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["top1"] == 1.0
    for key in ("reference", "drop_points", "drop_ci95", "agreement"):
        assert document[key] is None


def test_the_table_names_classes_flips_and_skipped_photos(
    tmp_path: Path, data: Path, capfd: Capture
) -> None:
    (data / "red" / "bad.jpg").write_text("no photo")
    model = write_model(tmp_path, "m.tflite", bias=(0, 0, 9))
    reference = write_model(tmp_path, "r.tflite")
    assert run(["evaluate", str(model), "--data", str(data), "--reference", str(reference)]) == 0
    output = capfd.readouterr()
    assert "33.33%" in output.out
    assert "8 images flipped" in output.out
    assert "red/0.png (red): red -> blue" in output.out
    assert "|##############################| 100.0% of 4" in output.out
    assert "Warning: skipped 1 unreadable photos: red/bad.jpg" in output.err


def test_the_file_is_written_once(tmp_path: Path, data: Path, capfd: Capture) -> None:
    output = tmp_path / "accuracy.json"
    line = ["evaluate", str(write_model(tmp_path)), "--data", str(data), "-o", str(output)]
    assert run([*line, "--json"]) == 0
    assert json.loads(output.read_text()) == json.loads(capfd.readouterr().out)
    assert run(line) == 7
    assert "--force" in capfd.readouterr().err
    assert run([*line, "--force", "--limit", "3", "--threshold", "1"]) == 0
    document = json.loads(output.read_text())
    assert (document["samples"], document["unknown"], document["top1"]) == (3, 3, 0.0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"--data": "none"}, (3, "there is no data")),
        ({"--reference": "none.tflite"}, (3, "there is no model")),
        ({"--limit": "0"}, (2, "--limit")),
        ({"--threshold": "2"}, (2, "--threshold")),
        ({"--labels": "none.txt"}, (3, "none.txt")),
    ],
)
def test_refusals(
    tmp_path: Path, data: Path, capfd: Capture, changes: dict[str, str], expected: tuple[int, str]
) -> None:
    code, message = expected
    options = {"--data": str(data), **changes}
    flat = [part for pair in options.items() for part in pair]
    assert run(["evaluate", str(write_model(tmp_path)), *flat]) == code
    assert message in capfd.readouterr().err


def test_a_label_that_the_model_lacks_names_near_ones(
    tmp_path: Path, data: Path, capfd: Capture
) -> None:
    (data / "green").rename(data / "grean")
    assert run(["evaluate", str(write_model(tmp_path)), "--data", str(data)]) == 3
    assert "did you mean one of 'green'" in capfd.readouterr().err


def test_no_heavy_imports_in_a_process_of_its_own(tmp_path: Path, data: Path) -> None:
    code = (
        "import sys\n"
        "from edge_deploy.cli import run\n"
        "code = run(sys.argv[1:])\n"
        "assert not {'tensorflow', 'torch', 'edge_deploy_converters'} & set(sys.modules)\n"
        "sys.exit(code)\n"
    )
    model = str(write_model(tmp_path))
    line = ["evaluate", model, "--data", str(data), "--reference", model, "--json"]
    ended = subprocess.run(
        [sys.executable, "-c", code, *line], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["agreement"] == 1.0


def test_the_sample_digits_are_read(tmp_path: Path, capfd: Capture) -> None:
    labels = tuple("0123456789")
    model = write_model(tmp_path, labels=labels, classes=10)
    assert run(["evaluate", str(model), "--data", str(HELD_OUT), "--limit", "50", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["samples"] == 50
