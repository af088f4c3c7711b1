"""Predictions after a calibration of this machine, against what the networks then take."""

from __future__ import annotations

import os
import time
from pathlib import Path
from unittest import mock

from edge_deploy import profile
from tests.local_predictions import predict_then_measure
from tests.sample_networks import SAMPLE_NETWORKS, build_network

from .measuring import Row, at_most, say
from .subjects import Subjects

_MEDIAN_ERROR = 0.10
_WORST_ERROR = 0.25
_PREDICTION_S = 1.0
_REPEATS = 5


def prediction_rows(subjects: Subjects) -> list[Row]:
    """Errors over published networks that the calibration never saw, and each network's."""
    say("calibrating, predicting and measuring")
    networks = {}
    for name in SAMPLE_NETWORKS:
        for dtype in ("float32", "int8"):
            path = networks[f"{name} {dtype}"] = subjects.folder / f"{name}_{dtype}.tflite"
            path.write_bytes(build_network(name, dtype))
    devices = subjects.folder / "devices"
    devices.mkdir()
    with mock.patch.dict(os.environ, {"EDGE_DEPLOY_DEVICES": str(devices)}):
        outcomes = predict_then_measure(networks, devices)
        taken = [_prediction_s(networks["mobilenet_v2 int8"]) for _ in range(_REPEATS)]
    errors = [abs(one.error) for one in outcomes.values()]
    rows = [
        at_most("predict", "median error, predicted / measured - 1", errors, _MEDIAN_ERROR),
        at_most("predict", "worst error", [max(errors)], _WORST_ERROR),
        at_most("predict", "one prediction, in this process, s", taken, _PREDICTION_S),
    ]
    for one in outcomes.values():
        note = f"{one.predicted:.2f} / {one.measured:.2f} ms"
        ratio = (one.predicted / one.measured,)
        rows.append(Row(f"predict, {one.name}", "predicted / measured", ratio, "", None, note=note))
    return rows


def _prediction_s(model: Path) -> float:
    begun = time.perf_counter()
    profile(model, device="this-machine", threads=1)
    return time.perf_counter() - begun
