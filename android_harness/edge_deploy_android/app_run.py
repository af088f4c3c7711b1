"""Running the harness as an app: the same core inside an instrumented APK.

Programs of the shell user and apps are scheduled differently, so that this is what an app sees.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from edge_deploy_runner.errors import DeviceError
from edge_deploy_runner.progress import Progress, silent

from .adb import AdbDevice
from .adb_text import last_words, parse_instrumentation, parse_sha256sums
from .built_files import HARNESS_PACKAGE, Build, built_file
from .harness_protocol import read_answer
from .harness_run import HarnessLines, HarnessOutput, push_json
from .leaving import Leaving

_RUNNER = f"{HARNESS_PACKAGE}/.app.HarnessInstrumentation"
_SLACK_S = 900.0


class AppHarness:
    """The harness as an installed app; what it needs is installed here and removed by `leaving`.

    Raises `DeviceError` where an app of this name is there that is not this very one.
    """

    ends_with_stdin = False

    def __init__(
        self, device: AdbDevice, build: Build, leaving: Leaving, model: str, api: int,
        on_progress: Progress = silent,
    ) -> None:  # fmt: skip
        self._device, self._build, self._folder, self._model = device, build, leaving.run, model
        self._number = 0
        apk = built_file("harness.apk")
        there = _installed_sha256(device)
        if there is not None and there != apk.sha256:
            raise DeviceError(
                f"another {HARNESS_PACKAGE} is installed on {device.serial} already; remove it "
                f"with `adb -s {device.serial} uninstall {HARNESS_PACKAGE}`, or measure with "
                "--mode shell"
            )
        if there is None:
            on_progress("installing the harness app", 0, 0)
            leaving.undo(f"pm uninstall {HARNESS_PACKAGE}")
            device.install(apk.path)
        leaving.undo(f"am force-stop {HARNESS_PACKAGE}")

    def output_path(self) -> str:
        """The name of the next answer; the app puts it into a folder of its own."""
        self._number += 1
        return f"answer-{self._number}.json"

    def ask(
        self, request: dict[str, Any], seconds: float, on_progress: Progress = silent,
        on_line: Callable[[str], None] | None = None,
    ) -> HarnessOutput:  # fmt: skip
        """Run one request; `on_line` gets what the app prints, progress included."""
        serial = self._device.serial
        path = f"{self._folder}/request-{self._number}.json"
        push_json(self._device, request, path)
        self._device.shell(f"chmod 644 {shlex.quote(path)}")
        on_progress("measuring in the app", 0, 0)
        lines = HarnessLines(self._device, on_progress, on_line)

        def listen(line: str) -> None:
            status, found, words = line.partition("INSTRUMENTATION_STATUS: progress=")
            if found and not status:
                lines.take(words)

        command = shlex.join(["am", "instrument", "-w", "-r", "-e", "request", path, _RUNNER])
        what = f"measuring {self._model}"
        with self._device.open_shell(command, what, on_stdout=listen) as session:
            done = session.completed(seconds + _SLACK_S)
        results, code = parse_instrumentation(done.text)
        answer = results.get("answer")
        if answer is None or code != -1:
            why = results.get("shortMsg") or results.get("failed") or results.get("error")
            said = why or last_words(done.stderr) or last_words(done.text)
            raise DeviceError(
                f"the harness app broke off on {serial} while running {self._model}"
                f"{f' ({said})' if said else ''}; try --mode shell, another --delegate or "
                "--runtime"
            )
        data = self._device.run(["cat", answer])
        if data.returncode != 0:
            raise DeviceError(
                f"the harness app's answer cannot be read on {serial} ({last_words(data.stderr)}); "
                "measure with --mode shell"
            )
        output = lines.output(read_answer(data.stdout, self._build, serial))
        return replace(output, in_front=results.get("in_front") == "true")


def _installed_sha256(device: AdbDevice) -> str | None:
    """The sha256 of the installed harness, "" where it cannot be read; None where there is none."""
    found = device.run(["pm", "path", HARNESS_PACKAGE])
    match = re.search(r"^package:(\S.*?)\s*$", found.text, re.MULTILINE)
    if match is None:
        return None
    sums = parse_sha256sums(device.run(["sha256sum", match[1]]).text)
    return sums.get(match[1], "")
