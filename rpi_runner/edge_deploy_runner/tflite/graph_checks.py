"""What must hold in a graph before a runtime may see it; cheap, from the shapes alone.

The runtime checks much itself, but an absent input where it needs one or an output that nobody
writes takes the process down, and an absurd shape or pool makes it fill gigabytes with zeros (all
seen in ai-edge-litert 2.3.0). Only bounds are checked: shapes that a tool left a little stale
still pass.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edge_deploy_runner.errors import DamagedModelError

if TYPE_CHECKING:
    from .graph import OperatorInfo, Subgraph, TensorInfo

ABSENT = -1  # an optional input that an operator does without
LARGEST_TENSOR_BYTES = 2**31
# From which input on an operator may do without; every other operator needs all its inputs.
_OPTIONAL_FROM = {
    "CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "CONV_3D": 2, "TRANSPOSE_CONV": 3,
    "CONV_3D_TRANSPOSE": 3, "SVDF": 3, "LSTM": 1, "UNIDIRECTIONAL_SEQUENCE_LSTM": 1,
    "BIDIRECTIONAL_SEQUENCE_LSTM": 1, "BIDIRECTIONAL_SEQUENCE_RNN": 1, "RNN": 1,
    "UNIDIRECTIONAL_SEQUENCE_RNN": 1, "CUSTOM": 0, "STABLEHLO_COMPOSITE": 0,
}  # fmt: skip
_WINDOWED = frozenset(
    {"CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"}
)
_SAME_COUNT = frozenset(
    {
        "QUANTIZE", "DEQUANTIZE", "CAST", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE",
        "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU", "ELU", "GELU", "HARD_SWISH",
        "LOGISTIC", "TANH", "SOFTMAX", "LOG_SOFTMAX", "ABS", "NEG", "EXP", "LOG", "SQRT", "RSQRT",
        "SQUARE", "L2_NORMALIZATION", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE",
    }
)  # fmt: skip
_LEAST_INPUTS = {
    "STRIDED_SLICE": 4, "SLICE": 3, "PADV2": 3, "SELECT": 3, "SELECT_V2": 3, "TRANSPOSE_CONV": 3,
    **dict.fromkeys(
        (
            "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL", "PAD", "MIRROR_PAD",
            "TRANSPOSE", "MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "ARG_MAX", "ARG_MIN", "ADD",
            "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "PRELU", "GATHER",
            "GATHER_ND", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "TILE", "EXPAND_DIMS",
            "SPLIT", "BROADCAST_TO", "TOPK_V2", "FILL",
        ),
        2,
    ),
}  # fmt: skip
# Kernels that compute with the scales of their integer tensors.
_SCALED = frozenset(
    {
        "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "AVERAGE_POOL_2D",
        "QUANTIZE", "DEQUANTIZE", "ADD", "SUB", "MUL", "SOFTMAX", "LOGISTIC", "TANH",
        "HARD_SWISH", "LEAKY_RELU", "MEAN", "CONCATENATION",
    }
)  # fmt: skip
_CODES = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
# A ratio of input to output scale that does not fit a kernel's 32-bit multiplier.
_LARGEST_RATIO = 2.0**30
_SMALLEST_SCALE = 1e-30
_NO_MORE = frozenset({"MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "ARG_MAX", "ARG_MIN", "SLICE"})


def check_graph(graph: Subgraph) -> None:
    """Raise `DamagedModelError` where the graph cannot be what anybody made."""
    for index in graph.inputs + graph.outputs:
        graph.tensor(index)
    for operator in graph.operators:
        needed = _OPTIONAL_FROM.get(operator.kind, len(operator.inputs))
        for position, index in enumerate(operator.inputs):
            if index != ABSENT or position < needed:
                graph.tensor(index)
        for index in operator.outputs:
            graph.tensor(index)
        if len(operator.inputs) < _LEAST_INPUTS.get(operator.kind, 0):
            raise DamagedModelError(
                f"operator {operator.index} ({operator.kind}) has {len(operator.inputs)} inputs"
            )
        if not _scales_fit(graph, operator):
            raise DamagedModelError(
                f"operator {operator.index} ({operator.kind}) has a quantization that cannot be"
            )
        if not _shapes_fit(graph, operator):
            raise DamagedModelError(
                f"the shapes around operator {operator.index} ({operator.kind}) contradict it"
            )
    _check_outputs(graph)


def _check_outputs(graph: Subgraph) -> None:
    # An output without memory: reading it takes the process down.
    written = {index for operator in graph.operators for index in operator.outputs}
    written.update(graph.inputs)
    for index in graph.outputs:
        tensor = graph.tensor(index)
        if index not in written and not tensor.buffer and not tensor.is_variable:
            raise DamagedModelError(f"no operator writes its output {tensor.name!r}")


def check_size(tensor: TensorInfo) -> None:
    """Raise `DamagedModelError` for a tensor that no device could hold."""
    if tensor.size_bytes > LARGEST_TENSOR_BYTES:
        raise DamagedModelError(
            f"tensor {tensor.index} of shape {list(tensor.shape)} would take "
            f"{tensor.size_bytes / 1e9:.0f} GB"
        )


def _shapes_fit(graph: Subgraph, operator: OperatorInfo) -> bool:
    if not operator.inputs or not operator.outputs or operator.inputs[0] == ABSENT:
        return True
    kind = operator.kind
    source, target = graph.tensor(operator.inputs[0]), graph.tensor(operator.outputs[0])
    if _is_open(source) or _is_open(target):
        return True
    if kind in _SAME_COUNT:
        return source.elements == target.elements
    if kind in _NO_MORE:
        return target.elements <= source.elements
    if kind in _WINDOWED:
        return _window_fits(graph, operator, source, target)
    if kind == "FULLY_CONNECTED" and len(operator.inputs) > 1 and operator.inputs[1] != ABSENT:
        weights = graph.tensor(operator.inputs[1])
        if len(weights.shape) != 2 or _is_open(weights):
            return _is_open(weights)
        return target.elements * weights.shape[1] == source.elements * weights.shape[0]
    return True


def _scales_fit(graph: Subgraph, operator: OperatorInfo) -> bool:
    """Whether the integers around an operator have scales that kernels can compute with."""
    if operator.kind not in _SCALED or not operator.inputs or not operator.outputs:
        return True
    scales = []
    for index in (*operator.inputs[:2], operator.outputs[0]):
        tensor = graph.tensor(index) if index != ABSENT else None
        if tensor is None or tensor.dtype not in _CODES or not tensor.scales:
            scales.append(0.0)
            continue
        low, high = _CODES[tensor.dtype]
        points = tensor.zero_points  # as many as channels: tens of thousands in a model
        if points and points.count(points[0]) == len(points):
            points = points[:1]
        if not all(low <= point <= high for point in points):
            return False
        # A channel of zeros may have the scale 0; activations have one scale, and it counts.
        smallest, largest = min(tensor.scales), max(tensor.scales)
        if not math.isfinite(largest) or not smallest >= 0 or largest <= 0:
            return False
        scales.append(largest)
    if not scales[0] or not scales[-1]:  # a mixed operator: nothing is rescaled
        return max(scales) < 1 / _SMALLEST_SCALE and all(
            scale == 0 or scale > _SMALLEST_SCALE for scale in scales
        )
    weights = scales[1] if operator.kind in _OPTIONAL_FROM and len(scales) > 2 else 1.0
    return scales[0] * (weights or 1.0) / scales[-1] < _LARGEST_RATIO


def _window_fits(
    graph: Subgraph, operator: OperatorInfo, source: TensorInfo, target: TensorInfo
) -> bool:
    if len(source.shape) != 4 or len(target.shape) != 4:
        return False
    if target.shape[0] != source.shape[0]:
        return False
    if target.shape[1] > source.shape[1] or target.shape[2] > source.shape[2]:
        return False
    channels = source.shape[3]
    if operator.kind.endswith("POOL_2D") and operator.options is not None:
        # Fields 3 and 4 of Pool2DOptions: the window, which padding may let stand over the edge.
        window = operator.options.integer(4), operator.options.integer(3)
        if any(w > 4 * size + 16 for w, size in zip(window, source.shape[1:3], strict=True)):
            return False
    if operator.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        if len(operator.inputs) < 2 or operator.inputs[1] == ABSENT:
            return False
        filters = graph.tensor(operator.inputs[1])
        if _is_open(filters):
            return True
        if len(filters.shape) != 4:
            return False
        channels = filters.shape[0 if operator.kind == "CONV_2D" else 3]
    return target.shape[3] == channels


def _is_open(tensor: TensorInfo) -> bool:
    """Whether the stored shape says nothing for sure: open dimensions, or none at all."""
    return tensor.is_dynamic or not tensor.shape
