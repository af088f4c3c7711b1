"""Coefficients of shapes as a desktop computer has them, for calibrations that start from some."""

from __future__ import annotations

_BOTH = {
    "DENSE.padding_mmac": 0.003, "DENSE.depth_padding_mmac": 0.003, "DEPTHWISE.mmac": 0.02,
    "DEPTHWISE.padding_mmac": 0.05, "ELEMENTWISE.melems": 0.03,
    "ELEMENTWISE.product_melems": 0.06, "ELEMENTWISE.softmax_melems": 1.0,
    "REDUCTION.melems": 0.015, "POOL_MAX.melems": 0.03, "ALL.n": 0.0005, "VECTOR.weight_mb": 0.008,
}  # fmt: skip
SHAPE_COEFFICIENTS = {
    "float32": {
        **_BOTH, "DENSE.mmac": 0.008, "DENSE.output_melems": 0.004,
        "ELEMENTWISE.hard_swish_melems": 0.02,
    },
    "int8": {
        **_BOTH, "DENSE.mmac": 0.002, "DENSE.output_melems": 0.07,
        "ELEMENTWISE.hard_swish_melems": 1.5,
    },
}  # fmt: skip
"""By dtype, in ms for a unit."""
