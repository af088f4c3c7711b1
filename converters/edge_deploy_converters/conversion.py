"""`convert`: a trained model goes in, proven `.tflite` files with their cards come out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from edge_deploy_runner.contract import (
    Contract,
    Preprocessing,
    fit_labels,
    preset,
    read_contract,
    read_labels,
)
from edge_deploy_runner.errors import BadInputError, ConversionError, OutputError, UsageError
from edge_deploy_runner.model_file import ModelFile
from edge_deploy_runner.output import (
    check_folder,
    check_free,
    clear_stale_parts,
    write_bytes,
    write_json,
)
from edge_deploy_runner.progress import Progress, silent

from .bias_correction import Means, correct_biases, mean_inputs
from .calibration import METHODS, Ranges, calibrate
from .calibration_data import (
    FEW_SAMPLES,
    CalibrationSet,
    read_calibration,
    synthetic_set,
)
from .card import CalibrationRecord, model_card
from .frontend import FrontEnd
from .frontend_child import Options
from .kernel_balancing import balance_kernels
from .metadata import attach
from .proofs import NamedModel, Proof, prove
from .quantization import check_operators, quantize, statistics_for
from .recipes import Recipe, find_recipe
from .source import Source, find_source

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PROOF_SAMPLES = 32
# int16 activations run in reference kernels, some thirty times slower.
_SLOW_PROOF_SAMPLES = 8


@dataclass(frozen=True)
class ConvertedModel:
    """One file that was written, with its proof and card."""

    path: Path
    recipe: Recipe
    size_bytes: int
    sha256: str
    source_sha256: str
    proof: Proof
    card: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "path": str(self.path),
            "card": str(self.path.with_suffix(".json")),
            "recipe": self.recipe.name,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "source_sha256": self.source_sha256,
            "calibration_method": (self.card["calibration"] or {}).get("method"),
            "proof": self.card["proof"],
        }


@dataclass(frozen=True)
class Failure:
    """A recipe that was not written, and why."""

    recipe: str
    reason: str
    proof: Proof | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        proof = self.proof.to_json() if self.proof else None
        return {"recipe": self.recipe, "reason": self.reason, "proof": proof}


@dataclass(frozen=True)
class Conversion:
    """Everything that one call made."""

    models: tuple[ConvertedModel, ...]
    failures: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "models": [model.to_json() for model in self.models],
            "failures": [failure.to_json() for failure in self.failures],
            "warnings": list(self.warnings),
        }


class ProofError(ConversionError):
    """Some recipes failed; `conversion` holds those that were written, and the failures."""

    def __init__(self, conversion: Conversion) -> None:
        super().__init__("; ".join(failure.reason for failure in conversion.failures))
        self.conversion = conversion


def convert(
    source: str | Path,
    output: str | Path,
    recipes: Sequence[str | Recipe] = (),
    *,
    calibration: str | Path | None = None,
    preprocessing: Preprocessing | str | None = None,
    labels: Sequence[str] | None = None,
    override: bool = False,
    trust_source: bool = False,
    force_unproven: bool = False,
    force: bool = False,
    options: Options | None = None,
    on_progress: Progress = silent,
) -> Conversion:
    """Convert `source` into one `.tflite` for each recipe, prove each, and write it with its card.

    `recipes`: names or `Recipe`s; float32 and int8 where there is calibration data, else float32
    and dynamic. `calibration`: a folder of photos or an `.npz`. A model that fails a proof is not
    written unless `force_unproven`. Files are `OUTPUT/NAME_RECIPE.tflite` and `.json`.

    Raises `BadInputError` for what is wrong with the inputs, `OutputError` where nothing can be
    written, `ConversionError` where the conversion fails, and `ProofError` after all recipes were
    tried and some failed.
    """
    wanted = _recipes(recipes, calibration is not None)
    found = find_source(str(source))
    targets = _targets(Path(output), found, wanted, force)
    settings = replace(options or Options(), trust_source=trust_source, cache=str(zoo_cache()))
    given = preset(preprocessing) if isinstance(preprocessing, str) else preprocessing
    contract = _contract(found, given, tuple(labels or ()), override)
    with FrontEnd(found, settings, on_progress) as front_end:
        _import_quantizer(wanted)
        work = _prepare(front_end, contract, calibration, wanted, on_progress)
        return _apply(work, found, wanted, targets, front_end, force_unproven, force, on_progress)


@dataclass(frozen=True)
class _Work:
    """What all recipes share: the float model, its inputs and the source's answers."""

    float_model: bytes
    contract: Contract
    samples: CalibrationSet
    chosen: list[int]
    reference: list[NDArray[np.float32]]
    ranges: Ranges | None
    means: Means | None
    real: bool
    warnings: tuple[str, ...]
    float_file: ModelFile
    corrected: dict[str, bytes] = field(default_factory=dict)


