"""A model's operators as lines of text, to compare networks by."""

from __future__ import annotations

from edge_deploy_runner.tflite.graph import OperatorInfo
from edge_deploy_runner.tflite.model_file import ModelFile

_PADDINGS = ("same", "valid")
_ACTIVATIONS = ("linear", "relu", "relu-1", "relu6")
# Field numbers of padding, strides (height, width) and activation in schema.fbs.
_WINDOWS = {
    "CONV_2D": (0, 2, 1, 3), "DEPTHWISE_CONV_2D": (0, 2, 1, 4), "MAX_POOL_2D": (0, 2, 1, 5),
    "AVERAGE_POOL_2D": (0, 2, 1, 5),
}  # fmt: skip
_BIASED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}


def operator_rows(model: ModelFile) -> list[str]:
    """One line an operator: kind, shapes of inputs but for biases, options, shape of the output."""
    tensors = model.graph.tensors
    rows = []
    for operator in model.graph.operators:
        inputs = operator.inputs[:2] if operator.kind in _BIASED else operator.inputs
        shapes = ["x".join(map(str, tensors[i].shape)) or "scalar" for i in inputs]
        output = "x".join(map(str, tensors[operator.outputs[0]].shape))
        rows.append(" ".join([operator.kind, *shapes, *_options(operator), "->", output]))
    return rows


def _options(operator: OperatorInfo) -> list[str]:
    options = operator.options
    if options is None:
        return []
    if operator.kind in _WINDOWS:
        padding, height, width, activation = _WINDOWS[operator.kind]
        window = [
            _PADDINGS[options.integer(padding, "int8")],
            f"{options.integer(height)},{options.integer(width)}",
            _ACTIVATIONS[options.integer(activation, "int8")],
        ]
        if "POOL" in operator.kind:
            window.append(f"window {options.integer(4)},{options.integer(3)}")
        return window
    if operator.kind in ("ADD", "MUL", "FULLY_CONNECTED"):
        return [_ACTIVATIONS[options.integer(0, "int8")]]
    if operator.kind == "MEAN":
        return ["kept" if options.scalar(0, "bool", False) else "dropped"]
    return []
