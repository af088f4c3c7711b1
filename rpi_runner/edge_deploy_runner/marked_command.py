"""A command on another machine while the program that carries it runs: ssh, or adb.

The command's own exit code comes as a marked last line of its stderr. So no exit code of the
carrier is mistaken for it, and a lost connection is known by the line that never came.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Listener = Callable[[str], None]

_CHUNK = 1 << 18
# What is left to read once the carrier has ended. Not for ever: a server that adb started, or ssh's
# shared connection, may hold the other end of its output open.
_READING_LIMIT_S = 5.0
_READING_STEP_S = 0.1


@dataclass(frozen=True)
class Ended:
    """What a command left; `code` is None where the connection ended first."""

    code: int | None
    stdout: bytes
    lines: tuple[str, ...]


class MarkedCommand:
    """One command while it runs: its input, its lines as they come, its end.

    `child` carries it, and `marker` begins the line that tells its exit code. `on_stderr` and
    `on_stdout` get each line as it comes; what they raise ends the command, and `ended` raises it
    again.
    """

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        marker: str,
        on_stderr: Listener | None,
        on_stdout: Listener | None = None,
    ) -> None:
        self._child, self._marker = child, marker
        self._on_stderr, self._on_stdout = on_stderr, on_stdout
        self._listening: set[int] = set()
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

    @property
    def has_ended(self) -> bool:
        """Whether the carrier let go of the command, or the command ended."""
        return self._child.poll() is not None

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

        What its iterator raises ends the command, and `ended` raises it again.
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

    def ended(self, timeout_s: float | None) -> Ended:
        """Wait for the command's end; raises `subprocess.TimeoutExpired`."""
        self._child.wait(timeout_s)
        self._read_to_the_end()
        if self._failure is not None:
            raise self._failure
        # The line that carries the code begins with a newline of its own.
        if self._stderr and not self._stderr[-1]:
            self._stderr.pop()
        return Ended(self._code, b"".join(self._stdout), tuple(self._stderr))

    def end(self) -> None:
        """Let go of the command; a program that watches its input ends with it."""
        self.close_input()
        stop(self._child)
        for thread, stream in zip(
            self._threads, (self._child.stdout, self._child.stderr), strict=True
        ):
            # Others may hold the other ends for as long as a program that does not watch its input
            # goes on; closing would wait for it.
            thread.join(1)
            if not thread.is_alive():
                assert stream is not None
                stream.close()

    def _read_output(self) -> None:
        stream = self._child.stdout
        assert stream is not None
        if self._on_stdout is None:
            while data := stream.read1(_CHUNK):  # type: ignore[attr-defined]
                self._stdout.append(data)
            return
        for raw in stream:
            self._stdout.append(raw)
            self._tell(self._on_stdout, _line(raw))

    def _read_errors(self) -> None:
        assert self._child.stderr is not None
        for raw in self._child.stderr:
            line = _line(raw)
            if line.startswith(f"{self._marker} "):
                self._code = int(line.split()[1])
                continue
            self._stderr.append(line)
            if self._on_stderr is not None and line:
                self._tell(self._on_stderr, line)

    def _tell(self, listener: Listener, line: str) -> None:
        if self._failure is not None:
            return
        self._listening.add(threading.get_ident())
        try:
            listener(line)
        except BaseException as error:
            self._fail(error)
        finally:
            self._listening.discard(threading.get_ident())

    def _fail(self, error: BaseException) -> None:
        """Keep what a thread of ours met with for `ended`, and wait for nothing more."""
        self._failure = error
        self._child.terminate()

    def _read_to_the_end(self) -> None:
        """Wait for what is left to read, and for whoever listens to it, however slow."""
        until = time.monotonic() + _READING_LIMIT_S
        for thread in self._threads:
            while thread.is_alive() and time.monotonic() < until:
                thread.join(_READING_STEP_S)
                if self._listening:
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


def _line(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").rstrip("\r\n")
