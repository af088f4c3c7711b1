"""Ask a source model for its own answers, in a child process, without converting it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.progress import Progress, silent

from .frontend import FrontEnd
from .frontend_child import Options
from .source import find_source
from .zoo import zoo_cache

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHUNK = 256


def run_source(
    source: str,
    tensors: Iterator[NDArray[np.float32]],
    trust_source: bool = False,
    on_progress: Progress = silent,
) -> NDArray[np.float32]:
    """The source's scores (N, classes) for prepared float32 inputs, each (1, ...), taken in turn.

    Raises `BadInputError` for a source with several inputs, or one that takes another shape.
    """
    options = Options(trust_source=trust_source, cache=str(zoo_cache()))
    parts: list[NDArray[np.float32]] = []
    with FrontEnd(find_source(source), options, on_progress) as front_end:
        front_end.wait_loaded()
        if len(front_end.inputs) != 1:
            raise BadInputError(
                f"{source} has {len(front_end.inputs)} inputs; a reference needs one"
            )
        wanted = front_end.inputs[0]
        batch: list[Any] = []

        def ask() -> None:
            front_end.start_run({wanted.name: np.stack(batch)})
            answers = front_end.finish_run("Asking the reference")[0]
            parts.append(answers.reshape(len(batch), -1).astype(np.float32))
            batch.clear()

        for tensor in tensors:
            if tuple(tensor.shape) != wanted.shape:
                raise BadInputError(
                    f"{source} takes {list(wanted.shape)}, but the data gives {list(tensor.shape)}"
                )
            batch.append(tensor)
            if len(batch) == _CHUNK:
                ask()
        if batch:
            ask()
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
