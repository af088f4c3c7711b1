"""What a `.tflite` asks of a device: operators, multiply-accumulates, bytes, and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.tflite.model_file import ModelFile
from small_detectors import quarter_detector
from small_models import (
    Builder,
    custom_operator_model,
    dynamic_batch_model,
    float16_model,
    float_model,
    int8_model,
    rank_two_model,
    two_input_model,
    undelegated_model,
)
from small_models_photo import color_classifier

from edge_deploy.prediction.workload import DETECTION_POSTPROCESS, Workload, read_workload


def workload(data: bytes) -> Workload:
    return read_workload(ModelFile(data, "small.tflite"))


def with_operator(kind: str, options: Any = None) -> bytes:
    """A convolution, then one more operator on its map of 4 x 4 x 8."""
    build = Builder()
    photo = build.tensor("photo", (1, 4, 4, 3))
    current = build.convolution(photo, "first", 4, (3, 8))
    out = build.tensor("out", (1, 4, 4, 8))
    build.operator(kind, [current], [out], options)
    return build.finish([photo], [out])


def depthwise_model(stride: int = 2) -> bytes:
    build = Builder()
    photo = build.tensor("photo", (1, 8, 8, 4))
    kernel = build.tensor("kernel", (1, 5, 3, 4), data=np.ones((1, 5, 3, 4), np.float32))
    bias = build.tensor("bias", (4,), data=np.zeros(4, np.float32))
    side = 8 // stride
    out = build.tensor("out", (1, side, side, 4))
    options = schema.DepthwiseConv2DOptionsT()
    options.padding = schema.Padding.SAME
    options.strideH, options.strideW, options.depthMultiplier = stride, stride, 1
    options.dilationHFactor = options.dilationWFactor = 1
    build.operator("DEPTHWISE_CONV_2D", [photo, kernel, bias], [out], options)
    return build.finish([photo], [out])


def test_a_convolution_is_described_whole() -> None:
    found = workload(float_model(size=16, layers=2))
    first, second, mean, softmax = found.operators
    assert (first.kind, first.name, first.dtype) == ("CONV_2D", "layer0", "float32")
    assert first.macs == 16 * 16 * 8 * 3 * 3 * 3
    assert (first.input_elements, first.output_elements) == (16 * 16 * 3, 16 * 16 * 8)
    assert (first.input_bytes, first.output_bytes) == (4 * 16 * 16 * 3, 4 * 16 * 16 * 8)
    assert (first.weight_elements, first.weight_bytes) == (8 * 27, 4 * 8 * 27)  # no bias
    assert (first.kernel, first.stride) == ((3, 3), (1, 1))
    assert (first.input_channels, first.output_channels, first.output_pixels) == (3, 8, 256)
    assert second.macs == 16 * 16 * 8 * 9 * 8
    assert (mean.macs, mean.input_elements, mean.output_elements) == (0, 2048, 8)
    assert mean.weight_elements == 0  # its axes are no weights
    assert (softmax.kind, softmax.output_elements) == ("SOFTMAX", 8)
    assert (found.name, found.dtype) == ("small.tflite", "float32")
    assert found.macs == first.macs + second.macs
    assert found.arena_bytes == 2 * 4 * 16 * 16 * 8


def test_size_is_that_of_the_file() -> None:
    data = int8_model()
    assert workload(data).size_bytes == len(data)


def test_depthwise_kernels_and_strides_are_height_before_width() -> None:
    (operator,) = workload(depthwise_model()).operators
    assert (operator.kernel, operator.stride) == ((5, 3), (2, 2))
    assert operator.macs == 4 * 4 * 4 * 15


def test_pools_have_their_window() -> None:
    options = schema.Pool2DOptionsT()
    options.padding = schema.Padding.SAME
    options.strideH, options.strideW = 1, 1
    options.filterHeight, options.filterWidth = 3, 2
    pool = workload(with_operator("MAX_POOL_2D", options)).operators[-1]
    assert (pool.kernel, pool.stride, pool.macs) == ((3, 2), (1, 1), 0)


def test_a_fully_connected_layer_is_one_pixel() -> None:
    (operator,) = workload(rank_two_model()).operators
    assert (operator.macs, operator.weight_elements) == (64, 64)
    assert (operator.input_channels, operator.output_channels, operator.output_pixels) == (16, 4, 1)


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
def test_dtype_is_that_of_the_work(dtype: str) -> None:
    found = workload(color_classifier(dtype))
    assert found.dtype == dtype
    width = 4 if dtype == "float32" else 1
    for operator in found.operators:
        assert operator.input_bytes == width * operator.input_elements


def test_float_activations_with_integer_weights_are_dynamic() -> None:
    build = Builder()
    vector = build.tensor("vector", (1, 16))
    kernel = build.tensor("kernel", (4, 16), "int8", np.ones((4, 16), np.int8), scale=0.1)
    out = build.tensor("scores", (1, 4))
    build.operator("FULLY_CONNECTED", [vector, kernel, -1], [out], schema.FullyConnectedOptionsT())
    found = workload(build.finish([vector], [out]))
    assert (found.dtype, found.operators[0].weight_bytes) == ("dynamic", 64)


def test_unpacking_stored_weights_is_no_work() -> None:
    found = workload(float16_model())
    (operator,) = found.operators
    assert (operator.kind, found.dtype) == ("CONV_2D", "float32")
    assert (operator.weight_elements, operator.weight_bytes) == (216, 4 * 216)
    assert operator.input_elements == 16 * 16 * 3  # the unpacked kernel is no activation
    assert found.unpacked_bytes == found.unpacked_float16_bytes == 4 * 216


def test_arithmetic_with_stored_vectors_is_told_apart() -> None:
    def added(shape: tuple[int, ...]) -> bytes:
        build = Builder()
        photo = build.tensor("photo", (1, 4, 4, 3))
        current = build.convolution(photo, "first", 4, (3, 8))
        other = build.tensor("other", shape, data=np.ones(shape, np.float32))
        out = build.tensor("out", (1, 4, 4, 8))
        build.operator("ADD", [current, other], [out], schema.AddOptionsT())
        return build.finish([photo], [out])

    assert workload(added((8,))).operators[-1].constant_operand
    assert not workload(added(())).operators[-1].constant_operand
    assert not workload(added((8,))).operators[0].constant_operand  # filters are no operand


def test_detectors_keep_their_last_operator() -> None:
    last = workload(quarter_detector()).operators[-1]
    assert last.kind == DETECTION_POSTPROCESS
    assert (last.macs, last.input_elements) == (0, 4 * 4)  # the scores; the boxes are stored here


def test_an_open_batch_counts_as_one() -> None:
    found = workload(color_classifier(signature=(-1, 16, 24, 3)))
    assert found.macs == workload(color_classifier()).macs


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (two_input_model(), r"multiplies nothing \(0 multiply-accumulates\)"),
        (dynamic_batch_model(), "multiplies nothing"),
        (undelegated_model(), "multiplies nothing"),
        (custom_operator_model(), "custom operator 'Mystery', whose work is not known"),
        (custom_operator_model("FlexErf"), "FlexErf, a TensorFlow operator"),
        (
            color_classifier(signature=(1, -1, -1, 3)),
            r"shape of tensor '.+' in small.tflite is left open \(1, -1, -1, 3\)",
        ),
        (with_operator("RNN"), "RNN, which does not show in its shapes"),
    ],
)
def test_what_cannot_be_counted_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(BadInputError, match=message) as error:
        workload(data)
    assert "small.tflite" in str(error.value)
    assert any(word in str(error.value) for word in ("convert", "measure"))
