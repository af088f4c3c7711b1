"""`convert`: a trained model goes in, proven `.tflite` files with their cards come out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_deploy_runner.contract import (
    Contract,
    Preprocessing,
    preset,
    read_contract,
    read_labels,
)
from edge_deploy_runner.errors import BadInputError, ConversionError, OutputError, UsageError
from edge_deploy_runner.output import (
    check_folder,
    check_free,
    write_bytes,
    write_json,
)
from edge_deploy_runner.progress import Progress, silent
from edge_deploy_runner.tflite.model_file import ModelFile

from .calibration_data import check_calibration
from .card import CalibrationRecord, model_card
from .choosing import Way, best_way, make
from .frontend import FrontEnd
from .frontend_child import Options
from .metadata import attach
from .preparation import Work, prepare
from .proofs import Proof, prove
from .quantization import check_operators
from .recipes import Recipe, find_recipe
from .source import Source, find_source
from .zoo import zoo_cache

UNPROVEN = "UNPROVEN:"  # how the description of a model that failed a proof begins
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
    if calibration is not None:
        check_calibration(calibration, contract.preprocessing)
    with FrontEnd(found, settings, on_progress) as front_end:
        _import_quantizer(wanted)
        work = prepare(front_end, contract, calibration, wanted, on_progress)
        return _apply(work, found, wanted, targets, front_end, force_unproven, force, on_progress)


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
    targets = {recipe.name: folder / f"{source.name}_{recipe.name}.tflite" for recipe in recipes}
    for path in targets.values():
        check_free(path, force=True)  # a name that cannot be is refused before it is asked for
        if source.path is not None and path.exists() and path.samefile(source.path):
            raise OutputError(f"{path} is the source itself; choose another folder")
        check_free(path, force)
        check_free(path.with_suffix(".json"), force)
    return targets


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


def _apply(
    work: Work,
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
    choices: dict[tuple[str, ...], tuple[Way, dict[str, float]]] = {}
    for number, recipe in enumerate(recipes):
        on_progress("Quantizing and proving", number, len(recipes))
        record = None
        try:
            way, scores = best_way(work, recipe, choices, on_progress)
            data = make(work, recipe, way)
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
        if not proof.passed and force_unproven:
            marked = f"{UNPROVEN} {description}"
            data = attach(data, work.contract, source.name, marked)
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


def _prove(work: Work, data: bytes, recipe: Recipe, parameters: int, name: str) -> Proof:
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
