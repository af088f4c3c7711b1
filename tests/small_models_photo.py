"""Tiny photo classifiers whose right answers are known: three classes by mean colour.

Built operator by operator with the runtime's own schema, so that no converter takes part:
1x1 convolution, average pool, reshape, fully connected, softmax.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from edge_deploy_runner.contract import CONTRACT_ENTRY, PRESETS, Contract, Preprocessing
from PIL import Image

COLORS = {"red": (250, 10, 10), "green": (10, 250, 10), "blue": (10, 10, 250)}
COLOR_LABELS = tuple(COLORS)
GREY_LABELS = ("dark", "middle", "bright")
MOBILENET = PRESETS["mobilenet"]
_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
}


class Builder:
    """Collects tensors and operators and packs them into one model."""

    def __init__(self) -> None:
        self.buffers: list[Any] = [schema.BufferT()]
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[int] = []
        self.metadata: list[Any] = []

    def buffer(self, data: bytes) -> int:
        item = schema.BufferT()
        item.data = np.frombuffer(data, np.uint8)
        self.buffers.append(item)
        return len(self.buffers) - 1

    def tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: str = "float32",
        quantization: tuple[float, int] | None = None,
        data: np.ndarray[Any, Any] | None = None,
        *,
        signature: tuple[int, ...] | None = None,
    ) -> int:
        item = schema.TensorT()
        item.name = name
        item.shape = list(shape)
        item.type = _TYPES[dtype]
        item.buffer = 0 if data is None else self.buffer(data.astype(dtype).tobytes())
        if signature is not None:
            item.shapeSignature = list(signature)
        if quantization is not None:
            item.quantization = schema.QuantizationParametersT()
            item.quantization.scale = [quantization[0]]
            item.quantization.zeroPoint = [quantization[1]]
        self.tensors.append(item)
        return len(self.tensors) - 1

    def operator(
        self, kind: str, inputs: list[int], outputs: list[int], options: Any = None
    ) -> None:
        code = getattr(schema.BuiltinOperator, kind)
        if code not in self.codes:
            self.codes.append(code)
        item = schema.OperatorT()
        item.opcodeIndex = self.codes.index(code)
        item.inputs, item.outputs = inputs, outputs
        if options is not None:
            name = type(options).__name__[:-1]
            item.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            item.builtinOptions = options
        self.operators.append(item)

    def add_metadata(self, name: str, data: bytes) -> None:
        item = schema.MetadataT()
        item.name, item.buffer = name, self.buffer(data)
        self.metadata.append(item)

    def pack(self, inputs: list[int], outputs: list[int]) -> bytes:
        graph = schema.SubGraphT()
        graph.name = "main"
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = inputs, outputs
        model = schema.ModelT()
        model.version, model.description = 3, "small test model"
        model.buffers, model.subgraphs, model.metadata = self.buffers, [graph], self.metadata
        model.operatorCodes = []
        for code in self.codes:
            item = schema.OperatorCodeT()
            item.builtinCode, item.deprecatedBuiltinCode = code, min(code, 127)
            item.version = 1
            model.operatorCodes.append(item)
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = "serving_default", 0
        for field, tensors in (("inputs", inputs), ("outputs", outputs)):
            entries = []
            for tensor in tensors:
                entry = schema.TensorMapT()
                entry.name, entry.tensorIndex = self.tensors[tensor].name, tensor
                entries.append(entry)
            setattr(signature, field, entries)
        model.signatureDefs = [signature]
        builder = flatbuffers.Builder(4096)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def color_classifier(
    dtype: str = "float32",
    size: tuple[int, int] = (24, 16),
    preprocessing: Preprocessing = MOBILENET,
    labels: tuple[str, ...] | None = None,
    *,
    contract: bool = True,
    bias: tuple[float, float, float] = (0.0, 0.0, 0.0),
    classes: int = 3,
    signature: tuple[int, ...] | None = None,
) -> bytes:
    """A model of `size` (width, height) that answers with the channel that is brightest.

    `bias` is added to the logits: it makes a model that errs. More than three `classes` are
    never answered. A grey contract tells dark, middle and bright apart (float32 only).
    """
    width, height = size
    build = Builder()
    channels = preprocessing.channels
    low, high = preprocessing.input_range()
    gain = 8 / (high - low)
    middle = (high + low) / 2
    integer = dtype != "float32"
    floor = {"int8": -128, "uint8": 0}.get(dtype, 0)
    scale = (high - low) / 255
    pixels = (scale, round(floor - low / scale)) if integer else None
    nchw = preprocessing.layout == "NCHW"
    shape = (1, channels, height, width) if nchw else (1, height, width, channels)
    x = build.tensor("photo", shape, dtype, pixels, signature=signature)
    source = x
    if nchw:
        source = build.tensor("upright", (1, height, width, channels), dtype, pixels)
        order = build.tensor("order", (4,), "int32", data=np.array([0, 2, 3, 1]))
        build.operator("TRANSPOSE", [x, order], [source], schema.TransposeOptionsT())

    zero = 128 if dtype == "uint8" else 0
    eye = np.eye(channels)
    weight_quantization = (1 / 127, zero) if integer else None
    values = eye * 127 + zero if integer else eye
    filters = build.tensor(
        "filters", (channels, 1, 1, channels), dtype, weight_quantization,
        values.reshape(channels, 1, 1, channels),
    )  # fmt: skip
    bias_quantization = (scale / 127, 0) if integer else None
    zeros = build.tensor(
        "filter_bias", (channels,), "int32" if integer else "float32", bias_quantization,
        np.zeros(channels),
    )  # fmt: skip
    features = build.tensor("features", (1, height, width, channels), dtype, pixels)
    convolution = schema.Conv2DOptionsT()
    convolution.strideW = convolution.strideH = 1
    convolution.dilationWFactor = convolution.dilationHFactor = 1
    build.operator("CONV_2D", [source, filters, zeros], [features], convolution)

    pooled = build.tensor("pooled", (1, 1, 1, channels), dtype, pixels)
    pool = schema.Pool2DOptionsT()
    pool.padding = schema.Padding.VALID
    pool.strideW = pool.strideH = 1
    pool.filterWidth, pool.filterHeight = width, height
    build.operator("AVERAGE_POOL_2D", [features], [pooled], pool)

    flat = build.tensor("flat", (1, channels), dtype, pixels)
    target = build.tensor("flat_shape", (2,), "int32", data=np.array([1, channels]))
    reshape = schema.ReshapeOptionsT()
    reshape.newShape = [1, channels]
    build.operator("RESHAPE", [pooled, target], [flat], reshape)

    matrix = np.zeros((classes, channels))
    if channels == 1:
        matrix[:3, 0] = (-1, 0, 1)
        offsets = gain * middle * np.array([1, 0, -1]) + np.array([0, 1, 0]) + bias
    else:
        matrix[:3] = eye[::-1] if preprocessing.color_order == "BGR" else eye
        offsets = np.array([*(np.array(bias) - gain * middle), *([-8.0] * (classes - 3))])
    logit_quantization = (16 / 255, floor + 128) if integer else None
    dense = build.tensor(
        "dense", (classes, channels), dtype, (gain / 127, zero) if integer else None,
        matrix * 127 + zero if integer else matrix * gain,
    )  # fmt: skip
    offset_scale = scale * gain / 127
    offset = build.tensor(
        "dense_bias", (classes,), "int32" if integer else "float32",
        (offset_scale, 0) if integer else None,
        np.round(offsets / offset_scale) if integer else offsets,
    )  # fmt: skip
    scores = build.tensor("logits", (1, classes), dtype, logit_quantization)
    build.operator(
        "FULLY_CONNECTED", [flat, dense, offset], [scores], schema.FullyConnectedOptionsT()
    )
    output_quantization = (1 / 256, floor) if integer else None
    probabilities = build.tensor("probabilities", (1, classes), dtype, output_quantization)
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    build.operator("SOFTMAX", [scores], [probabilities], softmax)
    if labels is None:
        labels = GREY_LABELS if channels == 1 else COLOR_LABELS
    if contract:
        record = Contract(preprocessing, labels).to_json()
        build.add_metadata(CONTRACT_ENTRY, record.encode("utf-8"))
    data = build.pack([x], [probabilities])
    return with_files(data, {"labels.txt": "\n".join(labels) + "\n"}) if contract else data


def with_files(model: bytes, files: dict[str, str]) -> bytes:
    """The model with text files packed behind it, as TFLite metadata does."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    return model + packed.getvalue()


