"""Ctrl-C and SIGTERM end a long output between two lines, never within one."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, TextIO

_SIGTERM_EXIT = 143


class WholeLines:
    """While it is open, a signal waits for the line that is being written; a second one does not.

    Ctrl-C raises `KeyboardInterrupt` and SIGTERM `SystemExit(143)`. Signals that are ignored stay
    so, and outside the main thread nothing is changed.
    """

    def __init__(self) -> None:
        self._writing = False
        self._asked = 0
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> WholeLines:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._writing and not self._asked:
            self._asked = number
        else:
            _end(number)

    def write(self, stream: TextIO, line: str) -> None:
        """Write a line to its end, then end the program if that was asked for meanwhile."""
        self._writing = True
        try:
            stream.write(line)
            stream.flush()
        finally:
            self._writing = False
        if self._asked:
            _end(self._asked)


def _end(number: int) -> None:
    if number == signal.SIGTERM:
        raise SystemExit(_SIGTERM_EXIT)
    raise KeyboardInterrupt
