"""What a run is asked to do, and what it measured: the values and their JSON.

Raw latencies are stored; percentiles and their intervals are computed on read.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from .errors import BadInputError, UsageError
from .percentiles import Estimate, latency_estimates
from .telemetry import Telemetry

FORMAT = "edge-deploy measurement"
VERSION = 1
DELEGATES = ("auto", "xnnpack", "none")
EVIDENCE = ("measured", "simulated", "predicted", "user", "unknown")


@dataclass(frozen=True)
class RunSpec:
    """How to run a model: threads, delegate, and when to stop.

    `delegate`: "auto" (XNNPACK where it takes any operator), "xnnpack" (an error where it takes
    none) or "none" (TFLite's built-in kernels). Runs stop when both `min_runs` and `min_seconds`
    are met; `max_seconds` ends them early only where one run takes longer than a second, and
    `max_runs` where they are so short that more of them would say nothing new.
    """

    threads: int = 1
    delegate: str = "auto"
    warm_up_runs: int = 5
    warm_up_seconds: float = 0.2
    min_runs: int = 50
    min_seconds: float = 2.0
    max_seconds: float = 60.0
    max_runs: int = 20_000
    sustained_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.delegate not in DELEGATES:
            raise UsageError(
                f"unknown delegate {self.delegate!r}; use one of {', '.join(DELEGATES)}"
            )
        for name, smallest in (
            ("threads", 1),
            ("warm_up_runs", 1),
            ("min_runs", 1),
            ("max_runs", 1),
        ):
            if getattr(self, name) < smallest:
                raise UsageError(f"{name} is {getattr(self, name)}; use {smallest} or more")
        for name in ("warm_up_seconds", "min_seconds", "max_seconds", "sustained_seconds"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0:
                raise UsageError(f"{name} is {value}; use a number of seconds that is not negative")

    @property
    def kernels(self) -> str:
        """The name that `LoadedModel` has for the delegate's kernels."""
        return "builtin" if self.delegate == "none" else "xnnpack"

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RunSpec:
        """The spec in a JSON object; raises `BadInputError` for keys or types that are not its."""
        reader = Reader(values, "the run spec")
        known = {item.name for item in fields(cls)}
        unknown = set(values) - known
        if unknown:
            raise BadInputError(f"the run spec has an unknown key {sorted(unknown)[0]!r}")
        return cls(
            threads=reader.integer("threads", 1),
            delegate=reader.text("delegate", "auto"),
            warm_up_runs=reader.integer("warm_up_runs", cls.warm_up_runs),
            warm_up_seconds=reader.number("warm_up_seconds", cls.warm_up_seconds),
            min_runs=reader.integer("min_runs", cls.min_runs),
            min_seconds=reader.number("min_seconds", cls.min_seconds),
            max_seconds=reader.number("max_seconds", cls.max_seconds),
            max_runs=reader.integer("max_runs", cls.max_runs),
            sustained_seconds=reader.number("sustained_seconds", cls.sustained_seconds),
        )


@dataclass(frozen=True)
class ModelIdentity:
    """Which file was measured."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class DelegateUse:
    """What was asked for, what ran, and the share of operators (0 to 1) that it took."""

    asked: str
    used: str
    operator_share: float


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
class Energy:
    """Energy of one inference: marginal (above idle) and gross, each with what it may be.

    `evidence` "unknown" leaves the figures None and says why in `reason`.
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

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class BatteryUse:
    """What the inferences cost a battery. Hours are None where the idle power is not known."""

    capacity_mah: float
    voltage_v: float
    efficiency: float
    evidence: str
    percent_per_1000: float | None = None
    hours_idle: float | None = None
    hours_continuous: float | None = None
    rate_hz: float | None = None
    hours_at_rate: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class SweepPoint:
    """Latencies of one number of threads, taken in turn with the others."""

    threads: int
    latencies_ns: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Raw latencies and their percentiles."""
        return {
            "threads": self.threads,
            "latencies_ns": list(self.latencies_ns),
            "latency_ms": latency_json(self.latencies_ns),
        }


@dataclass(frozen=True)
class Sustained:
    """A long run: the median of its first and of its last tenth."""

    seconds: float
    runs: int
    first_p50_ms: float
    last_p50_ms: float
    slowdown: float

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Measurement:
    """One model run on one device; every figure that `profile` reports, in raw form.

    `device` holds "id", "target" and the environment; `runtime` "name" and "version".
    """

    model: ModelIdentity
    device: dict[str, Any]
    runtime: dict[str, str]
    spec: RunSpec
    delegate: DelegateUse
    load_ms: float
    first_inference_ms: float
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
    telemetry_after: Telemetry = field(default_factory=Telemetry)
    warnings: tuple[str, ...] = ()
    evidence: str = "measured"
    created_by: dict[str, str] = field(default_factory=dict)

    def latency(self) -> dict[str, Estimate | None]:
        """p50, p90, p99 in milliseconds with their 95% intervals; p99 None under 299 runs."""
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
            "latency_ms": latency_json(self.latencies_ns),
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
                "after": self.telemetry_after.to_json(),
            },
            "warnings": list(self.warnings),
            "evidence": self.evidence,
        }

    @classmethod
    def from_json(cls, document: Any, origin: str = "the measurement") -> Measurement:
        """The measurement in a parsed JSON document.

        Raises `BadInputError` that names what is missing or makes no sense.
        """
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise BadInputError(
                f'{origin} is not a measurement (no "format": "{FORMAT}"); '
                "make one with `edge-deploy profile MODEL -o FILE`"
            )
        if document.get("version") != VERSION:
            raise BadInputError(
                f"{origin} has version {document.get('version')!r} but this edge-deploy reads "
                f"version {VERSION}; measure again"
            )
        reader = Reader(document, origin)
        model, delegate = reader.object("model"), reader.object("delegate")
        spec = RunSpec.from_json(reader.mapping("spec"))
        if reader.integer("threads") != spec.threads:
            raise BadInputError(f'{origin}: "threads" and its spec disagree')
        memory, telemetry = reader.object("memory"), reader.object("telemetry")
        runtime, device = reader.object("runtime"), reader.object("device")
        runtime.text("name")
        runtime.text("version")
        device.text("id")
        size_bytes = model.integer("size_bytes")
        if reader.integer("size_bytes") != size_bytes:
            raise BadInputError(f"{origin} states two different sizes of its model")
        return cls(
            model=ModelIdentity(model.text("name"), model.text("sha256"), size_bytes),
            device=device.values,
            runtime={key: str(value) for key, value in runtime.values.items()},
            spec=spec,
            delegate=DelegateUse(
                delegate.text("asked"),
                delegate.text("used"),
                delegate.number("operator_share", largest=1.0),
            ),
            load_ms=reader.number("load_ms"),
            first_inference_ms=reader.number("first_inference_ms"),
            warm_up_ns=reader.latencies("warm_up_ns", may_be_empty=True),
            latencies_ns=reader.latencies("latencies_ns"),
            peak_memory_bytes=reader.optional_integer("peak_memory_bytes"),
            baseline_memory_bytes=memory.optional_integer("baseline_bytes"),
            total_memory_bytes=memory.optional_integer("total_bytes"),
            operators=tuple(
                OperatorTiming(
                    entry.text("name"),
                    entry.text("kind"),
                    entry.optional_number("ms"),
                    entry.text("reason", ""),
                )
                for entry in reader.objects("operators")
            ),
            operators_note=reader.text("operators_note", ""),
            energy=_energy(reader.object("energy")),
            battery=_battery(reader.object("battery")) if document.get("battery") else None,
            sustained=_sustained(reader.object("sustained")) if document.get("sustained") else None,
            sweep=tuple(
                SweepPoint(entry.integer("threads"), entry.latencies("latencies_ns"))
                for entry in reader.objects("sweep")
            ),
            telemetry_before=_telemetry(telemetry.optional_object("before")),
            telemetry_after=_telemetry(telemetry.optional_object("after")),
            warnings=tuple(reader.texts("warnings")),
            evidence=reader.evidence(),
            created_by={k: str(v) for k, v in reader.mapping("created_by").items()},
        )


def read_measurement(path: str | os.PathLike[str]) -> Measurement:
    """The measurement in a JSON file; raises `BadInputError` with the reason."""
    return Measurement.from_json(read_json_object(path), Path(path).name)


def read_json_object(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON object in a file; raises `BadInputError` where there is none."""
    path = Path(path)
    try:
        if path.is_dir():
            raise BadInputError(f"{path} is a folder, not a JSON file; name the file in it")
        if path.is_char_device():
            raise BadInputError(f"{path} is no file; name a JSON file")
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BadInputError(f"there is no file at {path}; check the path") from None
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise BadInputError(f"{path} is not a JSON file: {error}") from error
    if not isinstance(document, dict):
        raise BadInputError(f"{path} holds no JSON object")
    return document


def latency_json(latencies_ns: tuple[int, ...]) -> dict[str, Any]:
    """Percentiles in milliseconds and, under "ci95", their intervals; None for what is unknown."""
    estimates = latency_estimates(latencies_ns)
    return {
        **{name: found.value if found else None for name, found in estimates.items()},
        "ci95": {
            name: [found.low, found.high] if found and found.low is not None else None
            for name, found in estimates.items()
        },
    }


_MISSING: Any = object()


class Reader:
    """Takes typed values out of a JSON object; every refusal names the file and the key."""

    def __init__(self, values: Mapping[str, Any], origin: str, prefix: str = "") -> None:
        self.values = dict(values)
        self._origin = origin
        self._prefix = prefix

    def _fail(self, key: str, what: str) -> BadInputError:
        return BadInputError(f'{self._origin}: "{self._prefix}{key}" {what}')

    def _get(self, key: str, default: Any) -> Any:
        value = self.values.get(key, default)
        if value is _MISSING:
            raise self._fail(key, "is missing")
        return value

    def number(
        self, key: str, default: Any = _MISSING, smallest: float = 0.0, largest: float = math.inf
    ) -> float:
        """A finite number within bounds."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._fail(key, f"is {value!r}, not a number")
        if not math.isfinite(value):
            raise self._fail(key, f"is {value}, which is no measured value")
        if value < smallest or value > largest:
            raise self._fail(key, f"is {value}, which cannot be")
        return float(value)

    def optional_number(self, key: str, smallest: float = 0.0) -> float | None:
        """A finite number, or None where there is none."""
        return None if self.values.get(key) is None else self.number(key, smallest=smallest)

    def integer(self, key: str, default: Any = _MISSING) -> int:
        """A whole number that is not negative."""
        value = self.number(key, default)
        if value != int(value):
            raise self._fail(key, f"is {value}, not a whole number")
        return int(value)

    def optional_integer(self, key: str) -> int | None:
        """A whole number, or None where there is none."""
        return None if self.values.get(key) is None else self.integer(key)

    def text(self, key: str, default: Any = _MISSING) -> str:
        """A string."""
        value = self._get(key, default)
        if not isinstance(value, str):
            raise self._fail(key, f"is {value!r}, not a text")
        return value

    def optional_text(self, key: str) -> str | None:
        """A string, or None where there is none."""
        return None if self.values.get(key) is None else self.text(key)

    def optional_flag(self, key: str) -> bool | None:
        """True or false, or None where there is neither."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, bool):
            raise self._fail(key, f"is {value!r}, not true or false")
        return value

    def evidence(self, default: Any = _MISSING) -> str:
        """The "evidence" of a figure, one of `EVIDENCE`."""
        value = self.text("evidence", default)
        if value not in EVIDENCE:
            raise self._fail("evidence", f"is {value!r}, not one of {', '.join(EVIDENCE)}")
        return value

    def texts(self, key: str) -> list[str]:
        """A list of strings."""
        value = self._get(key, _MISSING)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._fail(key, "is not a list of texts")
        return value

    def mapping(self, key: str) -> dict[str, Any]:
        """A JSON object."""
        value = self._get(key, _MISSING)
        if not isinstance(value, dict):
            raise self._fail(key, "is not an object")
        return value

    def object(self, key: str) -> Reader:
        """A reader of a JSON object."""
        return Reader(self.mapping(key), self._origin, f"{self._prefix}{key}.")

    def optional_object(self, key: str) -> Reader | None:
        """A reader of a JSON object, or None for null; the key must be there."""
        return None if self._get(key, _MISSING) is None else self.object(key)

    def objects(self, key: str) -> list[Reader]:
        """Readers of a list of JSON objects."""
        value = self._get(key, _MISSING)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self._fail(key, "is not a list of objects")
        return [
            Reader(item, self._origin, f"{self._prefix}{key}[{number}].")
            for number, item in enumerate(value)
        ]

    def latencies(self, key: str, may_be_empty: bool = False) -> tuple[int, ...]:
        """Positive whole nanoseconds."""
        value = self._get(key, _MISSING)
        if not isinstance(value, list):
            raise self._fail(key, "is not a list of latencies")
        if not value and not may_be_empty:
            raise self._fail(key, "is empty: nothing was measured")
        for item in value:
            if isinstance(item, bool) or not isinstance(item, int) or item <= 0:
                raise self._fail(key, f"holds {item!r}, which is no latency in nanoseconds")
        return tuple(value)


def _energy(reader: Reader) -> Energy:
    return Energy(
        evidence=reader.evidence(),
        reason=reader.text("reason", ""),
        source=reader.text("source", ""),
        **{
            item.name: reader.optional_number(item.name, smallest=-math.inf)
            for item in fields(Energy)
            if item.name not in ("evidence", "reason", "source")
        },
    )


def _battery(reader: Reader) -> BatteryUse:
    return BatteryUse(
        capacity_mah=reader.number("capacity_mah"),
        voltage_v=reader.number("voltage_v"),
        efficiency=reader.number("efficiency", largest=1.0),
        evidence=reader.evidence(),
        percent_per_1000=reader.optional_number("percent_per_1000"),
        hours_idle=reader.optional_number("hours_idle"),
        hours_continuous=reader.optional_number("hours_continuous"),
        rate_hz=reader.optional_number("rate_hz"),
        hours_at_rate=reader.optional_number("hours_at_rate"),
    )


def _sustained(reader: Reader) -> Sustained:
    return Sustained(
        seconds=reader.number("seconds"),
        runs=reader.integer("runs"),
        first_p50_ms=reader.number("first_p50_ms"),
        last_p50_ms=reader.number("last_p50_ms"),
        slowdown=reader.number("slowdown"),
    )


def _telemetry(reader: Reader | None) -> Telemetry:
    if reader is None:
        return Telemetry()
    has_heat = reader.values.get("temperatures_celsius") is not None
    heat = reader.object("temperatures_celsius") if has_heat else None
    return Telemetry(
        governor=reader.optional_text("governor"),
        frequency_mhz=reader.optional_number("frequency_mhz"),
        max_frequency_mhz=reader.optional_number("max_frequency_mhz"),
        temperatures_celsius=None
        if heat is None
        else {zone: heat.number(zone, smallest=-math.inf) for zone in heat.values},
        load_average=reader.optional_number("load_average"),
        others_cpu_share=reader.optional_number("others_cpu_share"),
        throttled=reader.optional_integer("throttled"),
        battery_percent=reader.optional_number("battery_percent"),
        on_battery=reader.optional_flag("on_battery"),
        energy_uj=reader.optional_integer("energy_uj"),
    )
