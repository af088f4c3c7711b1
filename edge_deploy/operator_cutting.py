"""Where the time goes: every operator cut into a model of its own, to be run alone.

Here they are cut; `edge_deploy_runner.bench.operators` times them, on the device that is measured.
Python has no operator profiler. The sum of the parts is not the whole (caches are warmer, the
delegate cannot fuse across cuts, each part pays for a call), so both are reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from edge_deploy_runner.bench.operators import OperatorModel
from edge_deploy_runner.progress import Progress, silent
from edge_deploy_runner.tflite.graph import OperatorInfo, Subgraph
from edge_deploy_runner.tflite.model_file import ModelFile

UNAVAILABLE = (
    "the operator table needs ai-edge-litert, whose tools cut a model; tflite-runtime has none"
)
# Operators that run other graphs or keep state outside their tensors.
_UNCUTTABLE = {
    "IF", "WHILE", "CALL", "CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE",
    "HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE", "DELEGATE",
    "STABLEHLO_WHILE", "STABLEHLO_CASE", "STABLEHLO_COMPOSITE", "STABLEHLO_REDUCE",
}  # fmt: skip


def cut_operators(
    model: ModelFile, on_progress: Progress = silent
) -> tuple[tuple[OperatorModel, ...], str]:
    """Each operator as a model of its own, in the order of the graph, and a note.

    An operator that cannot run alone has none and a reason. Without the tools of ai-edge-litert
    there are no operators and the note says so; otherwise it is "".
    """
    try:
        cutter = _Cutter(model)
    except ImportError:
        return (), UNAVAILABLE
    # The tools raise many types on graphs that they do not understand.
    except Exception as error:
        return (), f"the operators cannot be cut apart: {type(error).__name__}: {error}"
    return tuple(_cut_all(cutter, model, on_progress)), ""


_FOLDED = "its inputs are constants: computed once, counted with the operators that use it"


def _cut_all(cutter: _Cutter, model: ModelFile, on_progress: Progress) -> Iterator[OperatorModel]:
    graph = model.graph
    for done, operator in enumerate(graph.operators):
        on_progress("cutting operators", done, len(graph.operators))
        kind = operator.custom or operator.kind
        outputs = [graph.tensors[i].name for i in operator.outputs if 0 <= i < len(graph.tensors)]
        name = outputs[0].split(";")[0] if outputs else f"operator {operator.index}"
        reason = _why_not(operator, graph)
        data = None
        if not reason and cutter.is_folded(operator):
            reason = _FOLDED
        if not reason:
            try:
                data = cutter.cut(operator)
            except Exception as error:  # see above
                reason = f"it cannot be cut out: {type(error).__name__}: {error}"
        ms = 0.0 if reason == _FOLDED else None
        yield OperatorModel(name, kind, data, ms, reason)
    on_progress("cutting operators", len(graph.operators), len(graph.operators))


def _why_not(operator: OperatorInfo, graph: Subgraph) -> str:
    if operator.is_flex:
        return "a TensorFlow (Flex) operator, which no TFLite runtime for Python runs"
    if operator.custom:
        return "a custom operator"
    if operator.kind in _UNCUTTABLE:
        return "it refers to other graphs or to state outside its tensors"
    for index in operator.inputs:
        if 0 <= index < len(graph.tensors):
            dtype = graph.tensors[index].dtype
            if dtype in ("resource", "variant", "string"):
                return f"it has {dtype} input"
    return ""


class _Cutter:
    """The model as flatbuffer objects, from which models of one operator are made."""

    def __init__(self, model: ModelFile) -> None:
        from ai_edge_litert import schema_py_generated as schema
        from ai_edge_litert.tools import flatbuffer_utils

        self._schema = schema
        self._to_bytes: Callable[[Any], bytes] = flatbuffer_utils.convert_object_to_bytearray
        self._model = flatbuffer_utils.read_model_from_bytearray(bytearray(model.data))
        self._graph = self._model.subgraphs[0]
        self._producers = {
            int(tensor): number
            for number, operator in enumerate(self._graph.operators)
            for tensor in operator.outputs
        }
        self._folded = self._find_folded()

    def _is_stored(self, tensor: int) -> bool:
        data = self._model.buffers[self._graph.tensors[tensor].buffer].data
        return data is not None and len(data) > 0

    def _find_folded(self) -> set[int]:
        """Operators with nothing but constants to work on: float16 weights made float32."""
        folded: set[int] = set()
        for number, operator in enumerate(self._graph.operators):
            inputs = [int(tensor) for tensor in operator.inputs if tensor >= 0]
            if inputs and all(
                self._is_stored(tensor) or self._producers.get(tensor, -1) in folded
                for tensor in inputs
            ):
                folded.add(number)
        return folded

    def is_folded(self, operator: OperatorInfo) -> bool:
        """Whether the operator only prepares constants."""
        return operator.index in self._folded

    def cut(self, operator: OperatorInfo) -> bytes:
        """A model of this operator and those that prepare its constants."""
        schema = self._schema
        numbers = [*sorted(self._preparers(operator.index)), operator.index]
        tensors: dict[int, int] = {}
        cut = schema.ModelT()
        cut.version = 3
        cut.description = b"one operator"
        cut.operatorCodes, cut.buffers = [], [schema.BufferT()]
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = [], []
        produced = {
            int(tensor) for number in numbers for tensor in self._graph.operators[number].outputs
        }
        inputs = []

        def place(tensor: int) -> int:
            if tensor < 0:
                return tensor
            if tensor not in tensors:
                tensors[tensor] = len(graph.tensors)
                graph.tensors.append(self._copy_tensor(tensor, cut))
                is_input = not self._is_stored(tensor) and tensor not in produced
                if is_input and not self._graph.tensors[tensor].isVariable:
                    inputs.append(tensors[tensor])
            return tensors[tensor]

        for number in numbers:
            source = self._graph.operators[number]
            copied = schema.OperatorT()
            for key, value in vars(source).items():
                setattr(copied, key, value)
            copied.opcodeIndex = len(cut.operatorCodes)
            cut.operatorCodes.append(self._model.operatorCodes[source.opcodeIndex])
            copied.inputs = [place(int(tensor)) for tensor in source.inputs]
            copied.outputs = [place(int(tensor)) for tensor in source.outputs]
            if source.intermediates is not None:
                copied.intermediates = [place(int(tensor)) for tensor in source.intermediates]
            graph.operators.append(copied)
        last = graph.operators[-1]
        graph.inputs, graph.outputs = inputs, list(last.outputs)
        graph.name = b"main"
        cut.subgraphs = [graph]
        return bytes(self._to_bytes(cut))

    def _preparers(self, number: int) -> set[int]:
        found: set[int] = set()
        stack = [number]
        while stack:
            for tensor in self._graph.operators[stack.pop()].inputs:
                producer = self._producers.get(int(tensor), -1)
                if producer in self._folded and producer not in found:
                    found.add(producer)
                    stack.append(producer)
        return found

    def _copy_tensor(self, tensor: int, cut: Any) -> Any:
        copied = self._schema.TensorT()
        for key, value in vars(self._graph.tensors[tensor]).items():
            setattr(copied, key, value)
        copied.shapeSignature = None
        if self._is_stored(tensor):
            copied.buffer = len(cut.buffers)
            buffer = self._schema.BufferT()
            buffer.data = self._model.buffers[self._graph.tensors[tensor].buffer].data
            cut.buffers.append(buffer)
        else:
            copied.buffer = 0
        return copied
