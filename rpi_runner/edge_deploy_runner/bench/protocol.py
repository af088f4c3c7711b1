"""What a computer asks the runner on a device to measure, and what it answers, as JSON.

The request is one line; the operators follow, one a line, so that neither end has to hold them
all. The answer is the measurement, with the runner's own version and digest beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from edge_deploy_runner.errors import BadInputError, DeviceError, UsageError
from edge_deploy_runner.json_reader import Reader
from edge_deploy_runner.machine.power_log import PowerLog
from edge_deploy_runner.version import VERSION, package_digest

from .measuring import Measured, MeterChoice, Request
from .operators import OperatorModel
from .record_reading import measurement_from_json
from .run_spec import RunSpec


def request_json(request: Request) -> dict[str, Any]:
    """Plain values for JSON."""
    return {
        "model": str(request.model),
        "name": request.name,
        "spec": request.spec.to_json(),
        "threads": request.threads,
        "operators": request.operators,
        "operators_note": request.operators_note,
        "count_energy": request.count_energy,
        "meter": None if request.meter is None else asdict(request.meter),
    }


def read_request(line: bytes) -> Request:
    """The request in a line of JSON; raises `BadInputError` for what is none."""
    try:
        document = json.loads(line)
    except ValueError as error:
        raise BadInputError(f"the bench request is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadInputError("the bench request is no JSON object")
    reader = Reader(document, "the bench request")
    threads = document.get("threads", 0)
    if threads != "sweep" and reader.integer("threads", 0) != threads:
        raise UsageError(f"threads is {threads!r}; use a number from 1 up, or sweep")
    meter = document.get("meter")
    return Request(
        model=Path(reader.text("model")),
        spec=RunSpec.from_json(reader.mapping("spec")),
        threads=threads,
        name=reader.text("name", ""),
        operators=reader.integer("operators", 0),
        operators_note=reader.text("operators_note", ""),
        count_energy=bool(reader.optional_flag("count_energy")),
        meter=None if meter is None else _meter(reader.object("meter")),
    )


def read_operators(lines: BinaryIO, count: int) -> Iterator[OperatorModel]:
    """So many operators, one a line; raises `BadInputError` where they end early."""
    for number in range(count):
        line = lines.readline()
        try:
            yield OperatorModel.from_json(json.loads(line))
        except ValueError as error:
            raise BadInputError(f"operator {number} of the bench request: {error}") from error


def answer_json(measured: Measured) -> dict[str, Any]:
    """The measurement, who measured it, and the raw readings of power."""
    return {
        **measured.measurement.to_json(),
        "runner": {"version": VERSION, "digest": package_digest()},
        "power": measured.power.to_json(),
    }


def read_answer(document: Mapping[str, Any], origin: str) -> Measured:
    """What another runner measured; raises `DeviceError` where it is not the very same runner."""
    runner = document.get("runner")
    digest = runner.get("digest") if isinstance(runner, dict) else None
    if digest != package_digest():
        raise DeviceError(
            f"{origin} runs another runner ({str(digest)[:16]}) than this computer has "
            f"({package_digest()[:16]}); run the command again, which brings it there"
        )
    return Measured(
        measurement_from_json(document, origin), PowerLog.from_json(document["power"], origin)
    )


def _meter(reader: Reader) -> MeterChoice:
    return MeterChoice(
        reader.text("kind"),
        reader.integer("address"),
        reader.number("shunt_ohms"),
        reader.integer("bus"),
    )
