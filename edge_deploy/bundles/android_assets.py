"""What an app's classifier reads: the model, its contract, labels, and golden answers.

The form is that of `android_harness/java/wrapper/ASSETS.md`.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from edge_deploy_runner.contract import Contract, Preprocessing, fit_labels
from edge_deploy_runner.detection_outputs import is_detector
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.interpreter import LoadedModel, input_spec
from edge_deploy_runner.tflite.graph import Subgraph
from edge_deploy_runner.tflite.model_file import ModelFile
from PIL import Image

from .golden_child import golden_of
from .golden_outputs import Golden
from .plain_png import plain_png

FORMAT, VERSION = "edge-deploy android classifier", 2
CONTRACT_FILE, LABELS_FILE = "contract.json", "labels.txt"
_GOLDEN_INDEX = "golden.json"
# The kernels that an app has, in the runtime that it has.
_KERNELS, _RUNTIME = "xnnpack", "ai_edge_litert"
_PASSING_ON = ("DEQUANTIZE", "QUANTIZE", "RESHAPE")
_PROBABILITIES = ("SOFTMAX", "LOGISTIC")


@dataclass(frozen=True)
class Assets:
    """Files by their name in the model's folder of assets, and what is to be said about them."""

    files: dict[str, bytes]
    arithmetic: str
    warnings: tuple[str, ...]


def make_assets(model: ModelFile, contract: Contract, name: str) -> Assets:
    """The assets of one photo classifier.

    `check_graph` has let the model pass. Raises `BadInputError` where it does not answer with one
    score a class, or has no preprocessing contract or labels.
    """
    preprocessing, labels = complete(contract, model.name)
    loaded = LoadedModel(model.data, 1, "xnnpack", name=model.name)
    record = _contract_record(model, loaded, preprocessing, name)
    classes = int(record["output"]["shape"][-1])
    labels = fit_labels(labels, classes, preprocessing.background_class)
    golden = golden_of(model, preprocessing, f"{name}.tflite")
    files = {
        f"{name}.tflite": model.data,
        CONTRACT_FILE: _json(record),
        LABELS_FILE: ("\n".join(labels) + "\n").encode(),
        **{f"golden/{key}": data for key, data in _fast_answers(golden).items()},
    }
    return Assets(files, golden.arithmetic, golden.warnings)


def check_graph(model: ModelFile) -> None:
    """Raise `BadInputError` for a model that is no photo classifier, or needs other operators."""
    if is_detector(model):
        raise BadInputError(
            f"{model.name} is a detector, and libraries for apps hold photo classifiers so far; "
            "bundle it for a Raspberry Pi, or use its .tflite in the app directly"
        )
    custom = sorted({op.custom for graph in model.subgraphs for op in graph.operators if op.custom})
    if custom:
        raise BadInputError(
            f"{model.name} needs operators that LiteRT does not have in an app "
            f"({', '.join(custom[:5])}); convert it without them"
        )
    if len(model.graph.inputs) != 1:
        raise BadInputError(
            f"{model.name} has {len(model.graph.inputs)} inputs; libraries for apps hold "
            "photo classifiers so far, which have one"
        )


def complete(contract: Contract, name: str) -> tuple[Preprocessing, tuple[str, ...]]:
    """Both parts of a contract; raises `BadInputError` with the options for what is missing."""
    photos, classes = "--preprocess PRESET|FILE", "--labels FILE"
    if contract.preprocessing is None and not contract.labels:
        lacks, give = "neither preprocessing nor labels", f"both, with {photos} and {classes}"
    elif contract.preprocessing is None:
        lacks, give = "no preprocessing", f"it with {photos}"
    elif not contract.labels:
        lacks, give = "no labels", f"them with {classes}"
    else:
        return contract.preprocessing, contract.labels
    raise BadInputError(f"{name} carries {lacks}, which an app must know; give {give}")


def _contract_record(
    model: ModelFile, loaded: LoadedModel, preprocessing: Preprocessing, name: str
) -> dict[str, Any]:
    spec = input_spec(loaded.inputs[0], model.name, preprocessing.layout)
    if spec.channels != preprocessing.channels:
        raise BadInputError(
            f"the contract gives {preprocessing.color_order} pixels but {model.name} takes "
            f"{spec.channels} channel(s); name another contract with --preprocess"
        )
    shapes = [[int(size) for size in output["shape"]] for output in loaded.outputs]
    classes = shapes[0][-1] if shapes[0] else 0
    if len(shapes) != 1 or classes < 2 or int(np.prod(shapes[0])) != classes:
        raise BadInputError(
            f"{model.name} answers with {shapes}, which is not one score a class; libraries for "
            "apps hold photo classifiers so far"
        )
    scale, zero_point = loaded.outputs[0]["quantization"]
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": name,
        "model": {
            "file": f"{name}.tflite",
            "sha256": model.sha256,
            "size_bytes": len(model.data),
        },
        "input": {
            "shape": list(spec.shape),
            "dtype": spec.dtype,
            "scale": spec.scale,
            "zero_point": spec.zero_point,
            "layout": spec.layout,
        },
        "output": {
            "shape": shapes[0],
            "dtype": np.dtype(loaded.outputs[0]["dtype"]).name,
            "scale": float(scale),
            "zero_point": int(zero_point),
        },
        "preprocessing": preprocessing.to_json(),
        "labels": LABELS_FILE,
        "scores": "probabilities" if _ends_in_probabilities(model.graph) else "logits",
    }


def _ends_in_probabilities(graph: Subgraph) -> bool:
    """Whether the last operator that computes is a softmax or a sigmoid."""
    producers = {output: op for op in graph.operators for output in op.outputs}
    operator = producers.get(graph.outputs[0])
    while operator is not None and operator.kind in _PASSING_ON:
        operator = producers.get(operator.inputs[0])
    return operator is not None and operator.kind in _PROBABILITIES


def _fast_answers(golden: Golden) -> dict[str, bytes]:
    """The golden files that an app can hold itself against, and their index."""
    record = json.loads(golden.files[_GOLDEN_INDEX])
    record["sets"] = [
        entry
        for entry in record["sets"]
        if entry["kernels"] == _KERNELS and _RUNTIME in entry["runtimes"]
    ][:1]
    used = {
        *(name for names in record["inputs"] for name in names),
        *(
            output["file"]
            for entry in record["sets"]
            for case in entry["cases"]
            for output in case["outputs"]
        ),
        *(photo[key] for photo in record["photos"] for key in ("file", "tensor")),
    }
    files = {name: golden.files[name] for name in sorted(used)}
    for name in (name for name in files if name.endswith(".png")):
        with Image.open(io.BytesIO(files[name])) as photo:
            files[name] = plain_png(photo)
    return {_GOLDEN_INDEX: _json(record), **files}


def _json(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()
