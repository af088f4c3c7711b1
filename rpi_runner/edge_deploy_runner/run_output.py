"""Results as lines: to people or programs on stdout, errors and the closing summary on stderr.

Both `edge-deploy run` and the runner's own `run` print through here.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Generator
from contextlib import closing
from typing import Any, TextIO

from .errors import OutputError
from .running import Result

_PROGRESS_AFTER_S, _PROGRESS_EVERY_S = 1.0, 0.25


def print_results(results: Generator[Result, None, None], as_json: bool, *, many: bool) -> int:
    """Print each result as it comes, and return the exit code: 0, or 3 where an input failed.

    `many`: a summary closes the list on stderr, Ctrl-C and SIGTERM end it between two lines, and
    progress is shown on stderr where only that is a terminal. SIGTERM raises `SystemExit(143)`.
    A reader that went away is no error; raises `OutputError` where the disk is full.
    """
    try:
        if many:
            return _print_many(results, as_json)
        tally = _Tally()
        for result in results:
            _print(result, as_json, _write, tally)
        return 3 if tally.failed else 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        # What is left in the old one stays there.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        raise OutputError("the output cannot be written: the disk is full") from error


def _print_many(results: Generator[Result, None, None], as_json: bool) -> int:
    from .whole_lines import WholeLines

    # Closed at once, so that its threads end before the interpreter does.
    with WholeLines() as lines, closing(results):
        tally = _Tally(show=sys.stderr.isatty() and not sys.stdout.isatty())
        try:
            for result in results:
                _print(result, as_json, lines.write, tally)
        except (KeyboardInterrupt, SystemExit):
            tally.clear()
            _write(sys.stderr, f"stopped after {tally.summary()}\n")
            raise
        tally.clear()
        if tally.total > 1:
            _write(sys.stderr, f"{tally.summary()}\n")
    return 3 if tally.failed else 0


def _write(stream: TextIO, line: str) -> None:
    stream.write(line)
    stream.flush()


def _print(result: Result, as_json: bool, write: Any, tally: _Tally) -> None:
    tally.clear()
    if as_json:
        write(sys.stdout, json.dumps(result.to_json(), ensure_ascii=False) + "\n")
    elif result.answer is None:
        write(sys.stderr, f"Error: {' '.join(str(result.error).splitlines())}\n")
    else:
        write(sys.stdout, result.sentence() + "\n")
    tally.take(result)


class _Tally:
    """How many inputs were answered and failed, and at which rate."""

    def __init__(self, show: bool = False) -> None:
        self.total = self.failed = self.dropped = 0
        self._begun = time.perf_counter()
        self._shown_at = self._begun + _PROGRESS_AFTER_S - _PROGRESS_EVERY_S
        self._show = show
        self._width = 0

    def take(self, result: Result) -> None:
        self.total += 1
        self.failed += result.answer is None
        self.dropped += result.dropped or 0
        now = time.perf_counter()
        if self._show and now - self._shown_at >= _PROGRESS_EVERY_S:
            self._shown_at = now
            text = self.summary()
            self._width = len(text)
            _write(sys.stderr, f"\r{text}")

    def clear(self) -> None:
        """Wipe the progress off the terminal's line."""
        if self._width:
            _write(sys.stderr, f"\r{' ' * self._width}\r")
            self._width = 0

    def summary(self) -> str:
        seconds = time.perf_counter() - self._begun
        noun = "input" if self.total == 1 else "inputs"
        failed = f", {self.failed} failed" if self.failed else ""
        dropped = f", {self.dropped} frames dropped" if self.dropped else ""
        return (
            f"{self.total} {noun} in {seconds:.1f} s, "
            f"{self.total / max(seconds, 1e-9):.1f} per second{failed}{dropped}"
        )
