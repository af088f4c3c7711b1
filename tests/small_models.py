"""Real `.tflite` models of a few kilobytes, built with LiteRT's own schema.

Each function returns the bytes of one model. They hold fixed random weights and answer nothing
sensible; they are real graphs for the real interpreter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
    "float16": schema.TensorType.FLOAT16,
}


class Builder:
    """One graph under construction; tensors and operators are added in order."""

    def __init__(self, seed: int = 7) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.description = b"a small test model"
        self.model.operatorCodes = []
        self.model.buffers = [schema.BufferT()]
        self.graph = schema.SubGraphT()
        self.graph.name = b"main"
        self.graph.tensors, self.graph.operators = [], []
        self.model.subgraphs = [self.graph]
        self.random = np.random.default_rng(seed)

    def tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: str = "float32",
        data: np.ndarray[Any, Any] | None = None,
        *,
        scale: float | list[float] | None = None,
        zero_point: int = 0,
        signature: tuple[int, ...] | None = None,
    ) -> int:
        """Add a tensor; with `data` it is a constant, with `scale` it is quantized."""
        made = schema.TensorT()
        made.name, made.shape, made.type = name.encode(), list(shape), TYPES[dtype]
        made.shapeSignature = list(signature) if signature else None
        made.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), dtype=np.uint8)
            made.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        if scale is not None:
            scales = scale if isinstance(scale, list) else [scale]
            quantization = schema.QuantizationParametersT()
            quantization.scale = scales
            quantization.zeroPoint = [zero_point] * len(scales)
            quantization.quantizedDimension = 0
            made.quantization = quantization
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def operator(
        self,
        kind: str,
        inputs: list[int],
        outputs: list[int],
        options: Any = None,
        *,
        version: int = 1,
        custom: str = "",
    ) -> None:
        """Add an operator by its builtin's name; `custom` names a custom one."""
        code = schema.OperatorCodeT()
        number = schema.BuiltinOperator.CUSTOM if custom else getattr(schema.BuiltinOperator, kind)
        code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
        code.version = version
        code.customCode = custom.encode() if custom else None
        made = schema.OperatorT()
        made.opcodeIndex = len(self.model.operatorCodes)
        self.model.operatorCodes.append(code)
        made.inputs, made.outputs = inputs, outputs
        if options is not None:
            made.builtinOptions = options
            name = type(options).__name__.removesuffix("T")
            made.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        self.graph.operators.append(made)

    def finish(self, inputs: list[int], outputs: list[int]) -> bytes:
        """The model's bytes."""
        self.graph.inputs, self.graph.outputs = inputs, outputs
        return bytes(flatbuffer_utils.convert_object_to_bytearray(self.model))

    def convolution(self, source: int, name: str, size: int, channels: tuple[int, int]) -> int:
        """A 3x3 float convolution with ReLU6 on a square map."""
        low, high = channels
        weights = self.random.normal(0, 0.2, (high, 3, 3, low)).astype(np.float32)
        kernel = self.tensor(f"{name}/kernel", weights.shape, data=weights)
        bias = self.tensor(f"{name}/bias", (high,), data=np.zeros(high, np.float32))
        out = self.tensor(name, (1, size, size, high))
        self.operator("CONV_2D", [source, kernel, bias], [out], _convolution_options())
        return out


def _convolution_options() -> Any:
    options = schema.Conv2DOptionsT()
    options.padding = schema.Padding.SAME
    options.strideW = options.strideH = 1
    options.dilationWFactor = options.dilationHFactor = 1
    options.fusedActivationFunction = schema.ActivationFunctionType.RELU6
    return options


def float_model(size: int = 16, layers: int = 3) -> bytes:
    """Convolutions, a mean over the map, a softmax; input [1, size, size, 3], output [1, 8]."""
    build = Builder()
    photo = build.tensor("photo", (1, size, size, 3))
    current = build.convolution(photo, "layer0", size, (3, 8))
    for number in range(1, layers):
        current = build.convolution(current, f"layer{number}", size, (8, 8))
    axes = build.tensor("axes", (2,), "int32", np.array([1, 2], np.int32))
    mean = build.tensor("mean", (1, 8))
    options = schema.ReducerOptionsT()
    options.keepDims = False
    build.operator("MEAN", [current, axes], [mean], options)
    return build.finish([photo], [_softmax(build, mean, (1, 8))])


def _softmax(build: Builder, source: int, shape: tuple[int, ...]) -> int:
    out = build.tensor("probabilities", shape)
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    build.operator("SOFTMAX", [source], [out], options)
    return out


