"""Inferences between marks for the TCG plugin: `python counted_inference.py RUNS MODEL...`.

Model n makes the marks 3n, at once 3n + 1, and after RUNS inferences 3n + 2.
"""

from __future__ import annotations

import contextlib
import os
import sys

from edge_deploy_runner.bench.child import fill_inputs
from edge_deploy_runner.interpreter import LoadedModel

# As in tcg_plugin/instructions.c: no process has this number.
MARKER = 0x3ED60000
LAST_MARK = 999


def mark(number: int) -> None:
    """Have the plugin write down how many instructions there have been."""
    with contextlib.suppress(ProcessLookupError):
        os.getpgid(MARKER + number)


def main(runs: int, models: list[str]) -> None:
    """One thread, fixed inputs, and a first inference that does not count."""
    mark(LAST_MARK)  # the first one costs more than those after it
    for number, path in enumerate(models):
        model = LoadedModel(path, threads=1)
        fill_inputs(model)
        invoke = model.interpreter.invoke
        invoke()
        mark(3 * number)
        mark(3 * number + 1)
        for _ in range(runs):
            invoke()
        mark(3 * number + 2)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
