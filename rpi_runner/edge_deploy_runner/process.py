"""What a process needs to know of others: its parent's end, and whether one still lives."""

from __future__ import annotations

import contextlib
import os
import sys


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere the end of stdin does."""
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        import ctypes
        import signal

        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it died between the two lines
            os._exit(1)


def process_is_alive(pid: int) -> bool:
    """Whether a process of that number exists; yes on Windows, where asking would kill it."""
    if os.name == "nt":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it exists and belongs to somebody else
        return True
    return True