def int8_model(size: int = 16) -> bytes:
    """One int8 convolution, input and output int8 (scale 1/128, zero point -1 and 0)."""
    build = Builder()
    photo = build.tensor("photo", (1, size, size, 3), "int8", scale=1 / 128, zero_point=-1)
    weights = build.random.integers(-127, 128, (8, 3, 3, 3)).astype(np.int8)
    kernel = build.tensor("kernel", weights.shape, "int8", weights, scale=[0.01] * 8)
    bias = build.tensor("bias", (8,), "int32", np.zeros(8, np.int32), scale=[0.01 / 128] * 8)
    out = build.tensor("map", (1, size, size, 8), "int8", scale=6 / 255, zero_point=-128)
    build.operator("CONV_2D", [photo, kernel, bias], [out], _convolution_options(), version=3)
    return build.finish([photo], [out])


def float16_model(size: int = 16) -> bytes:
    """A float convolution whose weights are stored as float16 behind a DEQUANTIZE."""
    build = Builder()
    photo = build.tensor("photo", (1, size, size, 3))
    weights = build.random.normal(0, 0.2, (8, 3, 3, 3)).astype(np.float16)
    stored = build.tensor("kernel16", weights.shape, "float16", weights)
    kernel = build.tensor("kernel", weights.shape)
    build.operator("DEQUANTIZE", [stored], [kernel], version=3)
    bias = build.tensor("bias", (8,), data=np.zeros(8, np.float32))
    out = build.tensor("map", (1, size, size, 8))
    build.operator("CONV_2D", [photo, kernel, bias], [out], _convolution_options())
    return build.finish([photo], [out])


def two_input_model() -> bytes:
    """The sum of two maps of 8x8x4."""
    build = Builder()
    left, right = (build.tensor(name, (1, 8, 8, 4)) for name in ("left", "right"))
    out = build.tensor("sum", (1, 8, 8, 4))
    build.operator("ADD", [left, right], [out], schema.AddOptionsT())
    return build.finish([left, right], [out])


def rank_two_model() -> bytes:
    """A fully connected layer on a vector of 16."""
    build = Builder()
    vector = build.tensor("vector", (1, 16))
    weights = build.random.normal(0, 0.3, (4, 16)).astype(np.float32)
    kernel = build.tensor("kernel", (4, 16), data=weights)
    bias = build.tensor("bias", (4,), data=np.zeros(4, np.float32))
    out = build.tensor("scores", (1, 4))
    options = schema.FullyConnectedOptionsT()
    build.operator("FULLY_CONNECTED", [vector, kernel, bias], [out], options)
    return build.finish([vector], [out])


def dense_channels_model() -> bytes:
    """An int8 fully connected layer with a scale for each of its 4 channels."""
    build = Builder()
    scales = [0.001, 0.01, 0.05, 0.1]
    vector = build.tensor("vector", (1, 16), "int8", scale=1 / 64)
    weights = build.random.integers(-127, 128, (4, 16)).astype(np.int8)
    kernel = build.tensor("kernel", (4, 16), "int8", weights, scale=scales)
    zeros = np.zeros(4, np.int32)
    bias = build.tensor("bias", (4,), "int32", zeros, scale=[scale / 64 for scale in scales])
    out = build.tensor("scores", (1, 4), "int8", scale=0.5)
    options = schema.FullyConnectedOptionsT()
    build.operator("FULLY_CONNECTED", [vector, kernel, bias], [out], options, version=4)
    return build.finish([vector], [out])


def custom_operator_model(name: str = "Mystery") -> bytes:
    """One custom operator that no runtime has; "FlexErf" makes it a TensorFlow one."""
    build = Builder()
    vector = build.tensor("vector", (1, 4))
    out = build.tensor("answer", (1, 4))
    build.operator("CUSTOM", [vector], [out], custom=name)
    return build.finish([vector], [out])


def dynamic_batch_model() -> bytes:
    """A softmax whose batch is left open (stored as 1)."""
    build = Builder()
    vector = build.tensor("vector", (1, 8), signature=(-1, 8))
    return build.finish([vector], [_softmax(build, vector, (1, 8))])


def undelegated_model() -> bytes:
    """Integer arithmetic that XNNPACK does not take: int32 in, int32 out."""
    build = Builder()
    vector = build.tensor("vector", (1, 8), "int32")
    out = build.tensor("total", (1, 8), "int32")
    build.operator("FLOOR_MOD", [vector, build.tensor(
        "seven", (1, 8), "int32", np.full((1, 8), 7, np.int32))], [out])  # fmt: skip
    return build.finish([vector], [out])
