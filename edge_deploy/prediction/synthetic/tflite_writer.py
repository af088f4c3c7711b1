"""`.tflite` files written from tensors and operators: no TensorFlow, no runtime, numpy only.

Field numbers and options are those of TFLite's schema.fbs, as converters fill them in. All
operators are written as version 1, the one that every runtime knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from edge_deploy_runner.tflite.graph import TENSOR_TYPES
from edge_deploy_runner.tflite.operator_names import BUILTIN_OPERATORS

from .flatbuffer_writer import Numbers, Record, Scalar, flatbuffer

if TYPE_CHECKING:
    from numpy.typing import NDArray

PADDINGS = {"same": 0, "valid": 1}
ACTIVATIONS = {"": 0, "relu": 1, "relu6": 3}
_WEIGHT_ALIGNMENT = 16
# Of each operator kind: the number of its options' type, and (field number, form) by name.
_OPTIONS: dict[str, tuple[int, dict[str, tuple[int, str]]]] = {
    "CONV_2D": (1, {
        "padding": (0, "b"), "stride_w": (1, "i"), "stride_h": (2, "i"), "activation": (3, "b"),
        "dilation_w": (4, "i"), "dilation_h": (5, "i"),
    }),
    "DEPTHWISE_CONV_2D": (2, {
        "padding": (0, "b"), "stride_w": (1, "i"), "stride_h": (2, "i"), "multiplier": (3, "i"),
        "activation": (4, "b"), "dilation_w": (5, "i"), "dilation_h": (6, "i"),
    }),
    "FULLY_CONNECTED": (8, {"activation": (0, "b")}),
    "SOFTMAX": (9, {"beta": (0, "f")}),
    "CONCATENATION": (10, {"axis": (0, "i"), "activation": (1, "b")}),
    "ADD": (11, {"activation": (0, "b")}),
    "RESIZE_BILINEAR": (15, {"align_corners": (2, "?"), "half_pixel_centers": (3, "?")}),
    "MUL": (21, {"activation": (0, "b")}),
    "PAD": (22, {}),
    "MEAN": (27, {"keep_dims": (0, "?")}),
    "DEQUANTIZE": (38, {}),
    "QUANTIZE": (89, {}),
}  # fmt: skip
_POOL = {
    "padding": (0, "b"), "stride_w": (1, "i"), "stride_h": (2, "i"), "kernel_w": (3, "i"),
    "kernel_h": (4, "i"), "activation": (5, "b"),
}  # fmt: skip
_OPTIONS["AVERAGE_POOL_2D"] = _OPTIONS["MAX_POOL_2D"] = (5, _POOL)


@dataclass(frozen=True)
class Quantization:
    """real = scale * (code - zero point); of more scales, one each along `dimension`."""

    scales: NDArray[np.float32]
    zero_point: int = 0
    dimension: int = 0


@dataclass(frozen=True)
class Tensor:
    """One tensor; `data` are its stored values, `None` where the model computes them."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None = None
    data: NDArray[Any] | None = None


@dataclass(frozen=True)
class Operator:
    """One operator; tensors by number, -1 where an optional input is absent."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, float] = field(default_factory=dict)


def write_model(
    tensors: Sequence[Tensor],
    operators: Sequence[Operator],
    inputs: Sequence[int],
    outputs: Sequence[int],
    description: str,
) -> bytes:
    """The bytes of a model with one graph and one signature, "serving_default".

    Weights lie at multiples of 16 bytes. The same arguments give the same bytes.
    """
    kinds = list(dict.fromkeys(operator.kind for operator in operators))
    stored = [number for number, tensor in enumerate(tensors) if tensor.data is not None]
    # Buffer 0 is empty, by convention, and belongs to all tensors that are computed.
    buffers = {number: 1 + place for place, number in enumerate(stored)}
    root = Record({
        0: Scalar("I", 3),
        1: [_operator_code(kind) for kind in kinds],
        2: [Record({
            0: [_tensor(tensor, buffers.get(n, 0)) for n, tensor in enumerate(tensors)],
            1: _integers(inputs),
            2: _integers(outputs),
            3: [_operator(operator, kinds.index(operator.kind)) for operator in operators],
            4: "main",
        })],
        3: description,
        7: [Record({
            0: [Record({0: tensors[n].name, 1: Scalar("I", n)}) for n in inputs],
            1: [Record({0: tensors[n].name, 1: Scalar("I", n)}) for n in outputs],
            2: "serving_default",
        })],
        4: [Record({}), *(_buffer(tensors[number]) for number in stored)],
    })  # fmt: skip
    return flatbuffer(root, b"TFL3")


def _integers(values: Sequence[int]) -> Numbers:
    return Numbers(np.asarray(values, np.int32))


def _operator_code(kind: str) -> Record:
    number = BUILTIN_OPERATORS.index(kind)
    return Record({0: Scalar("b", min(number, 127)), 2: Scalar("i", 1), 3: Scalar("i", number)})


def _operator(operator: Operator, code: int) -> Record:
    fields: dict[int, Any] = {
        0: Scalar("I", code),
        1: _integers(operator.inputs),
        2: _integers(operator.outputs),
    }
    if operator.kind in _OPTIONS:
        type_number, forms = _OPTIONS[operator.kind]
        fields[3] = Scalar("B", type_number)
        fields[4] = Record(
            {
                forms[name][0]: Scalar(forms[name][1], value)
                for name, value in operator.options.items()
            }
        )
    return Record(fields)


def _tensor(tensor: Tensor, buffer: int) -> Record:
    fields: dict[int, Any] = {
        0: _integers(tensor.shape),
        1: Scalar("b", TENSOR_TYPES.index(tensor.dtype)),
        2: Scalar("I", buffer),
        3: tensor.name,
    }
    quantization = tensor.quantization
    if quantization is not None:
        zero_points = np.full(quantization.scales.size, quantization.zero_point, np.int64)
        fields[4] = Record(
            {
                2: Numbers(quantization.scales),
                3: Numbers(zero_points, alignment=8),
                6: Scalar("i", quantization.dimension),
            }
        )
    return Record(fields)


def _buffer(tensor: Tensor) -> Record:
    assert tensor.data is not None
    data = np.ascontiguousarray(tensor.data)
    data = data.astype(data.dtype.newbyteorder("<"), copy=False).reshape(-1)
    return Record({0: Numbers(data.view(np.uint8), _WEIGHT_ALIGNMENT)})
