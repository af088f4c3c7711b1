"""What has changed between two models, measurements or accuracies, and whether it is worse.

A metric is "worse" or "better" only where the whole interval of the change lies beyond the noise
floor; everything else is "same", and `is_clear` says whether the interval could tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from edge_deploy_runner.bench.percentiles import Estimate

DEFAULT_NOISE = 0.03
# A file's size is exact; metadata and padding make this much of it.
SIZE_NOISE = 0.005
# Resident sets move by pages and by how the allocator rounds: a change inside either is none.
MEMORY_NOISE = 0.05
MEMORY_NOISE_BYTES = 512_000


@dataclass(frozen=True)
class Change:
    """One metric, old and new, in `unit`.

    `ratio` is new over old and `ci95` its interval; for shares (`unit` "share") both are
    differences, new minus old. `noise` is the floor that the change must exceed. With a prediction
    on either side `predicted_range` stands for `ci95`: from end to end of the two intervals.
    """

    metric: str
    unit: str
    old: float
    new: float
    ratio: float | None
    ci95: tuple[float, float] | None
    noise: float
    status: str
    is_clear: bool
    predicted_range: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **asdict(self),
            "ci95": list(self.ci95) if self.ci95 else None,
            "predicted_range": list(self.predicted_range) if self.predicted_range else None,
        }


@dataclass(frozen=True)
class Comparison:
    """All changes; its status is "worse" if any is, else "better" if any is, else "same".

    `notes` say what the two are to each other where one is a prediction.
    """

    kind: str
    old: str
    new: str
    changes: tuple[Change, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """The worst of the changes."""
        found = {change.status for change in self.changes}
        return "worse" if "worse" in found else "better" if "better" in found else "same"

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "format": "edge-deploy comparison",
            "version": 1,
            "kind": self.kind,
            "old": self.old,
            "new": self.new,
            "status": self.status,
            "changes": [change.to_json() for change in self.changes],
            "warnings": list(self.warnings),
            "notes": list(self.notes),
        }


def exact_change(metric: str, unit: str, old: float, new: float, noise: float) -> Change:
    """The change of a figure that has no spread of its own."""
    ratio = new / old if old > 0 else None
    if ratio is None:
        status = "same" if new <= 0 else "worse"
        return Change(metric, unit, float(old), float(new), None, None, noise, status, True)
    status = status_of(ratio, ratio, noise)
    return Change(metric, unit, float(old), float(new), ratio, (ratio, ratio), noise, status, True)


def memory_change(old: Sequence[float], new: Sequence[float]) -> Change:
    """The change of the peak memory, in bytes, of one or more processes per side.

    Its interval runs from the least of the new over the most of the old to the most over the
    least. It is none where an end lies inside the floor of share or the floor of bytes.
    """
    a, b = float(np.median(old)), float(np.median(new))
    growth, shrinkage = min(new) - max(old), min(old) - max(new)  # at the very least, in bytes
    ends = None
    if min(old) > 0:
        ends = (min(new) / max(old), max(new) / min(old))
    share_status = None if ends is None else status_of(*ends, MEMORY_NOISE)
    status = "same"
    if growth > MEMORY_NOISE_BYTES and share_status in ("worse", None):
        status = "worse"
    elif shrinkage > MEMORY_NOISE_BYTES and share_status in ("better", None):
        status = "better"
    widest = max(max(new) - min(old), max(old) - min(new))
    inside = widest <= MEMORY_NOISE_BYTES or (ends is not None and is_inside(*ends, MEMORY_NOISE))
    return Change(
        "peak_memory", "bytes", a, b, b / a if a > 0 else None, ends, MEMORY_NOISE, status,
        is_clear=inside or status != "same",
    )  # fmt: skip


def ratio_change(metric: str, old: float, new: float, ratio: Estimate, noise: float) -> Change:
    """The change of a time in ms, of which the ratio has an interval where the runs allow one."""
    if ratio.low is None or ratio.high is None:
        return Change(metric, "ms", old, new, ratio.value, None, noise, "same", is_clear=False)
    status = status_of(ratio.low, ratio.high, noise)
    inside = is_inside(ratio.low, ratio.high, noise)
    return Change(
        metric, "ms", old, new, ratio.value, (ratio.low, ratio.high), noise, status,
        is_clear=inside or status != "same",
    )  # fmt: skip


def is_inside(low: float, high: float, noise: float) -> bool:
    """Whether a ratio that lies in this interval has not changed beyond the noise."""
    return high <= 1 + noise and low >= 1 / (1 + noise)


def status_of(low: float, high: float, noise: float) -> str:
    """Of a ratio in this interval: "worse" or "better" where all of it is beyond the noise."""
    if low > 1 + noise:
        return "worse"
    return "better" if high < 1 / (1 + noise) else "same"
