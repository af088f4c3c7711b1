"""Whether numpy, Pillow and a TFLite runtime really work here: tried in a child, which may crash.

The child prints one JSON line a stage, so that a crash is known by the stage that is missing.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A Pi Zero 2 W takes seconds to import numpy from a cold card.
LIMIT_S = 120.0
_RUNTIMES = ("ai_edge_litert", "tflite_runtime")


@dataclass(frozen=True)
class Probe:
    """What the child said of each stage, and how it ended ("" where it ended well).

    A stage holds {"version"} or {"error"}; `inference` holds {"answer"} or {"error"} for each kind
    of kernels. Stages that were not reached are missing.
    """

    stages: dict[str, dict[str, Any]]
    ending: str = ""

    def stage(self, name: str) -> dict[str, Any]:
        """One stage; empty where it was not reached."""
        return self.stages.get(name, {})

    @property
    def reached(self) -> str:
        """What the child was at when it ended: the first stage that it did not report."""
        missing = [name for name in STAGES if name not in self.stages]
        return missing[0] if missing else "the end"


def _numpy() -> dict[str, Any]:
    import numpy

    return {"version": str(numpy.__version__)}


def _pillow() -> dict[str, Any]:
    import PIL
    import PIL.Image  # the part with native code

    return {"version": str(PIL.__version__)}


def _runtime(name: str) -> dict[str, Any]:
    import importlib
    from importlib.metadata import PackageNotFoundError, version

    module = importlib.import_module(f"{name}.interpreter")
    try:
        return {"version": version(name.replace("_", "-"))}
    except PackageNotFoundError:
        return {"version": str(getattr(module, "__version__", "unknown"))}


def _inference(kernels: str) -> dict[str, Any]:
    # Not through interpreter.py, which needs Pillow as well: that lack is a finding of its own.
    import importlib

    import numpy as np

    from .probe_model import INPUT, MODEL

    module: Any = None
    for name in _RUNTIMES:
        with contextlib.suppress(Exception):
            module = importlib.import_module(f"{name}.interpreter")
            break
    if module is None:
        raise ImportError("there is no runtime")
    kind = "BUILTIN_REF" if kernels == "reference" else "AUTO"
    interpreter = module.Interpreter(
        model_content=MODEL,
        num_threads=1,
        experimental_op_resolver_type=getattr(module.OpResolverType, kind),
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.array([INPUT], np.int8))
    interpreter.invoke()
    answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return {"answer": [int(value) for value in answer.ravel()]}


STAGES: dict[str, Callable[[], dict[str, Any]]] = {
    "numpy": _numpy,
    "pillow": _pillow,
    **{name: lambda name=name: _runtime(name) for name in _RUNTIMES},  # type: ignore[misc]
    "xnnpack": lambda: _inference("xnnpack"),
    "reference": lambda: _inference("reference"),
}


def _report(descriptor: int) -> None:
    for name, step in STAGES.items():
        try:
            found = step()
        # SystemError and AttributeError come from a runtime that was built for another numpy.
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {_first_line(error)}"}
        os.write(descriptor, (json.dumps({"stage": name, **found}) + "\n").encode())


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # numpy's long advice ends with what happened.
    told = [line for line in lines if line.startswith("Original error was:")]
    first = (told or lines or ["no reason given"])[0]
    return first.removeprefix("Original error was:").strip()[:300]


def run_probe(limit_s: float = LIMIT_S) -> Probe:
    """Try every stage in a child; never raises and never waits longer than `limit_s`."""
    # From its own folder, so that a user's numpy.py in the current one is not imported.
    home = Path(__file__).resolve().parent.parent
    paths = [entry for entry in sys.path if entry]
    command = [sys.executable, "-m", f"{__package__}.probe"]
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False,
            cwd=home, env={**os.environ, "PYTHONPATH": os.pathsep.join([str(home), *paths])},
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        return Probe(_parse(late.stdout or b""), f"gave no answer within {limit_s:.0f} s")
    except OSError as error:
        # Under QEMU's user mode the kernel cannot start a second foreign program, but it can fork.
        if error.errno == errno.ENOEXEC and hasattr(os, "fork"):
            return _run_forked(limit_s)
        return Probe({}, f"could not be started: {error}")
    return Probe(_parse(ended.stdout), _ending(ended.returncode, ended.stderr))


def _run_forked(limit_s: float) -> Probe:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            os.close(reading)
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            _report(writing)
            code = 0
        os._exit(code)
    os.close(writing)
    os.set_blocking(reading, False)
    data, deadline, status = b"", time.monotonic() + limit_s, None
    try:
        while status is None and time.monotonic() < deadline:
            done, code = os.waitpid(child, os.WNOHANG)
            status = code if done else None
            data += _drain(reading)
            if status is None:
                time.sleep(0.02)
    finally:
        if status is None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        data += _drain(reading)
        os.close(reading)
    if status is None:
        return Probe(_parse(data), f"gave no answer within {limit_s:.0f} s")
    return Probe(_parse(data), _ending(os.waitstatus_to_exitcode(status), b""))


def _drain(descriptor: int) -> bytes:
    data = b""
    with contextlib.suppress(BlockingIOError):
        while block := os.read(descriptor, 65536):
            data += block
    return data


def _parse(output: bytes) -> dict[str, dict[str, Any]]:
    stages = {}
    for line in output.decode("utf-8", "replace").splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            document = json.loads(line)
            stages[str(document.pop("stage"))] = document
    return stages


def _ending(code: int, stderr: bytes) -> str:
    if code == 0:
        return ""
    if code == -getattr(signal, "SIGILL", 4):
        return "was killed by an illegal instruction (SIGILL), one that this CPU does not have"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"crashed with signal {-code} ({signal.Signals(-code).name})"
        return f"crashed with signal {-code}"
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return f"ended with code {code}" + (f": {lines[-1][:200]}" if lines else "")


if __name__ == "__main__":
    # The answer alone goes to the pipe; what libraries print goes nowhere.
    _pipe = os.dup(1)
    os.dup2(2, 1)
    _report(_pipe)
