"""Recipes: how each kind of tensor is stored and computed. Pure data, saved beside the model."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from edge_deploy_runner.errors import BadInputError, UsageError
from edge_deploy_runner.toml import tomllib

WEIGHTS = ("float32", "float16", "int8")
ACTIVATIONS = ("float32", "dynamic", "int8", "int16")
GRANULARITIES = ("channel", "tensor")
IO_TYPES = ("float32", "int8", "uint8", "int16")


@dataclass(frozen=True)
class Rule:
    """Operators that stay in float: of one kind, with an output that `regex` finds, or both."""

    regex: str = ".*"
    operator: str = "*"


@dataclass(frozen=True)
class Recipe:
    """How a float model is quantized.

    `activations="dynamic"` keeps them float in the file and lets the runtime quantize them.
    `io` is the dtype of the model's inputs and outputs.
    """

    name: str
    weights: str = "int8"
    activations: str = "int8"
    granularity: str = "channel"
    io: str = "int8"
    keep_float: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        for key, choices in (
            ("weights", WEIGHTS),
            ("activations", ACTIVATIONS),
            ("granularity", GRANULARITIES),
            ("io", IO_TYPES),
        ):
            value = getattr(self, key)
            if value not in choices:
                raise BadInputError(
                    f"recipe {self.name!r}: {key} is {value!r}; use one of {', '.join(choices)}"
                )
        integer = self.activations in ("int8", "int16")
        if integer and self.weights != "int8":
            raise BadInputError(
                f"recipe {self.name!r}: {self.activations} activations need int8 weights"
            )
        if self.activations == "dynamic" and self.weights != "int8":
            raise BadInputError(f"recipe {self.name!r}: dynamic activations need int8 weights")
        allowed = {"int8": ("int8", "uint8", "float32"), "int16": ("int16", "float32")}.get(
            self.activations, ("float32",)
        )
        if self.io not in allowed:
            raise BadInputError(
                f"recipe {self.name!r}: io {self.io!r} does not go with {self.activations} "
                f"activations; use {' or '.join(allowed)}"
            )
        for rule in self.keep_float:
            try:
                re.compile(rule.regex)
            except re.error as error:
                raise BadInputError(
                    f"recipe {self.name!r}: {rule.regex!r} is no regular expression: {error}"
                ) from error

    @property
    def needs_calibration(self) -> bool:
        """Whether representative data is needed to find the ranges of the activations."""
        return self.activations in ("int8", "int16")

    @property
    def bytes_per_weight(self) -> float:
        """Bytes that one weight takes in the file."""
        return {"float32": 4.0, "float16": 2.0, "int8": 1.0}[self.weights]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"keep_float": [asdict(rule) for rule in self.keep_float]}


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("float32", weights="float32", activations="float32", io="float32"),
        Recipe("float16", weights="float16", activations="float32", io="float32"),
        Recipe("dynamic", activations="dynamic", io="float32"),
        Recipe("int8"),
        Recipe("int8-float-io", io="float32"),
        Recipe("uint8", io="uint8"),
        Recipe("int16x8", activations="int16", io="int16"),
        Recipe("weight-int8", activations="float32", io="float32"),
    )
}


def find_recipe(name_or_file: str) -> Recipe:
    """A recipe by name, or from a `.toml` or `.json` file.

    Raises `UsageError` for an unknown name and `BadInputError` for a file that makes no sense.
    """
    if name_or_file in RECIPES:
        return RECIPES[name_or_file]
    path = Path(name_or_file)
    if path.suffix not in (".toml", ".json"):
        raise UsageError(
            f"unknown recipe {name_or_file!r}; use one of {', '.join(RECIPES)}, "
            "or a .toml or .json file"
        )
    try:
        text = path.read_text("utf-8")
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise BadInputError(
            f"the recipe file {path} cannot be read: {error.strerror or error}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"the recipe file {path} cannot be parsed: {error}") from error
    return recipe_from_mapping(values, path.name, path.stem)


def recipe_from_mapping(values: Any, origin: str, name: str) -> Recipe:
    """A recipe from plain values; an unknown key is refused with the list of valid ones."""
    if not isinstance(values, dict):
        raise BadInputError(f"{origin} must hold one object of keys")
    known = [item.name for item in fields(Recipe)]
    for key in values:
        if key not in known:
            raise BadInputError(f"{origin}: unknown key {key!r}; valid keys: {', '.join(known)}")
    cleaned: dict[str, Any] = {"name": name, **values}
    rules = cleaned.pop("keep_float", [])
    if not isinstance(rules, list) or not all(
        isinstance(rule, dict)
        and rule
        and set(rule) <= {"regex", "operator"}
        and all(isinstance(value, str) for value in rule.values())
        for rule in rules
    ):
        raise BadInputError(
            f"{origin}: keep_float is a list of tables with regex, operator or both"
        )
    for key, value in cleaned.items():
        if not isinstance(value, str):
            raise BadInputError(f"{origin}: {key} must be a text, not {value!r}")
    if not re.fullmatch(r"[\w.-]+", cleaned["name"]):
        raise BadInputError(f"{origin}: the name {cleaned['name']!r} must be fit for a file name")
    if "io" not in cleaned and cleaned.get("activations", "int8") in ("float32", "dynamic"):
        cleaned["io"] = "float32"
    if "io" not in cleaned and cleaned.get("activations") == "int16":
        cleaned["io"] = "int16"
    return Recipe(**cleaned, keep_float=tuple(Rule(**rule) for rule in rules))
