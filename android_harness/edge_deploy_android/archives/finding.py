"""One thing that is wrong, doubtful or as it should be, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`status` is "problem" (the app breaks), "warning" or "ok"; `mend` what to do, or None."""

    status: str
    text: str
    mend: str | None = None


def worst_first(findings: list[Finding]) -> tuple[Finding, ...]:
    """Problems, then warnings, then what is right; in their order otherwise."""
    order = ("problem", "warning", "ok")
    return tuple(sorted(findings, key=lambda finding: order.index(finding.status)))
