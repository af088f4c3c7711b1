"""Named features of a workload: the only thing that a latency model sees of a neural network.

The totals are counted as in `edge_deploy/reference/model_features.csv`, so that models fitted to
published tables and features of a file on disk speak of the same thing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection

from .operator_features import operator_features
from .workload import DETECTION_POSTPROCESS, OperatorWork, Workload

FEATURE_VERSION = 1
"""Counted up whenever a feature's definition changes; coefficients of another one do not apply."""

_MEGA = 1e6
_SMALL_TAPS = 9
TOTALS = (
    "dense_mmac", "depthwise_mmac", "fc_mmac", "activation_melems", "weight_melems", "n_ops",
    "activation_mb", "weight_mb", "large_depthwise_mmac", "im2col_melems", "unfolded_melems",
    "detection_melems",
)  # fmt: skip
"""Totals over all operators: millions of multiply-accumulates in convolutions, in depthwise ones
and in fully connected layers; millions of activations read and written and of weights; operators;
the same activations and weights in MB (1e6 bytes). `large_depthwise_mmac` is the part of
`depthwise_mmac` with more than 9 taps, for which kernels are others and slower. `im2col_melems`
are what convolutions with a kernel or a stride above 1 gather into patches for their matrix
product; `unfolded_melems` are read and written by what other converters fold into its neighbour
(`is_unfolded`), `detection_melems` by the detectors' last operator."""
# They only name values anew.
_RENAMING = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "SHAPE"})
# The reference table counts none of these; what they cost is not seen beside the rest.
_LEFT_OUT = _RENAMING | {"SOFTMAX", DETECTION_POSTPROCESS}
_FOLDED_ELSEWHERE = frozenset(
    {
        "PAD", "PADV2", "MIRROR_PAD", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "QUANTIZE",
        "DEQUANTIZE", "CAST",
    }
)  # fmt: skip
_PER_CHANNEL = frozenset({"MUL", "ADD", "SUB", "DIV"})
MACS_PER_ELEMENT = 8
"""What an element read or written counts for beside multiply-accumulates, where operators that
multiply are weighed against those that do not. Fits to the published tables give 4 to 50."""


def is_unfolded(operator: OperatorWork) -> bool:
    """Whether an operator is one that another converter, or another network, would not have.

    Paddings, activations by themselves, conversions between types, and arithmetic with constants
    of a channel's length: a batch norm that was not folded, or a scaled input. The reference
    table counts none of them.
    """
    if operator.kind in _FOLDED_ELSEWHERE:
        return True
    return operator.kind in _PER_CHANNEL and operator.constant_operand


def features(workload: Workload) -> dict[str, float]:
    """Every feature of a workload by name.

    `TOTALS`; `KIND.mmac`, `KIND.melems` (activations read and written) and `KIND.n` for each kind
    of operator in it; and the shape classes of `operator_features`.
    """
    found = dict.fromkeys(TOTALS, 0.0)
    by_kind: dict[str, float] = defaultdict(float)
    for operator in workload.operators:
        mmac = operator.macs / _MEGA
        melems = (operator.input_elements + operator.output_elements) / _MEGA
        if operator.macs:
            found[_mac_total(operator.kind)] += mmac
            if operator.kind == "DEPTHWISE_CONV_2D" and math.prod(operator.kernel) > _SMALL_TAPS:
                found["large_depthwise_mmac"] += mmac
            by_kind[f"{operator.kind}.mmac"] += mmac
            found["weight_melems"] += operator.weight_elements / _MEGA
            found["weight_mb"] += operator.weight_bytes / _MEGA
            found["im2col_melems"] += _patch_elements(operator) / _MEGA
        by_kind[f"{operator.kind}.melems"] += melems
        by_kind[f"{operator.kind}.n"] += 1
        if operator.kind == DETECTION_POSTPROCESS:
            found["detection_melems"] += melems
        elif is_unfolded(operator):
            found["unfolded_melems"] += melems
        elif operator.kind not in _LEFT_OUT:
            found["activation_melems"] += melems
            found["activation_mb"] += (operator.input_bytes + operator.output_bytes) / _MEGA
            found["n_ops"] += 1
    return {**found, **by_kind, **operator_features(workload)}


def work(operator: OperatorWork) -> int:
    """What an operator counts for beside others, in multiply-accumulates.

    For one that has none its elements read and written, each as `MACS_PER_ELEMENT`. Operators that
    only name values anew are no work.
    """
    if operator.kind in _RENAMING:
        return 0
    elements = operator.input_elements + operator.output_elements
    return operator.macs or MACS_PER_ELEMENT * elements


def unknown_share(workload: Workload, known_kinds: Collection[str]) -> float:
    """The share of a workload's `work`, from 0 to 1, in operators of kinds that are not known."""
    total = sum(work(operator) for operator in workload.operators)
    unknown = sum(work(o) for o in workload.operators if o.kind not in known_kinds)
    return unknown / max(1, total)


def _patch_elements(operator: OperatorWork) -> int:
    """Elements of the patches that a full convolution multiplies; 0 where it needs none."""
    if operator.kind != "CONV_2D" or (operator.kernel == (1, 1) and operator.stride == (1, 1)):
        return 0
    return operator.macs // operator.output_channels


def _mac_total(kind: str) -> str:
    if kind == "DEPTHWISE_CONV_2D":
        return "depthwise_mmac"
    return "fc_mmac" if kind == "FULLY_CONNECTED" else "dense_mmac"
