"""What a model answers on this machine, for a device to be held against: inputs and outputs.

The rules follow what was measured between x86_64 and arm64: the reference kernels agree to the
byte where a model computes in integers, the fast ones within one code; floats to 1e-5 of the
output's scale; models that quantize while they run only in their best class and direction.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from edge_deploy_runner.contract import Preprocessing
from edge_deploy_runner.detection_outputs import find_outputs
from edge_deploy_runner.interpreter import LoadedModel, input_spec, runtime
from edge_deploy_runner.preprocessing import InputSpec, prepare
from edge_deploy_runner.selftest import GOLDEN_FORMAT, GOLDEN_VERSION
from edge_deploy_runner.tflite.graph import BITS, Subgraph
from edge_deploy_runner.tflite.graph_cost import count_macs
from edge_deploy_runner.tflite.model_file import ModelFile
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOAT_TOLERANCE = 1e-5
LEAST_COSINE = 0.999
# Of fast integer kernels that are farther than a code apart.
_FAST_COSINE = 0.99
_LEAST_CLASSES = 4
# Of the outputs' range: two classes that are nearer than this may change places.
_CLEAR_MARGIN = 0.05
_SCORE_TOLERANCE = 0.05
_ANY = 1e9
# What the fast kernels of a model in integers may differ by.
_FAST_CODES = 1
# JPEG decoders may round differently; in codes of 0-255.
_JPEG_CODES = 2
_CANDIDATES = 12
_LARGE_MACS = 50_000_000
_PHOTO_SIZE = (160, 120)
_QUANTIZED = ("int4", "int8", "uint8", "int16")
_MULTIPLYING = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL")
_POST_PROCESS = "TFLite_Detection_PostProcess"
_LITERT, _TFLITE = "ai_edge_litert", "tflite_runtime"

Rule = dict[str, Any]


@dataclass(frozen=True)
class Golden:
    """The files of a bundle's `golden/` folder by name, and what they cannot tell."""

    files: dict[str, bytes]
    arithmetic: str
    warnings: tuple[str, ...] = ()


def arithmetic(model: ModelFile) -> str:
    """What a model computes in: "integer", "float", "hybrid" (both), or "detection"."""
    if any(op.custom == _POST_PROCESS for op in model.graph.operators):
        return "detection"
    used = {index for op in model.graph.operators for index in (*op.inputs, *op.outputs)}
    tensors = [model.graph.tensor(index) for index in used if index >= 0]
    if not any(t.dtype in _QUANTIZED and t.scales for t in tensors):
        return "float"
    units = [output_unit(model.graph, index) for index in model.graph.outputs]
    in_float = any(
        model.graph.tensor(index).dtype == "float32"
        for operator in model.graph.operators
        if operator.kind not in ("QUANTIZE", "DEQUANTIZE")
        for index in operator.outputs
    )
    return "hybrid" if in_float or None in units else "integer"


def quantizes_while_running(model: ModelFile) -> bool:
    """Whether an operator multiplies float activations with integer weights (dynamic range)."""
    for operator in model.graph.operators:
        tensors = [model.graph.tensor(index) for index in operator.inputs[:2] if index >= 0]
        if operator.kind in _MULTIPLYING and len(tensors) == 2:
            activations, weights = tensors
            if activations.dtype == "float32" and weights.dtype in _QUANTIZED:
                return True
    return False


def output_unit(graph: Subgraph, output: int) -> float | None:
    """The real value of one code of an output: 1 for an integer, its scale behind a DEQUANTIZE.

    None for an output that is made in float.
    """
    if graph.tensor(output).dtype != "float32":
        return 1.0
    for operator in graph.operators:
        if output in operator.outputs and operator.kind == "DEQUANTIZE":
            scales = graph.tensor(operator.inputs[0]).scales
            return scales[0] if len(scales) == 1 else None
    return None


