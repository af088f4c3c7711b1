"""The parent's half of a front end: start the child, ask it, and leave nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from edge_deploy_runner.errors import (
    BadInputError,
    ConversionError,
    EdgeDeployError,
    OutputError,
)
from edge_deploy_runner.process import process_is_alive
from edge_deploy_runner.progress import Progress, silent

from .frontend_child import Options, Tensor, error_from_reply
from .source import Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORK_PREFIX = "edge-deploy-convert-"
_CRASHES = (4, 6, 7, 8, 11)  # illegal instruction, abort, bus error, division, segmentation
_NEEDS = {"tflite": "ai_edge_litert"}


def require_extra(front_end: str) -> None:
    """Raise `ConversionError` where the extra that converts is not installed."""
    needed = _NEEDS.get(front_end, "tensorflow")
    missing = [name for name in (needed, "litert_quantizer") if find_spec(name) is None]
    if missing:
        raise ConversionError(
            f"converting needs {' and '.join(missing)}, which are not installed; "
            "install edge-deploy with its convert extra (in a clone: pip install '.[convert]')"
        )


def clear_stale_work() -> None:
    """Remove work folders of conversions whose process is gone (it was killed)."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_WORK_PREFIX}*"):
        match = re.fullmatch(rf"{_WORK_PREFIX}(\d+)-.*", folder.name)
        if match and not process_is_alive(int(match.group(1))):
            shutil.rmtree(folder, ignore_errors=True)


class FrontEnd:
    """A running front end with one source loaded; use it in a `with` block.

    `inputs`, `parameters` and `versions` are known once `wait_loaded` has returned.
    """

    def __init__(
        self, source: Source, options: Options | None = None, on_progress: Progress = silent
    ) -> None:
        require_extra(source.front_end)
        clear_stale_work()
        self.source = source
        self.inputs: tuple[Tensor, ...] = ()
        self.parameters = 0
        self.versions: dict[str, str] = {}
        self._progress = on_progress
        try:
            self._work = Path(tempfile.mkdtemp(prefix=f"{_WORK_PREFIX}{os.getpid()}-"))
            self._log = (self._work / "log.txt").open("w+b")
        except OSError as error:
            raise _no_space(error) from error
        self._janitor = _start_janitor(self._work)
        self._child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                f"edge_deploy_converters.{source.front_end}",
                "--serve",
                "--options",
                json.dumps(asdict(options or Options())),
                "--",  # a file's name may start with a dash
                source.location,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            # Keras and TensorFlow put scratch files there; they go with the work folder. A keras.py
            # in the user's folder is not ours to import.
            env={**os.environ, "TMPDIR": str(self._work), "PYTHONSAFEPATH": "1"},
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> FrontEnd:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def stop(self) -> None:
        """End the child once its answers are here, and with it the memory that TensorFlow takes."""
        if self._child.poll() is None:
            self._child.kill()

    def close(self) -> None:
        """End the child and remove its files."""
        self.stop()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._log.close()
        shutil.rmtree(self._work, ignore_errors=True)
        if self._janitor is not None:
            if self._janitor.stdin is not None:
                self._janitor.stdin.close()
            self._janitor.wait()

    def wait_loaded(self) -> None:
        """Wait until the source is loaded; raises what the child refused it with."""
        self._progress(f"Loading {self.source.name}", 0, 0)
        greeting = self._reply()
        self.inputs = tuple(
            Tensor(n, tuple(shape), dtype) for n, shape, dtype in greeting["inputs"]
        )
        self.parameters = int(greeting["parameters"])
        self.versions = dict(greeting["versions"])

    def start_convert(self) -> None:
        """Ask for the float32 model; `finish_convert` returns it."""
        self._progress(f"Converting {self.source.name} to float32 TFLite", 0, 0)
        self._ask({"do": "convert", "out": str(self._work / "float32.tflite")})

    def finish_convert(self) -> bytes:
        """The float32 TFLite bytes."""
        self._wait_done()
        return (self._work / "float32.tflite").read_bytes()

    def start_run(self, samples: dict[str, NDArray[Any]]) -> None:
        """Ask for the source's answers. `samples`: name to (N, 1, ...); see `finish_run`."""
        inputs: dict[str, Any] = dict(samples)
        try:
            np.savez(self._work / "inputs.npz", **inputs)
        except OSError as error:
            raise _no_space(error) from error
        self._ask(
            {
                "do": "run",
                "inputs": str(self._work / "inputs.npz"),
                "outputs": str(self._work / "outputs.npz"),
            }
        )

    def finish_run(self, stage: str = "Asking the source for its answers") -> list[NDArray[Any]]:
        """The outputs, each (N, 1, ...)."""
        self._wait_done(stage)
        with np.load(self._work / "outputs.npz", allow_pickle=False) as arrays:
            return [arrays[f"output{n}"] for n in range(len(arrays.files))]

    def _ask(self, request: dict[str, str]) -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(request) + "\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            raise self._death() from None

    def _wait_done(self, stage: str = "") -> None:
        while "done" not in (reply := self._reply()):
            if stage:
                self._progress(stage, int(reply["step"]), int(reply["of"]))

    def _reply(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise self._death()
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise error_from_reply(reply)
        return reply

    def _death(self) -> EdgeDeployError:
        """The error for a child that ended without an answer."""
        code = self._child.wait()
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        if self.source.front_end == "tflite" and -code in _CRASHES:
            return BadInputError(
                f"the TFLite runtime crashed on {self.source.name} (signal {-code}), so it is "
                "damaged; copy or convert it again"
            )
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        hint = " (perhaps out of memory)" if code == -9 else ""
        return ConversionError(
            f"the front end for {self.source.name} ended with {how}{hint}: {last[:300]}"
        )


def _no_space(error: OSError) -> OutputError:
    return OutputError(
        f"temporary files cannot be written ({error.strerror or error}); set TMPDIR to a folder "
        "with free space"
    )


def _start_janitor(work: Path) -> subprocess.Popen[bytes] | None:
    """A shell that removes the work folder when this process is gone, however it went."""
    shell = shutil.which("sh")
    if shell is None:
        return None
    return subprocess.Popen(
        [shell, "-c", 'cat >/dev/null; [ -d "$1" ] && sleep 0.2; rm -rf "$1"', "sh", str(work)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
