"""What a service has done so far, for its status file and the journal."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

STATUS_FILE = "status.json"
_LATENCIES = 101
_REPEAT_S = 60.0


def wall_clock() -> str:
    """The time of day in ISO 8601 with UTC; only to be shown: on a Pi it may still be 1970."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def resident_bytes() -> int | None:
    """This process's resident memory; None where /proc does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Status:
    """Counts since the service started; `to_json` is what the status file holds."""

    state: str = "starting"
    since: str = field(default_factory=wall_clock)
    started_s: float = field(default_factory=time.monotonic)
    model: str = ""
    model_sha256: str = ""
    source: str = ""
    frames: int = 0
    dropped: int = 0
    refused: int = 0
    errors: int = 0
    last_error: str = ""
    last_answer: dict[str, Any] | None = None
    on: tuple[str, ...] = ()
    lost: dict[str, int] = field(default_factory=dict)
    memory_limit_bytes: int | None = None
    latencies_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_LATENCIES))

    def p50_ms(self) -> float | None:
        """The median inference of the last hundred frames, in milliseconds."""
        return round(statistics.median(self.latencies_ns) / 1e6, 3) if self.latencies_ns else None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "format": "edge-deploy service status",
            "state": self.state,
            "pid": os.getpid(),
            "since": self.since,
            "written": wall_clock(),
            "uptime_s": round(time.monotonic() - self.started_s, 1),
            "model": {"path": self.model, "sha256": self.model_sha256},
            "source": self.source,
            "frames": self.frames,
            "dropped": self.dropped,
            "refused": self.refused,
            "errors": self.errors,
            "last_error": self.last_error,
            "last_answer": self.last_answer,
            "on": list(self.on),
            "lost": self.lost,
            "latency_ms": {"p50": self.p50_ms(), "frames": len(self.latencies_ns)},
            "memory_bytes": resident_bytes(),
            "memory_limit_bytes": self.memory_limit_bytes,
        }

    def words(self) -> str:
        """One line for `systemctl status`."""
        p50 = self.p50_ms()
        speed = "" if p50 is None else f", {p50:.1f} ms"
        dropped = f", {self.dropped} dropped" if self.dropped else ""
        trouble = f", {self.errors} errors" if self.errors else ""
        return f"{self.state}: {self.frames} frames{dropped}{trouble}{speed}"


def write_status(folder: Path, status: Status) -> None:
    """Replace the status file in one step; raises `OSError`.

    It is not forced onto the disk: SD cards wear, and what it says is old after a crash anyway.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(status.to_json(), indent=1, ensure_ascii=False) + "\n"
    descriptor, part = tempfile.mkstemp(prefix=".status-", suffix=".part", dir=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(part).chmod(0o644)
        Path(part).replace(folder / STATUS_FILE)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


class Journal:
    """Sentences on stderr, where systemd reads them; the same trouble once a minute at most."""

    def __init__(self) -> None:
        self._told_at: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Tell it, on one line; a reader that went away does no harm."""
        with contextlib.suppress(OSError, ValueError):
            print(" ".join(text.splitlines()), file=sys.stderr, flush=True)

    def trouble(self, text: str) -> None:
        """Tell it, unless it was told within the last minute."""
        now = time.monotonic()
        self._told_at = {t: at for t, at in self._told_at.items() if now - at < _REPEAT_S}
        if text in self._told_at:
            return
        self._told_at[text] = now
        self.say(text)
