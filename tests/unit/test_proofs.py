"""The proofs: each fails where it should, on real models, and passes where it should."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from edge_deploy_converters.flatbuffer_model import pack, unpack
from edge_deploy_converters.metadata import attach
from edge_deploy_converters.proofs import NamedModel, Proof, cosines, prove
from edge_deploy_converters.quantization import quantize
from edge_deploy_converters.recipes import RECIPES, Recipe, Rule
from edge_deploy_runner.contract import Contract
from edge_deploy_runner.tflite.model_file import ModelFile
from small_models import custom_operator_model
from small_models_photo import MOBILENET, color_classifier

FLOAT = color_classifier(contract=False)
PARAMETERS = 9 + 3 + 9 + 3
RANDOM = np.random.default_rng(2)
CONTRACT = Contract(MOBILENET)


def photos(count: int = 12) -> list[dict[str, Any]]:
    """Inputs of one clear colour each."""
    found = []
    for n in range(count):
        pixels = RANDOM.uniform(-1, -0.8, (1, 16, 24, 3)).astype(np.float32)
        pixels[..., n % 3] += 1.6
        found.append({"photo": pixels})
    return found


SAMPLES = photos()
REFERENCE = [np.stack([NamedModel(FLOAT, "m").answer(s)[0] for s in SAMPLES])]


def proof(
    data: bytes,
    recipe: Recipe | str = "float32",
    *,
    reference: Any = None,
    parameters: int = PARAMETERS,
    contract: Any = MOBILENET,
    real_inputs: bool = True,
) -> Proof:
    recipe = RECIPES[recipe] if isinstance(recipe, str) else recipe
    return prove(
        data, recipe, SAMPLES, REFERENCE if reference is None else reference,
        parameters=parameters, contract=contract, real_inputs=real_inputs,
    )  # fmt: skip


def failed(found: Proof) -> list[str]:
    json.dumps(found.to_json(forced=True), allow_nan=False)  # a card can always be written
    return [check.name for check in found.checks if not check.passed]


def test_a_good_float_model_passes_all() -> None:
    found = proof(FLOAT)
    assert found.passed
    assert [check.name for check in found.checks] == [
        "operators", "size", "integer_share", "finite", "relative_error", "varies", "clear_flips",
    ]  # fmt: skip
    assert (found.cosine, found.top1_agreement, found.integer_share) == (1.0, 1.0, 0.0)
    assert found.to_json()["status"] == "passed"
    assert found.to_json(forced=True)["forced"] is False


@pytest.mark.parametrize("recipe", ["int8", "uint8"])
def test_a_good_integer_model_passes_all(recipe: str) -> None:
    data = attach(color_classifier(recipe, contract=False), CONTRACT, "m", "")
    found = proof(data, recipe)
    assert failed(found) == []
    assert found.integer_share == 1.0
    assert "input_scale" in [check.name for check in found.checks]


def test_variables_left_outside() -> None:
    model = unpack(FLOAT)
    code = schema.OperatorCodeT()
    code.builtinCode = schema.BuiltinOperator.VAR_HANDLE
    code.deprecatedBuiltinCode, code.version = 127, 1
    model.operatorCodes.append(code)
    handle = schema.TensorT()
    handle.name, handle.shape, handle.type = b"handle", [], schema.TensorType.RESOURCE
    model.subgraphs[0].tensors.append(handle)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = [], [len(model.subgraphs[0].tensors) - 1]
    model.subgraphs[0].operators.append(operator)
    found = proof(pack(model))
    assert failed(found) == ["operators"]
    assert "VAR_HANDLE, where builtin operators only is wanted" in found.sentence("m.tflite")
    assert found.cosine is None  # it was not run


@pytest.mark.parametrize("name", ["Mystery", "FlexErf"])
def test_operators_that_no_runtime_has(name: str) -> None:
    found = proof(custom_operator_model(name), parameters=0)
    assert failed(found) == ["operators"]
    assert name in found.sentence("m")


def with_dense(values: Any) -> bytes:
    """The float model with other values in its last layer's weights."""
    model, file = unpack(FLOAT), ModelFile(FLOAT)
    tensor = next(t for t in file.graph.tensors if t.name == "dense")
    data = np.broadcast_to(np.float32(values), tensor.shape).copy()
    model.buffers[tensor.buffer].data = data.reshape(-1).view(np.uint8)
    return pack(model)


def test_nan_is_no_answer() -> None:
    found = proof(with_dense(np.nan))
    assert failed(found) == ["finite"]
    assert "NaN or infinity, where finite outputs is wanted" in found.sentence("m")
    assert found.max_abs_error is None


def test_the_same_answer_to_everything_is_dead() -> None:
    found = proof(with_dense(0.0))
    assert "varies" in failed(found)
    # A source that is constant itself may be converted.
    flat = [np.repeat(NamedModel(with_dense(0.0), "m").answer(SAMPLES[0])[0][None], 12, axis=0)]
    assert failed(proof(with_dense(0.0), reference=flat)) == []


def test_answers_that_changed() -> None:
    found = proof(color_classifier(contract=False, bias=(0, 20, 0)))
    assert failed(found) == ["relative_error", "clear_flips"]
    assert found.top1_agreement == pytest.approx(1 / 3)
    synthetic = proof(color_classifier(contract=False, bias=(0, 20, 0)), real_inputs=False)
    assert failed(synthetic) == ["relative_error"]  # made-up inputs may flip
    assert synthetic.inputs == "synthetic"


