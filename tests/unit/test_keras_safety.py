"""Code in Keras files is found in the file, before any of it is loaded."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import ASSETS
from edge_deploy_converters.keras_safety import (
    LARGEST_CONFIG_BYTES,
    is_pickle,
    parse_config,
    read_keras_config,
    refuse_code,
)
from edge_deploy_runner.errors import BadInputError

PATH = Path("model.keras")


def layer(kind: str, module: str | None = "keras.layers", **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "module": module, "config": config}


def model(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Functional", "module": "keras", "config": {"layers": list(layers)}}


LAMBDA = layer("Lambda", function={"class_name": "__lambda__", "config": {"code": "4wAA"}})
CODE = {
    "lambda": (model(LAMBDA), "a Lambda layer"),
    "lambda of a legacy file": (model({"class_name": "Lambda", "config": {}}), "a Lambda layer"),
    "in a model in a model": (model(model(layer("Conv2D"), model(LAMBDA))), "a Lambda layer"),
    "in a wrapper": (model(layer("TimeDistributed", layer=LAMBDA)), "a Lambda layer"),
    "as an activation": (
        model(layer("Dense", activation={"class_name": "__lambda__", "config": {}})),
        "a __lambda__ object",
    ),
    "in a compiled loss": (
        {**model(), "compile_config": {"loss": {"class_name": "__lambda__"}}},
        "a __lambda__ object",
    ),
    "foreign function": (
        model(layer("Dense", activation={"class_name": "function", "module": "os"})),
        "a function object",
    ),
    "foreign module": (model(layer("Net", "mine.layers")), "the Python module 'mine.layers'"),
    "nearly our module": (model(layer("Net", "keras_evil")), "the Python module 'keras_evil'"),
    "bytecode in a wrapper": (
        model(layer("ResidualWrapper", residual_fn=["4wAA"], residual_fn_type="lambda")),
        "a marshalled function",
    ),
    "a TensorFlow call that writes": (
        model(layer("TFOpLambda", None, function="io.write_file")),
        "a call of tf.io.write_file",
    ),
    "a TensorFlow call of Python": (
        model(layer("TFOpLambda", None, function="compat.v1.py_function")),
        "a call of tf.compat.v1.py_function",
    ),
    "torch": (model(layer("TorchModuleWrapper")), "a TorchModuleWrapper object"),
    "another SavedModel": (model(layer("TFSMLayer", filepath="/x")), "a TFSMLayer object"),
}


@pytest.mark.parametrize(("config", "words"), CODE.values(), ids=list(CODE))
def test_code_is_refused_wherever_it_hides(config: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInputError) as caught:
        refuse_code(config, PATH)
    assert words in str(caught.value)
    assert "--trust-source" in str(caught.value)


def test_what_only_computes_passes() -> None:
    refuse_code(
        model(
            layer("Conv2D", activation={"class_name": "function", "module": "keras.activations"}),
            layer("Dense", kernel_initializer=layer("GlorotUniform", "keras.initializers")),
            layer("DepthwiseConv2D", None, groups=1),
            layer("TFOpLambda", None, function="math.add"),
            layer("TFOpLambda", None, function="nn.relu6"),
            layer("TFOpLambda", None, function="reshape"),
            layer("TFOpLambda", None, function="__operators__.add"),
            {"class_name": "BatchNormalization", "config": {"axis": [3]}},
        ),
        PATH,
    )
    digits = ASSETS / "digits_mobilenet_v2.keras"
    refuse_code(read_keras_config(digits), digits)


def test_a_structure_of_any_depth_is_searched() -> None:
    deep: Any = LAMBDA
    for _ in range(20_000):
        deep = {"config": [deep]}
    with pytest.raises(BadInputError, match="Lambda"):
        refuse_code(deep, PATH)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_are_known_by_their_start(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "a.keras"
    path.write_bytes(pickle.dumps({"a": 1}, protocol))
    assert is_pickle(path)


def test_other_files_are_no_pickles(tmp_path: Path) -> None:
    for content in (b"", b"\x80", b"PK\x03\x04", b"\x80\x09"):
        (tmp_path / "a").write_bytes(content)
        assert not is_pickle(tmp_path / "a")


def keras_file(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_damaged_keras_files_are_one_sentence(tmp_path: Path) -> None:
    good = json.dumps(model(layer("Conv2D"))).encode()
    path = keras_file(tmp_path / "a.keras", {"config.json": good * 20})
    whole = path.read_bytes()
    assert read_keras_config(keras_file(path, {"config.json": good})) == json.loads(good)
    damaged = bytearray(whole)
    damaged[45] ^= 0xFF  # inside the packed config.json
    for content in (whole[:-30], whole[:40], bytes(damaged), b"PK\x03\x04"):
        path.write_bytes(content)
        with pytest.raises(BadInputError, match=r"a\.keras is damaged"):
            read_keras_config(path)
    for text in (b"{", b"[" * 100_000, b"\xff\xfe\xfd"):
        with pytest.raises(BadInputError, match="damaged model configuration"):
            read_keras_config(keras_file(path, {"config.json": text}))
    with pytest.raises(BadInputError, match=r"without a Keras config\.json"):
        read_keras_config(keras_file(path, {"other.json": b"{}"}))


def test_a_configuration_that_fills_the_memory_is_not_unpacked(tmp_path: Path) -> None:
    bomb = b" " * (LARGEST_CONFIG_BYTES + 1)
    path = keras_file(tmp_path / "a.keras", {"config.json": bomb})
    assert path.stat().st_size < 10**6
    with pytest.raises(BadInputError, match=r"its config\.json is too large"):
        read_keras_config(path)
    with pytest.raises(BadInputError, match="67 MB, which no real network needs"):
        parse_config(bomb, path)
