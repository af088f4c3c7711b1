"""A calibration on a fake phone: what it says of itself, and what it leaves behind."""

from __future__ import annotations

import json
import os
from pathlib import Path

from conftest import edge_deploy
from known_devices import latency, write_device
from shape_coefficients import SHAPE_COEFFICIENTS

from .fake_device.phone import FakePhone


def test_a_quick_calibration_of_a_phone_is_simulated_there(
    fake_phone: FakePhone, tmp_path: Path
) -> None:
    coefficients = SHAPE_COEFFICIENTS["int8"]
    write_device(tmp_path, [latency(dtype="int8", coefficients=coefficients)], "made-up")
    files = fake_phone.files()
    done = edge_deploy(
        "devices", "calibrate", "--device", "android", "--quick", "--like", "made-up",
        "--threads", "1", "--dtypes", "int8", "--rounds", "3", "--json", "--force",
        env={**os.environ, **fake_phone.environment, "EDGE_DEPLOY_DEVICES": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (model,) = document["models"]
    assert (model["standing"], model["dtype"], model["points"]) == ("simulated", "int8", 3)
    assert model["like"] == "made-up"
    text = Path(document["file"]).read_text()
    assert 'kind = "phone"' in text
    assert json.loads(Path(document["record"]).read_text())["evidence"] == "simulated"
    assert fake_phone.files() == files
    assert not fake_phone.processes()
