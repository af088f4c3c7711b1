"""A prediction's file: it comes back as it was written, and one that was tampered with does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edge_deploy_runner.bench.percentiles import Estimate
from edge_deploy_runner.bench.prediction import Prediction
from edge_deploy_runner.bench.record_reading import measurement_from_json, read_measurement
from edge_deploy_runner.bench.records import (
    BatteryUse,
    Energy,
    Measurement,
    SweepPoint,
)
from edge_deploy_runner.errors import BadInputError
from measurements import basis, made_up, predicted

from edge_deploy.cli import run


def full() -> Measurement:
    return predicted(
        energy=Energy(
            "predicted",
            9.0,
            8.0,
            10.0,
            15.0,
            14.0,
            16.0,
            2.0,
            3.0,
            "a table",
            idle_w_low=1.5,
            idle_w_high=2.5,
            idle_evidence="user",
        ),
        battery=BatteryUse(5000, 3.85, 0.85, "predicted", 0.01, 8.0, 3.0, 1.0, 7.9),
        sweep=(
            SweepPoint(4, (), {"p50": Estimate(2.0, 1.0, 3.0), "p90": Estimate(2.5, 1.0, 4.0)}),
        ),
        warnings=("another source disagrees",),
    )


def test_everything_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(full().to_json(), allow_nan=False))
    assert read_measurement(path) == full()


def test_what_a_prediction_says_and_what_it_does_not_know() -> None:
    document = full().to_json()
    assert document["evidence"] == "predicted"
    assert document["latencies_ns"] == []
    assert (document["load_ms"], document["first_inference_ms"]) == (None, None)
    assert document["latency_ms"] == {
        "p50": 10.0, "p90": 11.0, "p99": None,
        "ci95": {"p50": None, "p90": None, "p99": None},
        "interval80": {"p50": [8.0, 12.0], "p90": None, "p99": None},
        "range": {"p50": None, "p90": [8.0, 18.0], "p99": None},
    }  # fmt: skip
    assert document["prediction"]["basis"]["nearest"][0] == {
        "model": "net-1", "measured_ms": 9.0, "device": "",
    }  # fmt: skip
    assert full().latency()["p99"] is None


def test_a_file_of_an_older_version_is_read_and_its_p90_range_too() -> None:
    document = full().to_json()
    ends = document["latency_ms"].pop("range")
    document["latency_ms"]["interval80"]["p90"] = ends["p90"]
    del document["energy"]["idle_evidence"]
    found = measurement_from_json(document)
    assert found.latency()["p90"] == Estimate(11.0, 8.0, 18.0)
    assert found.energy == replace(full().energy, idle_evidence=None)
    document["latency_ms"]["interval80"]["p90"] = [8.0, 17.0]
    with pytest.raises(BadInputError, match='"latency_ms" is not that of its prediction'):
        measurement_from_json(document)


def test_a_measurement_has_the_key_and_nothing_in_it() -> None:
    document = made_up().to_json()
    assert document["prediction"] is None
    assert "interval80" not in document["latency_ms"]
    del document["prediction"]  # a file of an older version
    assert measurement_from_json(document) == made_up()


def _set(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        inner = document
        *path, last = key.split(".")
        for name in path:
            inner = inner[int(name)] if isinstance(inner, list) else inner[name]
        inner[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_set("prediction", None), '"prediction" is missing'),
        (_set("evidence", "measured"), '"prediction" stands beside the evidence \'measured\''),
        (_set("evidence", "user"), "stands beside"),
        (_set("latencies_ns", [1_000_000]), '"latencies_ns" is known'),
        (_set("load_ms", 1.0), '"load_ms" is known'),
        (_set("sustained", {"runs": 1}), '"sustained" is known'),
        (_set("prediction.latency_ms.p50.low", 11.0), "10 in an interval from 11.0 to 12.0"),
        (_set("prediction.latency_ms.p50.high", 9.0), "which cannot be"),
        (_set("prediction.latency_ms.p50.value", float("nan")), "p50.value"),
        (_set("prediction.latency_ms.p90.high", float("inf")), "p90.high"),
        (_set("prediction.latency_ms.p90", None), "latency_ms.p90"),
        (_set("prediction.latency_ms.p50.low", None), "p50.low"),
        (_set("prediction.latency_ms.p50.low", -1.0), "p50.low"),
        (_set("prediction.latency_ms.p50.low", 0), "which cannot be"),
        (_set("prediction.peak_memory_bytes.low", 1e12), "peak_memory_bytes"),
        (_set("prediction.coverage", 0.99), "coverage"),
        (_set("prediction.basis", {}), "prediction.basis"),
        (_set("prediction.basis.nearest", [{"model": "a"}]), "nearest[0].measured_ms"),
        (_set("prediction.basis.error.mae_loo", float("nan")), "mae_loo"),
        (_set("prediction.basis.replace_with", 1), "replace_with"),
        (_set("prediction.basis.standing", "Simulated"), "'Simulated', not one of measured, read"),
        (_set("sweep.0.predicted_ms.p50.low", 99.0), "predicted_ms.p50"),
        (_set("prediction.latency_ms.p50.high", 11.0), '"latency_ms" is not that'),
        (_set("latency_ms.p50", 1.0), '"latency_ms" is not that'),
        (_set("prediction.latency_ms.p90.value", 9.0), "p90\" lies below the p50"),
        (_set("prediction.latency_ms.p90.high", 11.5), "p90\" lies below the p50"),
        (_set("peak_memory_bytes", 5), '"peak_memory_bytes" is not that'),
        (_set("device.id", "raspberry-pi-5"), '"device.id" is not that of its prediction'),
        (_set("prediction.basis.threads", 1), '"threads" is not that of its prediction'),
        (_set("energy.evidence", "measured"), '"energy.evidence" is \'measured\''),
        (_set("energy.evidence", "user"), '"energy.evidence" is \'user\''),
        (_set("battery.evidence", "measured"), '"battery.evidence" is \'measured\''),
        (_set("energy.high", None), '"energy.high"'),
        (_set("energy.high", 8.5), "does not lie between its ends"),
        (_set("latency_ms.range.p90", [8.0, 17.0]), '"latency_ms" is not'),
        (_set("latency_ms.range", None), '"latency_ms" is not'),
        (_set("energy.idle_evidence", "certain"), '"energy.idle_evidence" is \'certain\''),
        (_set("energy.gross_low", 15.5), '"energy.gross_mj_per_inference"'),
        (_set("energy.idle_w_low", 2.2), '"energy.idle_w" does not lie'),
    ],
)  # fmt: skip
def test_a_tampered_file_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], None],
    named: str,
) -> None:
    document = full().to_json()
    change(document)
    path = tmp_path / "p.json"
    path.write_text(json.dumps(document))
    with pytest.raises(BadInputError) as caught:
        read_measurement(path)
    assert named in str(caught.value)
    assert "p.json" in str(caught.value)
    budget = tmp_path / "budget.toml"
    budget.write_text('allow = ["predicted"]\n[limits]\nsize = "5 MB"')
    assert run(["judge", str(path), "--budget", str(budget)]) == 3
    assert capsys.readouterr().err.startswith("Error: ")


def test_a_measured_file_without_latencies_is_refused() -> None:
    document = made_up().to_json()
    document["latencies_ns"] = []
    with pytest.raises(BadInputError, match="nothing was measured"):
        measurement_from_json(document)


@pytest.mark.parametrize("figures", [(12.0, 10.0, 14.0), (8.0, 10.0, 9.0)])
def test_no_prediction_is_made_with_ends_that_cannot_be(figures: tuple[float, ...]) -> None:
    low, value, high = figures
    found = Estimate(value, low, high)
    with pytest.raises(BadInputError, match="cannot be"):
        Prediction({"p50": found}, Estimate(1.0, 1.0, 1.0), basis())
    with pytest.raises(BadInputError, match="peak_memory"):
        Prediction({}, Estimate(1.0), basis())


def test_a_measurement_needs_a_prediction_where_it_says_so() -> None:
    with pytest.raises(BadInputError, match="one needs the other"):
        made_up(evidence="predicted")
    with pytest.raises(BadInputError, match="one needs the other"):
        predicted(evidence="measured")
