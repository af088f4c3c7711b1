"""Golden answers made in a child process are those made here, and its end is a sentence."""

from __future__ import annotations

import pytest
from edge_deploy_runner.contract import PRESETS, Preprocessing, read_contract
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.tflite.model_file import ModelFile
from small_models import int8_model
from small_models_photo import color_classifier

from edge_deploy.bundles import golden_child
from edge_deploy.bundles.golden_child import golden_of
from edge_deploy.bundles.golden_outputs import make_golden
from edge_deploy.prediction.synthetic.layers import Network


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_it_makes_the_same_as_here(dtype: str) -> None:
    model = ModelFile(color_classifier(dtype), "colors.tflite")
    contract = read_contract(model).preprocessing
    assert golden_of(model, contract, "m") == make_golden(model, contract, "m")


@pytest.mark.parametrize("contract", [None, PRESETS["mobilenet"]])
def test_with_and_without_a_contract(contract: Preprocessing | None) -> None:
    model = ModelFile(int8_model())
    assert golden_of(model, contract, "m") == make_golden(model, contract, "m")


def test_what_it_says_of_a_model_is_said_here(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ModelFile(color_classifier(), "colors.tflite")
    other = model.data.replace(b"TFL3", b"TFL9", 1)
    monkeypatch.setattr(model, "data", other)
    with pytest.raises(BadInputError, match=r"colors\.tflite"):
        golden_of(model, None, "m")


def test_kernels_that_end_the_process() -> None:
    """A thousand classes that are equally likely: the reference softmax takes no sum above 512."""
    net = Network("undecided", "int8")
    flat = net.softmax(net.fully_connected(net.mean(net.input(16, 16, 3)), 1000))
    model = ModelFile(net.build(flat), "undecided.tflite")
    with pytest.raises(BadInputError, match=r"undecided\.tflite .*reference kernels the TFLite"):
        golden_of(model, None, "m")


def test_no_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden_child, "_LIMIT_S", 0.01)
    with pytest.raises(BadInputError, match="there was no answer within"):
        golden_of(ModelFile(color_classifier(), "colors.tflite"), None, "m")
