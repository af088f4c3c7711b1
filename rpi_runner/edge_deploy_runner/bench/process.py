"""A child process that only runs a model, held open while blocks of timed runs are asked of it.

One crash, hang or refusal of the runtime stays in the child and comes back as one sentence.
"""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

from edge_deploy_runner.errors import BadInputError, DeviceError

from .child import error_from_answer
from .run_spec import RunSpec

# Far above any sensible inference; a model that loops for ever ends here.
ANSWER_LIMIT_S = 900.0
# Windows reports an unhandled exception as an exit code from here up.
_WINDOWS_CRASH = 0xC0000000


class BenchProcess:
    """One child, as a context manager; leaving it ends the child.

    `name` is the model's, for error sentences. Answers raise the error that the child met.
    """

    def __init__(self, request: Mapping[str, Any], name: str) -> None:
        self._name = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        # From its own folder, so that a user's numpy.py in the current one is not imported.
        home = Path(__file__).parents[1]
        self._child = subprocess.Popen(
            [sys.executable, "-m", "edge_deploy_runner.bench.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=home,
            text=True,
            encoding="utf-8",
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._collect, daemon=True).start()
        self.send(request)

    def _collect(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def send(self, document: Mapping[str, Any]) -> None:
        """Pass one request on; a child that is gone is noticed by the next answer."""
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):
            self._child.stdin.write(json.dumps(document) + "\n")
            self._child.stdin.flush()

    def answer(self, limit_s: float = ANSWER_LIMIT_S) -> dict[str, Any]:
        """The child's next answer; raises its error, or `BadInputError` where it crashed."""
        try:
            line = self._lines.get(timeout=limit_s)
        except queue.Empty:
            self._child.kill()
            raise DeviceError(
                f"{self._name} gave no answer within {limit_s:.0f} s and was stopped"
            ) from None
        if line is None:
            raise self._death()
        document: dict[str, Any] = json.loads(line)
        error = error_from_answer(document)
        if error is not None:
            raise error
        return document

    def block(
        self,
        runs: int,
        seconds: float,
        *,
        discard: int = 0,
        limit_s: float | None = None,
        most_runs: int | None = None,
    ) -> dict[str, Any]:
        """Ask for one block of timed runs: its latencies, memory and telemetry."""
        request: dict[str, Any] = {"runs": runs, "seconds": seconds, "discard": discard}
        if limit_s is not None:
            request["limit"] = limit_s
        if most_runs is not None:
            request["most"] = most_runs
        self.send(request)
        return self.answer(ANSWER_LIMIT_S + 10 * seconds)

    def _death(self) -> BadInputError | DeviceError:
        code = self._child.wait()
        self._errors.seek(0)
        words = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        last = f": {words[-1][:200]}" if words else ""
        if code < 0 or code >= _WINDOWS_CRASH:
            return BadInputError(
                f"the runtime crashed ({_crash_name(code)}) while running {self._name}; the file "
                f"is damaged or the runtime has a bug: check it with `edge-deploy inspect`"
            )
        return DeviceError(f"the measuring process of {self._name} ended with code {code}{last}")

    def __enter__(self) -> BenchProcess:
        """The process itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the child: by the end of its input, else by force."""
        assert self._child.stdin is not None
        if kind is not None:
            self._child.kill()
        with contextlib.suppress(OSError):
            self._child.stdin.close()
        try:
            self._child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._errors.close()


def _crash_name(code: int) -> str:
    if code > 0:
        return f"exception {code:#x}"
    try:
        return f"signal {-code}, {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def start_run(
    model_path: Path,
    spec: RunSpec,
    ranges: list[list[float] | None] | None = None,
    name: str = "",
) -> BenchProcess:
    """A child that loads the model and warms it up; its first answer is the summary.

    `name` is what sentences call the model, where its file is called something else.
    """
    return BenchProcess(
        {
            "task": "run",
            "model": str(model_path.absolute()),
            "spec": spec.to_json(),
            "ranges": ranges,
            "name": name or model_path.name,
        },
        name or model_path.name,
    )


@lru_cache(maxsize=1)
def baseline_memory_bytes() -> int | None:
    """Peak memory of the same child with the runtime imported and no model."""
    with BenchProcess({"task": "baseline"}, "the runtime") as child:
        value = child.answer()["memory_bytes"]
    return None if value is None else int(value)
