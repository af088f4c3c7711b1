"""A command on a device while its ssh runs: its input, its lines as they come, its end.

The command's own exit code comes as a last line of its stderr. So 255 of the command is never
mistaken for ssh's own, and a lost connection is known by the line that never came.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge_deploy_runner.errors import DeviceError

from .ssh_errors import explain_connection, explain_loss
from .target import SshTarget

_CHUNK = 1 << 18
# What is left to read once ssh has ended, whose shared connection may hold its output open.
_READING_LIMIT_S = 5.0
_READING_STEP_S = 0.1


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


class SshSession:
    """One command on the device while it runs.

    `child` is the ssh that runs `marked(command, marker)` there, and that makes the connection too
    where it `connects`; `what` is for error sentences. `on_stderr` gets each line of the command's
    errors as it comes; what it raises ends the command, and `completed` raises it again.
    """

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        marker: str,
        target: SshTarget,
        what: str,
        on_stderr: Callable[[str], None] | None,
        *,
        connects: bool,
    ) -> None:
        self._child, self._marker, self._target = child, marker, target
        self._what, self._connects = what, connects
        self._on_stderr = on_stderr
        self._is_telling = False
        self._failure: BaseException | None = None
        self._stdout: list[bytes] = []
        self._stderr: list[str] = []
        self._code: int | None = None
        self._threads = [
            threading.Thread(target=self._read_output, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def write(self, data: bytes) -> bool:
        """Pass some input on; False where nobody reads it any more."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(data)
            self._child.stdin.flush()
        except (OSError, ValueError):  # gone, or closed by us meanwhile
            return False
        return True

    def feed(self, data: bytes | Iterable[bytes], hold: bool) -> None:
        """Pass all input on from a thread of its own; `hold` leaves it open.

        What its iterator raises ends the command, and `completed` raises it again.
        """

        def write() -> None:
            try:
                for piece in [data] if isinstance(data, bytes) else data:
                    if not self.write(piece):
                        break
            except BaseException as error:
                self._fail(error)
            if not hold:
                self.close_input()

        threading.Thread(target=write, daemon=True).start()

    def close_input(self) -> None:
        """Tell the command that there is no more input."""
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):
            self._child.stdin.close()

    def completed(self, timeout_s: float | None) -> Completed:
        """Wait for the command's end; raises `DeviceError` where the connection ended first."""
        try:
            self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise DeviceError(
                f"{self._target.login} took longer than {timeout_s:.0f} s while {self._what} and "
                "was left; see what keeps it busy"
            ) from None
        self._read_to_the_end()
        if self._failure is not None:
            raise self._failure
        # The line that carries the code begins with a newline of its own.
        if self._stderr and not self._stderr[-1]:
            self._stderr.pop()
        said = "\n".join(self._stderr)
        if self._code is None:
            if self._connects and self._child.returncode == 255:
                raise DeviceError(explain_connection(said, self._target))
            raise DeviceError(explain_loss(said, self._target, self._what))
        _, _, output = b"".join(self._stdout).partition(f"{self._marker}\n".encode())
        return Completed(self._code, output, said)

    def end(self) -> None:
        """Let go of the command; a program that watches its input ends with it."""
        self.close_input()
        stop(self._child)
        for thread, stream in zip(
            self._threads, (self._child.stdout, self._child.stderr), strict=True
        ):
            # The shared connection holds the other ends for as long as a program that does not
            # watch its input goes on; closing would wait for it.
            thread.join(1)
            if not thread.is_alive():
                assert stream is not None
                stream.close()

    def _read_output(self) -> None:
        assert self._child.stdout is not None
        while data := self._child.stdout.read1(_CHUNK):  # type: ignore[attr-defined]
            self._stdout.append(data)

    def _read_errors(self) -> None:
        assert self._child.stderr is not None
        for raw in self._child.stderr:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            if line.startswith(f"{self._marker} "):
                self._code = int(line.split()[1])
                continue
            self._stderr.append(line)
            if self._on_stderr is not None and line and self._failure is None:
                self._tell(self._on_stderr, line)

    def _tell(self, listener: Callable[[str], None], line: str) -> None:
        self._is_telling = True
        try:
            listener(line)
        except BaseException as error:
            self._fail(error)
        finally:
            self._is_telling = False

    def _fail(self, error: BaseException) -> None:
        """Keep what a thread of ours met with for `completed`, and wait for nothing more."""
        self._failure = error
        self._child.terminate()

    def _read_to_the_end(self) -> None:
        """Wait for what ssh left to read, and for whoever listens to it, however slow."""
        until = time.monotonic() + _READING_LIMIT_S
        for thread in self._threads:
            while thread.is_alive() and time.monotonic() < until:
                thread.join(_READING_STEP_S)
                if self._is_telling:
                    until = time.monotonic() + _READING_LIMIT_S


def stop(child: subprocess.Popen[bytes]) -> None:
    """End a program, by force where it does not heed."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(3)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
