"""What a run is asked to do, and what it measured: the values and their JSON.

Raw latencies are stored; percentiles and their intervals are computed on read. A prediction takes
the same form, with its own intervals in the place of latencies.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.machine.telemetry import Look, Telemetry

from .percentiles import PERCENTILES, Estimate, latency_estimates, latency_json
from .prediction import Prediction, predicted_latency_json
from .run_spec import RunSpec
from .sustained_record import Sustained

FORMAT = "edge-deploy measurement"
VERSION = 1


@dataclass(frozen=True)
class ModelIdentity:
    """Which file was measured."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class DelegateUse:
    """What was asked for, what ran, and the share of operators (0 to 1) that it took.

    `used` is "unknown", and the share None, where the runtime does not tell.
    """

    asked: str
    used: str
    operator_share: float | None

    def words(self) -> str:
        """`XNNPACK (98% of operators)`, for tables."""
        if self.used == "unknown":
            return self.used
        if self.operator_share is None:
            return f"{self.used} (share of operators unknown)"
        return f"{self.used} ({self.operator_share:.0%} of operators)"


@dataclass(frozen=True)
class OperatorTiming:
    """One operator run alone; `ms` is None, and `reason` says why, where it cannot be."""

    name: str
    kind: str
    ms: float | None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values; `reason` only where there is one."""
        record: dict[str, Any] = {"name": self.name, "kind": self.kind, "ms": self.ms}
        return {**record, "reason": self.reason} if self.reason else record


@dataclass(frozen=True)
class EnergySource:
    """What one source of power says of an inference above idle, in mJ, where sources disagree.

    `standing` is "read", "guess", "measured" or "user"; a power that it does not state is None.
    """

    source: str
    standing: str
    value: float
    low: float
    high: float
    idle_w: float | None = None
    load_w: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Energy:
    """Energy of one inference: marginal (above idle) and gross, each with what it may be.

    `evidence` "unknown" leaves the figures None and says why in `reason`. `alternatives` holds one
    entry a source, the one that the figures start from first, where sources disagree, and nothing
    where they do not. `idle_evidence` is that of `idle_w`, None where it is `evidence`: the user's
    own watts stay the user's where the time beside them is predicted.
    """

    evidence: str
    mj_per_inference: float | None = None
    low: float | None = None
    high: float | None = None
    gross_mj_per_inference: float | None = None
    gross_low: float | None = None
    gross_high: float | None = None
    idle_w: float | None = None
    load_w: float | None = None
    source: str = ""
    reason: str = ""
    idle_w_low: float | None = None
    idle_w_high: float | None = None
    alternatives: tuple[EnergySource, ...] = ()
    idle_evidence: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "alternatives": [entry.to_json() for entry in self.alternatives]}


@dataclass(frozen=True)
class BatteryUse:
    """What the inferences cost a battery, each figure with what it may be.

    Hours are None where the idle power is not known; their `*_high` may then still say what they
    are at most. `idle_share_at_rate` is the share (0 to 1) of the power at `rate_hz` that idling
    takes.
    """

    capacity_mah: float
    voltage_v: float
    efficiency: float
    evidence: str
    percent_per_1000: float | None = None
    hours_idle: float | None = None
    hours_continuous: float | None = None
    rate_hz: float | None = None
    hours_at_rate: float | None = None
    percent_per_1000_low: float | None = None
    percent_per_1000_high: float | None = None
    hours_idle_low: float | None = None
    hours_idle_high: float | None = None
    hours_continuous_low: float | None = None
    hours_continuous_high: float | None = None
    hours_at_rate_low: float | None = None
    hours_at_rate_high: float | None = None
    idle_share_at_rate: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class SweepPoint:
    """Latencies of one number of threads, taken in turn with the others.

    `predicted` holds p50 and p90 in ms in the place of latencies, in a sweep of predictions.
    """

    threads: int
    latencies_ns: tuple[int, ...]
    predicted: dict[str, Estimate] | None = None

    def latency(self) -> dict[str, Estimate | None]:
        """p50, p90, p99 in ms with their intervals."""
        if self.predicted is not None:
            return {name: self.predicted.get(name) for name in PERCENTILES}
        return latency_estimates(self.latencies_ns)

    def to_json(self) -> dict[str, Any]:
        """Raw latencies and their percentiles, or what is predicted in their place."""
        record = {"threads": self.threads, "latencies_ns": list(self.latencies_ns)}
        if self.predicted is None:
            return {**record, "latency_ms": latency_json(self.latencies_ns)}
        return {
            **record,
            "latency_ms": predicted_latency_json(self.predicted),
            "predicted_ms": {name: asdict(found) for name, found in self.predicted.items()},
        }


@dataclass(frozen=True)
class Measurement:
    """One model run on one device; every figure that `profile` reports, in raw form.

    `device` holds "id", "target" and the environment; `runtime` "name", "version" and "origin"
    ("device", or "pushed" where edge-deploy brought it). `void` says why none of the times count.
    Where `prediction` is set nothing was run: `evidence` is "predicted", there are no latencies,
    and `load_ms` and `first_inference_ms` are None.
    """

    model: ModelIdentity
    device: dict[str, Any]
    runtime: dict[str, str]
    spec: RunSpec
    delegate: DelegateUse
    load_ms: float | None
    first_inference_ms: float | None
    warm_up_ns: tuple[int, ...]
    latencies_ns: tuple[int, ...]
    peak_memory_bytes: int | None = None
    baseline_memory_bytes: int | None = None
    total_memory_bytes: int | None = None
    operators: tuple[OperatorTiming, ...] = ()
    operators_note: str = ""
    energy: Energy = field(default_factory=lambda: Energy("unknown", reason="not asked for"))
    battery: BatteryUse | None = None
    sustained: Sustained | None = None
    sweep: tuple[SweepPoint, ...] = ()
    telemetry_before: Telemetry = field(default_factory=Telemetry)
    telemetry_during: tuple[Look, ...] = ()
    telemetry_after: Telemetry = field(default_factory=Telemetry)
    warnings: tuple[str, ...] = ()
    void: tuple[str, ...] = ()
    evidence: str = "measured"
    created_by: dict[str, str] = field(default_factory=dict)
    prediction: Prediction | None = None

    def __post_init__(self) -> None:
        if (self.evidence == "predicted") != (self.prediction is not None):
            raise BadInputError(
                f"a measurement's evidence is {self.evidence!r} and it has "
                f"{'no' if self.prediction is None else 'a'} prediction; one needs the other"
            )

    def latency(self) -> dict[str, Estimate | None]:
        """p50, p90, p99 in milliseconds with their 95% intervals; p99 None under 299 runs.

        Of a prediction the intervals are its own, and p99 is None.
        """
        if self.prediction is not None:
            return self.prediction.percentiles()
        return latency_estimates(self.latencies_ns)

    @property
    def operators_sum_ms(self) -> float | None:
        """The operators' times added up; None where none was timed."""
        known = [entry.ms for entry in self.operators if entry.ms is not None]
        return math.fsum(known) if known else None

    @property
    def operators_ratio(self) -> float | None:
        """The sum of the operators over the p50 of the whole: how far the table is from it."""
        total, p50 = self.operators_sum_ms, self.latency()["p50"]
        return None if total is None or p50 is None else total / p50.value

    def to_json(self) -> dict[str, Any]:
        """The measurement file, in a fixed order of keys."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "model": asdict(self.model),
            "created_by": dict(self.created_by),
            "device": dict(self.device),
            "runtime": dict(self.runtime),
            "threads": self.spec.threads,
            "delegate": asdict(self.delegate),
            "spec": self.spec.to_json(),
            "size_bytes": self.model.size_bytes,
            "load_ms": self.load_ms,
            "first_inference_ms": self.first_inference_ms,
            "warm_up_ns": list(self.warm_up_ns),
            "latencies_ns": list(self.latencies_ns),
            "latency_ms": latency_json(self.latencies_ns)
            if self.prediction is None
            else predicted_latency_json(self.prediction.latency),
            "peak_memory_bytes": self.peak_memory_bytes,
            "memory": {
                "baseline_bytes": self.baseline_memory_bytes,
                "total_bytes": self.total_memory_bytes,
            },
            "operators": [entry.to_json() for entry in self.operators],
            "operators_sum_ms": self.operators_sum_ms,
            "operators_ratio": self.operators_ratio,
            "operators_note": self.operators_note,
            "energy": self.energy.to_json(),
            "battery": self.battery.to_json() if self.battery else None,
            "sustained": self.sustained.to_json() if self.sustained else None,
            "sweep": [point.to_json() for point in self.sweep],
            "telemetry": {
                "before": self.telemetry_before.to_json(),
                "during": [look.to_json() for look in self.telemetry_during],
                "after": self.telemetry_after.to_json(),
            },
            "warnings": list(self.warnings),
            "void": list(self.void),
            "evidence": self.evidence,
            "prediction": self.prediction.to_json() if self.prediction else None,
        }
