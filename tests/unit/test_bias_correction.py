"""Bias correction on layers made by hand, against the means of both models' outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from edge_deploy_converters.bias_correction import correct_biases, mean_inputs
from edge_deploy_converters.quantization import quantize
from edge_deploy_converters.recipes import RECIPES
from edge_deploy_runner.interpreter import LoadedModel
from edge_deploy_runner.tflite.model_file import ModelFile
from small_models_photo import Builder

HEIGHT, WIDTH = 9, 7


@dataclass(frozen=True)
class Layer:
    """One layer of a test model."""

    kind: str = "CONV_2D"
    kernel: tuple[int, int] = (3, 3)
    channels: int = 4
    groups: int = 1
    out: int = 8
    same: bool = True
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)


def _places(size: int, taps: int, stride: int, dilation: int, same: bool) -> int:
    reach = (taps - 1) * dilation + 1
    return -(-size // stride) if same else (size - reach) // stride + 1


def build(layer: Layer, seed: int = 3) -> bytes:
    """A float model of that one layer, with random weights and biases."""
    random = np.random.default_rng(seed)
    build = Builder()
    if layer.kind == "FULLY_CONNECTED":
        x = build.tensor("x", (1, layer.channels))
        weights = build.tensor(
            "w", (layer.out, layer.channels), data=random.normal(0, 1, (layer.out, layer.channels))
        )
        bias = build.tensor("b", (layer.out,), data=random.normal(0, 1, layer.out))
        y = build.tensor("y", (1, layer.out))
        build.operator(layer.kind, [x, weights, bias], [y], schema.FullyConnectedOptionsT())
        return build.pack([x], [y])
    x = build.tensor("x", (1, HEIGHT, WIDTH, layer.channels))
    depthwise = layer.kind == "DEPTHWISE_CONV_2D"
    inner = layer.channels // layer.groups
    shape = (1, *layer.kernel, layer.out) if depthwise else (layer.out, *layer.kernel, inner)
    weights = build.tensor("w", shape, data=random.normal(0, 1, shape))
    bias = build.tensor("b", (layer.out,), data=random.normal(0, 1, layer.out))
    places = [
        _places(size, layer.kernel[n], layer.stride[n], layer.dilation[n], layer.same)
        for n, size in enumerate((HEIGHT, WIDTH))
    ]
    y = build.tensor("y", (1, *places, layer.out))
    options: Any = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
    options.padding = schema.Padding.SAME if layer.same else schema.Padding.VALID
    options.strideH, options.strideW = layer.stride
    options.dilationHFactor, options.dilationWFactor = layer.dilation
    if depthwise:
        options.depthMultiplier = layer.out // layer.channels
    build.operator(layer.kind, [x, weights, bias], [y], options)
    return build.pack([x], [y])


def samples(model: bytes, count: int = 20) -> list[dict[str, Any]]:
    """Inputs whose mean is the same at every position: each comes with its mirror image."""
    shape = ModelFile(model).inputs[0].shape
    random = np.random.default_rng(9)
    center = random.uniform(0.5, 2, shape[-1])
    found = []
    for _ in range(count // 2):
        offset = random.normal(0, 1, shape)
        found += [{"x": (center + d).astype(np.float32)} for d in (offset, -offset)]
    return found


def mean_output(model: bytes, inputs: list[dict[str, Any]]) -> Any:
    """The mean of each output channel, by running the model."""
    loaded = LoadedModel(model, kernels="builtin")
    outputs = np.concatenate([loaded.run(sample["x"])[0] for sample in inputs])
    return outputs.reshape(-1, outputs.shape[-1]).mean(axis=0, dtype=np.float64)


def with_rounded_weights(model: bytes, rounded: bytes) -> bytes:
    """The float model with the values that its weights have in `rounded`: no other rounding."""
    from edge_deploy_converters.flatbuffer_model import pack, unpack

    opened, file, other = unpack(model), ModelFile(model), ModelFile(rounded)
    tensor = next(t for t in other.graph.tensors if t.name == "w")
    values = np.frombuffer(other.buffer_data(tensor.buffer), np.int8).reshape(tensor.shape)
    shape = [1] * values.ndim
    if len(tensor.scales) > 1:
        shape[tensor.quantized_dimension] = -1
    real = values * np.asarray(tensor.scales).reshape(shape)
    index = next(t.index for t in file.graph.tensors if t.name == "w")
    buffer = opened.buffers[opened.subgraphs[0].tensors[index].buffer]
    buffer.data = real.astype(np.float32).reshape(-1).view(np.uint8)
    return pack(opened)


LAYERS = {
    "same": Layer(),
    "valid": Layer(same=False),
    "stride": Layer(stride=(2, 1)),
    "stride, valid": Layer(stride=(1, 2), same=False),
    "dilation": Layer(dilation=(1, 2)),
    "dilation, valid": Layer(dilation=(2, 3), kernel=(3, 2), same=False),
    "wide kernel": Layer(kernel=(1, 5)),
    "even kernel": Layer(kernel=(2, 4), stride=(2, 2)),
    "grouped": Layer(groups=2),
    "grouped, one each": Layer(groups=4, stride=(2, 2)),
    "depthwise": Layer("DEPTHWISE_CONV_2D", out=4),
    "depthwise, valid": Layer("DEPTHWISE_CONV_2D", out=4, same=False, stride=(2, 2)),
    "depthwise, multiplier": Layer("DEPTHWISE_CONV_2D", out=8, dilation=(2, 1)),
    "dense": Layer("FULLY_CONNECTED", channels=16),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=list(LAYERS))
def test_the_corrected_mean_is_the_float_models(layer: Layer) -> None:
    model = build(layer)
    inputs = samples(model)
    rounded = _rounded(model)
    file = ModelFile(model)
    means = mean_inputs(file, inputs)
    corrected = correct_biases(file, ModelFile(rounded), means)
    truth = mean_output(model, inputs)
    before = np.abs(mean_output(with_rounded_weights(model, rounded), inputs) - truth)
    after = np.abs(mean_output(with_rounded_weights(corrected, rounded), inputs) - truth)
    assert before.max() > 0.01
    assert after.max() < 2e-4 * np.abs(truth).max()


def _rounded(model: bytes) -> bytes:
    """The model with int8 weights in steps so coarse that the outputs' means move."""
    from edge_deploy_converters.flatbuffer_model import pack, unpack

    file, opened = ModelFile(model), unpack(model)
    index = next(t.index for t in file.graph.tensors if t.name == "w")
    tensor = opened.subgraphs[0].tensors[index]
    values = np.frombuffer(file.buffer_data(tensor.buffer), np.float32).reshape(tensor.shape)
    axis = 3 if file.graph.operators[0].kind == "DEPTHWISE_CONV_2D" else 0
    others = tuple(n for n in range(values.ndim) if n != axis)
    scales = np.abs(values).max(axis=others) / 7
    shape = [1] * values.ndim
    shape[axis] = -1
    opened.buffers[tensor.buffer].data = (
        np.round(values / scales.reshape(shape)).astype(np.int8).reshape(-1).view(np.uint8)
    )
    tensor.type = schema.TensorType.INT8
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = [float(s) for s in scales]
    tensor.quantization.zeroPoint = [0] * len(scales)
    tensor.quantization.quantizedDimension = axis
    return pack(opened)


