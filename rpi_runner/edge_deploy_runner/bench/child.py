"""The process that only runs a model: `python -m edge_deploy_runner.bench.child`.

It reads requests from stdin, one JSON object a line, and answers each with one JSON line on
stdout. The first line says what to do:

- `{"task": "run", "model": PATH, "spec": {...}, "ranges": [[low, high] or null, ...], "name":
  TEXT}` loads the model, runs it once, warms up and answers with a summary. Each following line
  `{"runs": N, "seconds": S}` is a block of timed runs, answered with their latencies. With
  `"once": true` in the first line the timed runs of the spec are in its answer, and it ends.
- `{"task": "baseline"}` answers with the memory of this process without a model.
- `{"task": "operators", "spec": {...}, "seconds": S}` times small models alone for a moment; each
  following line `{"model": BASE64}` is one, answered with its milliseconds. No file is written.

An answer with "error" names the class of the error and its sentence.
"""

from __future__ import annotations

import base64
import gc
import json
import math
import os
import sys
import time
from array import array
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from edge_deploy_runner import errors
from edge_deploy_runner.errors import BadInputError, DeviceError, EdgeDeployError
from edge_deploy_runner.interpreter import LoadedModel, refusal, runtime
from edge_deploy_runner.machine import telemetry
from edge_deploy_runner.process import die_with_parent

from .run_spec import RunSpec

SEED = 20240607
# A run longer than this may end the timed runs early, at `max_seconds`.
LONG_RUN_S = 1.0
_WARM_UP_LIMIT_S = 10.0
_MOST_RUNS = RunSpec.max_runs
_MOST_WARM_UP_RUNS = 1000


def main() -> int:
    """Answer requests until stdin ends; the process dies with the one that started it."""
    die_with_parent()
    # Native libraries print to stdout now and then: keep the answers on a stream of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        serve(sys.stdin, answers)
    except EdgeDeployError as error:
        _answer(answers, {"error": {"type": type(error).__name__, "message": str(error)}})
        return 0
    except (BrokenPipeError, KeyboardInterrupt):
        return 1
    return 0


def error_from_answer(answer: dict[str, Any]) -> EdgeDeployError | None:
    """The error that an answer carries, if it carries one."""
    record = answer.get("error")
    if record is None:
        return None
    kind = getattr(errors, str(record.get("type")), None)
    if not (isinstance(kind, type) and issubclass(kind, EdgeDeployError)):
        kind = EdgeDeployError
    return kind(str(record.get("message")))


def serve(requests: TextIO, answers: TextIO) -> None:
    """Carry out the requests of one stream; raises the library's own errors."""
    line = requests.readline()
    if not line.strip():
        return
    try:
        request = json.loads(line)
    except ValueError as error:
        raise BadInputError(f"the bench request is not JSON: {error}") from error
    task = request.get("task")
    runtime()  # imported before anything is timed
    if task == "baseline":
        # The same libraries as a run uses, and no model.
        np.random.default_rng(SEED)
        _answer(answers, {"memory_bytes": peak_memory_bytes()})
    elif task == "run":
        _run(request, requests, answers)
    elif task == "operators":
        _run_operators(request, requests, answers)
    else:
        raise BadInputError(f"unknown bench task {task!r}")


def _run(request: dict[str, Any], requests: TextIO, answers: TextIO) -> None:
    spec = RunSpec.from_json(request["spec"])
    before = telemetry.sample()
    started = time.perf_counter_ns()
    model = LoadedModel(
        request["model"], spec.threads, spec.kernels, name=str(request.get("name", ""))
    )
    load_ns = time.perf_counter_ns() - started
    fill_inputs(model, request.get("ranges"))
    first_ns = timed_runs(model, 1, 0.0, math.inf)[0]
    used, share = checked_delegate(model, spec.delegate)
    warm_up = timed_runs(
        model,
        spec.warm_up_runs,
        spec.warm_up_seconds,
        _WARM_UP_LIMIT_S,
        most_runs=_MOST_WARM_UP_RUNS,
    )
    found = runtime()
    summary: dict[str, Any] = {
        "runtime": {"name": found.name, "version": found.version},
        "delegate": {"asked": spec.delegate, "used": used, "operator_share": share},
        "load_ms": load_ns / 1e6,
        "first_inference_ms": first_ns / 1e6,
        "warm_up_ns": warm_up,
        "telemetry": before.to_json(),
    }
    if request.get("once"):
        block = {
            "runs": spec.min_runs,
            "seconds": spec.min_seconds,
            "limit": spec.max_seconds,
            "most": spec.max_runs,
        }
        _answer(answers, {**summary, **_block(model, block)})
        return
    _answer(answers, summary)
    for line in requests:
        if line.strip():
            _answer(answers, _block(model, json.loads(line)))


