"""The proofs after every conversion: that the file is what its recipe says, and still answers.

A conversion can succeed and be worthless: variables left outside answer NaN, an "int8" recipe may
skip every convolution. Each check has a figure, a limit, and what to try when it fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from edge_deploy_runner.contract import Preprocessing
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.interpreter import LoadedModel, dequantize
from edge_deploy_runner.preprocessing import InputSpec, quantize
from edge_deploy_runner.tflite.graph_cost import integer_share, integer_weight_share
from edge_deploy_runner.tflite.model_file import ModelFile

from .recipes import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

Sample = dict[str, "NDArray[Any]"]

# Mean cosine to the source over the proof's inputs, the error relative to how much the source's
# answers vary, and the share of inputs whose best class may clearly change. What trained networks
# reach is well inside (int8 0.005 to 0.03 relative); what is broken is far outside.
_LIMITS = {
    "float32": (0.9999, 0.01, 0.0),
    "float16": (0.999, 0.1, 0.03),
    "int8": (0.90, 0.5, 0.10),
    "int16": (0.95, 0.3, 0.05),
    "weights": (0.95, 0.5, 0.10),
}
# Made-up inputs move a source less than real ones do, and small errors weigh more.
_SYNTHETIC_FACTOR = 2.0
# The cosine of fewer numbers says little more than their signs.
_FEWEST_FOR_COSINE = 4
_CLEAR = 0.1
_INTEGER_SHARE = 0.95
# Batch normalization folds away; what is left weighs at least this share of the parameters.
_SMALLEST_SHARE = 0.6
_LARGEST_SHARE = 1.25
_OVERHEAD_PER_TENSOR = 2048


@dataclass(frozen=True)
class Check:
    """One proof: `value` against `limit`, and what to try where it fails."""

    name: str
    passed: bool
    value: float | str | None
    limit: str
    advice: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"name": self.name, "passed": self.passed, "value": self.value, "limit": self.limit}


@dataclass(frozen=True)
class Proof:
    """All checks of one model, with the figures that others read. Shares lie in 0 to 1."""

    checks: tuple[Check, ...]
    samples: int
    inputs: str
    cosine: float | None
    cosine_min: float | None
    top1_agreement: float | None
    max_abs_error: float | None
    integer_share: float
    weight_integer_share: float
    relative_error: float | None = None

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    def sentence(self, name: str) -> str:
        """What failed, with its figure and what to try."""
        failed = next(check for check in self.checks if not check.passed)
        value = f"{failed.value:.4g}" if isinstance(failed.value, float) else str(failed.value)
        return (
            f"{name} failed its proof {failed.name!r}: {value}, where {failed.limit} is wanted; "
            f"{failed.advice}"
        )

    def to_json(self, forced: bool = False) -> dict[str, Any]:
        """Plain values for the model card."""
        return {
            "status": "passed" if self.passed else "failed",
            "forced": forced and not self.passed,
            "samples": self.samples,
            "inputs": self.inputs,
            "cosine": self.cosine,
            "cosine_min": self.cosine_min,
            "top1_agreement": self.top1_agreement,
            "max_abs_error": self.max_abs_error,
            "relative_error": self.relative_error,
            "integer_share": self.integer_share,
            "weight_integer_share": self.weight_integer_share,
            "checks": [check.to_json() for check in self.checks],
        }


class NamedModel:
    """A loaded model that takes float samples by signature name and answers in real values."""

    def __init__(self, data: bytes, name: str, kernels: str = "xnnpack") -> None:
        file = ModelFile(data, name)
        self.loaded = LoadedModel(data, kernels=kernels, name=name)
        signature = file.signatures[0]
        at = {int(detail["index"]): n for n, detail in enumerate(self.loaded.inputs)}
        self._inputs = {key: at[index] for key, index in signature.inputs.items()}
        out = {int(detail["index"]): n for n, detail in enumerate(self.loaded.outputs)}
        self._outputs = [out[signature.outputs[key]] for key in sorted(signature.outputs)]

    def answer(self, sample: Sample) -> list[NDArray[np.float32]]:
        """The outputs in the order of their names, dequantized."""
        tensors: list[Any] = [None] * len(self._inputs)
        for name, position in self._inputs.items():
            tensors[position] = self._quantized(sample[name], self.loaded.inputs[position])
        raw = self.loaded.run(*tensors)
        return [dequantize(raw[n], self.loaded.outputs[n]) for n in self._outputs]

    @staticmethod
    def _quantized(value: NDArray[Any], detail: dict[str, Any]) -> NDArray[Any]:
        scale, zero_point = detail["quantization"]
        dtype = np.dtype(detail["dtype"]).name
        if not scale or dtype == "float32":
            return value.astype(detail["dtype"], copy=False)
        return quantize(value, InputSpec(value.shape, dtype, float(scale), int(zero_point)))


def prove(
    data: bytes,
    recipe: Recipe,
    samples: list[Sample],
    reference: list[NDArray[np.float32]],
    *,
    parameters: int,
    contract: Preprocessing | None,
    real_inputs: bool,
    name: str = "the model",
) -> Proof:
    """Run all proofs on the bytes of a converted model.

    `reference`: the source's outputs in the order of their names, each (N, 1, ...) for the N
    `samples`. `parameters`: weights of the source. Raises nothing: what cannot run has failed.
    """
    file = ModelFile(data, name)
    checks = [_operators(file), _size(file, recipe, parameters)]
    share, weight_share = integer_share(file.graph), integer_weight_share(file)
    checks.append(_integers(recipe, share, weight_share))
    if recipe.needs_calibration and contract is not None:
        checks.append(_input_scale(file, recipe, contract))
    answers: list[NDArray[np.float32]] = []
    if all(check.passed for check in checks[:1]):
        answers, failure = _answers(data, name, samples)
        checks.append(failure)
    figures: dict[str, Any] = dict.fromkeys(
        ("cosine", "cosine_min", "top1_agreement", "max_abs_error", "relative_error")
    )
    if answers and all(np.isfinite(answer).all() for answer in answers):
        compared, figures = _compare(recipe, answers, reference, real_inputs)
        checks.extend(compared)
    return Proof(
        checks=tuple(checks),
        samples=len(samples),
        inputs="calibration" if real_inputs else "synthetic",
        integer_share=round(share, 6),
        weight_integer_share=round(weight_share, 6),
        **figures,
    )


def _operators(file: ModelFile) -> Check:
    """No operator that a TFLite runtime lacks, and no variables left outside the graph."""
    bad = sorted(
        {
            op.custom or op.kind
            for graph in file.subgraphs
            for op in graph.operators
            if op.custom or op.kind == "VAR_HANDLE"
        }
    )
    return Check(
        "operators", not bad, ", ".join(bad) or "builtin only", "builtin operators only",
        "replace the layers that need them, or save the model so that its variables are constants",
    )  # fmt: skip


def _size(file: ModelFile, recipe: Recipe, parameters: int) -> Check:
    expected = parameters * recipe.bytes_per_weight
    overhead = _OVERHEAD_PER_TENSOR * len(file.graph.tensors)
    low = _SMALLEST_SHARE * expected if expected > overhead else 0.0
    high = _LARGEST_SHARE * expected + overhead
    if recipe.keep_float:
        high = _LARGEST_SHARE * parameters * 4 + overhead
    return Check(
        "size", low <= len(file.data) <= high, float(len(file.data)),
        f"{low:.0f} to {high:.0f} bytes for {parameters} parameters",
        "the weights were not stored as the recipe says: check the source with inspect",
    )  # fmt: skip


def _integers(recipe: Recipe, share: float, weight_share: float) -> Check:
    if recipe.needs_calibration:
        wanted = 0.0 if recipe.keep_float else _INTEGER_SHARE
        return Check(
            "integer_share", share >= wanted, share, f"at least {wanted}",
            "the recipe skipped operators: look at float_islands in inspect, or try dynamic",
        )  # fmt: skip
    if recipe.weights == "int8":
        wanted = 0.0 if recipe.keep_float else _INTEGER_SHARE
        return Check(
            "weight_integer_share", weight_share >= wanted, weight_share, f"at least {wanted}",
            "the recipe skipped the weights: try int8, or another granularity",
        )  # fmt: skip
    return Check("integer_share", share == 0.0, share, "0 for a float recipe", "convert it again")


def _input_scale(file: ModelFile, recipe: Recipe, contract: Preprocessing) -> Check:
    """The input tensor's scale and zero point are the contract's."""
    tensor = file.inputs[0]
    wanted = "as the contract says"
    advice = "calibrate again: the input was not quantized from the contract"
    if recipe.io == "float32" or len(file.inputs) != 1 or len(tensor.shape) != 4:
        return Check("input_scale", True, "not an integer photo input", wanted)
    low, high = contract.input_range()
    if recipe.activations == "int16":
        scale, zero = max(abs(low), abs(high)) / 32767, 0
    else:
        scale = (high - low) / 255
        zero = round(-low / scale) - (128 if recipe.io == "int8" else 0)
    close = bool(tensor.scales) and abs(tensor.scales[0] - scale) <= 1e-5 * scale
    found = f"{tensor.scales[0]:.9g} and {tensor.zero_points[0]}" if tensor.scales else "none"
    right = close and tensor.zero_points[0] == zero
    return Check("input_scale", right, found, f"{scale:.9g} and {zero}", advice)


def _answers(
    data: bytes, name: str, samples: list[Sample]
) -> tuple[list[NDArray[np.float32]], Check]:
    advice = "the source itself may be broken: ask it for an answer first"
    try:
        model = NamedModel(data, name)
        rows = [model.answer(sample) for sample in samples]
    except BadInputError as error:
        return [], Check("runs", False, str(error), "an answer to every input", advice)
    outputs = [np.stack([row[n] for row in rows]) for n in range(len(rows[0]))]
    finite = all(bool(np.isfinite(output).all()) for output in outputs)
    return outputs, Check(
        "finite", finite, "finite" if finite else "NaN or infinity", "finite outputs", advice
    )


def cosines(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Cosine between the rows of two arrays (N, ...); 1 where both rows are zero."""
    a = a.reshape(len(a), -1).astype(np.float64)
    b = b.reshape(len(b), -1).astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    both_zero = (np.abs(a).max(axis=1) == 0) & (np.abs(b).max(axis=1) == 0)
    return np.where(both_zero, 1.0, (a * b).sum(axis=1) / np.maximum(norms, 1e-300))


