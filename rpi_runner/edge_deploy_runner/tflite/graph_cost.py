"""What a graph costs, from its shapes alone: multiply-accumulates, parameters, arena, integers.

Nothing here runs the model. Shapes may come from a damaged file: no figure allocates anything.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from .graph import OperatorInfo, Subgraph, TensorInfo
from .graph_checks import ABSENT
from .model_file import ModelFile

# Where the filters and the bias lie among an operator's inputs.
_FILTERS = {
    "CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "TRANSPOSE_CONV": 1, "CONV_3D": 1,
}  # fmt: skip
_BIAS = {
    "CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3, "CONV_3D": 2,
}  # fmt: skip
MAC_KINDS = frozenset({*_FILTERS, "BATCH_MATMUL"})
# These multiply as well, but their shapes do not say how often.
UNCOUNTED_KINDS = frozenset(
    {
        "LSTM", "RNN", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM",
        "UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN", "CONV_3D_TRANSPOSE", "WHILE",
        "IF", "CALL", "STABLEHLO_CONVOLUTION", "STABLEHLO_DOT_GENERAL", "STABLEHLO_COMPOSITE",
    }
)  # fmt: skip
# They only carry values between the two worlds, or move them: they compute nothing.
_CONVERTERS = frozenset({"QUANTIZE", "DEQUANTIZE", "CAST"})
_INTEGERS = frozenset({"int4", "int8", "uint8", "int16", "int2", "uint4"})
_FLOATS = frozenset({"float32", "float16", "bfloat16", "float64"})
_LARGEST_PLAN = 3000
_ALIGNMENT_BYTES = 64


@dataclass(frozen=True)
class Island:
    """An operator that computes in float in a graph that also computes in integers."""

    name: str
    kind: str
    macs: int | None


def _present(graph: Subgraph, indices: Iterable[int]) -> list[TensorInfo]:
    return [graph.tensor(index) for index in indices if index != ABSENT]


def _shape_is_open(tensor: TensorInfo) -> bool:
    """Whether more than the batch is unknown; an open batch counts as 1."""
    return any(size < 0 for size in (tensor.shape_signature or tensor.shape)[1:])


def operator_macs(graph: Subgraph, operator: OperatorInfo) -> int | None:
    """Multiply-accumulates of one run of an operator; `None` where a shape is not known.

    An open batch is taken as 1. Operators that do not multiply matrices count 0.
    """
    if operator.kind not in MAC_KINDS:
        return 0
    if not operator.outputs or len(operator.inputs) < 2 or ABSENT in operator.inputs[:2]:
        return None
    first, second = graph.tensor(operator.inputs[0]), graph.tensor(operator.inputs[1])
    output = graph.tensor(operator.outputs[0])
    shape = second.shape
    if not shape or not output.shape or _shape_is_open(output) or _shape_is_open(second):
        return None
    if operator.kind == "BATCH_MATMUL":
        adjoint = operator.options is not None and operator.options.integer(0, "uint8")
        if len(first.shape) < 2 or _shape_is_open(first):
            return None
        return output.elements * first.shape[-2 if adjoint else -1]
    if operator.kind == "FULLY_CONNECTED":
        return output.elements * shape[-1]
    rank = 5 if operator.kind == "CONV_3D" else 4
    if len(shape) != rank:
        return None
    if operator.kind == "CONV_2D":
        return output.elements * shape[1] * shape[2] * shape[3]
    if operator.kind == "DEPTHWISE_CONV_2D":
        return output.elements * shape[1] * shape[2]
    if operator.kind == "CONV_3D":
        return output.elements * shape[0] * shape[1] * shape[2] * shape[3]
    # TRANSPOSE_CONV: (output shape, filters, input); every input element meets every filter.
    if len(operator.inputs) < 3 or operator.inputs[2] == ABSENT:
        return None
    source = graph.tensor(operator.inputs[2])
    if not source.shape or _shape_is_open(source):
        return None
    return source.elements * shape[0] * shape[1] * shape[2]


def count_macs(graph: Subgraph) -> tuple[int | None, str]:
    """Multiply-accumulates of one inference, or `None` and the reason."""
    total = 0
    for operator in graph.operators:
        if operator.kind in UNCOUNTED_KINDS:
            return None, f"{operator.kind} does not show in its shapes how often it multiplies"
        macs = operator_macs(graph, operator)
        if macs is None:
            return None, f"{operator.kind} number {operator.index} has a shape that is not fixed"
        total += macs
    return total, ""


def count_parameters(model: ModelFile) -> int:
    """Elements of all constants that are weights: each stored buffer once, in every graph.

    Constants of 32 or 64 bit integers are shapes and axes, unless an operator takes them as its
    bias or they carry a scale.
    """
    seen: set[int] = set()
    total = 0
    for graph in model.subgraphs:
        biases = {
            operator.inputs[_BIAS[operator.kind]]
            for operator in graph.operators
            if operator.kind in _BIAS and len(operator.inputs) > _BIAS[operator.kind]
        }
        for tensor in graph.tensors:
            is_weight = (
                tensor.dtype in _FLOATS or tensor.dtype in _INTEGERS
                or tensor.index in biases or bool(tensor.scales)
            )  # fmt: skip
            if is_weight and tensor.buffer not in seen and model.is_constant(tensor):
                seen.add(tensor.buffer)
                total += tensor.elements
    return total


def is_integer(graph: Subgraph, operator: OperatorInfo) -> bool:
    """Whether an operator's input, weights and output are all small integers (up to 16 bits).

    With float activations and int8 weights (dynamic or weight-only quantization) it is not.
    """
    tensors = _present(graph, operator.outputs[:1])
    if operator.kind in _FILTERS:
        activation = operator.inputs[2:3] if operator.kind == "TRANSPOSE_CONV" else ()
        tensors += _present(graph, (*(activation or operator.inputs[:1]), *operator.inputs[1:2]))
    else:
        tensors += [t for t in _present(graph, operator.inputs) if t.dtype in _FLOATS | _INTEGERS]
    return bool(tensors) and all(tensor.dtype in _INTEGERS for tensor in tensors)


def _computes_in_float(graph: Subgraph, operator: OperatorInfo) -> bool:
    tensors = _present(graph, (*operator.inputs[:1], *operator.outputs))
    return operator.kind not in _CONVERTERS and any(t.dtype in _FLOATS for t in tensors)


def integer_share(graph: Subgraph) -> float:
    """The share of multiply-accumulates in operators that are integer throughout, from 0 to 1.

    Where the graph has none, or they cannot be counted: the share of the operators that compute
    (all but QUANTIZE, DEQUANTIZE and CAST). A graph without operators has share 0.
    """
    total, _ = count_macs(graph)
    if total:
        integer = sum(
            operator_macs(graph, operator) or 0
            for operator in graph.operators
            if operator.kind in MAC_KINDS and is_integer(graph, operator)
        )
        return integer / total
    computing = [operator for operator in graph.operators if operator.kind not in _CONVERTERS]
    return sum(is_integer(graph, operator) for operator in computing) / max(1, len(computing))


def integer_weight_share(model: ModelFile) -> float:
    """The share of the stored weights, by number, that are integers of up to 16 bits."""
    integers = floats = 0
    for tensor in model.graph.tensors:
        if tensor.dtype in _INTEGERS and tensor.scales and model.is_constant(tensor):
            integers += tensor.elements
        # Biases stay float: beside narrow layers they would outweigh what was quantized.
        elif tensor.dtype in _FLOATS and len(tensor.shape) > 1 and model.is_constant(tensor):
            floats += tensor.elements
    return integers / max(1, integers + floats)


def float_islands(graph: Subgraph) -> tuple[Island, ...]:
    """Operators that compute in float where others of the graph compute in integers.

    Empty for a graph without any integer operator that multiplies: that one is no island but a
    float graph, perhaps with integer weights.
    """
    if not any(
        operator.kind in MAC_KINDS and is_integer(graph, operator) for operator in graph.operators
    ):
        return ()
    return tuple(
        Island(
            graph.tensor(operator.outputs[0]).name if operator.outputs else "",
            operator.custom or operator.kind,
            operator_macs(graph, operator),
        )
        for operator in graph.operators
        if _computes_in_float(graph, operator)
    )


def estimate_arena(model: ModelFile, beside: Collection[int] = ()) -> tuple[int | None, str]:
    """Bytes of the activations' arena, or `None` and the reason; an estimate.

    `beside` are tensors that do not lie in it, such as weights that were unpacked once. Each
    other tensor lives from the operator that writes it to the last that reads it; placed greedily
    by size, as TFLite's planner does, on 64-byte bounds. Scratch buffers of kernels and what a
    delegate allocates come on top. MobileNetV2 at 224: 5880 KiB in float32, 1470 KiB in int8.
    """
    graph = model.graph
    first: dict[int, int] = dict.fromkeys(graph.inputs, 0)
    last: dict[int, int] = {}
    for step, operator in enumerate(graph.operators):
        for index in operator.outputs:
            first.setdefault(index, step)
            last[index] = step
        for index in operator.inputs:
            if index in first:
                last[index] = step
    end = len(graph.operators)
    last.update(dict.fromkeys(graph.outputs, end))
    blocks = []
    for index, start in first.items():
        if index == ABSENT or index in beside:
            continue
        tensor = graph.tensor(index)
        if model.is_constant(tensor) or tensor.is_variable:
            continue
        if _shape_is_open(tensor):
            return None, f"the shape of tensor {tensor.name!r} is not fixed"
        size = -(-tensor.size_bytes // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES
        blocks.append((size, start, last.get(index, start)))
    return (_place(blocks) if len(blocks) <= _LARGEST_PLAN else _peak(blocks, end)), ""


def _place(blocks: list[tuple[int, int, int]]) -> int:
    """Height of the arena with blocks of (size, first step, last step) put in largest first."""
    placed: list[tuple[int, int, int, int]] = []
    height = 0
    for size, start, stop in sorted(blocks, key=lambda block: (-block[0], block[1])):
        offset = 0
        for other, other_size, other_start, other_stop in placed:
            if other_start > stop or other_stop < start:
                continue
            if other - offset >= size:
                break
            offset = max(offset, other + other_size)
        insort(placed, (offset, size, start, stop))
        height = max(height, offset + size)
    return height


def _peak(blocks: list[tuple[int, int, int]], end: int) -> int:
    """Most bytes alive at one step: the least that any placement needs."""
    change = [0] * (end + 2)
    for size, start, stop in blocks:
        change[start] += size
        change[stop + 1] -= size
    alive = peak = 0
    for step in change:
        alive += step
        peak = max(peak, alive)
    return peak