def make_golden(
    model: ModelFile, preprocessing: Preprocessing | None, model_path: str
) -> Golden:  # fmt: skip
    """Run a model here on made-up inputs, with both kernel sets.

    `model_path` is where the bundle has the model. With a contract the inputs are photos, decoded
    and prepared; without one they are random. Raises `BadInputError` where the model does not run.
    """
    fast = LoadedModel(model.data, 1, "xnnpack", name=model.name)
    spec = None
    if preprocessing is not None and len(fast.inputs) == 1:
        spec = input_spec(fast.inputs[0], model.name, preprocessing.layout)
    kind = arithmetic(model)
    steadiness = _Steadiness(model, kind, fast)
    inputs, steady = _choose_inputs(steadiness, preprocessing, spec)
    files: dict[str, bytes] = {}
    input_names = []
    for number, tensors in enumerate(inputs):
        names = [f"input-{number + 1}-{index + 1}.npy" for index in range(len(tensors))]
        files |= {name: _npy(tensor) for name, tensor in zip(names, tensors, strict=True)}
        input_names.append(names)
    macs, _ = count_macs(model.graph)
    # The reference kernels take seconds for a large model on a Pi, and one answer tells as much.
    exact = inputs[:1] if macs is None or macs > _LARGE_MACS else inputs
    reference = LoadedModel(model.data, 1, "reference", name=model.name)
    reference_answers = [reference.run(*tensors) for tensors in exact]
    fast_answers = [fast.run(*tensors) for tensors in inputs]
    scores = find_outputs(model).scores if kind == "detection" else None
    rules = _Rules(model, kind, steady, scores)
    for kernels, answers in (("reference", reference_answers), ("fast", fast_answers)):
        for number, outputs in enumerate(answers):
            for index, output in enumerate(outputs):
                files[f"{kernels}-{number + 1}-{index + 1}.npy"] = _npy(output)
    record = {
        "format": GOLDEN_FORMAT,
        "version": GOLDEN_VERSION,
        "model": model_path,
        "arithmetic": rules.kind,
        "made_with": {"runtime": runtime().name, "version": runtime().version},
        "preprocessing": preprocessing.to_json() if preprocessing else None,
        "inputs": input_names,
        "sets": [
            _set("reference", _LITERT, "reference", reference_answers, rules.exact),
            _set("xnnpack", _LITERT, "fast", fast_answers, rules.fast),
            # The older runtime's fast kernels round as the reference kernels do.
            _set("reference", _TFLITE, "reference", reference_answers, rules.older_exact),
            _set("xnnpack", _TFLITE, "reference", reference_answers, rules.older_fast),
        ],
        "photos": [],
    }
    if preprocessing is not None and spec is not None:
        record["photos"] = _photos(preprocessing, spec, files)
    files["golden.json"] = (json.dumps(record, indent=1) + "\n").encode()
    return Golden(files, rules.kind, () if steady else (_unsteady(model),))


def _unsteady(model: ModelFile) -> str:
    return (
        f"{model.name} has no steady answers: two sets of fast kernels differ by more than "
        f"{_FAST_CODES} code on every input that was tried, so the self-test holds the fast "
        "kernels to the best class and the direction only"
    )


@dataclass(frozen=True)
class _Rules:
    """How near each output must come.

    `steady` says whether the fast kernels of a model in integers can be held to a code, `scores`
    which output of a detector holds the scores.
    """

    model: ModelFile
    kind: str
    steady: bool = True
    scores: int | None = None

    def exact(self, index: int, golden: NDArray[Any]) -> Rule:
        """For the reference kernels of the runtime that made the golden outputs."""
        if self.kind == "integer":
            return {"kind": "identical"}
        if self.kind == "detection":
            return {"kind": "relative", "at_most": FLOAT_TOLERANCE}
        return self.fast(index, golden)

    def older_exact(self, index: int, golden: NDArray[Any]) -> Rule:
        """For the reference kernels of the older runtime."""
        return self._older(self.exact(index, golden), golden)

    def older_fast(self, index: int, golden: NDArray[Any]) -> Rule:
        """For its fast kernels, held against the reference kernels' answers."""
        return self._older(self.fast(index, golden), golden)

    def _older(self, rule: Rule, golden: NDArray[Any]) -> Rule:
        # It quantizes float input with another rounding; halves, which a mean of 127.5 makes of
        # every pixel, become the neighbouring code. Its int16 kernels are a few codes apart.
        graph = self.model.graph
        types = {graph.tensor(index).dtype for index in (*graph.inputs, *graph.outputs)}
        rounds = self.kind == "integer" and types & {"float32", "int16"}
        return self._agreement(golden) if rounds else rule

    def fast(self, index: int, golden: NDArray[Any]) -> Rule:
        """For the fast kernels."""
        output = self.model.graph.outputs[index]
        if self.kind == "integer" and self.steady:
            unit = output_unit(self.model.graph, output)
            rule = {"kind": "codes", "unit": unit, "at_most": _FAST_CODES}
            if golden.size < _LEAST_CLASSES:  # their cosine is hardly more than a sign
                return rule
            # Other CPUs' kernels round otherwise, and a deep network with a steep softmax makes
            # more than a code of it: up to 24 were seen between x86-64 and a Cortex-A53, with the
            # same best class. The reference kernels prove the rest to the byte.
            return {**self._agreement(golden), **rule, "cosine": _FAST_COSINE}
        if self.kind == "float":
            return {"kind": "relative", "at_most": FLOAT_TOLERANCE}
        if self.kind == "detection":
            # One box more or less moves all that follow it; the sorted scores stay.
            is_score = index == self.scores
            return {"kind": "detections", "at_most": _SCORE_TOLERANCE if is_score else _ANY}
        return self._agreement(golden)

    def _agreement(self, golden: NDArray[Any]) -> Rule:
        clear = _margin(golden) >= _CLEAR_MARGIN
        return {"kind": "agreement", "cosine": LEAST_COSINE, "top1": clear}


def _set(
    kernels: str,
    runtime_name: str,
    prefix: str,
    answers: list[list[NDArray[Any]]],
    rule: Callable[[int, NDArray[Any]], Rule],
) -> dict[str, Any]:
    cases = [
        {
            "input": number,
            "outputs": [
                {"file": f"{prefix}-{number + 1}-{index + 1}.npy", "rule": rule(index, output)}
                for index, output in enumerate(outputs)
            ],
        }
        for number, outputs in enumerate(answers)
    ]
    return {"kernels": kernels, "runtimes": [runtime_name], "cases": cases}


