"""What a long run showed: how it began and ended, and how the board was all along it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .percentiles import Estimate, latency_estimates, latency_json


@dataclass(frozen=True)
class SustainedWindow:
    """A stretch of a long run, `start_s` after its begin, and how the board was at its end.

    The temperature is the highest of the board's sensors and the clock the lowest that was seen;
    `throttled` holds every throttling bit that was seen. None where the system does not say.
    """

    start_s: float
    seconds: float
    runs: int
    p50_ms: float
    p90_ms: float
    temperature_celsius: float | None = None
    frequency_mhz: float | None = None
    throttled: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Sustained:
    """A long run: the latencies of its first and of its last part, and windows all along it.

    A part is a minute, and a tenth of a run that is shorter than two minutes (`part_seconds`). Of
    a part with very many runs every N-th latency is kept.
    """

    seconds: float
    runs: int
    part_seconds: float
    first_latencies_ns: tuple[int, ...]
    last_latencies_ns: tuple[int, ...]
    windows: tuple[SustainedWindow, ...] = ()

    def first(self) -> dict[str, Estimate | None]:
        """p50, p90, p99 of the first part, in ms."""
        return latency_estimates(self.first_latencies_ns)

    def last(self) -> dict[str, Estimate | None]:
        """p50, p90, p99 of the last part, in ms."""
        return latency_estimates(self.last_latencies_ns)

    def slowdown(self) -> Estimate:
        """The last part's median over the first part's, with its interval."""
        first, last = self.first()["p50"], self.last()["p50"]
        assert first is not None
        assert last is not None
        known = None not in (first.low, first.high, last.low, last.high)
        return Estimate(
            last.value / first.value,
            last.low / first.high if known and last.low and first.high else None,
            last.high / first.low if known and last.high and first.low else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Raw latencies, their percentiles, and the windows."""
        first, last = latency_json(self.first_latencies_ns), latency_json(self.last_latencies_ns)
        return {
            "seconds": self.seconds,
            "runs": self.runs,
            "part_seconds": self.part_seconds,
            "first_p50_ms": first["p50"],
            "last_p50_ms": last["p50"],
            "first_p90_ms": first["p90"],
            "last_p90_ms": last["p90"],
            "slowdown": self.slowdown().value,
            "first_latencies_ns": list(self.first_latencies_ns),
            "last_latencies_ns": list(self.last_latencies_ns),
            "windows": [window.to_json() for window in self.windows],
        }
