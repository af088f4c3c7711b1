"""One thing that `doctor` found, good or bad."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """What was found under a stable `name`, and the one line that mends it ("" where it is ok).

    A "problem" keeps models from running or makes figures worthless; a "warning" is worth knowing.
    """

    name: str
    status: Status
    text: str
    mend: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def ok(name: str, text: str) -> Finding:
    """A finding with nothing to mend."""
    return Finding(name, "ok", text)


def warning(name: str, text: str, mend: str) -> Finding:
    """A finding that is worth knowing."""
    return Finding(name, "warning", text, mend)


def problem(name: str, text: str, mend: str) -> Finding:
    """A finding that keeps models from running, or makes figures worthless."""
    return Finding(name, "problem", text, mend)
