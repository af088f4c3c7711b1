"""The JSON of every command keeps its keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import ASSETS, edge_deploy
from golden_keys import check_golden


def _document(*arguments: str | Path) -> object:
    result = edge_deploy(*arguments, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_convert(digits_models: Path, tmp_path: Path) -> None:
    source = digits_models / "digits_mobilenet_v2_float32.tflite"
    document = _document(
        "convert", source, "-o", tmp_path, "-r", "int8",
        "--calibration", ASSETS / "digits_calibration.npz",
    )  # fmt: skip
    check_golden("convert_keys.json", document)
    card = json.loads((tmp_path / "digits_mobilenet_v2_float32_int8.json").read_text())
    card["calibration"]["error_of_tried"] = None  # what was tried depends on the recipe
    card["versions"] = None
    check_golden("card_keys.json", card)


def test_inspect(digits_models: Path) -> None:
    document = _document("inspect", digits_models / "digits_mobilenet_v2_int8.tflite")
    check_golden("inspect_keys.json", document)


@pytest.mark.parametrize("reference", [False, True])
def test_evaluate(digits_models: Path, reference: bool) -> None:
    data = ASSETS / "digits_heldout.npz"
    model = digits_models / "digits_mobilenet_v2_weight-int8.tflite"
    other = digits_models / "digits_mobilenet_v2_float32.tflite"
    extra = ("--reference", other) if reference else ()
    document = _document("evaluate", model, "--data", data, *extra)
    name = "evaluate_reference_keys.json" if reference else "evaluate_keys.json"
    check_golden(name, document)


def test_run(digits_models: Path) -> None:
    photo = ASSETS.parent / "tests" / "data" / "seven.png"
    document = _document("run", digits_models / "digits_mobilenet_v2_int8.tflite", photo)
    assert isinstance(document, dict)
    assert document["top"][0]["label"] == "7"
    check_golden("run_keys.json", document)
