"""The child's half of a front end: load a source, convert it to float32 TFLite, run it.

A front end is a module with `load(source, options) -> LoadedSource`; it is started as
`python -m edge_deploy_converters.NAME SOURCE OUT`, or with `--serve` by `frontend.FrontEnd`, which
then sends one JSON request a line. What TensorFlow prints goes to stderr; requests are answered on
a descriptor that no library writes to.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import errno
import gc
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from edge_deploy_runner.errors import (
    BadInputError,
    ConversionError,
    EdgeDeployError,
    OutputError,
    UsageError,
)
from edge_deploy_runner.process import die_with_parent

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KINDS: dict[str, type[EdgeDeployError]] = {
    "usage": UsageError,
    "bad_input": BadInputError,
    "conversion": ConversionError,
    "output": OutputError,
}


@dataclass(frozen=True)
class Options:
    """What the user said about a source. Shapes and names are empty where nothing was said."""

    trust_source: bool = False
    input_shape: tuple[int, ...] = ()
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    signature: str = ""
    cache: str = ""

    @classmethod
    def from_json(cls, text: str) -> Options:
        """From the JSON that the parent sends."""
        values: dict[str, Any] = json.loads(text)
        fields: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**fields)


@dataclass(frozen=True)
class Tensor:
    """An input of the source: its name, its shape with a batch of 1, and its numpy dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class LoadedSource:
    """A source in memory. `convert()` gives float32 TFLite bytes with a signature;
    `run(inputs)` answers one sample by input name, with its batch of 1.
    """

    inputs: tuple[Tensor, ...]
    parameters: int
    convert: Callable[[], bytes]
    run: Callable[[dict[str, NDArray[Any]]], list[NDArray[Any]]]
    versions: dict[str, str] = field(default_factory=dict)


def refuse_full_disk(error: Exception) -> None:
    """Raise `OutputError` where `error` says that the folder for temporary files is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise OutputError(
            "the folder for temporary files is full; free some space, or set TMPDIR to a folder "
            "that has some"
        ) from error


def main(load: Callable[[str, Options], LoadedSource]) -> None:
    """Run a front end's command line."""
    parser = argparse.ArgumentParser(description="Turn one source model into float32 TFLite.")
    parser.add_argument("source")
    parser.add_argument("out", nargs="?")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--options", default="{}", help="JSON with the fields of Options")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    # No accelerator can make a conversion better, and looking for one costs time and noise.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    if arguments.serve:
        die_with_parent()
    try:
        # A fifth of the loading would be the collector, walking over what TensorFlow imports. All
        # of that lives to the end: out of its sight with it.
        gc.disable()
        loaded = load(arguments.source, Options.from_json(arguments.options))
        gc.freeze()
        gc.enable()
        if arguments.serve:
            _serve(loaded, replies)
        elif arguments.out:
            from edge_deploy_runner.output import write_bytes

            write_bytes(arguments.out, loaded.convert(), force=True)
    except EdgeDeployError as error:
        _reply_error(replies, error, arguments.serve)
    except OSError as error:
        try:
            refuse_full_disk(error)
        except OutputError as full:
            _reply_error(replies, full, arguments.serve)
        raise
    except MemoryError:
        _reply_error(
            replies, ConversionError("there is not enough memory to convert it"), arguments.serve
        )


def _reply_error(replies: TextIO, error: EdgeDeployError, serve: bool) -> None:
    kind = next((k for k, type_ in _KINDS.items() if isinstance(error, type_)), "conversion")
    if serve:
        print(json.dumps({"error": kind, "message": str(error)}), file=replies, flush=True)
        sys.exit(1)
    print(f"Error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)


def error_from_reply(reply: dict[str, Any]) -> EdgeDeployError:
    """The error that a child reported."""
    return _KINDS.get(str(reply["error"]), ConversionError)(str(reply["message"]))


def _give_memory_back() -> None:
    """Return to the system what the converter has freed, some 100 MB: the parent needs it now."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)


def _serve(loaded: LoadedSource, replies: TextIO) -> None:
    import numpy as np

    greeting = {
        "inputs": [[tensor.name, list(tensor.shape), tensor.dtype] for tensor in loaded.inputs],
        "parameters": loaded.parameters,
        "versions": loaded.versions,
    }
    print(json.dumps(greeting), file=replies, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "convert":
            with open(request["out"], "wb") as file:
                file.write(loaded.convert())
            print(json.dumps({"done": "convert"}), file=replies, flush=True)
            _give_memory_back()
        elif request["do"] == "run":
            with np.load(request["inputs"], allow_pickle=False) as arrays:
                columns = {name: arrays[name] for name in arrays.files}
            answers: list[list[NDArray[Any]]] = []
            count = len(next(iter(columns.values())))
            for i in range(count):
                sample = {name: column[i] for name, column in columns.items()}
                answers.append([np.asarray(output) for output in loaded.run(sample)])
                print(json.dumps({"step": i + 1, "of": count}), file=replies, flush=True)
            stacked: dict[str, Any] = {
                f"output{n}": np.stack([answer[n] for answer in answers])
                for n in range(len(answers[0]))
            }
            np.savez(request["outputs"], **stacked)
            print(json.dumps({"done": "run"}), file=replies, flush=True)
