"""The model card: all of its keys, plain JSON, the same each time."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from edge_deploy_converters import card as cards
from edge_deploy_converters.card import CalibrationRecord, model_card, tool_versions
from edge_deploy_converters.proofs import Check, Proof
from edge_deploy_converters.recipes import RECIPES
from edge_deploy_converters.source import Source
from edge_deploy_runner.contract import PRESETS, Contract

DATA = b"the bytes of a model"


def card(passed: bool = True, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "source": Source("h5", "/home/ada/net.h5", "net", "ab" * 32),
        "recipe": RECIPES["int8"],
        "contract": Contract(PRESETS["mobilenet"], ("a", "b")),
        "calibration": CalibrationRecord("cd" * 32, 60, 2, "min-max", True, {"min-max": 0.01}),
        "proof": Proof(
            (Check("finite", passed, "finite", "finite outputs"),),
            32,
            "calibration",
            1.0,
            1.0,
            1.0,
            0.0,
            1.0,
            1.0,
        ),
        "forced": False,
        "data": DATA,
        "file_name": "net_int8.tflite",
        "parameters": 7,
        "source_versions": {"tensorflow": "2.21.0"},
    }
    return model_card(**{**values, **changes})


def test_it_says_what_the_file_is_and_where_it_comes_from() -> None:
    found = card()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert list(found) == [
        "format", "version", "model", "source", "recipe", "calibration", "proof", "preprocessing",
        "labels", "versions",
    ]  # fmt: skip
    assert found["model"]["sha256"] == hashlib.sha256(DATA).hexdigest()
    assert found["model"]["size_bytes"] == len(DATA)
    assert found["source"] == {"name": "net", "front_end": "h5", "sha256": "ab" * 32}
    assert found["calibration"]["sha256"] == "cd" * 32
    assert found["labels"] == 2
    assert found["versions"]["tensorflow"] == "2.21.0"
    assert {"python", "numpy", "edge-deploy", "litert-quantizer"} <= set(found["versions"])


def test_it_holds_no_date_and_no_path() -> None:
    assert card() == card()
    assert "/home/ada" not in json.dumps(card())


def test_a_failed_proof_is_marked() -> None:
    assert card(passed=False, forced=True)["proof"]["status"] == "failed"
    assert card(passed=False, forced=True)["proof"]["forced"] is True
    assert card(forced=True)["proof"]["forced"] is False


def test_what_was_not_there_is_null() -> None:
    found = card(calibration=None, contract=Contract())
    assert found["calibration"] is None
    assert found["preprocessing"] is None
    assert found["labels"] == 0
    record = CalibrationRecord("cd" * 32, 60, 0, "", True, {})
    assert card(calibration=record)["calibration"]["method"] is None


def test_tools_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "_TOOLS", ("numpy", "surely-not-installed"))
    assert set(tool_versions()) == {"python", "numpy"}
