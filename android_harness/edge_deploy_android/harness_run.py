"""Running the harness on a phone as the shell user: `app_process` with our jar, no app needed."""

from __future__ import annotations

import contextlib
import json
import shlex
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from edge_deploy_runner.errors import BadInputError, DeviceError
from edge_deploy_runner.progress import Progress, silent

from .adb import AdbDevice
from .adb_text import is_full_disk, last_words
from .built_files import Build
from .cpu_cores import CoreChoice, parse_ranges
from .harness_protocol import read_answer, report_progress

_MAIN = "dev.edgedeploy.harness.Main"
# Above what any run is asked to take: starting, loading, warming up.
_SLACK_S = 900.0
# All that tells of delegates; the whole log may take a slow link seconds.
_LOGCAT = (
    "logcat", "-d", "-b", "main", "-v", "threadtime", "tflite:V", "litert:V", "native:V", "*:S",
)  # fmt: skip
# Between taskset and the program: cores that are not there are dropped from a mask without a word.
_NOTE_CORES = 'grep Cpus_allowed_list "/proc/$$/status" >cores; exec "$@"'
_SIGNALS = {
    4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM",
}  # fmt: skip


@dataclass(frozen=True)
class HarnessOutput:
    """An answer, what the harness printed, and what the phone's log had of its process `pid`.

    Both end where it began with the operators: these are models of their own, whose lines would
    hide those of the model. `in_front` tells of an app whether the screen showed it all the while;
    `cores` are those that a run that was bound to some could really use, where the phone tells.
    """

    document: dict[str, Any]
    log: str
    logcat: str
    pid: int | None
    in_front: bool | None = None
    cores: tuple[int, ...] | None = None


class HarnessLines:
    """What the harness prints, line by line, and the phone's log up to its first operator."""

    def __init__(
        self, device: AdbDevice, on_progress: Progress, on_line: Callable[[str], None] | None
    ) -> None:
        self.all: list[str] = []
        self._device, self._on_progress, self._on_line = device, on_progress, on_line
        self._before_operators: int | None = None
        self._logcat: str | None = None

    def take(self, line: str) -> None:
        """Note a line, and pass it on."""
        if self._before_operators is None and '"timing operators"' in line:
            self._before_operators = len(self.all)
            self._logcat = self._read_logcat()
        self.all.append(line)
        report_progress(line, self._on_progress)
        if self._on_line is not None:
            self._on_line(line)

    def output(self, document: dict[str, Any]) -> HarnessOutput:
        """The lines together with the answer."""
        pid = document.get("pid")
        return HarnessOutput(
            document,
            "\n".join(self.all[: self._before_operators]),
            self._read_logcat() if self._logcat is None else self._logcat,
            pid if isinstance(pid, int) else None,
        )

    def _read_logcat(self) -> str:
        # A lost connection is told by the run itself.
        with contextlib.suppress(DeviceError):
            return self._device.run(_LOGCAT).text
        return ""


class Harness(Protocol):
    """A way to run the harness: `ask` sends one request and returns its answer."""

    ends_with_stdin: bool

    def output_path(self) -> str:
        """Where the next answer is to be written on the phone."""

    def ask(
        self, request: dict[str, Any], seconds: float, on_progress: Progress = silent,
        on_line: Callable[[str], None] | None = None,
    ) -> HarnessOutput:  # fmt: skip
        """Run one request that takes about so many seconds."""


