"""A command on a device while ssh runs it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from edge_deploy_runner.errors import DeviceError
from edge_deploy_runner.marked_command import Listener, MarkedCommand

from .ssh_errors import explain_connection, explain_loss
from .target import SshTarget


@dataclass(frozen=True)
class Completed:
    """What a remote command left: its own exit code (128 + N for signal N) and its output."""

    returncode: int
    stdout: bytes
    stderr: str


def marked(command: str, marker: str) -> str:
    """Lines of shell that run the command, and tell by `marker` where its output begins and ends.

    Before the first marker comes what a shell's start-up files print; behind the last one, on
    stderr, its exit code.
    """
    return f"echo {marker}; ( {command}\n); printf '\\n{marker} %d\\n' \"$?\" >&2"


class SshSession(MarkedCommand):
    """One command on the device while it runs.

    `child` is the ssh that runs `marked(command, marker)` there, and that makes the connection too
    where it `connects`; `what` is for error sentences.
    """

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        marker: str,
        target: SshTarget,
        what: str,
        on_stderr: Listener | None,
        *,
        connects: bool,
    ) -> None:
        self._target, self._what, self._connects = target, what, connects
        super().__init__(child, marker, on_stderr)

    def completed(self, timeout_s: float | None) -> Completed:
        """Wait for the command's end; raises `DeviceError` where the connection ended first."""
        try:
            ended = self.ended(timeout_s)
        except subprocess.TimeoutExpired:
            raise DeviceError(
                f"{self._target.login} took longer than {timeout_s:.0f} s while {self._what} and "
                "was left; see what keeps it busy"
            ) from None
        said = "\n".join(ended.lines)
        if ended.code is None:
            if self._connects and self._child.returncode == 255:
                raise DeviceError(explain_connection(said, self._target))
            raise DeviceError(explain_loss(said, self._target, self._what))
        _, _, output = ended.stdout.partition(f"{self._marker}\n".encode())
        return Completed(ended.code, output, said)
