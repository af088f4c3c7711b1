"""What a graph costs: multiply-accumulates, and the share of them done in integers."""

from __future__ import annotations

from .model_file import ModelFile, OperatorInfo, Subgraph, TensorInfo

_INTEGERS = ("int8", "uint8", "int16", "int4", "uint4", "int2")
_FLOATS = ("float32", "float16", "bfloat16", "float64")


def _tensor(graph: Subgraph, indices: tuple[int, ...], position: int) -> TensorInfo | None:
    if position >= len(indices) or indices[position] < 0:
        return None
    return graph.tensor(indices[position])


def operator_macs(graph: Subgraph, op: OperatorInfo) -> int:
    """Multiply-accumulates of one operator with weights or two matrices; 0 for all others."""
    first, second = _tensor(graph, op.inputs, 0), _tensor(graph, op.inputs, 1)
    output = _tensor(graph, op.outputs, 0)
    if first is None or second is None or output is None or not second.shape:
        return 0
    if op.kind in ("CONV_2D", "CONV_3D", "FULLY_CONNECTED"):
        channels = second.shape[-1] if op.kind == "CONV_3D" else second.shape[0]
        return output.elements * (second.elements // max(1, channels))
    if op.kind == "DEPTHWISE_CONV_2D":
        return output.elements * (second.elements // max(1, second.shape[-1]))
    if op.kind == "TRANSPOSE_CONV":
        image = _tensor(graph, op.inputs, 2)
        return image.elements * (second.elements // max(1, second.shape[-1])) if image else 0
    if op.kind == "BATCH_MATMUL" and first.shape:
        return output.elements * first.shape[-1]
    return 0


def integer_share(model: ModelFile) -> float:
    """The share of multiply-accumulates whose input, weights and output are all integers.

    Where the model has none: the share of operators all of whose tensors are integers.
    """
    graph = model.graph
    total = integers = 0
    for op in graph.operators:
        macs = operator_macs(graph, op)
        tensors = [graph.tensor(i) for i in (*op.inputs[:2], *op.outputs) if i >= 0]
        total += macs
        if all(tensor.dtype in _INTEGERS for tensor in tensors):
            integers += macs
    if total:
        return integers / total
    computing = [
        [graph.tensor(i).dtype for i in (*op.inputs, *op.outputs) if i >= 0]
        for op in graph.operators
    ]
    if not computing:
        return 0.0
    whole = sum(not any(dtype in _FLOATS for dtype in dtypes) for dtypes in computing)
    return whole / len(computing)


def integer_weight_share(model: ModelFile) -> float:
    """The share of stored weights, by number, that are integers of 16 bits or fewer."""
    integers = floats = 0
    for tensor in model.graph.tensors:
        if tensor.dtype in _INTEGERS and tensor.scales and model.is_constant(tensor):
            integers += tensor.elements
        elif tensor.dtype in _FLOATS and model.is_constant(tensor):
            floats += tensor.elements
    return integers / (integers + floats) if integers + floats else 0.0
