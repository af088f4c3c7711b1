"""Front end for a frozen GraphDef (`.pb`): inputs and outputs are given, or found in the graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_deploy_runner.errors import BadInputError

from .frontend_child import LoadedSource, Options, Tensor, main
from .graph_safety import refuse_outside_operators
from .tensorflow_graph import clean_name, fixed_shape, graph_source

# Operators that end a path through the graph without being an answer.
_NO_ANSWER = {"Const", "NoOp", "Assert", "Placeholder", "PlaceholderWithDefault", "CheckNumerics"}


def load(source: str, options: Options) -> LoadedSource:
    """Load a frozen graph and give it a signature."""
    import tensorflow as tf

    path = Path(source)
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except Exception as error:
        raise BadInputError(f"{path.name} is damaged, not a frozen GraphDef: {error}") from error
    if not graph.node:
        raise BadInputError(
            f"{path.name} holds no graph; for a saved_model.pb name the folder it lies in"
        )
    if not options.trust_source:
        refuse_outside_operators([graph], path)
    variables = [n.name for n in graph.node if n.op in ("VariableV2", "VarHandleOp", "Variable")]
    if variables:
        raise BadInputError(
            f"{path.name} is not frozen: {variables[0]!r} is a variable; freeze it, or give the "
            "SavedModel folder"
        )
    input_names = [_node_name(name) for name in options.input_names] or _placeholders(graph)
    output_names = list(options.output_names) or _ends(graph)
    nodes = {node.name: node for node in graph.node}
    for name in [*input_names, *map(_node_name, output_names)]:
        if name not in nodes:
            raise BadInputError(f"{path.name} has no node {name!r}; check --inputs and --outputs")
    if not input_names or not output_names:
        raise BadInputError(
            f"no input or output was found in {path.name}; give --inputs and --outputs"
        )
    inputs = [_input(nodes[name], options, many=len(input_names) > 1) for name in input_names]
    pruned = _import(graph, input_names, output_names, path)
    labels = [clean_name(name) for name in output_names]

    def call(**values: Any) -> dict[str, Any]:
        answers = pruned(*values.values())
        return dict(zip(labels, answers, strict=True))

    parameters = sum(_elements(node) for node in graph.node if node.op == "Const")
    return graph_source(call, pruned, inputs, parameters)


def _node_name(tensor: str) -> str:
    return tensor.split(":", maxsplit=1)[0].lstrip("^")


def _placeholders(graph: Any) -> list[str]:
    return [node.name for node in graph.node if node.op == "Placeholder"]


def _ends(graph: Any) -> list[str]:
    """Nodes that nothing reads: the graph's answers."""
    read = {_node_name(name) for node in graph.node for name in node.input}
    return [n.name for n in graph.node if n.name not in read and n.op not in _NO_ANSWER]


def _elements(node: Any) -> int:
    count = 1
    for dim in node.attr["value"].tensor.tensor_shape.dim:
        count *= int(dim.size)
    return count


def _input(node: Any, options: Options, many: bool) -> Tensor:
    import tensorflow as tf

    shape = node.attr["shape"].shape
    if shape.unknown_rank and not options.input_shape:
        raise BadInputError(
            f"input {node.name!r} has no known shape; say it with --input-shape 1,H,W,CHANNELS"
        )
    sizes: list[int | None] = [None if d.size < 0 else int(d.size) for d in shape.dim]
    if shape.unknown_rank:
        sizes = [None] * len(options.input_shape)
    dtype = tf.as_dtype(node.attr["dtype"].type).name
    return Tensor(clean_name(node.name), fixed_shape(sizes, options, node.name, many), dtype)


def _import(graph: Any, inputs: list[str], outputs: list[str], path: Path) -> Any:
    import tensorflow as tf

    try:
        wrapped = tf.compat.v1.wrap_function(
            lambda: tf.compat.v1.import_graph_def(graph, name=""), []
        )
        return wrapped.prune(
            [wrapped.graph.as_graph_element(f"{name}:0") for name in inputs],
            [
                wrapped.graph.as_graph_element(name if ":" in name else f"{name}:0")
                for name in outputs
            ],
        )
    except Exception as error:
        text = " ".join(str(error).split())
        raise BadInputError(f"TensorFlow cannot import {path.name}: {text[:300]}") from error


if __name__ == "__main__":
    main(load)
