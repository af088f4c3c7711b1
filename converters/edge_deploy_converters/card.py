"""The model card: JSON beside every converted file that says what it is and where it comes from."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from edge_deploy_runner.contract import Contract

from .proofs import Proof
from .recipes import Recipe
from .source import Source

FORMAT = "edge-deploy card"
_TOOLS = ("edge-deploy", "ai-edge-litert", "litert-quantizer", "numpy", "pillow")


@dataclass(frozen=True)
class CalibrationRecord:
    """The calibration of a model: its data's sha256, how many samples, what was chosen, and the
    mean error of everything that was tried. `method` is empty where activations stay float.
    """

    digest: str
    samples: int
    skipped: int
    method: str
    bias_corrected: bool
    scores: dict[str, float]


def tool_versions() -> dict[str, str]:
    """Versions of everything that has a say in the bytes of a model."""
    found = {"python": platform.python_version()}
    for name in _TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def model_card(
    *,
    source: Source,
    recipe: Recipe,
    contract: Contract,
    calibration: CalibrationRecord | None,
    proof: Proof,
    forced: bool,
    data: bytes,
    file_name: str,
    parameters: int,
    source_versions: dict[str, str],
) -> dict[str, Any]:
    """The card as plain values; it holds no date, so that the same inputs give the same card."""
    preprocessing = contract.preprocessing
    return {
        "format": FORMAT,
        "version": 1,
        "model": {
            "file": file_name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
            "parameters": parameters,
        },
        "source": {
            "name": source.name,
            "front_end": source.front_end,
            "sha256": source.sha256,
        },
        "recipe": recipe.to_json(),
        "calibration": None
        if calibration is None
        else {
            "sha256": calibration.digest,
            "samples": calibration.samples,
            "skipped": calibration.skipped,
            "method": calibration.method or None,
            "bias_corrected": calibration.bias_corrected,
            "kernels_balanced": calibration.bias_corrected,
            "error_of_tried": calibration.scores,
        },
        "proof": proof.to_json(forced),
        "preprocessing": preprocessing.to_json() if preprocessing else None,
        "labels": len(contract.labels),
        "versions": {**tool_versions(), **source_versions},
    }
