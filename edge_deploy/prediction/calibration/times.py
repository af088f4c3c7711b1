"""What a device took for the micro-models, and what it was meanwhile: values and their JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .models import TimedModel

# Of several times of the same the lower quartile: what else runs there only ever adds.
_QUANTILE = 0.25
DISTURBED = 0.25
"""From this spread between rounds on a model is timed again, and what stays counts as noise."""
REFUSED_NOISE = 1.0
"""Above it nobody should believe the times."""
_NOISE_QUANTILE = 0.8
LEAST_TAIL_MS = 1.0
"""What takes less says more of the system than of itself."""
_LEAST_TAILS = 3
_TAIL_QUANTILE = 0.9


@dataclass(frozen=True)
class ModelTimes:
    """A micro-model or operator and its times in ms, one or more a round.

    `rounds` numbers the round of each time; empty where every time is a round of its own.
    `retaken` says that the last round was added because those before it differed.
    """

    timed: TimedModel
    threads: int
    times_ms: tuple[float, ...]
    rounds: tuple[int, ...] = ()
    retaken: bool = False

    @property
    def ms(self) -> float:
        """The lower quartile of the times."""
        return float(np.quantile(self.times_ms, _QUANTILE))

    @property
    def spread(self) -> float:
        """How far the rounds' lower quartiles lie apart, as a share of the least.

        Where a round was added, the slowest one does not count.
        """
        groups: dict[int, list[float]] = {}
        for number, ms in enumerate(self.times_ms):
            several = len(set(self.rounds)) > 1
            groups.setdefault(self.rounds[number] if several else number, []).append(ms)
        found = sorted(float(np.quantile(group, _QUANTILE)) for group in groups.values())
        if self.retaken and len(found) > 2:
            found.pop()
        return found[-1] / found[0] - 1


@dataclass(frozen=True)
class Calibration:
    """What a device took for the micro-models, and what it was while it did.

    `machine` is the "device" of its measurements; `tails` holds (p50 in ms, p90 over p50) of the
    longest micro-models by threads. `delegate`: "xnnpack" or "none".
    """

    machine: dict[str, Any]
    runtime: str
    delegate: str
    evidence: str
    max_mhz: float | None
    times: tuple[ModelTimes, ...]
    tails: dict[int, tuple[tuple[float, float], ...]]
    warnings: tuple[str, ...]
    seconds: float
    cpus: str | None = None

    @property
    def noise(self) -> float:
        """`noise_of` the dtype and number of threads that were disturbed the most."""
        runs = {(entry.timed.dtype, entry.threads) for entry in self.times}
        return max((self.noise_of(*run) for run in runs), default=0.0)

    def noise_of(self, dtype: str, threads: int) -> float:
        """How much times of whole models differ between rounds: of four models in five at most."""
        spreads = [
            entry.spread
            for entry in self.times
            if not entry.timed.kind and (entry.timed.dtype, entry.threads) == (dtype, threads)
        ]
        return float(np.quantile(spreads, _NOISE_QUANTILE)) if spreads else 0.0

    def widening(self, dtype: str, threads: int) -> float:
        """The noise that predictions are widened by: 0 where there was no more than usual."""
        noise = self.noise_of(dtype, threads)
        return noise if noise > DISTURBED else 0.0

    def tail(self, threads: int) -> tuple[float, float, float] | None:
        """The least, the usual and the most p90 over p50, or None where too few tell.

        The usual is the median over models and rounds and the most their 90% quantile, which no
        single one makes; what takes under a millisecond says more of the system than of itself.
        """
        found = [
            max(1.0, ratio) for p50, ratio in self.tails.get(threads, ()) if p50 >= LEAST_TAIL_MS
        ]
        if len(found) < _LEAST_TAILS:
            return None
        usual = float(np.median(found))
        most = float(np.quantile(found, _TAIL_QUANTILE, method="lower"))
        return 1.0, usual, max(usual, most)

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
            "tails": {
                str(threads): [{"p50_ms": p50, "p90_over_p50": ratio} for p50, ratio in values]
                for threads, values in self.tails.items()
            },
            "times": [
                {
                    "model": entry.timed.model,
                    "family": entry.timed.family,
                    "dtype": entry.timed.dtype,
                    "operator": entry.timed.kind or None,
                    "threads": entry.threads,
                    "features": entry.timed.features,
                    "times_ms": list(entry.times_ms),
                    "rounds": list(entry.rounds),
                }
                for entry in self.times
            ],
        }
