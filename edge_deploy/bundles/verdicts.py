"""Verdicts that a bundle is built on: read, held against the model, and doubted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from edge_deploy_runner.bench.records import FORMAT as MEASUREMENT_FORMAT
from edge_deploy_runner.errors import BadInputError, EdgeDeployError
from edge_deploy_runner.tflite.model_file import ModelFile

from edge_deploy.budget import Budget


class GateError(EdgeDeployError):
    """The verdict that a bundle was to be built on did not pass."""

    exit_code = 1


def read_verdict(path: str | os.PathLike[str], file: ModelFile) -> dict[str, Any]:
    """The summary of a verdict that passed; raises `GateError` for another."""
    try:
        record = json.loads(Path(path).read_text("utf-8"))
        if record["format"] == MEASUREMENT_FORMAT:  # `profile --budget -o` keeps it in there
            record = record.get("verdict")
            if record is None:
                raise BadInputError(
                    f"{path} is a measurement without a verdict; give --budget to profile, or "
                    "judge it"
                )
        if record["format"] != "edge-deploy verdict":
            raise ValueError(f"its format is {record['format']!r}")
        status, checks = record["status"], record["checks"]
        listed = [f"{check['metric']} {check['status']}" for check in checks]
        evidence = sorted({str(check.get("evidence", "unknown")) for check in checks})
        described = record["model"]["sha256"]
    except OSError as error:
        raise BadInputError(
            f"the verdict {path} cannot be read: {error.strerror or error}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise BadInputError(
            f"{path} is no verdict ({reason}); write one with `edge-deploy judge "
            "--json`, or with `edge-deploy profile --budget FILE -o FILE`"
        ) from error
    if described != file.sha256:
        raise BadInputError(
            f"the verdict {path} is about another model (another sha256); measure and judge "
            f"{file.name} again"
        )
    if status != "pass":
        bad = [text for text in listed if not text.endswith(" pass")]
        raise GateError(
            f"the verdict {path} did not pass ({', '.join(bad) or status}); no bundle was built"
        )
    return {
        "status": status,
        "budget": record.get("budget"),
        "device": record.get("device"),
        "architecture": record.get("architecture"),
        "evidence": evidence,
        "checks": listed,
    }


def architecture_doubts(
    verdict: dict[str, Any] | None, architectures: tuple[str, ...]
) -> list[str]:  # fmt: skip
    """Why a verdict that passed says less than it seems of machines of these architectures."""
    if verdict is None:
        return []
    found = []
    of, wanted = verdict["architecture"], " or ".join(architectures)
    if of is not None and of not in architectures:
        found.append(
            f"the verdict is of {verdict['device'] or 'a device'}, a machine of architecture {of}, "
            f"and the bundle is for {wanted}; profile on such a device and judge that"
        )
    if "simulated" in verdict["evidence"]:
        found.append(
            "the verdict rests on simulated figures, measured in an emulator; profile on a real "
            "device and judge that"
        )
    if "predicted" in verdict["evidence"]:
        found.append(
            "the verdict rests on predicted figures, which no device has shown; profile on a real "
            "device and judge that"
        )
    return found


def limit_of(budget: Budget | None, metric: str) -> int | None:
    """The bound that a budget sets for a metric in bytes; None where it sets none."""
    limits = budget.limits if budget else ()
    return next((int(limit.bound) for limit in limits if limit.metric == metric), None)