def _block(model: LoadedModel, block: dict[str, Any]) -> dict[str, Any]:
    before = telemetry.cpu_times()
    latencies = timed_runs(
        model,
        int(block["runs"]),
        float(block["seconds"]),
        float(block.get("limit", math.inf)),
        most_runs=int(block.get("most", _MOST_RUNS)),
        discard=int(block.get("discard", 0)),
    )
    memory_bytes = peak_memory_bytes()
    after = telemetry.cpu_times()
    share = telemetry.others_share(before, after) if before and after else None
    return {
        "latencies_ns": latencies,
        "memory_bytes": memory_bytes,
        "telemetry": telemetry.sample(others_cpu_share=share).to_json(),
    }


def timed_runs(
    model: LoadedModel, min_runs: int, min_seconds: float, limit_seconds: float,
    *, most_runs: int = _MOST_RUNS, discard: int = 0,
) -> list[int]:  # fmt: skip
    """Latencies in ns of `invoke` alone, until both minima are met.

    `limit_seconds` ends it before `min_runs` only where a run takes longer than a second;
    `most_runs` before `min_seconds` where it takes microseconds. The first `discard` runs are
    not kept: they pay for what another process left in the caches.
    """
    invoke, clock = model.interpreter.invoke, time.perf_counter_ns
    # Eight bytes a run, so that the list does not show in the peak memory.
    latencies = array("q")
    gc.collect()
    gc.disable()
    try:
        for _ in range(discard):
            invoke()
        begun = clock()
        while True:
            start = clock()
            invoke()
            end = clock()
            latencies.append(max(1, end - start))
            elapsed_s = (end - begun) / 1e9
            if len(latencies) >= min_runs and (
                elapsed_s >= min_seconds or len(latencies) >= most_runs
            ):
                break
            if elapsed_s >= limit_seconds and elapsed_s / len(latencies) > LONG_RUN_S:
                break
    except (RuntimeError, ValueError) as error:
        raise BadInputError(refusal(model.name, error)) from error
    finally:
        gc.enable()
    return latencies.tolist()


def checked_delegate(model: LoadedModel, asked: str) -> tuple[str, float | None]:
    """The delegate in use and its share, None where unknown.

    Raises `DeviceError` where another was asked for.
    """
    used, share = model.delegated_share()
    if asked == "xnnpack" and used == "none":
        raise DeviceError(
            f"XNNPACK was asked for, but it takes none of the operators of {model.name}; "
            "measure with --delegate none"
        )
    if asked == "none" and used not in ("none", "unknown"):
        raise DeviceError(f"no delegate was asked for, but {used} runs {model.name}")
    return used, None if used == "unknown" else share


def fill_inputs(model: LoadedModel, ranges: list[list[float] | None] | None = None) -> None:
    """Fill every input with fixed random values; floats within `ranges`, else within [-1, 1]."""
    random = np.random.default_rng(SEED)
    for number, detail in enumerate(model.inputs):
        given = ranges[number] if ranges and number < len(ranges) else None
        low, high = given if given else (-1.0, 1.0)
        tensor = random_tensor(
            random, tuple(int(n) for n in detail["shape"]), np.dtype(detail["dtype"]), low, high
        )
        try:
            model.interpreter.set_tensor(detail["index"], tensor)
        except (RuntimeError, ValueError) as error:
            raise BadInputError(refusal(model.name, error)) from error


def random_tensor(
    random: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any],
    low: float, high: float,
) -> NDArray[Any]:  # fmt: skip
    """Random values of any input type: 8-bit integers over their whole range.

    Wider integers are indices or counts more often than not, so they are 0 or 1.
    """
    if dtype.kind == "f":
        return random.uniform(low, high, shape).astype(dtype)
    if dtype.kind == "b":
        return random.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        limits = np.iinfo(dtype)
        return random.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    if dtype.kind in "iu":
        return random.integers(0, 2, shape).astype(dtype)
    if dtype.kind == "c":
        return random.uniform(low, high, shape).astype(dtype)
    raise BadInputError(f"a model with {dtype} input cannot be measured with random values")


def peak_memory_bytes() -> int | None:
    """The highest resident set of this process so far; None where the system does not say."""
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None


def _run_operators(request: dict[str, Any], requests: TextIO, answers: TextIO) -> None:
    spec = RunSpec.from_json(request["spec"])
    seconds = float(request["seconds"])
    for line in requests:
        data = base64.b64decode(json.loads(line)["model"])
        try:
            model = LoadedModel(data, spec.threads, spec.kernels, name="the operator")
            fill_inputs(model)
            timed_runs(model, 2, 0.0, 1.0)
            latencies = timed_runs(model, 3, seconds, seconds)
        except EdgeDeployError as error:
            _answer(answers, {"ms": None, "reason": str(error)})
        else:
            _answer(answers, {"ms": float(np.median(latencies)) / 1e6, "reason": ""})


def _answer(answers: TextIO, document: dict[str, Any]) -> None:
    answers.write(json.dumps(document) + "\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(main())
