"""Unpacking and packing models: nothing lost, weights aligned, the same bytes each time."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
from edge_deploy_converters.flatbuffer_model import (
    add_signature,
    drop_metadata,
    hushed,
    pack,
    set_metadata,
    text,
    unpack,
)
from edge_deploy_runner.interpreter import LoadedModel
from edge_deploy_runner.tflite.model_file import ModelFile
from small_models_photo import color_classifier, mixed_model, two_input_model


def offsets(data: bytes) -> list[int]:
    """Where the contents of all buffers lie in the file."""
    file = ModelFile(data)
    start = np.frombuffer(file.data, np.uint8).ctypes.data
    contents = [file.buffer_data(tensor.buffer) for tensor in file.graph.tensors]
    return [np.frombuffer(c, np.uint8).ctypes.data - start for c in contents if len(c)]


@pytest.mark.parametrize("model", [color_classifier(), color_classifier("int8"), mixed_model()])
def test_packing_again_changes_nothing_that_counts(model: bytes) -> None:
    packed = pack(unpack(model))
    before, after = ModelFile(model), ModelFile(packed)
    assert before.graph.tensors == after.graph.tensors
    assert before.graph.operators == after.graph.operators
    assert before.metadata == after.metadata
    assert before.signatures == after.signatures
    for tensor in before.graph.tensors:
        assert before.buffer_data(tensor.buffer) == after.buffer_data(tensor.buffer)
    assert pack(unpack(packed)) == packed
    zeros = np.zeros(before.inputs[0].shape, before.inputs[0].dtype)
    (answer,), (again,) = LoadedModel(model).run(zeros), LoadedModel(packed).run(zeros)
    np.testing.assert_array_equal(answer, again)


@pytest.mark.parametrize("length", [1, 3, 15, 16, 17])
def test_every_buffer_lies_on_16_bytes(length: int) -> None:
    model = unpack(color_classifier())
    set_metadata(model, "x", bytes(length))  # an odd neighbour moves the others
    found = offsets(pack(model))
    assert len(found) > 3
    assert all(at % 16 == 0 for at in found)


def test_packing_leaves_the_object_as_it_was() -> None:
    model = unpack(color_classifier())
    assert pack(model) == pack(model)


def test_weights_behind_the_flatbuffer_are_brought_inside() -> None:
    model = unpack(color_classifier(contract=False))
    stored = [0 if buffer.data is None else len(buffer.data) for buffer in model.buffers]
    index = stored.index(max(stored))
    content = bytes(model.buffers[index].data)
    inside = pack(model)
    outside = b""

    # Packed once with a placeholder, then with the place behind the file.
    class Outside:
        def __init__(self, offset: int) -> None:
            self.data, self.offset = None, offset

        def Pack(self, builder):
            from ai_edge_litert import schema_py_generated as schema

            schema.BufferStart(builder)
            schema.BufferAddOffset(builder, self.offset)
            schema.BufferAddSize(builder, len(content))
            return schema.BufferEnd(builder)

    import flatbuffers

    model.buffers[index] = Outside(2)
    for _ in range(2):
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        outside = bytes(builder.Output())
        outside += bytes(-len(outside) % 16)
        model.buffers[index] = Outside(len(outside))
    opened = unpack(outside + content)
    assert bytes(opened.buffers[index].data) == content
    assert not opened.buffers[index].offset
    assert len(pack(opened)) == len(inside)


def test_a_signature_is_named_after_the_tensors() -> None:
    model = unpack(two_input_model())
    kept = [text(s.signatureKey) for s in model.signatureDefs]
    add_signature(model)
    assert [text(s.signatureKey) for s in model.signatureDefs] == kept
    model.signatureDefs = None
    model.subgraphs[0].tensors[0].name = b"serving/same:0"
    model.subgraphs[0].tensors[1].name = b"other/same:0"
    add_signature(model)
    (signature,) = ModelFile(pack(model)).signatures
    assert signature.key == "serving_default"
    assert signature.inputs == {"same": 0, "input_1": 1}  # no name twice
    assert list(signature.outputs.values()) == [2]


def test_metadata_is_added_replaced_and_dropped() -> None:
    model = unpack(color_classifier(contract=False))
    buffers = len(model.buffers)
    set_metadata(model, "a", b"one")
    set_metadata(model, "b", b"two")
    set_metadata(model, "a", b"three")
    assert len(model.buffers) == buffers + 2
    assert ModelFile(pack(model)).metadata == {"a": b"three", "b": b"two"}
    drop_metadata(model, "a")
    drop_metadata(model, "none")
    assert ModelFile(pack(model)).metadata == {"b": b"two"}


def test_libraries_are_kept_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with hushed():
        print("out")
        print("err", file=sys.stderr)
        warnings.warn("noise", UserWarning, stacklevel=1)
    assert capsys.readouterr() == ("", "")
