"""A command of the phone's shell while it runs: its input, its lines as they come, its end."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

from edge_deploy_runner.errors import DeviceError

from .adb_text import explain_failure, lines_of

# What is left to read once adb has ended. Not for ever: a server that adb started may hold the
# other end of its output open.
_READING_LIMIT_S = 5.0
_READING_STEP_S = 0.1


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


class ShellSession:
    """A command on the phone while it runs.

    `child` is the adb that runs `marked(command, marker)` on the phone `serial`; `what` is for
    error sentences. `on_stderr` and `on_stdout` get each line as it comes; what they raise ends the
    command, and `completed` raises it again.
    """

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        marker: str,
        serial: str,
        what: str,
        on_stderr: Callable[[str], None] | None,
        on_stdout: Callable[[str], None] | None,
    ) -> None:
        self.what = what
        self._child, self._marker, self._serial = child, marker, serial
        self._on_stderr, self._on_stdout = on_stderr, on_stdout
        self._listening: set[int] = set()
        self._listener_error: BaseException | None = None
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
        except (OSError, ValueError):
            return False
        return True

    @property
    def has_ended(self) -> bool:
        """Whether adb let go of the command, or the command ended."""
        return self._child.poll() is not None

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
                f"{self._serial} took longer than {timeout_s:.0f} s while {self.what} and was "
                "left; see what keeps the phone busy"
            ) from None
        self._read_to_the_end()
        if self._listener_error is not None:
            raise self._listener_error
        if self._stderr and not self._stderr[-1]:  # the marker's own line end
            self._stderr.pop()
        said = "\n".join(self._stderr)
        if self._code is None:
            raise DeviceError(explain_failure(_adb_says(self._stderr), self._serial, self.what))
        return Completed(self._code, b"".join(self._stdout), said)

    def end(self) -> None:
        """Let go of the command; a program that watches its input ends with it."""
        self.close_input()
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(3)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        for thread, stream in zip(
            self._threads, (self._child.stdout, self._child.stderr), strict=True
        ):
            thread.join(1)
            if stream is not None and not thread.is_alive():
                stream.close()

    def _read_output(self) -> None:
        stream: IO[bytes] | None = self._child.stdout
        assert stream is not None
        if self._on_stdout is None:
            while data := stream.read1(1 << 16):  # type: ignore[attr-defined]
                self._stdout.append(data)
            return
        for raw in stream:
            self._stdout.append(raw)
            self._tell(self._on_stdout, raw.decode("utf-8", "replace").rstrip("\r\n"))

    def _read_errors(self) -> None:
        stream: IO[bytes] | None = self._child.stderr
        assert stream is not None
        for raw in stream:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            if line.startswith(f"{self._marker} "):
                self._code = int(line.split()[1])
                continue
            self._stderr.append(line)
            if self._on_stderr is not None and line:
                self._tell(self._on_stderr, line)

    def _tell(self, listener: Callable[[str], None], line: str) -> None:
        if self._listener_error is not None:
            return
        self._listening.add(threading.get_ident())
        try:
            listener(line)
        except BaseException as error:  # it is raised again in the caller's thread
            self._listener_error = error
            self._child.terminate()
        finally:
            self._listening.discard(threading.get_ident())

    def _read_to_the_end(self) -> None:
        """Wait for what adb left to read, and for whoever listens to it, however slow."""
        until = time.monotonic() + _READING_LIMIT_S
        for thread in self._threads:
            while thread.is_alive() and time.monotonic() < until:
                thread.join(_READING_STEP_S)
                if self._listening:
                    until = time.monotonic() + _READING_LIMIT_S


def _adb_says(lines: Sequence[str]) -> str:
    """adb's own words among those of the command."""
    own = [line for line in lines if line.startswith(("error:", "adb:", "* ", "- "))]
    return "\n".join(own)
