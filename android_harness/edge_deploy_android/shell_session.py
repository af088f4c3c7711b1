"""A command of the phone's shell while adb runs it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from edge_deploy_runner.errors import DeviceError
from edge_deploy_runner.marked_command import Listener, MarkedCommand

from .adb_text import explain_failure, lines_of


@dataclass(frozen=True)
class Completed:
    """What a command on the phone left: its own exit code (128 + N for signal N) and output."""

    returncode: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Its output as text, with plain line ends."""
        return "\n".join(lines_of(self.stdout.decode("utf-8", "replace")))


def marked(command: str, marker: str) -> str:
    """Lines of shell that tell the command's exit code in a last line of stderr, after `marker`."""
    return f'( {command}\n); echo "\n{marker} $?" >&2'


class ShellSession(MarkedCommand):
    """A command on the phone while it runs.

    `child` is the adb that runs `marked(command, marker)` on the phone `serial`; `what` is for
    error sentences.
    """

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        marker: str,
        serial: str,
        what: str,
        on_stderr: Listener | None,
        on_stdout: Listener | None,
    ) -> None:
        self.what, self._serial = what, serial
        super().__init__(child, marker, on_stderr, on_stdout)

    def completed(self, timeout_s: float | None) -> Completed:
        """Wait for the command's end; raises `DeviceError` where the connection ended first."""
        try:
            ended = self.ended(timeout_s)
        except subprocess.TimeoutExpired:
            raise DeviceError(
                f"{self._serial} took longer than {timeout_s:.0f} s while {self.what} and was "
                "left; see what keeps the phone busy"
            ) from None
        if ended.code is None:
            raise DeviceError(explain_failure(_adb_says(ended.lines), self._serial, self.what))
        return Completed(ended.code, ended.stdout, "\n".join(ended.lines))


def _adb_says(lines: Sequence[str]) -> str:
    """adb's own words among those of the command."""
    own = [line for line in lines if line.startswith(("error:", "adb:", "* ", "- "))]
    return "\n".join(own)
