"""A quick calibration of a small arm64 machine over ssh: its times are simulated, and say so."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from known_devices import latency, write_device

from edge_deploy.prediction.operator_features import OPERATOR_TERMS

from .device_commands import on
from .machine import Machine

pytestmark = pytest.mark.xdist_group("machine")


def test_a_quick_calibration_is_simulated_and_leaves_no_model_there(
    prepared_pi: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(tmp_path))
    coefficients = dict.fromkeys(OPERATOR_TERMS, 0.01)
    write_device(tmp_path, [latency(dtype="int8", coefficients=coefficients)], "made-up")
    done = on(
        prepared_pi, "devices", "calibrate", "--id", "emulated-board", "--quick", "--like",
        "made-up", "--threads", "1", "--dtypes", "int8", "--rounds", "1", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (model,) = document["models"]
    assert (model["standing"], model["points"]) == ("simulated", 3)
    assert any("emulated" in warning for warning in document["warnings"])
    record = json.loads(Path(document["record"]).read_text())
    assert record["machine"]["cpu_model"] == "Cortex-A53"
    left = prepared_pi.text("ls /home/pi/.cache/edge-deploy/models 2>/dev/null || true")
    assert left == ""
    assert os.listdir(tmp_path)
