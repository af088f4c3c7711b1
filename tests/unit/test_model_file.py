"""Reading `.tflite` files: graph, signature, metadata, packed files, and refusals."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from edge_deploy_runner.contract import CONTRACT_ENTRY
from edge_deploy_runner.errors import BadInputError, DamagedModelError
from edge_deploy_runner.tflite.graph import BITS, TENSOR_TYPES
from edge_deploy_runner.tflite.model_file import ModelFile
from edge_deploy_runner.tflite.operator_names import BUILTIN_OPERATORS
from small_models_photo import Builder, color_classifier, mixed_model, with_files


def test_reads_the_graph() -> None:
    model = ModelFile(color_classifier("int8", size=(24, 16)))
    (photo,), (scores,) = model.inputs, model.outputs
    assert (photo.name, photo.shape, photo.dtype) == ("photo", (1, 16, 24, 3), "int8")
    assert photo.scales == pytest.approx((2 / 255,))
    assert (photo.zero_points, scores.shape) == ((-1,), (1, 3))
    kinds = [operator.kind for operator in model.graph.operators]
    assert kinds == ["CONV_2D", "AVERAGE_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"]
    (signature,) = model.signatures
    assert signature.key == "serving_default"
    assert signature.inputs == {"photo": photo.index}
    assert signature.outputs == {"probabilities": scores.index}


def test_reads_metadata_and_packed_files() -> None:
    model = ModelFile(color_classifier())
    assert list(model.metadata) == [CONTRACT_ENTRY]
    assert model.associated_files == {"labels.txt": b"red\ngreen\nblue\n"}
    assert ModelFile(color_classifier(contract=False)).associated_files == {}


def test_knows_which_tensors_are_constant() -> None:
    model = ModelFile(color_classifier())
    constant = {tensor.name for tensor in model.graph.tensors if model.is_constant(tensor)}
    assert constant == {"filters", "filter_bias", "flat_shape", "dense", "dense_bias"}


def test_the_hash_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(mixed_model())
    assert ModelFile.open(path).sha256 == hashlib.sha256(mixed_model()).hexdigest()


def test_the_tables_of_names_are_those_of_the_schema() -> None:
    def names(of: type) -> list[str]:
        values = {value: key for key, value in vars(of).items() if isinstance(value, int)}
        return [values[number] for number in range(len(values))]

    assert list(BUILTIN_OPERATORS) == names(schema.BuiltinOperator)
    assert len(TENSOR_TYPES) >= 20
    for number, name in enumerate(names(schema.TensorType)[: len(TENSOR_TYPES)]):
        assert TENSOR_TYPES[number] == name.lower()
    assert set(BITS) <= set(TENSOR_TYPES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04" + bytes(100), "a zip archive"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a PNG image"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "a JPEG image"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
        (b"just some text", "no TFL3 mark"),
        (b"\x1c\0\0\0TFL3" + bytes(100), "damaged|no graph"),
        (color_classifier()[:500], "is damaged"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(DamagedModelError, match=message) as caught:
        ModelFile.open(path)
    assert "model.tflite" in str(caught.value)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="there is no model"):
        ModelFile.open(tmp_path / "none.tflite")
    with pytest.raises(BadInputError, match="is a folder"):
        ModelFile.open(tmp_path)


def test_a_bomb_packed_behind_the_model_is_not_unpacked() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.txt", "a\nb\n")
        archive.writestr("huge.txt", bytes(64 * 2**20))
        for number in range(8):
            archive.writestr(f"{number}.txt", bytes(16 * 2**20))
    files = ModelFile(color_classifier(contract=False) + packed.getvalue()).associated_files
    assert "huge.txt" not in files
    assert files["labels.txt"] == b"a\nb\n"
    assert sum(map(len, files.values())) <= 64 * 2**20


def test_a_damaged_tail_is_named() -> None:
    model = with_files(color_classifier(contract=False), {"labels.txt": "red\n" * 50})
    damaged = model.replace(b"red\nred", b"bad\nbad", 1)
    with pytest.raises(DamagedModelError, match="packed behind"):
        _ = ModelFile(damaged).associated_files


def rebuilt(change: Any) -> bytes:
    """An int8 convolution and softmax, with one thing changed in the schema's own objects."""
    build = Builder()
    quantization = (1 / 128, 0)
    x = build.tensor("x", (1, 4, 4, 3), "int8", quantization)
    filters = build.tensor("f", (2, 1, 1, 3), "int8", quantization, np.ones((2, 1, 1, 3)))
    bias = build.tensor("b", (2,), "int32", (1 / 128 / 128, 0), np.zeros(2))
    y = build.tensor("y", (1, 4, 4, 2), "int8", quantization)
    options = schema.Conv2DOptionsT()
    options.strideW = options.strideH = 1
    options.dilationWFactor = options.dilationHFactor = 1
    build.operator("CONV_2D", [x, filters, bias], [y], options)
    change(build)
    return build.pack([x], [y])


