"""What a device took for the micro-models, and what it was meanwhile: values and their JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .calibration_models import TimedModel

# Of several times of the same the lower quartile: what else runs there only ever adds.
_QUANTILE = 0.25


@dataclass(frozen=True)
class ModelTimes:
    """A micro-model or operator and its times in ms, one or more a round."""

    timed: TimedModel
    threads: int
    times_ms: tuple[float, ...]

    @property
    def ms(self) -> float:
        """The lower quartile of the times."""
        return float(np.quantile(self.times_ms, _QUANTILE))


@dataclass(frozen=True)
class Calibration:
    """What a device took for the micro-models, and what it was while it did.

    `machine` is the "device" of its measurements; `tails` holds p90 over p50 of a small model by
    threads, one value a round. `delegate`: "xnnpack" or "none".
    """

    machine: dict[str, Any]
    runtime: str
    delegate: str
    evidence: str
    max_mhz: float | None
    times: tuple[ModelTimes, ...]
    tails: dict[int, tuple[float, ...]]
    warnings: tuple[str, ...]
    seconds: float
    cpus: str | None = None

    @property
    def noise(self) -> float:
        """How much the times of whole models differ between rounds: the median share."""
        spreads = [
            (max(entry.times_ms) - min(entry.times_ms)) / entry.ms
            for entry in self.times
            if not entry.timed.kind and len(entry.times_ms) > 1
        ]
        return float(np.median(spreads)) if spreads else 0.0

    def to_json(self) -> dict[str, Any]:
        """Every time, in plain values; files are named by model, dtype and kind of operator."""
        return {
            "format": "edge-deploy calibration",
            "version": 1,
            "machine": self.machine,
            "runtime": self.runtime,
            "delegate": self.delegate,
            "evidence": self.evidence,
            "cpus": self.cpus,
            "seconds": round(self.seconds, 1),
            "warnings": list(self.warnings),
            "tails": {str(threads): list(values) for threads, values in self.tails.items()},
            "times": [
                {
                    "model": entry.timed.model,
                    "family": entry.timed.family,
                    "dtype": entry.timed.dtype,
                    "operator": entry.timed.kind or None,
                    "threads": entry.threads,
                    "features": entry.timed.features,
                    "times_ms": list(entry.times_ms),
                }
                for entry in self.times
            ],
        }
