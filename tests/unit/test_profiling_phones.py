"""What `profile` makes of a phone's measurement: the catalogue's name for it, and its energy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edge_deploy_runner.bench.measuring import Measured
from edge_deploy_runner.bench.record_reading import measurement_from_json
from edge_deploy_runner.bench.records import DelegateUse, Energy, Measurement
from measurements import made_up
from small_models import float_model

from edge_deploy import profiling
from edge_deploy.budget import parse_budget
from edge_deploy.judging import judge

PHONE = {
    "id": "android", "serial": "9A1", "manufacturer": "Google", "model": "Pixel 4", "android": "13",
    "emulated": False, "cpus": None, "cpu_list": None,
    "core_max_mhz": {**{str(core): 1785.0 for core in range(4)}, "4": 2419.0, "5": 2419.0,
                     "6": 2419.0, "7": 2841.0},
}  # fmt: skip


def measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, used: str = "XNNPACK", **device: Any
) -> Measurement:
    """What `profile` returns where a phone gave a measurement of two threads."""
    path = tmp_path / "model.tflite"
    path.write_bytes(float_model())
    given = made_up(
        delegate=DelegateUse("auto", used, None), energy=Energy("unknown", reason="not asked for")
    )
    given = replace(given, device={**PHONE, **device})
    monkeypatch.setattr(profiling, "find_phone", lambda *_: given.device)
    monkeypatch.setattr(profiling, "measure_on_android", lambda *_: Measured(given))
    return profiling.profile(path, device="android", operators=False)


def test_a_phone_of_the_catalogue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = measured(monkeypatch, tmp_path)
    assert (found.device["id"], found.device["target"]) == ("pixel-4", "android:9A1")
    assert found.energy.evidence == "predicted"
    assert found.battery is not None
    budget = parse_budget('device = "pixel-4"\n[limits]\nlatency_p50 = "100 ms"')
    assert judge(measurement_from_json(found.to_json(), "file"), budget).status == "pass"


@pytest.mark.parametrize(
    "changes", [{"model": "Pixel 42"}, {"emulated": True}, {"manufacturer": "Other", "model": "4"}]
)
def test_any_other_phone_is_just_a_phone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changes: dict[str, Any]
) -> None:
    found = measured(monkeypatch, tmp_path, **changes)
    assert found.device["id"] == "android"
    assert found.energy.reason == "not asked for"


def test_no_power_model_of_other_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for used, words, cores, evidence in (
        ("XNNPACK", "big cores 4-7", [4, 5, 6, 7], "predicted"),
        ("XNNPACK", "little cores 0-3", [0, 1, 2, 3], "unknown"),
        ("XNNPACK", "core 7", [7], "unknown"),
        ("GPU", None, None, "unknown"),
        ("NNAPI", None, None, "unknown"),
    ):
        found = measured(monkeypatch, tmp_path, used, cpus=words, cpu_list=cores)
        assert found.energy.evidence == evidence
        if evidence == "unknown":
            assert (words or f"the {used} delegate") in found.energy.reason
