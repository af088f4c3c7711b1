"""Measurements and predictions that are made up, for tests of what is computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edge_deploy_runner.bench.percentiles import Estimate
from edge_deploy_runner.bench.prediction import Basis, NearModel, OtherSource, Prediction
from edge_deploy_runner.bench.records import (
    DelegateUse,
    Measurement,
    ModelIdentity,
    OperatorTiming,
    SweepPoint,
)
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.bench.sustained_record import Sustained, SustainedWindow
from edge_deploy_runner.machine.telemetry import Telemetry


def sustained(
    first_ms: Sequence[float] = (10.0,) * 100, last_ms: Sequence[float] = (11.0,) * 100,
    throttled: Sequence[int | None] = (None, None),
) -> Sustained:  # fmt: skip
    """A long run with these latencies in its first and last part, and a window for each bit."""
    first, last = (tuple(round(ms * 1e6) for ms in part) for part in (first_ms, last_ms))
    return Sustained(
        seconds=60.0,
        runs=5000,
        part_seconds=6.0,
        first_latencies_ns=first,
        last_latencies_ns=last,
        windows=tuple(
            SustainedWindow(30.0 * number, 30.0, 2500, 10.0, 10.5, 60.0 + number, 1500.0, bits)
            for number, bits in enumerate(throttled)
        ),
    )


def made_up(
    latencies_ms: Sequence[float] = (10.0,) * 300, device: str = "local", **changes: Any
) -> Measurement:
    """A measurement of a 3 MB model; `changes` replaces its fields."""
    latencies = tuple(round(ms * 1e6) for ms in latencies_ms)
    found = Measurement(
        model=ModelIdentity("model.tflite", "ab" * 32, 3_000_000),
        device={"id": device, "target": "local", "cpu_model": "a test CPU"},
        runtime={"name": "ai_edge_litert", "version": "2.3.0"},
        spec=RunSpec(threads=2),
        delegate=DelegateUse("auto", "XNNPACK", 0.75),
        load_ms=7.5,
        first_inference_ms=12.0,
        warm_up_ns=latencies[:5],
        latencies_ns=latencies,
        peak_memory_bytes=20_000_000,
        baseline_memory_bytes=50_000_000,
        total_memory_bytes=70_000_000,
        operators=(
            OperatorTiming("layer0", "CONV_2D", 4.0),
            OperatorTiming("layer1", "CONV_2D", 5.0),
            OperatorTiming("answer", "Mystery", None, "a custom operator"),
        ),
        sweep=(SweepPoint(1, latencies[:10]), SweepPoint(2, latencies[:10])),
        telemetry_before=Telemetry(governor="performance"),
        telemetry_after=Telemetry(governor="performance", temperatures_celsius={"zone0": 41.5}),
        warnings=("a warning",),
        created_by={"edge-deploy": "0.1.0"},
    )
    return replace(found, **changes)


def basis(**changes: Any) -> Basis:
    """What a made-up prediction rests on."""
    found = Basis(
        device="pixel-4",
        cluster="big",
        runtime="LiteRT 2.1",
        dtype="float32",
        threads=4,
        delegate="xnnpack",
        models=12,
        error={"mae_loo": 0.05, "mae_lofo": None, "worst": 0.2, "coverage80": 0.83},
        made="2026-01-31",
        like="",
        scale_note="",
        source="a table",
        standing="read",
        nearest=(NearModel("net-1", 9.0), NearModel("net-2", 14.0)),
        widened=("its mix of work is like none of them",),
        tail="p90 is a guess",
        memory="memory is a sum",
        others=(OtherSource("another table", "TFLite 2.5", 30.0, 25.0, 35.0),),
        other_runtimes=("TFLite 2.5",),
        replace_with="edge-deploy profile model.tflite --device android --threads 4",
    )
    return replace(found, **changes)


def predicted(
    p50: tuple[float, float, float] = (8.0, 10.0, 12.0),
    memory_mb: tuple[float, float, float] = (30.0, 40.0, 50.0),
    rests_on: Basis | None = None,
    **changes: Any,
) -> Measurement:
    """A prediction for a Pixel 4 with these ends; its p90 is 1.1 times the p50, 1 to 1.5."""
    low, value, high = p50
    found = Measurement(
        model=ModelIdentity("model.tflite", "ab" * 32, 3_000_000),
        device={"id": "pixel-4", "target": None, "name": "Google Pixel 4"},
        runtime={"name": "LiteRT 2.1", "version": "", "origin": "prediction"},
        spec=RunSpec(threads=4),
        delegate=DelegateUse("auto", "XNNPACK", None),
        load_ms=None,
        first_inference_ms=None,
        warm_up_ns=(),
        latencies_ns=(),
        peak_memory_bytes=round(memory_mb[1] * 1e6),
        evidence="predicted",
        prediction=Prediction(
            {
                "p50": Estimate(value, low, high),
                "p90": Estimate(value * 1.1, low, high * 1.5),
            },
            Estimate(memory_mb[1] * 1e6, memory_mb[0] * 1e6, memory_mb[2] * 1e6),
            rests_on or basis(),
        ),
    )
    return replace(found, **changes)