def relative_error(answers: NDArray[Any], truth: NDArray[Any]) -> float:
    """Error of answers (N, ...) over how much the truth varies from input to input, both as root
    mean squares: 0 is perfect, 1 as bad as always answering the mean. A truth that does not vary
    is taken by its size instead.
    """
    a, r = (x.reshape(len(x), -1).astype(np.float64) for x in (answers, truth))
    varies = float(np.square(r - r.mean(axis=0)).mean())
    size = float(np.square(r).mean())
    scale = varies if varies > 1e-8 * size else size
    return float(np.sqrt(np.square(a - r).mean() / max(scale, 1e-300)))


def _compare(
    recipe: Recipe,
    answers: list[NDArray[np.float32]],
    reference: list[NDArray[np.float32]],
    real_inputs: bool,
) -> tuple[list[Check], dict[str, Any]]:
    per_output = [cosines(a, r) for a, r in zip(answers, reference, strict=True)]
    cosine = np.min(per_output, axis=0)
    mean, lowest = float(cosine.mean()), float(cosine.min())
    error = max(
        float(np.abs(a.astype(np.float64) - r).max())
        for a, r in zip(answers, reference, strict=True)
    )
    kind = _kind(recipe)
    wanted, relative, flips = _LIMITS[kind]
    if not real_inputs:
        relative *= _SYNTHETIC_FACTOR
    worst = max(relative_error(a, r) for a, r in zip(answers, reference, strict=True))
    advice = (
        "give more, or more typical, calibration photos, check --preprocess, or try "
        "int8-float-io, int16x8 or dynamic"
    )
    checks = [
        Check("relative_error", worst <= relative, worst, f"at most {relative}", advice),
        _varies(answers, reference),
    ]
    if all(output[0].size >= _FEWEST_FOR_COSINE for output in reference):
        checks.insert(0, Check("cosine", mean >= wanted, mean, f"at least {wanted}", advice))
    agreement = None
    first, truth = (x[0].reshape(len(x[0]), -1) for x in (answers, reference))
    if len(answers) == 1 and truth.shape[1] > 1:
        mine, own = first.argmax(axis=1), truth.argmax(axis=1)
        agreement = float((mine == own).mean())
        rows = np.arange(len(own))
        spread = np.ptp(truth, axis=1)
        lead = truth[rows, own] - truth[rows, mine]
        # Of probabilities a tenth is clear; of other scores a tenth of their own spread.
        probabilities = truth.min() >= 0 and truth.max() <= 1
        clearly = lead > _CLEAR * (1.0 if probabilities else np.maximum(spread, 1e-12))
        clear = float(clearly.mean())
        if real_inputs:
            checks.append(
                Check(
                    "clear_flips", clear <= flips, clear, f"at most {flips}",
                    "the best class changes on inputs that the source is sure of: give more "
                    "typical calibration photos, or try another recipe",
                )
            )  # fmt: skip
    figures = {
        "cosine": round(mean, 6),
        "cosine_min": round(lowest, 6),
        "top1_agreement": agreement,
        "max_abs_error": float(f"{error:.4g}"),
        "relative_error": float(f"{worst:.4g}"),
    }
    return checks, figures


def _varies(answers: list[NDArray[np.float32]], reference: list[NDArray[np.float32]]) -> Check:
    """A model that answers the same to everything, where its source does not, is dead."""
    dead = [
        number
        for number, (mine, own) in enumerate(zip(answers, reference, strict=True))
        if np.ptp(mine, axis=0).max() == 0 and np.ptp(own, axis=0).max() > 1e-3 * np.abs(own).max()
    ]
    found = f"output {dead[0]} is always the same" if dead else "they do"
    return Check(
        "varies", not dead, found, "answers that depend on the input",
        "calibrate with more varied inputs, or try int16x8 or dynamic",
    )  # fmt: skip


def _kind(recipe: Recipe) -> str:
    if recipe.activations in ("int8", "int16"):
        return recipe.activations
    return recipe.weights if recipe.weights != "int8" else "weights"
