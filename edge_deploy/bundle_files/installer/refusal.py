"""Why an install goes no further, and what it says while it goes on."""

from __future__ import annotations

import contextlib
import sys

# Exit codes: how it was called, no bundle there, this device cannot run it, the bundle is damaged
# or fails its self-test, it cannot be written, Ctrl-C.
USAGE, NO_BUNDLE, DEVICE, DAMAGED, OUTPUT, INTERRUPTED = 2, 3, 5, 6, 7, 130


class Refusal(Exception):
    """Why it goes no further, in one sentence, and the exit code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def say(text: str) -> None:
    """A line of progress, on stderr."""
    with contextlib.suppress(OSError):  # whoever watched went away; the install goes on
        print(text, file=sys.stderr, flush=True)
