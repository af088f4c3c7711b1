"""Measurements out of JSON that somebody else may have written; refusals name file and key."""

from __future__ import annotations

import math
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.json_reader import EVIDENCE, Reader, read_json_object
from edge_deploy_runner.machine.telemetry import Look, Telemetry

from .prediction import Prediction, is_latency_json, read_latency
from .records import (
    FORMAT,
    VERSION,
    BatteryUse,
    DelegateUse,
    Energy,
    EnergySource,
    Measurement,
    ModelIdentity,
    OperatorTiming,
    SweepPoint,
)
from .run_spec import RunSpec
from .sustained_record import Sustained, SustainedWindow


def read_measurement(path: str | os.PathLike[str]) -> Measurement:
    """The measurement in a JSON file; raises `BadInputError` with the reason."""
    return measurement_from_json(read_json_object(path), Path(path).name)


def measurement_from_json(document: Any, origin: str = "the measurement") -> Measurement:
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
    prediction = _prediction(reader)
    return Measurement(
        model=ModelIdentity(model.text("name"), model.text("sha256"), size_bytes),
        device=device.values,
        runtime={key: str(value) for key, value in runtime.values.items()},
        spec=spec,
        delegate=DelegateUse(
            delegate.text("asked"),
            delegate.text("used"),
            _share(delegate),
        ),
        load_ms=reader.number("load_ms") if prediction is None else None,
        first_inference_ms=reader.number("first_inference_ms") if prediction is None else None,
        warm_up_ns=reader.latencies("warm_up_ns", may_be_empty=True),
        latencies_ns=reader.latencies("latencies_ns", may_be_empty=prediction is not None),
        peak_memory_bytes=reader.optional_integer("peak_memory_bytes")
        if prediction is None
        else round(prediction.peak_memory.value),
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
        sweep=tuple(_sweep_point(entry, prediction) for entry in reader.objects("sweep")),
        telemetry_before=_telemetry(telemetry.optional_object("before")),
        telemetry_during=tuple(
            Look(entry.number("seconds"), _telemetry(entry.object("telemetry")))
            for entry in (telemetry.objects("during") if "during" in telemetry.values else ())
        ),
        telemetry_after=_telemetry(telemetry.optional_object("after")),
        warnings=tuple(reader.texts("warnings")),
        void=tuple(reader.texts("void")) if "void" in document else (),
        evidence=reader.evidence(),
        created_by={k: str(v) for k, v in reader.mapping("created_by").items()},
        prediction=prediction,
    )


def _prediction(reader: Reader) -> Prediction | None:
    """The prediction in a document; refused where the rest of the document is of another kind."""
    found = reader.optional_object("prediction") if "prediction" in reader.values else None
    if (found is None) == (reader.evidence() == "predicted"):
        raise reader.failure(
            "prediction",
            'is missing, and the evidence is "predicted"; predict again'
            if found is None
            else f"stands beside the evidence {reader.evidence()!r}; predict or measure again",
        )
    if found is None:
        return None
    for key in ("load_ms", "first_inference_ms", "sustained", "latencies_ns", "warm_up_ns", "void"):
        if reader.values.get(key):
            raise reader.failure(key, "is known, which no prediction knows; predict again")
    prediction = Prediction.read(found)
    _check_figures(reader, prediction)
    return prediction


def _check_figures(reader: Reader, prediction: Prediction) -> None:
    """Refuse a document whose other figures are not those of its prediction."""
    basis = prediction.basis
    for key, stated, meant in (
        ("device.id", reader.object("device").text("id"), basis.device),
        ("threads", reader.integer("threads"), basis.threads),
        (
            "peak_memory_bytes",
            reader.optional_integer("peak_memory_bytes"),
            round(prediction.peak_memory.value),
        ),
    ):
        if stated != meant:
            raise reader.failure(key, "is not that of its prediction; predict again")
    if not is_latency_json(reader.mapping("latency_ms"), prediction.latency):
        raise reader.failure("latency_ms", "is not that of its prediction; predict again")
    energy = reader.object("energy")
    used = (energy, reader.object("battery")) if reader.values.get("battery") else (energy,)
    for figures in used:
        if figures.evidence() not in ("predicted", "unknown"):
            raise figures.failure(
                "evidence",
                f"is {figures.evidence()!r}, and what is worked out from a predicted time is "
                "predicted; predict again",
            )
    for key, low, high in _ENERGY_ENDS:
        value = energy.optional_number(key)
        if value is not None and not energy.number(low) <= value <= energy.number(high):
            raise energy.failure(key, "does not lie between its ends; predict again")


