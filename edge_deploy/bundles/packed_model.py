"""The model that a bundle carries: checked, named, and with its contract inside."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from edge_deploy_runner.contract import Contract, Preprocessing, read_contract
from edge_deploy_runner.errors import BadInputError, BundleError, EdgeDeployError, UsageError
from edge_deploy_runner.interpreter import LoadedModel
from edge_deploy_runner.photo_model import check_card
from edge_deploy_runner.tflite.model_file import ModelFile

from edge_deploy.bundle_files.installer.bundle_reading import NAME_PATTERN

_NAMES = "letters, digits, dot, dash and underscore, at most 64"


@dataclass(frozen=True)
class SourceModel:
    """The model as it was given, what the bundle is called after it, and its recipe if known."""

    file: ModelFile
    name: str
    recipe: str | None


def open_source(model: str | os.PathLike[str], name: str | None) -> SourceModel:
    """Read a model for a bundle, named after its file unless a name is given.

    Raises `BadInputError`, also for a file that no name can be made of, and `UsageError` for a
    name that cannot be one.
    """
    if name is not None:
        _check_name(name)
    path = Path(model)
    file = ModelFile.open(path)
    check_card(file, path)
    return SourceModel(file, name or _name_of(path), _recipe(path))


def _check_name(name: str) -> None:
    if not NAME_PATTERN.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a bundle's name; with --name give {_NAMES}, the first of them "
            "a letter or a digit"
        )


def _name_of(model: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", model.stem).lstrip("-._")[:48].rstrip("-.")
    if not NAME_PATTERN.fullmatch(name):
        raise BadInputError(
            f"no bundle can be named after {model.name!r}; with --name give {_NAMES}"
        )
    return name


def merged_contract(
    file: ModelFile,
    preprocessing: Preprocessing | None,
    labels: tuple[str, ...] | None,
    override: bool,
) -> Contract:
    """What the model on the device shall carry."""
    carried = Contract() if override and preprocessing and labels else read_contract(file)
    for given, own, what in (
        (preprocessing, carried.preprocessing, "preprocessing contract"),
        (labels, carried.labels, "labels"),
    ):
        if given and own and given != own and not override:
            raise BadInputError(
                f"{file.name} carries its own {what}; add --override to use another"
            )
    return Contract(preprocessing or carried.preprocessing, labels or carried.labels)


def with_contract(file: ModelFile, contract: Contract, override: bool) -> ModelFile:
    """The model with that contract inside; as it is where it carries it already."""
    try:
        if read_contract(file) == contract:
            return file
    except EdgeDeployError:
        if not override:
            raise
    shapes = [list(tensor.shape) for tensor in file.inputs]
    if contract.preprocessing and (len(shapes) != 1 or len(shapes[0]) != 4):
        raise BadInputError(
            f"{file.name} takes input of shape {', '.join(map(str, shapes))}, which is not one "
            "photo, so that no preprocessing of photos can be put into it"
        )
    from edge_deploy_converters.metadata import attach

    data = attach(file.data, contract, file.name, file.description)
    return ModelFile(data, file.name)


def check_same_answers(before: ModelFile, after: ModelFile) -> None:
    """Raise `BundleError` if putting the contract in has changed what the model computes."""
    if before is after:
        return
    one, other = (LoadedModel(f.data, 1, name=f.name) for f in (before, after))
    zeros = [np.zeros(detail["shape"], detail["dtype"]) for detail in one.inputs]
    for a, b in zip(one.run(*zeros), other.run(*zeros), strict=True):
        if a.tobytes() != b.tobytes():
            raise BundleError(
                f"{before.name} answers differently once its contract is inside; convert it with "
                "--preprocess and --labels instead"
            )


def _recipe(model: Path) -> str | None:
    """The recipe's name, if a card lies beside the model."""
    try:
        record = json.loads(model.with_suffix(".json").read_text("utf-8"))
        return str(record["recipe"]["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