def _margin(output: NDArray[Any]) -> float:
    """How far the best class is ahead of the second, as a share of the output's range."""
    values = np.sort(output.astype(np.float64).reshape(-1))
    if len(values) < 2:
        return 0.0
    spread = values[-1] - values[0]
    return float((values[-1] - values[-2]) / spread) if spread else 0.0


class _Steadiness:
    """How steady a model's answers are: whether two sets of fast kernels agree on them."""

    def __init__(self, model: ModelFile, kind: str, fast: LoadedModel) -> None:
        self.fast = fast
        self._units = [output_unit(model.graph, output) or 1.0 for output in model.graph.outputs]
        self._builtin = (
            LoadedModel(model.data, 1, "builtin", name=model.name) if kind == "integer" else None
        )

    def apart(self, tensors: list[NDArray[Any]]) -> int:
        """By how many codes XNNPACK and TFLite's own kernels differ; 0 for a model in float."""
        if self._builtin is None:
            return 0
        both = zip(self.fast.run(*tensors), self._builtin.run(*tensors), self._units, strict=True)
        return max(
            round(float(np.abs(a.astype(np.float64) - b).max(initial=0.0)) / unit)
            for a, b, unit in both
        )

    def rank(self, tensors: list[NDArray[Any]]) -> tuple[int, float]:
        """For sorting, the best witness first: steady, and with one class clearly ahead."""
        return self.apart(tensors), -_margin(self.fast.run(*tensors)[0])


def _choose_inputs(
    steadiness: _Steadiness, contract: Preprocessing | None, spec: InputSpec | None
) -> tuple[list[list[NDArray[Any]]], bool]:
    """Three photos, or three of noise; of many, those with a clear, steady answer.

    And whether they are steady; where none is, those of the least unsteady answers are taken.

    Where a softmax is steep, one code before it becomes several behind it, and says nothing.
    """
    random = np.random.default_rng(20240229)
    kinds: list[tuple[int, list[list[NDArray[Any]]]]] = []
    if contract is None or spec is None:
        details = steadiness.fast.inputs
        noise = [[_random_tensor(d, random) for d in details] for _ in range(_CANDIDATES)]
        kinds.append((3, noise))
    else:
        # Photos only: of noise a network is never sure, and says something else on every CPU.
        photos = [_made_up_photo(random, contract) for _ in range(2 * _CANDIDATES)]
        kinds.append((3, [[prepare(photo, contract, spec)] for photo in photos]))
    best = [
        tensors
        for count, candidates in kinds
        for tensors in sorted(candidates, key=steadiness.rank)[:count]
    ]
    steady = [tensors for tensors in best if steadiness.apart(tensors) <= _FAST_CODES]
    return steady or best, bool(steady)


def _random_tensor(detail: dict[str, Any], random: np.random.Generator) -> NDArray[Any]:
    shape = [int(size) for size in detail["shape"]]
    dtype = np.dtype(detail["dtype"])
    if dtype.name in BITS and dtype.kind in "iu" and dtype.itemsize <= 2:
        info = np.iinfo(dtype)
        return random.integers(info.min, info.max, shape, dtype, endpoint=True)
    if dtype.kind == "f":
        return random.uniform(-1, 1, shape).astype(dtype)
    return np.zeros(shape, dtype)  # an index or a switch: any other value might be none


def _made_up_photo(random: np.random.Generator, contract: Preprocessing) -> Image.Image:
    """Soft patches of colour: like a photo, and unlike noise, they make a model sure of itself."""
    coarse = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(_PHOTO_SIZE, Image.Resampling.BICUBIC)
    return image.convert("L") if contract.color_order == "GRAY" else image


def _photos(
    contract: Preprocessing, spec: InputSpec, files: dict[str, bytes]
) -> list[dict[str, Any]]:  # fmt: skip
    """A PNG, which every decoder reads alike, and a JPEG, which they may round differently."""
    photo = _made_up_photo(np.random.default_rng(19690720), contract)
    # In units of the tensor, one code of a pixel is 1/std, or what that is in the input's codes.
    step = 1 / min(contract.std)
    unit = step if spec.dtype == "float32" else max(1.0, step / spec.scale)
    rules: Sequence[tuple[str, str, Rule]] = (
        ("photo.png", "PNG", {"kind": "identical"}),
        ("photo.jpg", "JPEG", {"kind": "codes", "unit": unit, "at_most": _JPEG_CODES}),
    )
    listed = []
    for name, form, rule in rules:
        stream = io.BytesIO()
        photo.save(stream, form)
        files[name] = stream.getvalue()
        tensor = prepare(Image.open(io.BytesIO(stream.getvalue())), contract, spec)
        tensor_name = name.replace(".", "-") + ".npy"
        files[tensor_name] = _npy(tensor)
        listed.append({"file": name, "tensor": tensor_name, "rule": rule})
    return listed


def _npy(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
    return stream.getvalue()
