"""What a `.tflite` asks of a device, operator by operator: multiply-accumulates, bytes, shapes.

Read from the file alone: nothing is run, and no runtime is opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.tflite.graph import OperatorInfo, Subgraph, TensorInfo
from edge_deploy_runner.tflite.graph_checks import ABSENT
from edge_deploy_runner.tflite.graph_cost import (
    MAC_KINDS,
    UNCOUNTED_KINDS,
    estimate_arena,
    operator_macs,
)
from edge_deploy_runner.tflite.model_file import ModelFile

# The only custom operator that is counted: every detector ends in it, and TFLite brings it along.
DETECTION_POSTPROCESS = "TFLite_Detection_PostProcess"
# Where an operator's activation lies, if not first; its filters lie at 1 in every kind.
_ACTIVATION = {"TRANSPOSE_CONV": 2}
_FILTERED = MAC_KINDS - {"BATCH_MATMUL"}
_STRIDED = frozenset(
    {
        "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "AVERAGE_POOL_2D", "MAX_POOL_2D",
        "L2_POOL_2D",
    }
)  # fmt: skip
# On a constant these unpack stored weights, once; what they give is as constant as what they take.
_UNPACKING = frozenset({"DEQUANTIZE", "DENSIFY"})
_INTEGER_DTYPES = {"int8": "int8", "uint8": "uint8", "int16": "int16x8", "int4": "int8"}
_WEIGHT_DTYPES = frozenset({"float32", "float16", "bfloat16", "int8", "uint8", "int16", "int4"})


@dataclass(frozen=True)
class OperatorWork:
    """What one operator does in one inference.

    `kind` is TFLite's name, or that of the one custom operator that is counted. Elements and bytes
    of inputs are those of activations; weights are constants but for biases, shapes and axes, as
    they are multiplied with (float16 ones as float32), and count for every operator that reads
    them. `output_pixels` is the number of output positions, each of `output_channels` elements.
    `kernel` and `stride` are (height, width), (1, 1) where an operator has none.
    """

    kind: str
    dtype: str
    macs: int
    input_bytes: int
    output_bytes: int
    weight_bytes: int
    input_elements: int
    output_elements: int
    weight_elements: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    input_channels: int
    output_channels: int
    output_pixels: int
    name: str
    constant_operand: bool = False
    """Whether an elementwise operator takes one of its operands, of a channel's length or more,
    from the file: a batch norm that was not folded, or a scaling of the input."""


@dataclass(frozen=True)
class Workload:
    """What one inference of a model asks of a device.

    `dtype` is that of the operators where most multiply-accumulates run: `float32`, `int8`,
    `uint8`, `int16x8`, or `dynamic` (float activations, integer weights). `arena_bytes` is an
    estimate, `None` where it cannot be made. `unpacked_bytes` are what stored weights take once
    they are unpacked to floats, `unpacked_float16_bytes` the part of it that is stored as float16.
    """

    name: str
    dtype: str
    operators: tuple[OperatorWork, ...]
    size_bytes: int
    arena_bytes: int | None
    unpacked_bytes: int = 0
    unpacked_float16_bytes: int = 0

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(operator.macs for operator in self.operators)


def read_workload(model: ModelFile) -> Workload:
    """The work of one inference of `model`'s first graph; an open batch counts as 1.

    Raises `BadInputError` for what cannot be counted: shapes left open, Flex and custom operators
    (but the detectors' `TFLite_Detection_PostProcess`), operators whose shapes do not say how
    often they multiply, and graphs that multiply nothing.
    """
    graph = model.graph
    constants = _constants(model, graph)
    operators = []
    unpacked: Counter[str] = Counter()  # bytes by the type that they are stored in
    for operator in graph.operators:
        _check_operator(model.name, operator)
        if operator.kind in _UNPACKING and set(operator.outputs) <= constants:
            stored = graph.tensor(operator.inputs[0]).dtype
            unpacked[stored] += sum(graph.tensor(index).size_bytes for index in operator.outputs)
            continue
        operators.append(_operator_work(model.name, graph, operator, constants))
    macs: Counter[str] = Counter()
    for work in operators:
        macs[work.dtype] += work.macs
    if not sum(macs.values()):
        raise BadInputError(
            f"{model.name} multiplies nothing (0 multiply-accumulates), so there is nothing to "
            "predict its latency from; measure it with `edge-deploy profile --device local`"
        )
    arena, _ = estimate_arena(model, beside=constants)
    return Workload(
        name=model.name,
        dtype=macs.most_common(1)[0][0],
        operators=tuple(operators),
        size_bytes=len(model.data),
        arena_bytes=arena,
        unpacked_bytes=unpacked.total(),
        unpacked_float16_bytes=unpacked["float16"],
    )


def _constants(model: ModelFile, graph: Subgraph) -> set[int]:
    """Tensors that are stored in the file, or unpacked from what is."""
    found = {tensor.index for tensor in graph.tensors if model.is_constant(tensor)}
    for operator in graph.operators:
        if operator.kind in _UNPACKING and found.issuperset(operator.inputs):
            found.update(operator.outputs)
    return found


def _check_operator(model: str, operator: OperatorInfo) -> None:
    if operator.is_flex:
        raise BadInputError(
            f"{model} holds {operator.custom}, a TensorFlow operator that no TFLite runtime of "
            "ours runs, so its latency cannot be predicted; convert the model with TFLite's own "
            "operators only"
        )
    if operator.kind == "CUSTOM" and operator.custom != DETECTION_POSTPROCESS:
        raise BadInputError(
            f"{model} holds the custom operator {operator.custom!r}, whose work is not known; "
            "measure the model on the device instead"
        )
    if operator.kind in UNCOUNTED_KINDS:
        raise BadInputError(
            f"{model} holds {operator.kind}, which does not show in its shapes how often it "
            "multiplies; measure the model on the device instead"
        )


def _check_shapes(model: str, tensors: Iterable[TensorInfo]) -> None:
    for tensor in tensors:
        shape = tensor.shape_signature or tensor.shape
        if any(size < 0 for size in shape[1:]):
            raise BadInputError(
                f"the shape of tensor {tensor.name!r} in {model} is left open "
                f"({', '.join(str(size) for size in shape)}), so its work cannot be counted; "
                "convert the model with a fixed input size"
            )


def _operator_work(
    model: str, graph: Subgraph, operator: OperatorInfo, constants: set[int]
) -> OperatorWork:
    kind = operator.custom or operator.kind
    taken = [index for index in operator.inputs if index != ABSENT]
    activations = [graph.tensor(index) for index in taken if index not in constants]
    weights = _weights(graph, operator, constants)
    outputs = [graph.tensor(index) for index in operator.outputs if index != ABSENT]
    if kind != DETECTION_POSTPROCESS:  # it finds as many objects as there are: outputs are open
        _check_shapes(model, outputs)
    _check_shapes(model, activations)
    macs = operator_macs(graph, operator)
    if macs is None:
        raise BadInputError(
            f"{kind} number {operator.index} of {model} has a shape that is not fixed, so its "
            "work cannot be counted; convert the model with a fixed input size"
        )
    source = _source(graph, operator)
    target = outputs[0] if outputs else None
    output_channels = _channels(target)
    return OperatorWork(
        kind=kind,
        dtype=_dtype(source, weights, operator),
        macs=macs,
        input_bytes=sum(tensor.size_bytes for tensor in activations),
        output_bytes=sum(tensor.size_bytes for tensor in outputs),
        weight_bytes=sum(tensor.size_bytes for tensor in weights),
        input_elements=sum(tensor.elements for tensor in activations),
        output_elements=sum(tensor.elements for tensor in outputs),
        weight_elements=sum(tensor.elements for tensor in weights),
        kernel=_kernel(graph, operator),
        stride=_stride(operator),
        input_channels=_channels(source),
        output_channels=output_channels,
        output_pixels=(target.elements if target else 0) // max(1, output_channels),
        name=target.name if target else "",
        constant_operand=operator.kind not in MAC_KINDS
        and any(tensor.elements > 1 for tensor in weights),
    )


def _source(graph: Subgraph, operator: OperatorInfo) -> TensorInfo | None:
    """The tensor that an operator works on."""
    position = _ACTIVATION.get(operator.kind, 0)
    if len(operator.inputs) <= position or operator.inputs[position] == ABSENT:
        return None
    return graph.tensor(operator.inputs[position])


def _weights(graph: Subgraph, operator: OperatorInfo, constants: set[int]) -> list[TensorInfo]:
    if operator.kind in _FILTERED:
        return [graph.tensor(index) for index in operator.inputs[1:2] if index in constants]
    stored = (graph.tensor(index) for index in operator.inputs if index in constants)
    return [tensor for tensor in stored if tensor.dtype in _WEIGHT_DTYPES]


def _dtype(source: TensorInfo | None, weights: list[TensorInfo], operator: OperatorInfo) -> str:
    if source is None:
        return "none"
    if source.dtype == "float32" and operator.kind in MAC_KINDS:
        return "dynamic" if any(t.dtype in _INTEGER_DTYPES for t in weights) else "float32"
    return _INTEGER_DTYPES.get(source.dtype, source.dtype)


def _channels(tensor: TensorInfo | None) -> int:
    return max(1, tensor.shape[-1]) if tensor is not None and tensor.shape else 1


def _kernel(graph: Subgraph, operator: OperatorInfo) -> tuple[int, int]:
    if operator.kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"):
        shape = graph.tensor(operator.inputs[1]).shape
        return shape[1], shape[2]
    if operator.kind.endswith("POOL_2D") and operator.options is not None:
        # Fields 3 and 4 of Pool2DOptions: the window's width and height.
        return max(1, operator.options.integer(4)), max(1, operator.options.integer(3))
    return 1, 1


def _stride(operator: OperatorInfo) -> tuple[int, int]:
    if operator.kind in _STRIDED and operator.options is not None:
        # Fields 1 and 2 of the options of every kind in the list: width and height.
        return max(1, operator.options.integer(2)), max(1, operator.options.integer(1))
    return 1, 1