def _set(item: Any, name: str, value: Any) -> None:
    setattr(item, name, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: _set(b.operators[0], "inputs", [0, -1, 2]), "which does not exist"),
        (lambda b: _set(b.operators[0], "inputs", [0]), "has 1 inputs"),
        (lambda b: _set(b.operators[0], "inputs", [0, 99, 2]), "tensor 99"),
        (lambda b: _set(b.operators[0], "outputs", [77]), "tensor 77"),
        (lambda b: _set(b.operators[0], "outputs", [2]), "shapes around|no operator writes"),
        (lambda b: _set(b.operators[0], "opcodeIndex", 5), "no operator code"),
        (lambda b: _set(b.tensors[3], "shape", [1, 4, 4, 2**20]), "contradict"),
        (lambda b: _set(b.tensors[3], "shape", [1, 2**20, 4, 2]), "contradict"),
        (lambda b: _set(b.tensors[0], "shape", [1, 2**20, 2**20, 3]), "GB"),
        (lambda b: _set(b.tensors[1], "shape", [2, 1, 1, 4]), "is stored in|contradict"),
        (lambda b: _set(b.tensors[0], "buffer", 50), "a buffer that is not there"),
        (lambda b: _set(b.tensors[3].quantization, "scale", [-0.0]), "quantization"),
        (lambda b: _set(b.tensors[3].quantization, "scale", [float("nan")]), "quantization"),
        (lambda b: _set(b.tensors[3].quantization, "scale", [1e-37]), "quantization"),
        (lambda b: _set(b.tensors[3].quantization, "zeroPoint", [256]), "quantization"),
    ],
)
def test_graphs_that_cannot_be_are_refused(change: Any, message: str) -> None:
    assert ModelFile(rebuilt(lambda b: None)).outputs[0].name == "y"
    with pytest.raises(DamagedModelError, match=message):
        ModelFile(rebuilt(change))


def test_an_operator_may_do_without_its_bias() -> None:
    def drop(build: Builder) -> None:
        build.operators[0].inputs = [0, 1, -1]

    assert ModelFile(rebuilt(drop)).graph.operators[0].inputs == (0, 1, -1)


def test_a_pool_far_larger_than_its_image_is_refused() -> None:
    build = Builder()
    x, y = build.tensor("x", (1, 4, 4, 3)), build.tensor("y", (1, 1, 1, 3))
    options = schema.Pool2DOptionsT()
    options.padding = schema.Padding.VALID
    options.strideW = options.strideH = 1
    options.filterWidth = options.filterHeight = 4
    build.operator("AVERAGE_POOL_2D", [x], [y], options)
    assert ModelFile(build.pack([x], [y])).outputs[0].name == "y"
    options.filterWidth = 2**26
    with pytest.raises(DamagedModelError, match="contradict"):
        ModelFile(build.pack([x], [y]))
