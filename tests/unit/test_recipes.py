"""Recipe files: every field, and every way to get one wrong."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
from edge_deploy_converters.quantization import check_operators
from edge_deploy_converters.recipes import RECIPES, Recipe, Rule, find_recipe
from edge_deploy_runner.errors import BadInputError, UsageError


def test_a_file_may_set_every_field(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "other"\nweights = "int8"\nactivations = "int16"\ngranularity = "tensor"\n'
        'io = "float32"\nkeep_float = [{regex = "head", operator = "CONV_2D"}, {regex = "x"}]\n'
    )
    rules = (Rule("head", "CONV_2D"), Rule("x"))
    assert find_recipe(str(path)) == Recipe("other", "int8", "int16", "tensor", "float32", rules)


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_can_be_written_to_a_file_and_read_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(RECIPES[name].to_json()))
    assert find_recipe(str(path)) == RECIPES[name]
    assert set(RECIPES[name].to_json()) == {field.name for field in fields(Recipe)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Recipe("mine")),
        ('activations = "dynamic"', Recipe("mine", activations="dynamic", io="float32")),
        ('activations = "int16"', Recipe("mine", activations="int16", io="int16")),
        ('activations = "float32"', Recipe("mine", activations="float32", io="float32")),
    ],
)
def test_what_a_file_leaves_out_follows_from_the_rest(
    tmp_path: Path, text: str, expected: Recipe
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    assert find_recipe(str(path)) == expected


WRONG = {
    'weight = "int8"': "unknown key 'weight'; valid keys: name, weights, activations",
    'weights = "int9"': "weights is 'int9'; use one of float32, float16, int8",
    'activations = "int4"': "use one of float32, dynamic, int8, int16",
    'granularity = "row"': "use one of channel, tensor",
    'io = "int32"': "use one of float32, int8, uint8, int16",
    "weights = 8": "weights must be a text, not 8",
    'weights = "float16"': "int8 activations need int8 weights",
    'weights = "float32"\nactivations = "dynamic"': "dynamic activations need int8 weights",
    'activations = "dynamic"\nio = "uint8"': "io 'uint8' does not go with dynamic",
    'activations = "int16"\nio = "int8"': "use int16 or float32",
    'io = "int16"': "use int8 or uint8 or float32",
    'keep_float = [{regex = "("}]': "no regular expression",
    "keep_float = [{regex = 3}]": "keep_float is a list of tables",
    "keep_float = [{}]": "keep_float is a list of tables",
    "keep_float = 1": "keep_float is a list of tables",
    'keep_float = [{kind = "ADD"}]': "keep_float is a list of tables",
    'name = "a/b"': "must be fit for a file name",
    "weights": "cannot be parsed",
}


@pytest.mark.parametrize(("text", "sentence"), WRONG.items())
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(BadInputError) as caught:
        find_recipe(str(path))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"[]", b"\xff\xfe", b"[" * 100_000, b""])
def test_json_that_holds_no_recipe_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"mine\.json"):
        find_recipe(str(path))


def test_names_and_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown recipe 'int9'; use one of float32, float16"):
        find_recipe("int9")
    with pytest.raises(BadInputError, match="cannot be read: No such file"):
        find_recipe(str(tmp_path / "none.toml"))
    with pytest.raises(BadInputError, match="cannot be read"):
        find_recipe("x" * 300 + ".toml")


def test_a_rule_for_an_operator_that_nobody_knows_is_refused() -> None:
    check_operators(Recipe("fine", keep_float=(Rule("head"), Rule(operator="CONV_2D"))))
    with pytest.raises(BadInputError, match="unknown operator 'CONVOLUTION'; use one of"):
        check_operators(Recipe("bad", keep_float=(Rule(operator="CONVOLUTION"),)))