def _recipes(recipes: Sequence[str | Recipe], calibrated: bool) -> list[Recipe]:
    names: Sequence[str | Recipe] = recipes or (
        ("float32", "int8") if calibrated else ("float32", "dynamic")
    )
    found = [find_recipe(name) if isinstance(name, str) else name for name in names]
    seen: set[str] = set()
    for recipe in found:
        if recipe.name in seen:
            raise UsageError(f"recipe {recipe.name} is asked for twice")
        seen.add(recipe.name)
        if recipe.needs_calibration and not calibrated:
            raise UsageError(
                f"recipe {recipe.name} needs representative data: add --calibration DIR|NPZ"
            )
    return found


def _targets(
    folder: Path, source: Source, recipes: Sequence[Recipe], force: bool
) -> dict[str, Path]:
    """Where each recipe goes; refused before any work is done."""
    try:
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file; name a folder for the models")
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from error
    check_folder(folder)
    clear_stale_parts(folder)
    targets = {recipe.name: folder / f"{source.name}_{recipe.name}.tflite" for recipe in recipes}
    for path in targets.values():
        check_free(path, force=True)  # a name that cannot be is refused before it is asked for
        if source.path is not None and path.exists() and path.samefile(source.path):
            raise OutputError(f"{path} is the source itself; choose another folder")
        check_free(path, force)
        check_free(path.with_suffix(".json"), force)
    return targets


def zoo_cache() -> Path:
    """Where weights from the zoo are kept between runs."""
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("edge-deploy")) / "zoo"


def _contract(
    source: Source, preprocessing: Preprocessing | None, labels: tuple[str, ...], override: bool
) -> Contract:
    """The contract from the user, else from the source; both, where they differ, is an error."""
    own = _own_contract(source)
    if not override:
        for mine, given, what in (
            (own.preprocessing, preprocessing, "preprocessing contract"),
            (own.labels, labels, "labels"),
        ):
            if mine and given and mine != given:
                raise BadInputError(
                    f"{source.name} carries its own {what}; add --override to use another"
                )
    return Contract(preprocessing or own.preprocessing, labels or own.labels)


def _own_contract(source: Source) -> Contract:
    if source.front_end == "tflite" and source.path is not None:
        return read_contract(ModelFile.open(source.path))
    if source.front_end == "zoo_source":
        from .zoo import labels_path, zoo_entry

        entry = zoo_entry(source.name)
        return Contract(preset(entry.preprocessing), read_labels(labels_path(entry)))
    if source.front_end == "applications":
        from .applications import preset_of
        from .zoo import ZOO, labels_path

        name = preset_of(source.name)
        labels = read_labels(labels_path(ZOO["efficientnet-lite0"]))  # all are ImageNet's
        return Contract(preset(name) if name else None, labels)
    return Contract()


def _import_quantizer(recipes: Sequence[Recipe]) -> None:
    """Load the quantizer while the front end loads TensorFlow on the other core."""
    if any(recipe.weights != "float32" for recipe in recipes):
        import litert_quantizer.quantizer  # noqa: F401
    for recipe in recipes:
        check_operators(recipe)


