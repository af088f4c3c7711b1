"""Predictions for this machine after a calibration of it, and what it then took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from edge_deploy_runner.bench.run_spec import RunSpec

from edge_deploy import profile
from edge_deploy.prediction.calibration.device_file import device_text
from edge_deploy.prediction.calibration.latency_models import calibrated_models
from edge_deploy.prediction.calibration.measuring import calibrate

SPEC = RunSpec(warm_up_seconds=0.1, min_runs=10, min_seconds=0.4)
ROUNDS = 4
_DEVICE = "this-machine"


@dataclass(frozen=True)
class Outcome:
    """Milliseconds of one network: predicted, with the interval, and measured."""

    name: str
    predicted: float
    low: float
    high: float
    measured: float

    @property
    def error(self) -> float:
        """What the prediction is off by, as a share of what was measured."""
        return self.predicted / self.measured - 1

    @property
    def row(self) -> str:
        """A line for people."""
        inside = "" if self.low <= self.measured <= self.high else "  outside"
        return (
            f"{self.name:30} predicted {self.predicted:7.2f} ms [{self.low:.2f}, {self.high:.2f}]  "
            f"measured {self.measured:7.2f} ms  {self.error:+.1%}{inside}"
        )


def predict_then_measure(networks: Mapping[str, Path], devices: Path) -> dict[str, Outcome]:
    """Calibrate with the generated models, predict these, and then measure them, on one thread.

    `devices` is the folder that $EDGE_DEPLOY_DEVICES names. Networks are measured in rounds, and
    of these the lower quartile counts, as in a calibration.
    """
    calibration = calibrate(None, threads=(1,), rounds=ROUNDS)
    path = devices / f"{_DEVICE}.toml"
    models = calibrated_models(calibration)
    path.write_text(device_text(_DEVICE, path, models, machine=calibration.machine))
    predicted = {
        name: profile(model, device=_DEVICE, threads=1) for name, model in networks.items()
    }
    times: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(ROUNDS):
        for name, model in networks.items():
            p50 = profile(model, threads=1, operators=False, spec=SPEC).latency()["p50"]
            assert p50 is not None
            times[name].append(p50.value)
    found = {}
    for name in networks:
        assert predicted[name].evidence == "predicted"
        p50 = predicted[name].latency()["p50"]
        assert p50 is not None
        assert p50.low is not None
        assert p50.high is not None
        measured_ms = float(np.quantile(times[name], 0.25))
        found[name] = Outcome(name, p50.value, p50.low, p50.high, measured_ms)
    return found