def two_input_model() -> bytes:
    """Adds two photos: no classifier."""
    build = Builder()
    a, b, total = (build.tensor(name, (1, 4, 4, 3)) for name in ("a", "b", "total"))
    build.operator("ADD", [a, b], [total], schema.AddOptionsT())
    return build.pack([a, b], [total])


def rank_two_model() -> bytes:
    """A softmax over ten numbers: its input is no photo."""
    build = Builder()
    x, y = build.tensor("x", (1, 10)), build.tensor("y", (1, 10))
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    build.operator("SOFTMAX", [x], [y], options)
    return build.pack([x], [y])


def mixed_model() -> bytes:
    """int8 convolution, then a float island (DEQUANTIZE, HARD_SWISH, QUANTIZE), then int8 again."""
    build = Builder()
    quantization = (1 / 32, 0)
    weights = (1 / 127, 0)
    x = build.tensor("x", (1, 8, 8, 3), "int8", quantization)

    def convolve(source: int, name: str) -> int:
        filters = build.tensor(
            f"{name}_filters", (3, 1, 1, 3), "int8", weights, np.eye(3).reshape(3, 1, 1, 3) * 127
        )
        bias = build.tensor(f"{name}_bias", (3,), "int32", (1 / 32 / 127, 0), np.zeros(3))
        output = build.tensor(name, (1, 8, 8, 3), "int8", quantization)
        options = schema.Conv2DOptionsT()
        options.strideW = options.strideH = 1
        options.dilationWFactor = options.dilationHFactor = 1
        build.operator("CONV_2D", [source, filters, bias], [output], options)
        return output

    first = convolve(x, "first")
    real = build.tensor("real", (1, 8, 8, 3))
    build.operator("DEQUANTIZE", [first], [real], schema.DequantizeOptionsT())
    swish = build.tensor("island", (1, 8, 8, 3))
    build.operator("HARD_SWISH", [real], [swish], schema.HardSwishOptionsT())
    back = build.tensor("back", (1, 8, 8, 3), "int8", quantization)
    build.operator("QUANTIZE", [swish], [back], schema.QuantizeOptionsT())
    return build.pack([x], [convolve(back, "second")])


def write_model(folder: Path, name: str = "colors.tflite", **options: Any) -> Path:
    """A colour classifier in a file."""
    path = folder / name
    path.write_bytes(color_classifier(**options))
    return path


def write_photo(folder: Path, color: str, name: str = "", size: tuple[int, int] = (40, 30)) -> Path:
    """A photo of one of `COLORS`, slightly uneven."""
    path = folder / (name or f"{color}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((size[1], size[0], 3), COLORS[color], np.uint8)
    pixels[::2] -= 8
    Image.fromarray(pixels).save(path)
    return path


def grey_contract() -> Preprocessing:
    """The mobilenet contract for one channel."""
    return MOBILENET._replace(color_order="GRAY")
