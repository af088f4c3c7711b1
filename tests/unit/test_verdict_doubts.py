"""What a verdict that passed does not say of the machines that a bundle is for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import small_models
from edge_deploy_runner.tflite.model_file import ModelFile
from measurements import made_up, predicted

from edge_deploy.bundles.android import _doubts
from edge_deploy.bundles.verdicts import architecture_doubts, read_verdict

MACHINES = ("aarch64",)


def summary(**changes: Any) -> dict[str, Any]:
    found = {"architecture": None, "device": "pixel-4", "evidence": ["predicted"]}
    return {**found, **changes}


def test_predicted_and_simulated_figures_are_doubted() -> None:
    (found,) = architecture_doubts(summary(), MACHINES)
    assert "rests on predicted figures, which no device has shown" in found
    (found,) = architecture_doubts(summary(evidence=["simulated"]), MACHINES)
    assert "rests on simulated figures" in found
    assert architecture_doubts(summary(evidence=["measured"]), MACHINES) == []
    assert architecture_doubts(None, MACHINES) == []


def test_a_prediction_for_a_board_says_nothing_of_phones() -> None:
    found = _doubts(summary(device="raspberry-pi-5"))
    assert len(found) == 2
    assert "the verdict is of raspberry-pi-5, which is no phone" in found[1]
    assert len(_doubts(summary())) == 1
    (found,) = [_doubts(summary(device="local", architecture="x86_64", evidence=["measured"]))]
    assert len(found) == 1
    assert "x86_64" in found[0]


def test_a_verdict_in_a_prediction_keeps_its_evidence(tmp_path: Path) -> None:
    from edge_deploy.budget import parse_budget
    from edge_deploy.judging import judge

    model = ModelFile(small_models.float_model())
    budget = parse_budget('allow = ["predicted"]\n[limits]\nlatency_p90 = "1 s"\nsize = "5 MB"')
    for measurement, evidence in (
        (predicted(), ["measured", "predicted"]),
        (made_up(), ["measured"]),
    ):
        document = measurement.to_json()
        verdict = judge(measurement, budget).to_json()
        verdict["model"]["sha256"] = model.sha256
        document["verdict"] = verdict
        path = tmp_path / "m.json"
        path.write_text(json.dumps(document))
        assert read_verdict(path, model)["evidence"] == evidence
