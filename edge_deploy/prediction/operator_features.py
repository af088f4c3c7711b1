"""Features of single operators and of classes of shapes, for models fitted to micro-models.

What XNNPACK's kernels make of a shape is not linear in its multiply-accumulates: they fill tiles
of output channels and of depth, write and requantize every output, and read weights anew when
caches are too small for them. Each of these is a feature here, so that the model stays linear.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from .workload import OperatorWork, Workload

OPERATOR_TERMS = (
    "DENSE.mmac", "DENSE.narrow_mmac", "DENSE.padding_mmac", "DENSE.depth_padding_mmac",
    "DENSE.window_mmac", "DENSE.output_melems", "VECTOR.weight_mb", "DEPTHWISE.mmac",
    "DEPTHWISE.padding_mmac", "DEPTHWISE.large_filter_mmac", "DEPTHWISE.output_melems",
    "POOL_MAX.melems", "POOL_AVERAGE.window_melems", "POOL_AVERAGE.output_melems",
    "PADDING.kpixels", "MOVE.kpixels", "MOVE.mb", "ELEMENTWISE.melems",
    "ELEMENTWISE.product_melems", "ELEMENTWISE.relu_melems", "ELEMENTWISE.hard_swish_melems",
    "ELEMENTWISE.logistic_melems", "ELEMENTWISE.softmax_melems", "REDUCTION.melems",
    "RESIZING.melems", "SPILL.mb", "WEIGHTS.mb", "WEIGHTS.cold_mb", "WEIGHTS.vast_mb",
    "DYNAMIC.melems", "DELEGATE.boundaries", "ALL.n",
)  # fmt: skip
"""What a calibration is fitted with, the same for every device, dtype and thread count.