class ShellHarness:
    """The harness under `app_process`; `jars` are paths on the phone, `folder` a run's own there.

    Raises `DeviceError` in one sentence where it crashes, is killed or leaves no answer.
    """

    ends_with_stdin = True

    def __init__(
        self, device: AdbDevice, build: Build, folder: str, jars: tuple[str, ...], *,
        model: str, cores: CoreChoice | None, has_taskset: bool = True,
    ) -> None:  # fmt: skip
        self._device, self._build, self._folder, self._jars = device, build, folder, jars
        self._model, self._cores = model, cores
        self._number = 0
        if cores is not None and not has_taskset:
            raise DeviceError(
                f"{device.serial} has no taskset, so a run cannot be bound to cores; leave --cpus "
                "out"
            )

    def output_path(self) -> str:
        """A new name in the run's folder."""
        self._number += 1
        return f"{self._folder}/answer-{self._number}.json"

    def ask(
        self, request: dict[str, Any], seconds: float, on_progress: Progress = silent,
        on_line: Callable[[str], None] | None = None,
    ) -> HarnessOutput:  # fmt: skip
        """Run one request; `on_line` gets each line that it prints, progress included."""
        path = f"{self._folder}/request-{self._number}.json"
        push_json(self._device, request, path)
        lines = HarnessLines(self._device, on_progress, on_line)

        done = self._device.shell(
            self._command(path), timeout_s=seconds + _SLACK_S, on_stderr=lines.take,
            hold_stdin=True, what=f"measuring {self._model}",
        )  # fmt: skip
        log = "\n".join(line for line in lines.all if not line.startswith('{"'))
        # Its number may soon be another process's, which must not be stopped for it at the end.
        answer = self._device.shell(
            f"rm -f {shlex.quote(f'{self._folder}/harness.pid')}; "
            f"cat {shlex.quote(request['output'])}",
            what="fetching the answer",
        )
        # It is there before the operators are timed alone, of which one may crash the runtime.
        if done.returncode != 0 and (done.returncode < 128 or answer.returncode != 0):
            raise self._failure(done.returncode, log)
        if answer.returncode != 0:
            raise DeviceError(
                f"the harness ended on {self._device.serial} without an answer"
                f"{_said(log)}; run the command again"
            )
        document = read_answer(answer.stdout, self._build, self._device.serial)
        return replace(lines.output(document), cores=self._cores_given())

    def _command(self, request: str) -> str:
        words = ["app_process", f"-Djava.library.path={self._folder}", "/", _MAIN, request]
        if self._cores is not None:
            words = ["taskset", self._cores.mask, "sh", "-c", _NOTE_CORES, "cores", *words]
        script = (
            f"cd {shlex.quote(self._folder)} && echo $$ > harness.pid && export "
            f"CLASSPATH={shlex.quote(':'.join(self._jars))} && exec {shlex.join(words)}"
        )
        return shlex.join(["sh", "-c", script])

    def _cores_given(self) -> tuple[int, ...] | None:
        if self._cores is None:
            return None
        said = self._device.run(["cat", f"{self._folder}/cores"]).text
        return parse_ranges(said.partition(":")[2])

    def _failure(self, code: int, log: str) -> DeviceError | BadInputError:
        serial, model = self._device.serial, self._model
        if 128 < code < 192:
            number = code - 128
            name = _SIGNALS.get(number, "")
            signal = f"signal {number}" + (f", {name}" if name else "")
            if number == 9:
                return DeviceError(
                    f"the harness was killed on {serial} ({signal}) while running {model}: the "
                    "phone may be short of memory; close its apps and try again"
                )
            return DeviceError(
                f"the runtime crashed on {serial} ({signal}) while running {model}; try another "
                "--delegate or --runtime, and check the model with `edge-deploy inspect`"
            )
        if is_full_disk(log):
            return DeviceError(
                f"the storage of {serial} is full: the answer did not fit; free some space on the "
                "phone and run the command again"
            )
        return DeviceError(
            f"the harness on {serial} ended with code {code} while running {model}{_said(log)}; "
            "try --mode app, and report this if it stays"
        )


def push_json(device: AdbDevice, document: dict[str, Any], path: str) -> None:
    """Write a JSON file on the phone."""
    with tempfile.TemporaryDirectory(prefix="edge-deploy-") as folder:
        local = Path(folder) / "request.json"
        local.write_bytes(json.dumps(document).encode("utf-8"))
        device.push(local, path, "the request")


def _said(log: str) -> str:
    words = last_words(log)
    return f" ({words})" if words else ""
