"""TensorFlow graphs that reach outside: operators that read or write files, or run Python.

A graph is a program. These operators are looked for before any of it runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edge_deploy_runner.errors import BadInputError

_OUTSIDE = frozenset(
    {"WriteFile", "ReadFile", "MatchingFiles", "PyFunc", "PyFuncStateless", "EagerPyFunc"}
)
# Every SavedModel has these for its own checkpoint; elsewhere nothing good needs them.
_CHECKPOINT = frozenset(
    {"Save", "SaveV2", "SaveSlices", "Restore", "RestoreV2", "RestoreSlice", "MergeV2Checkpoints"}
)


def refuse_outside_operators(graphs: Iterable[Any], path: Path, loader: bool = False) -> None:
    """Raise `BadInputError` if a GraphDef, or a function in its library, reaches outside.

    `loader` permits what a SavedModel needs to load its own variables.
    """
    forbidden = _OUTSIDE if loader else _OUTSIDE | _CHECKPOINT
    for graph in graphs:
        nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
        for node in nodes:
            if node.op in forbidden:
                raise BadInputError(
                    f"{path.name} contains the operator {node.op} ({node.name!r}), which reaches "
                    "outside the model when it runs; if you trust where it comes from, add "
                    "--trust-source"
                )