def _prepare(
    front_end: FrontEnd,
    contract: Contract,
    calibration: str | Path | None,
    recipes: Sequence[Recipe],
    on_progress: Progress,
) -> _Work:
    front_end.wait_loaded()
    front_end.start_convert()
    warnings: list[str] = []
    if calibration is not None:
        samples = read_calibration(
            calibration, front_end.inputs, contract.preprocessing, on_progress
        )
        warnings += [f"skipped: {reason}" for reason in samples.skipped]
        if len(samples) < FEW_SAMPLES:
            warnings.append(
                f"only {len(samples)} calibration samples: {FEW_SAMPLES} or more typical ones "
                "give better ranges"
            )
    else:
        samples = synthetic_set(front_end.inputs, contract.preprocessing)
        warnings.append(
            "no calibration data: the proofs used made-up inputs; give real ones with --calibration"
        )
    chosen = samples.spread(_PROOF_SAMPLES)
    rows = [samples.sample(i) for i in chosen]
    types = {tensor.name: tensor.dtype for tensor in front_end.inputs}
    front_end.start_run(
        {name: np.stack([row[name] for row in rows]).astype(types[name]) for name in rows[0]}
    )
    float_model = front_end.finish_convert()
    float_file = ModelFile(float_model, "the float32 model")
    contract = _checked(float_file, contract, warnings)
    ranges = None
    if any(recipe.needs_calibration for recipe in recipes):
        ranges = calibrate(float_model, samples, len(samples), on_progress)
    reference = [output.astype(np.float32) for output in front_end.finish_run()]
    front_end.stop()
    means = None
    if calibration is not None and any(recipe.weights == "int8" for recipe in recipes):
        means = mean_inputs(float_file, (samples.sample(i) for i in chosen))
    if not all(np.isfinite(output).all() for output in reference):
        raise ConversionError(
            f"{front_end.source.name} itself answers with NaN; it was not trained or saved well"
        )
    return _Work(
        float_model, contract, samples, chosen, reference, ranges, means,
        calibration is not None, tuple(warnings), float_file,
    )  # fmt: skip


def _checked(model: ModelFile, contract: Contract, warnings: list[str]) -> Contract:
    """The contract, held against the model's own shapes."""
    labels = contract.labels
    if labels:
        width = model.outputs[0].shape[-1] if model.outputs and model.outputs[0].shape else 0
        background = bool(contract.preprocessing and contract.preprocessing.background_class)
        labels = tuple(label.strip() for label in fit_labels(labels, width, background))
        if labels != tuple("\n".join(labels).rstrip().splitlines()):
            raise BadInputError(
                "a label holds a line break, or the last one is empty: write each on a line of its "
                "own"
            )
    wanted = contract.preprocessing
    photo = len(model.inputs) == 1 and len(model.inputs[0].shape) == 4
    if wanted is None and not photo:
        return replace(contract, labels=labels)
    if wanted is None:
        warnings.append(
            "no preprocessing contract: evaluate, run and bundle will need --preprocess"
        )
    elif photo:
        shape = model.inputs[0].shape
        channels = shape[1] if wanted.layout == "NCHW" else shape[3]
        if channels != wanted.channels:
            raise BadInputError(
                f"the model takes {channels} channel(s) but the contract gives "
                f"{wanted.color_order}; choose another --preprocess"
            )
    else:
        raise BadInputError(
            "a preprocessing contract is for models with one photo input; this one takes "
            + " and ".join(str(list(tensor.shape)) for tensor in model.inputs)
            + ": leave --preprocess out"
        )
    return replace(contract, labels=labels)


def _apply(
    work: _Work,
    source: Source,
    recipes: Sequence[Recipe],
    targets: dict[str, Path],
    front_end: FrontEnd,
    force_unproven: bool,
    force: bool,
    on_progress: Progress,
) -> Conversion:
    models: list[ConvertedModel] = []
    failures: list[Failure] = []
    choices: dict[tuple[str, ...], tuple[_Way, dict[str, float]]] = {}
    for number, recipe in enumerate(recipes):
        on_progress("Quantizing and proving", number, len(recipes))
        record = None
        try:
            way, scores = _best_way(work, recipe, choices, on_progress)
            data = _make(work, recipe, way)
            if work.real and recipe.weights == "int8":
                record = CalibrationRecord(
                    work.samples.digest, len(work.samples), len(work.samples.skipped),
                    way.method, way.corrected, scores,
                )  # fmt: skip
        except ConversionError as error:
            failures.append(Failure(recipe.name, str(error)))
            continue
        path = targets[recipe.name]
        description = f"{source.name}, recipe {recipe.name}, made by edge-deploy"
        data = attach(data, work.contract, source.name, description)
        proof = _prove(work, data, recipe, front_end.parameters, path.name)
        if not proof.passed and not force_unproven:
            failures.append(Failure(recipe.name, proof.sentence(path.name), proof))
            continue
        card = model_card(
            source=source, recipe=recipe, contract=work.contract, calibration=record, proof=proof,
            forced=force_unproven, data=data, file_name=path.name,
            parameters=front_end.parameters, source_versions=front_end.versions,
        )  # fmt: skip
        write_bytes(path, data, force)
        write_json(path.with_suffix(".json"), card, force)
        digest = hashlib.sha256(data).hexdigest()
        models.append(ConvertedModel(path, recipe, len(data), digest, source.sha256, proof, card))
    on_progress("Quantizing and proving", len(recipes), len(recipes))
    conversion = Conversion(tuple(models), tuple(failures), work.warnings)
    if failures:
        raise ProofError(conversion)
    return conversion


