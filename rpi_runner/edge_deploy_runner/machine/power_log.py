"""Raw readings of power, idle and under load in turn: what an energy figure is worked out from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edge_deploy_runner.json_reader import Reader

from .power_meters import PowerWindow
from .telemetry import Telemetry


@dataclass(frozen=True)
class CounterSlice:
    """What an energy counter counted over some time, and the inferences run in it."""

    energy_uj: int
    seconds: float
    runs: int = 0


def counted_uj(before: int, after: int, range_uj: int | None) -> int | None:
    """Difference of two readings of a counter that wraps at `range_uj`; None where unknown."""
    if after >= before:
        return after - before
    return None if range_uj is None else after + range_uj - before


@dataclass(frozen=True)
class PowerLog:
    """Pairs of (idle, load): slices of the energy counter, or windows of a power meter.

    Both may be empty. `meter` says what was read, every `interval_s`, and `evidence` what its watts
    are. `telemetry` holds looks at the machine before, between and after the readings. Where
    `meter` names a counter, `resolution_uj` is how far a pair may be off by its steps. `reason`
    says why there are no readings, where somebody asked for them.
    """

    counter: tuple[tuple[CounterSlice, CounterSlice], ...] = ()
    windows: tuple[tuple[PowerWindow, PowerWindow], ...] = ()
    meter: str = ""
    interval_s: float = 0.0
    evidence: str = "measured"
    telemetry: tuple[Telemetry, ...] = ()
    resolution_uj: float = 0.0
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "counter": [[asdict(part) for part in pair] for pair in self.counter],
            "windows": [[part.to_json() for part in pair] for pair in self.windows],
            "meter": self.meter,
            "interval_s": self.interval_s,
            "evidence": self.evidence,
            "telemetry": [look.to_json() for look in self.telemetry],
            "resolution_uj": self.resolution_uj,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], origin: str) -> PowerLog:
        """The readings in a JSON object; raises `BadInputError` for what is none."""
        reader = Reader(document, origin)
        return cls(
            counter=tuple(
                (_slice(idle, origin), _slice(load, origin)) for idle, load in document["counter"]
            ),
            windows=tuple(
                (PowerWindow.from_json(idle), PowerWindow.from_json(load))
                for idle, load in document["windows"]
            ),
            meter=reader.text("meter"),
            interval_s=reader.number("interval_s"),
            evidence=reader.evidence(),
            telemetry=tuple(Telemetry(**look) for look in document["telemetry"]),
            resolution_uj=reader.number("resolution_uj", 0.0),
            reason=reader.text("reason", ""),
        )


def _slice(document: Mapping[str, Any], origin: str) -> CounterSlice:
    reader = Reader(document, origin)
    return CounterSlice(
        reader.integer("energy_uj"), reader.number("seconds"), reader.integer("runs")
    )