def two_layers(shared: str) -> bytes:
    """Two dense layers whose equal biases are one buffer, or one tensor."""
    random = np.random.default_rng(4)
    build = Builder()
    x = build.tensor("x", (1, 32))
    first = build.tensor("w", (32, 32), data=random.normal(0, 1, (32, 32)))
    second = build.tensor("w2", (32, 32), data=random.normal(0, 1, (32, 32)))
    bias = build.tensor("b", (32,), data=np.zeros(32))
    other = bias
    if shared == "buffer":
        other = build.tensor("b2", (32,))
        build.tensors[other].buffer = build.tensors[bias].buffer
    hidden, y = build.tensor("hidden", (1, 32)), build.tensor("y", (1, 32))
    build.operator("FULLY_CONNECTED", [x, first, bias], [hidden], schema.FullyConnectedOptionsT())
    build.operator("FULLY_CONNECTED", [hidden, second, other], [y], schema.FullyConnectedOptionsT())
    return build.pack([x], [y])


def biases(model: bytes) -> list[Any]:
    file = ModelFile(model)
    return [
        np.frombuffer(
            file.buffer_data(file.graph.tensor(operator.inputs[2]).buffer), np.float32
        ).tolist()
        for operator in file.graph.operators
    ]


def test_biases_that_share_a_buffer_are_parted() -> None:
    model = two_layers("buffer")
    file = ModelFile(model)
    rounded = ModelFile(quantize(model, RECIPES["weight-int8"]))
    corrected = correct_biases(file, rounded, mean_inputs(file, samples(model)))
    first, second = biases(corrected)
    assert first != second
    assert any(first)
    assert any(second)


def test_a_bias_tensor_of_two_layers_is_left_alone() -> None:
    model = two_layers("tensor")
    file = ModelFile(model)
    rounded = ModelFile(quantize(model, RECIPES["weight-int8"]))
    corrected = correct_biases(file, rounded, mean_inputs(file, samples(model)))
    assert biases(corrected) == biases(model)


def test_means_are_per_channel() -> None:
    model = build(Layer())
    inputs = samples(model)
    (mean,) = mean_inputs(ModelFile(model), inputs).values()
    stacked = np.concatenate([sample["x"] for sample in inputs])
    np.testing.assert_allclose(mean, stacked.mean(axis=(0, 1, 2)), rtol=1e-5)
