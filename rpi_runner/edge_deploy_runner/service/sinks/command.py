"""A program for each event: its arguments as they are, never a shell, never two at a time."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence

from edge_deploy_runner.errors import BadInputError

from . import Notice, Sink

PLACEHOLDERS = ("{label}", "{score}", "{input}", "{event}", "{time}")
DEFAULT_TIMEOUT_S = 30.0
DEFAULT_QUEUE = 16


def check_argv(argv: Sequence[str]) -> tuple[str, ...]:
    """The arguments, if they make sense; raises `BadInputError`.

    A placeholder is a whole argument: what a label or file name holds can then never become a
    part of anything that a program parses.
    """
    if not argv or not argv[0]:
        raise BadInputError(
            "a command sink needs argv, a list: argv = ['/usr/bin/notify', '{label}']"
        )
    if argv[0] in PLACEHOLDERS:
        raise BadInputError(f"the program of a command sink cannot be {argv[0]}; name it")
    for argument in argv:
        if argument in PLACEHOLDERS:
            continue
        found = [word for word in PLACEHOLDERS if word in argument]
        if found:
            raise BadInputError(
                f"{found[0]} stands inside the argument {argument!r}; placeholders are whole "
                f"arguments, and the program finds the same in its environment (EDGE_DEPLOY_LABEL)"
            )
    return tuple(argv)


def fill(argv: Sequence[str], notice: Notice) -> list[str]:
    """The arguments with their placeholders replaced."""
    values = _values(notice)
    return [values.get(argument, argument) for argument in argv]


def environment(notice: Notice) -> dict[str, str]:
    """What a command finds in its environment, besides our own: EDGE_DEPLOY_LABEL and others."""
    return {f"EDGE_DEPLOY_{key.strip('{}').upper()}": text for key, text in _values(notice).items()}


def _values(notice: Notice) -> dict[str, str]:
    score = "" if notice.score is None else f"{notice.score:.6f}"
    texts = (notice.label, score, notice.input, notice.kind, notice.time)
    # No argument of a program can hold a zero byte.
    return {key: text.replace("\0", "") for key, text in zip(PLACEHOLDERS, texts, strict=True)}


class CommandSink(Sink):
    """Runs `argv` for each notice, in a thread of its own, one after the other.

    One that runs longer than `timeout_s` is killed with its children. Of notices that wait, more
    than `queue` push out the oldest, which is counted. Its output goes to our stderr.
    """

    def __init__(
        self,
        tell: Callable[[str], None],
        argv: Sequence[str],
        timeout_s: float = DEFAULT_TIMEOUT_S,
        queue: int = DEFAULT_QUEUE,
    ) -> None:
        super().__init__("command", tell)
        self.argv = check_argv(argv)
        self.timeout_s = timeout_s
        self._limit = queue
        self._waiting: deque[Notice] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._work, name="command", daemon=True)

    def open(self) -> None:
        """Start waiting for notices; raises `BadInputError` where there is no such program."""
        if shutil.which(self.argv[0]) is None:
            raise BadInputError(
                f"the command sink's program {self.argv[0]} is not there or may not be run; check "
                "its path"
            )
        self._thread.start()

    def put(self, notice: Notice) -> None:
        """Have the command run when those before it have ended."""
        with self._changed:
            if len(self._waiting) >= self._limit:
                self._waiting.popleft()
                self.failed(f"{self.argv[0]} is slower than the events; the oldest are dropped")
            self._waiting.append(notice)
            self._changed.notify()

    def close(self, wait_s: float = 3.0) -> None:
        """Let the running command end for `wait_s`, then kill it; those that wait are lost."""
        with self._changed:
            self._closing = True
            self.lost += len(self._waiting)
            self._waiting.clear()
            self._changed.notify()
        if self._thread.ident is None:
            return
        self._thread.join(wait_s)
        if self._thread.is_alive():
            _kill(self._process)
            self._thread.join(1.0)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if self._closing:
                    return
                notice = self._waiting.popleft()
            self._run(notice)

    def _run(self, notice: Notice) -> None:
        try:
            process = subprocess.Popen(
                fill(self.argv, notice),
                stdin=subprocess.DEVNULL,
                stdout=_stderr(),  # stdout may be a stream of JSON lines
                env={**os.environ, **environment(notice)},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            self.failed(f"{self.argv[0]} cannot be started: {error}")
            return
        self._process = process
        try:
            code = process.wait(self.timeout_s)
        except subprocess.TimeoutExpired:
            _kill(process)
            process.wait()
            self.failed(f"{self.argv[0]} was ended after {self.timeout_s:g} s")
        else:
            if code:
                self.failed(f"{self.argv[0]} ended with code {code}")
            else:
                self.worked()
        finally:
            self._process = None


def _stderr() -> int:
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return subprocess.DEVNULL


def _kill(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None:
        with contextlib.suppress(OSError):  # its session is its own, so its children are in it
            os.killpg(process.pid, signal.SIGKILL)