def _prove(work: _Work, data: bytes, recipe: Recipe, parameters: int, name: str) -> Proof:
    chosen = list(range(len(work.chosen)))
    if recipe.activations == "int16":
        chosen = chosen[:: max(1, -(-len(chosen) // _SLOW_PROOF_SAMPLES))]
    return prove(
        data,
        recipe,
        [work.samples.sample(work.chosen[i]) for i in chosen],
        [output[chosen] for output in work.reference],
        parameters=parameters,
        contract=work.contract.preprocessing,
        real_inputs=work.real,
        name=name,
    )


@dataclass(frozen=True)
class _Way:
    """One way to quantize: how ranges are reduced, and whether biases are corrected."""

    method: str
    corrected: bool

    def __str__(self) -> str:
        parts = [self.method, "bias-corrected" if self.corrected else ""]
        return " ".join(part for part in parts if part) or "plain"


def _ways(work: _Work, recipe: Recipe) -> list[_Way]:
    """The ways worth trying. int16 has room for the whole range, so only min-max is taken."""
    if recipe.weights != "int8":
        return [_Way("", False)]
    can_correct = work.means is not None
    if recipe.activations == "int16":
        return [_Way("min-max", can_correct)]
    if recipe.activations != "int8":
        return [_Way("", False), _Way("", True)] if can_correct else [_Way("", False)]
    tried = [_Way(method, can_correct) for method in METHODS]
    return [_Way("min-max", False), *tried] if can_correct else tried


def _make(work: _Work, recipe: Recipe, way: _Way) -> bytes:
    """The quantized model, made one way."""
    statistics = None
    if recipe.needs_calibration and work.ranges is not None:
        statistics = statistics_for(
            work.float_file, work.ranges, way.method, work.contract.preprocessing
        )
    start = _corrected(work, recipe) if way.corrected else work.float_model
    return quantize(start, recipe, statistics)


def _corrected(work: _Work, recipe: Recipe) -> bytes:
    """The float model with the kernels and biases that this recipe's rounding of them asks for."""
    # How weights are rounded depends on nothing else: the ranges of activations have no part in it.
    weights_only = replace(recipe, activations="float32", io="float32")
    key = f"{recipe.granularity} {recipe.keep_float!r}"
    if key not in work.corrected:
        assert work.means is not None
        steps = ModelFile(quantize(work.float_model, weights_only))
        balanced = balance_kernels(work.float_file, steps)
        rounded = ModelFile(quantize(balanced, weights_only))
        corrected = correct_biases(work.float_file, rounded, work.means)
        work.corrected[key] = balance_kernels(ModelFile(corrected), steps)
    return work.corrected[key]


def _best_way(
    work: _Work,
    recipe: Recipe,
    choices: dict[tuple[str, ...], tuple[_Way, dict[str, float]]],
    on_progress: Progress,
) -> tuple[_Way, dict[str, float]]:
    """The way with the smallest mean error against the source on the proof's inputs, with all
    errors. Recipes that differ only in the dtype of their inputs and outputs share the choice.
    """
    ways = _ways(work, recipe)
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
                model = NamedModel(_make(work, plain, way), f"recipe {recipe.name}")
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