_ENERGY_ENDS = (
    ("mj_per_inference", "low", "high"),
    ("gross_mj_per_inference", "gross_low", "gross_high"),
    ("idle_w", "idle_w_low", "idle_w_high"),
)


def _sweep_point(entry: Reader, prediction: Prediction | None) -> SweepPoint:
    threads = entry.integer("threads")
    if prediction is None:
        return SweepPoint(threads, entry.latencies("latencies_ns"))
    return SweepPoint(threads, (), read_latency(entry.object("predicted_ms")))


def _share(delegate: Reader) -> float | None:
    if "operator_share" in delegate.values and delegate.values["operator_share"] is None:
        return None
    return delegate.number("operator_share", largest=1.0)


def _energy(reader: Reader) -> Energy:
    texts = ("evidence", "reason", "source", "idle_evidence")
    # Files of older versions have no alternatives.
    sources = reader.objects("alternatives") if "alternatives" in reader.values else ()
    return Energy(
        evidence=reader.evidence(),
        reason=reader.text("reason", ""),
        source=reader.text("source", ""),
        alternatives=tuple(_energy_source(entry) for entry in sources),
        idle_evidence=_idle_evidence(reader),
        **{
            item.name: reader.optional_number(item.name, smallest=-math.inf)
            for item in fields(Energy)
            if item.name not in (*texts, "alternatives")
        },
    )


def _idle_evidence(reader: Reader) -> str | None:
    """None in files of older versions, too."""
    found = reader.values.get("idle_evidence")
    if found is None:
        return None
    if found not in EVIDENCE:
        raise reader.failure("idle_evidence", f"is {found!r}; it is one of {', '.join(EVIDENCE)}")
    return str(found)


def _energy_source(reader: Reader) -> EnergySource:
    return EnergySource(
        source=reader.text("source"),
        standing=reader.text("standing"),
        value=reader.number("value", smallest=-math.inf),
        low=reader.number("low", smallest=-math.inf),
        high=reader.number("high", smallest=-math.inf),
        idle_w=reader.optional_number("idle_w"),
        load_w=reader.optional_number("load_w"),
    )


def _battery(reader: Reader) -> BatteryUse:
    stated = ("capacity_mah", "voltage_v", "efficiency", "evidence")
    return BatteryUse(
        capacity_mah=reader.number("capacity_mah"),
        voltage_v=reader.number("voltage_v"),
        efficiency=reader.number("efficiency", largest=1.0),
        evidence=reader.evidence(),
        **{
            item.name: reader.optional_number(item.name)
            for item in fields(BatteryUse)
            if item.name not in stated
        },
    )


def _sustained(reader: Reader) -> Sustained:
    return Sustained(
        seconds=reader.number("seconds"),
        runs=reader.integer("runs"),
        part_seconds=reader.number("part_seconds"),
        first_latencies_ns=reader.latencies("first_latencies_ns"),
        last_latencies_ns=reader.latencies("last_latencies_ns"),
        windows=tuple(
            SustainedWindow(
                start_s=entry.number("start_s"),
                seconds=entry.number("seconds"),
                runs=entry.integer("runs"),
                p50_ms=entry.number("p50_ms"),
                p90_ms=entry.number("p90_ms"),
                temperature_celsius=entry.optional_number(
                    "temperature_celsius", smallest=-math.inf
                ),
                frequency_mhz=entry.optional_number("frequency_mhz"),
                throttled=entry.optional_integer("throttled"),
            )
            for entry in reader.objects("windows")
        ),
    )


def _telemetry(reader: Reader | None) -> Telemetry:
    """Every field by its type; what an older file does not have is None."""
    if reader is None:
        return Telemetry()
    found: dict[str, Any] = {}
    for item in fields(Telemetry):
        if reader.values.get(item.name) is None:
            continue
        match item.type:
            case "str | None":
                found[item.name] = reader.text(item.name)
            case "int | None":
                found[item.name] = reader.integer(item.name)
            case "bool | None":
                found[item.name] = reader.optional_flag(item.name)
            case "float | None":
                cold = -math.inf if item.name.endswith("_celsius") else 0.0
                found[item.name] = reader.number(item.name, smallest=cold)
            case "dict[str, float] | None":
                inner = reader.object(item.name)
                found[item.name] = {
                    key: inner.number(key, smallest=-math.inf) for key in inner.values
                }
            case other:
                raise TypeError(f"Telemetry.{item.name} has a type that is not read: {other}")
    return Telemetry(**found)