DENSE: convolutions and matrix products with more than one output row; `narrow_mmac` where the
channels do not fill tiles of 32, `padding_mmac` what filling tiles of 16 channels wastes, and
`depth_padding_mmac` what filling groups of 8 input channels does; `window_mmac` with windows
larger than 1 x 1. VECTOR: those with one output row, which wait for their weights. DEPTHWISE:
`large_filter_mmac` where filters do not stay in the first cache. POOL_AVERAGE: `window_melems`
counts an element once for each window that it is in. PADDING: output positions in thousands, but
of paddings in front of a convolution, which XNNPACK makes part of it. MOVE: copies, such as
concatenations. ELEMENTWISE: `melems` are those of sums, and of all kinds without a term of their
own. SPILL: bytes by which inputs and outputs exceed the second cache. WEIGHTS: of dense operators
in networks whose weights exceed the second cache (`mb`), the last one (`cold_mb`) and any
(`vast_mb`). DYNAMIC: elements taken in that are quantized on the way, for integer weights.
DELEGATE: how often work passes between XNNPACK and the built-in kernels. ALL.n: operators."""

_MEGA = 1e-6
_CHANNEL_TILE = 16
_WIDE_CHANNEL_TILE = 32
_DEPTH_GROUP = 8
# Caches differ; these lie between the common sizes, and coefficients say how much each matters.
_FIRST_CACHE_BYTES = 20e3
_SECOND_CACHE_MB = 1.0
_LAST_CACHE_MB = (6.0, 14.0)
_ANY_CACHE_MB = (28.0, 60.0)
_DENSE = frozenset({"CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL", "CONV_3D"})
_MOVING = frozenset({"CONCATENATION", "TRANSPOSE", "STRIDED_SLICE", "SLICE", "SPLIT", "PACK"})
_PADDED_IN_PASSING = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D"})
_ALIKE = {"PADV2": "PAD", "MIRROR_PAD": "PAD", "L2_POOL_2D": "AVERAGE_POOL_2D"}
_TERM_OF_KIND = {
    "MUL": "ELEMENTWISE.product_melems", "DIV": "ELEMENTWISE.product_melems",
    "RELU": "ELEMENTWISE.relu_melems", "RELU6": "ELEMENTWISE.relu_melems",
    "RELU_N1_TO_1": "ELEMENTWISE.relu_melems", "RELU_0_TO_1": "ELEMENTWISE.relu_melems",
    "LEAKY_RELU": "ELEMENTWISE.relu_melems", "HARD_SWISH": "ELEMENTWISE.hard_swish_melems",
    "LOGISTIC": "ELEMENTWISE.logistic_melems", "TANH": "ELEMENTWISE.logistic_melems",
    "SOFTMAX": "ELEMENTWISE.softmax_melems", "MEAN": "REDUCTION.melems",
    "SUM": "REDUCTION.melems", "RESIZE_BILINEAR": "RESIZING.melems",
    "RESIZE_NEAREST_NEIGHBOR": "RESIZING.melems",
}  # fmt: skip
_RENAMING = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "SHAPE"})
# What XNNPACK leaves to the built-in kernels in networks of these dtypes.
_BUILT_IN = {
    "int8": frozenset({"HARD_SWISH", "SOFTMAX"}),
    "uint8": frozenset({"HARD_SWISH", "SOFTMAX"}),
    "dynamic": frozenset({"DEPTHWISE_CONV_2D"}),
}


def operator_features(workload: Workload) -> dict[str, float]:
    """The `OPERATOR_TERMS` of a workload, in the units that their names end in."""
    found: dict[str, float] = defaultdict(float)
    following = [operator.kind for operator in workload.operators[1:]] + [""]
    for operator, then in zip(workload.operators, following, strict=True):
        if operator.kind == "PAD" and then in _PADDED_IN_PASSING:
            continue
        if operator.dtype == "dynamic":
            found["DYNAMIC.melems"] += operator.input_elements * _MEGA
        if operator.kind in _DENSE:
            _add_dense(found, operator)
        elif operator.kind == "DEPTHWISE_CONV_2D":
            _add_depthwise(found, operator)
        else:
            _add_other(found, operator)
        found["ALL.n"] += 1
    _add_weights(found, workload)
    left_alone = _BUILT_IN.get(workload.dtype, frozenset())
    built_in = [operator.kind in left_alone for operator in workload.operators]
    found["DELEGATE.boundaries"] = sum(one != other for one, other in pairwise(built_in))
    return {name: found[name] for name in OPERATOR_TERMS if found[name]}


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _is_vector(operator: OperatorWork) -> bool:
    return operator.kind in _DENSE and operator.output_pixels <= 1


def _add_dense(found: dict[str, float], operator: OperatorWork) -> None:
    if _is_vector(operator):
        found["VECTOR.weight_mb"] += operator.weight_bytes * _MEGA
        return
    mmac = operator.macs * _MEGA
    channels, taps = operator.output_channels, operator.kernel[0] * operator.kernel[1]
    outputs = operator.output_elements * _MEGA
    missing = _up(operator.input_channels, _DEPTH_GROUP) - operator.input_channels
    found["DENSE.mmac"] += mmac
    if channels % _WIDE_CHANNEL_TILE:
        found["DENSE.narrow_mmac"] += mmac
    found["DENSE.padding_mmac"] += mmac * (_up(channels, _CHANNEL_TILE) / channels - 1)
    found["DENSE.depth_padding_mmac"] += outputs * taps * missing
    found["DENSE.output_melems"] += outputs
    if taps > 1:
        found["DENSE.window_mmac"] += mmac
    _add_spill(found, operator)


def _add_depthwise(found: dict[str, float], operator: OperatorWork) -> None:
    mmac = operator.macs * _MEGA
    missing = _up(operator.output_channels, _CHANNEL_TILE) - operator.output_channels
    found["DEPTHWISE.mmac"] += mmac
    found["DEPTHWISE.padding_mmac"] += mmac * missing / operator.output_channels
    if operator.weight_bytes > _FIRST_CACHE_BYTES:
        found["DEPTHWISE.large_filter_mmac"] += mmac * (
            1 - _FIRST_CACHE_BYTES / operator.weight_bytes
        )
    found["DEPTHWISE.output_melems"] += operator.output_elements * _MEGA
    _add_spill(found, operator)


def _add_other(found: dict[str, float], operator: OperatorWork) -> None:
    kind = _ALIKE.get(operator.kind, operator.kind)
    outputs = operator.output_elements * _MEGA
    moved = operator.input_elements * _MEGA + outputs
    if kind in _RENAMING:
        return
    if kind == "PAD":
        found["PADDING.kpixels"] += operator.output_pixels * 1e-3
    elif kind == "MAX_POOL_2D":
        found["POOL_MAX.melems"] += moved
    elif kind == "AVERAGE_POOL_2D":
        found["POOL_AVERAGE.window_melems"] += outputs * operator.kernel[0] * operator.kernel[1]
        found["POOL_AVERAGE.output_melems"] += outputs
    elif kind in _MOVING:
        found["MOVE.kpixels"] += operator.output_pixels * 1e-3
        found["MOVE.mb"] += (operator.input_bytes + operator.output_bytes) * _MEGA
    else:
        found[_TERM_OF_KIND.get(kind, "ELEMENTWISE.melems")] += moved
        _add_spill(found, operator)


def _add_spill(found: dict[str, float], operator: OperatorWork) -> None:
    moved_mb = (operator.input_bytes + operator.output_bytes) * _MEGA
    found["SPILL.mb"] += max(0.0, moved_mb - _SECOND_CACHE_MB)


def _add_weights(found: dict[str, float], workload: Workload) -> None:
    total_mb = sum(operator.weight_bytes for operator in workload.operators) * _MEGA
    dense_mb = _MEGA * sum(
        operator.weight_bytes
        for operator in workload.operators
        if operator.kind in _DENSE and not _is_vector(operator)
    )
    if len(workload.operators) > 1 and total_mb > _SECOND_CACHE_MB:
        found["WEIGHTS.mb"] = dense_mb
        found["WEIGHTS.cold_mb"] = dense_mb * _share_between(total_mb, *_LAST_CACHE_MB)
        found["WEIGHTS.vast_mb"] = dense_mb * _share_between(total_mb, *_ANY_CACHE_MB)


def _share_between(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on, and straight in between."""
    return min(1.0, max(0.0, (value - low) / (high - low)))
