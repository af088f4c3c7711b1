"""The ways to quantize by one recipe, and the choice of the one that measures best."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from edge_deploy_runner.errors import BadInputError, ConversionError
from edge_deploy_runner.progress import Progress
from edge_deploy_runner.tflite.model_file import ModelFile

from .bias_correction import correct_biases
from .calibration import METHODS
from .kernel_balancing import balance_kernels
from .preparation import Work
from .proofs import NamedModel
from .quantization import quantize, statistics_for
from .recipes import Recipe


@dataclass(frozen=True)
class Way:
    """One way to quantize: how ranges are reduced, and whether biases are corrected."""

    method: str
    corrected: bool

    def __str__(self) -> str:
        parts = [self.method, "bias-corrected" if self.corrected else ""]
        return " ".join(part for part in parts if part) or "plain"


def ways_for(work: Work, recipe: Recipe) -> list[Way]:
    """The ways worth trying. int16 has room for the whole range, so only min-max is taken."""
    if recipe.weights != "int8":
        return [Way("", False)]
    can_correct = work.means is not None
    if recipe.activations == "int16":
        return [Way("min-max", can_correct)]
    if recipe.activations != "int8":
        return [Way("", False), Way("", True)] if can_correct else [Way("", False)]
    tried = [Way(method, can_correct) for method in METHODS]
    return [Way("min-max", False), *tried] if can_correct else tried


def make(work: Work, recipe: Recipe, way: Way) -> bytes:
    """The quantized model, made one way."""
    statistics = None
    if recipe.needs_calibration and work.ranges is not None:
        statistics = statistics_for(
            work.float_file, work.ranges, way.method, work.contract.preprocessing
        )
    start = _corrected(work, recipe) if way.corrected else work.float_file.data
    return quantize(start, recipe, statistics)


def _corrected(work: Work, recipe: Recipe) -> bytes:
    """The float model with the kernels and biases that this recipe's rounding of them asks for."""
    # How weights are rounded depends on nothing else: the ranges of activations have no part in it.
    weights_only = replace(recipe, activations="float32", io="float32")
    key = f"{recipe.granularity} {recipe.keep_float!r}"
    if key not in work.corrected:
        assert work.means is not None
        steps = ModelFile(quantize(work.float_file.data, weights_only))
        balanced = balance_kernels(work.float_file, steps)
        rounded = ModelFile(quantize(balanced, weights_only))
        corrected = correct_biases(work.float_file, rounded, work.means)
        work.corrected[key] = balance_kernels(ModelFile(corrected), steps)
    return work.corrected[key]


def best_way(
    work: Work,
    recipe: Recipe,
    choices: dict[tuple[str, ...], tuple[Way, dict[str, float]]],
    on_progress: Progress,
) -> tuple[Way, dict[str, float]]:
    """The way with the smallest mean error against the source on the proof's inputs, with all
    errors. Recipes that differ only in the dtype of their inputs and outputs share the choice.
    """
    ways = ways_for(work, recipe)
    if len(ways) == 1:
        return ways[0], {}
    key = (recipe.activations, recipe.granularity, repr(recipe.keep_float))
    if key not in choices:
        # Judged with float inputs and outputs: int8 ones hide small differences.
        plain = replace(recipe, io="float32")
        chosen = work.chosen[:: 1 if recipe.activations == "int8" else 4]
        scores: dict[str, float] = {}
        refused: BadInputError | None = None
        for number, way in enumerate(ways, 1):
            on_progress(f"Choosing how to calibrate {recipe.name}", number, len(ways))
            try:
                model = NamedModel(make(work, plain, way), f"recipe {recipe.name}")
                errors = [
                    float(np.abs(answer - truth[work.chosen.index(index)]).mean())
                    for index in chosen
                    for answer, truth in zip(
                        model.answer(work.samples.sample(index)), work.reference, strict=True
                    )
                ]
            except BadInputError as error:
                refused = error
                continue
            scores[str(way)] = float(f"{float(np.mean(errors)):.6g}")
        if refused is not None and not scores:
            raise ConversionError(
                f"recipe {recipe.name} makes a model that does not run: calibrate with more varied "
                f"inputs, or try another recipe ({refused})"
            )
        tried = [way for way in ways if str(way) in scores]
        choices[key] = min(tried, key=lambda way: scores[str(way)]), scores
    return choices[key]