@pytest.mark.parametrize(("lead", "clear"), [(0.01, 0.0), (0.5, 1.0)])
def test_flips_count_where_the_source_was_sure(lead: float, clear: float) -> None:
    truth = REFERENCE[0].copy()
    rows, best = np.arange(len(truth)), truth[:, 0].argmax(axis=1)
    truth[rows, 0, (best + 1) % 3] = truth[rows, 0, best] + lead  # another class wins by that much
    found = proof(FLOAT, "int8", reference=[truth], contract=None)
    (flips,) = [check for check in found.checks if check.name == "clear_flips"]
    assert found.top1_agreement == 0.0
    assert (flips.value, flips.passed) == (clear, clear == 0)


def test_one_clear_flip_among_few_samples_is_counted() -> None:
    from edge_deploy_converters.proofs import _compare

    truth = np.tile(np.float32([0.9, 0.1]), (5, 1))[:, None]
    answers = truth.copy()
    answers[0, 0] = (0.4, 0.6)
    checks, _ = _compare(RECIPES["int8"], [answers], [truth], True)
    (flips,) = [check for check in checks if check.name == "clear_flips"]
    assert flips.value == pytest.approx(0.2)
    assert not flips.passed


def test_an_input_scale_that_is_not_the_contracts() -> None:
    other = MOBILENET._replace(mean=(0.0,), std=(255.0,))
    data = attach(color_classifier("int8", preprocessing=other, contract=False), CONTRACT, "m", "")
    found = proof(data, "int8", reference=None)
    assert "input_scale" in failed(found)
    assert "input_scale" not in failed(proof(data, "int8", contract=other))
    assert "input_scale" not in failed(proof(data, replace(RECIPES["int8"], io="float32")))


def test_a_recipe_that_skipped_the_convolutions() -> None:
    found = proof(FLOAT, "int8")
    assert {"integer_share", "input_scale"} <= set(failed(found))
    assert "integer_share" in failed(proof(color_classifier("int8"), "float32"))
    # Weights that stayed float.
    assert "weight_integer_share" in failed(proof(FLOAT, "dynamic"))
    # A rule may keep some of it in float.
    kept = replace(RECIPES["int8"], name="kept", keep_float=(Rule(operator="CONV_2D"),))
    assert "integer_share" not in failed(proof(FLOAT, kept, contract=None))


def test_a_file_of_the_wrong_size() -> None:
    assert failed(proof(FLOAT, parameters=10**6)) == ["size"]  # the weights are not in it
    model = unpack(FLOAT)
    buffer = schema.BufferT()
    buffer.data = np.zeros(200_000, np.uint8)
    model.buffers.append(buffer)
    found = proof(pack(model))
    assert failed(found) == ["size"]
    assert "bytes for 24 parameters is wanted" in found.sentence("m")
    assert found.to_json(forced=True)["forced"] is True


def test_a_quantizer_that_keeps_a_layer_in_float() -> None:
    statistics = {
        tensor.name: {"min": np.float32([-8]), "max": np.float32([8])}
        for tensor in ModelFile(FLOAT).graph.tensors
    }
    rule = Rule(operator="FULLY_CONNECTED")
    recipe = replace(RECIPES["int8"], name="kept", keep_float=(rule,))
    data = attach(quantize(FLOAT, recipe, statistics), CONTRACT, "m", "")
    file = ModelFile(data)
    dense = next(op for op in file.graph.operators if op.kind == "FULLY_CONNECTED")
    assert file.graph.tensor(dense.inputs[1]).dtype == "float32"
    found = proof(data, recipe, contract=None)
    assert 0 < found.integer_share < 1
    assert next(check for check in found.checks if check.name == "integer_share").passed


def test_cosines_by_hand() -> None:
    a = np.float32([[1, 0], [1, 1], [0, 0], [0, 0], [1, 2]])
    b = np.float32([[0, 1], [2, 2], [0, 0], [1, 0], [-1, -2]])
    np.testing.assert_allclose(cosines(a, b), [0, 1, 1, 0, -1], atol=1e-12)


def test_a_cosine_of_few_numbers_or_beside_an_offset_proves_nothing() -> None:
    from edge_deploy_converters.proofs import _compare, cosines, relative_error

    rng = np.random.default_rng(5)
    truth = rng.normal(0, 1, (32, 1, 1)).astype(np.float32)
    assert relative_error(truth, truth) == 0.0
    assert relative_error(truth * 0 + truth.mean(), truth) == pytest.approx(1.0)
    # A good regressor near zero passes: its signs are not its answers.
    near = truth + rng.normal(0, 0.05, truth.shape).astype(np.float32)
    checks, _ = _compare(RECIPES["dynamic"], [near], [truth], True)
    assert all(check.passed for check in checks)
    # The opposite of a sigmoid, which all lies on one side, and a dead regressor do not.
    sigmoid = 0.5 + truth / 20
    for wrong in (1 - sigmoid, np.full_like(sigmoid, 0.5)):
        assert cosines(wrong, sigmoid).mean() == pytest.approx(1.0)
        checks, _ = _compare(RECIPES["int8"], [wrong], [sigmoid], True)
        assert "relative_error" in [check.name for check in checks if not check.passed]
    # Every output counts, not the first alone.
    other = rng.normal(20, 1, (32, 1, 10)).astype(np.float32)
    unrelated = rng.normal(20, 1, (32, 1, 10)).astype(np.float32)
    checks, _ = _compare(RECIPES["int8"], [truth, unrelated], [truth, other], True)
    assert [check.name for check in checks if not check.passed] == ["relative_error"]
    fixed = np.broadcast_to(other.mean(axis=0), other.shape)
    checks, _ = _compare(RECIPES["int8"], [truth, fixed], [truth, other], True)
    assert "varies" in [check.name for check in checks if not check.passed]
