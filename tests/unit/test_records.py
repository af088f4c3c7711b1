"""The measurement file: everything comes back, and nonsense is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from edge_deploy_runner.bench.record_reading import measurement_from_json, read_measurement
from edge_deploy_runner.bench.records import BatteryUse, Energy, Measurement
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.errors import BadInputError, UsageError
from edge_deploy_runner.machine.telemetry import Look, Telemetry
from measurements import made_up, sustained


def full() -> Measurement:
    return made_up(
        energy=Energy("predicted", 9.0, 8.0, 10.0, 15.0, 14.0, 16.0, 2.0, 3.0, "a table"),
        battery=BatteryUse(5000, 3.85, 0.85, "predicted", 0.01, 8.0, 3.0, 1.0, 7.9),
        sustained=sustained(throttled=(0, 0x50005)),
        void=("a reason",),
        telemetry_during=(Look(1.0, Telemetry(frequency_mhz=1500.0, throttled=0)),),
    )


def test_everything_comes_back() -> None:
    text = json.dumps(full().to_json(), allow_nan=False)
    assert measurement_from_json(json.loads(text)) == full()


def test_percentiles_are_computed_and_not_read() -> None:
    document = full().to_json()
    document["latency_ms"]["p50"] = 0.001
    assert measurement_from_json(document).to_json()["latency_ms"]["p50"] == 10.0


def test_operator_sum_and_its_ratio_to_the_whole() -> None:
    document = full().to_json()
    assert document["operators_sum_ms"] == 9.0
    assert document["operators_ratio"] == pytest.approx(0.9)


def test_a_sustained_run_is_read_from_its_latencies() -> None:
    document = full().to_json()["sustained"]
    assert (document["first_p50_ms"], document["last_p90_ms"]) == (10.0, 11.0)
    assert document["slowdown"] == pytest.approx(1.1)
    steps = [number / 50 for number in range(100)]
    found = sustained([10 + step for step in steps], [12 + step for step in steps]).slowdown()
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert 12 / 12 < found.low < 13 / 11 < found.high < 14 / 10
    assert sustained([10.0], [12.0]).slowdown().low is None


def test_every_field_of_telemetry_is_read() -> None:
    look = Telemetry(
        governor="performance", frequency_mhz=1500.0, temperatures_celsius={"zone0": -5.0},
        throttled=0x50005, on_battery=False, energy_uj=3, under_voltage=True, core_volts=0.9,
        thermal_status=2, battery_celsius=-3.5, charging=False, memory_available_bytes=10**9,
    )  # fmt: skip
    found = measurement_from_json(made_up(telemetry_after=look).to_json())
    assert found.telemetry_after == look
    for item in fields(Telemetry):  # a field of a new type must be taught to the reader
        measurement_from_json(
            {**full().to_json(), "telemetry": {"before": None, "after": {item.name: None}}}
        )


def test_p99_is_null_under_299_runs() -> None:
    document = made_up([10.0] * 298).to_json()
    assert document["latency_ms"]["p99"] is None
    assert document["latency_ms"]["ci95"]["p99"] is None
    assert made_up([10.0] * 299).to_json()["latency_ms"]["p99"] == 10.0


def _set(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        inner = document
        *path, last = key.split(".")
        for name in path:
            inner = inner[name]
        inner[last] = value

    return change


def _drop(key: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        inner = document
        *path, last = key.split(".")
        for name in path:
            inner = inner[name]
        del inner[last]

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_drop("latencies_ns"), "latencies_ns"),
        (_set("latencies_ns", []), "latencies_ns"),
        (_set("latencies_ns", [5, -5]), "-5"),
        (_set("latencies_ns", [5, 0]), "0"),
        (_set("latencies_ns", [float("nan")]), "nan"),
        (_set("latencies_ns", [1.5]), "1.5"),
        (_set("latencies_ns", [True]), "True"),
        (_set("latencies_ns", "many"), "latencies_ns"),
        (_set("load_ms", float("nan")), "load_ms"),
        (_set("load_ms", float("inf")), "load_ms"),
        (_set("load_ms", -1.0), "load_ms"),
        (_set("load_ms", "7"), "load_ms"),
        (_drop("model.sha256"), "model.sha256"),
        (_set("model", None), "model"),
        (_set("size_bytes", 1), "two different sizes"),
        (_set("delegate.operator_share", 1.5), "delegate.operator_share"),
        (_drop("device.id"), "device.id"),
        (_set("evidence", "guessed"), "evidence"),
        (_set("energy.evidence", "guessed"), "energy.evidence"),
        (_set("battery.evidence", "guessed"), "battery.evidence"),
        (_set("telemetry.before", []), "telemetry.before"),
        (_drop("telemetry.after"), "telemetry.after"),
        (_set("telemetry.after.governor", 1), "telemetry.after.governor"),
        (_set("telemetry.after.throttled", "0x1"), "telemetry.after.throttled"),
        (_set("telemetry.after.on_battery", 1), "telemetry.after.on_battery"),
        (_set("telemetry.after.temperatures_celsius", [41.5]), "temperatures_celsius"),
        (_set("telemetry.after.temperatures_celsius", {"zone0": "hot"}), "celsius.zone0"),
        (_set("energy.mj_per_inference", float("nan")), "energy.mj_per_inference"),
        (_set("battery.voltage_v", -3.85), "battery.voltage_v"),
        (_set("operators", [1]), "operators"),
        (_set("operators", [{"name": "a", "ms": 1.0}]), "operators[0].kind"),
        (_set("sustained.last_latencies_ns", []), "sustained.last_latencies_ns"),
        (_set("sustained.windows", [{}]), "sustained.windows[0].start_s"),
        (_set("void", "yes"), "void"),
        (_set("spec.min_runs", 1.5), "min_runs"),
        (_set("spec.speed", 1), "speed"),
        (_set("threads", 3), "threads"),
        (_set("format", "something else"), "edge-deploy profile"),
        (_set("version", 2), "version"),
        (_drop("version"), "version"),
    ],
)
def test_nonsense_is_named(change: Callable[[dict[str, Any]], None], named: str) -> None:
    document = full().to_json()
    change(document)
    with pytest.raises(BadInputError) as caught:
        measurement_from_json(document, "m.json")
    assert named in str(caught.value)
    assert "m.json" in str(caught.value) or "spec" in str(caught.value)


def test_telemetry_may_be_null() -> None:
    document = full().to_json()
    document["telemetry"] = {"before": None, "after": {"temperatures_celsius": None}}
    found = measurement_from_json(document)
    assert (found.telemetry_before, found.telemetry_after) == (Telemetry(), Telemetry())


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\x89PNG\r\n", b"[[[[" * 50000, b"null"])
def test_files_that_hold_no_measurement(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.json"
    path.write_bytes(content)
    with pytest.raises(BadInputError):
        read_measurement(path)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no file"):
        read_measurement(tmp_path / "none.json")
    with pytest.raises(BadInputError, match="folder"):
        read_measurement(tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"threads": 0}, {"delegate": "tpu"}, {"min_runs": 0}, {"min_seconds": -1.0},
        {"max_seconds": float("nan")},
    ],
)  # fmt: skip
def test_a_run_spec_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        RunSpec(**options)


def test_an_unknown_delegate_lists_the_valid_ones() -> None:
    with pytest.raises(UsageError, match="auto, xnnpack, none"):
        RunSpec(delegate="hexagon")
