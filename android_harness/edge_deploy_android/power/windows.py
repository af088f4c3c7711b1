"""Windows of idling and of load in turn: what the harness is asked for, and what it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_deploy_runner.errors import DeviceError, UsageError
from edge_deploy_runner.json_reader import Reader

FEWEST_PAIRS = 3
DEFAULT_PAIRS = 4
WINDOW_S = 60.0


@dataclass(frozen=True)
class WindowPlan:
    """A window that is asked for: "idle" or "load", so many seconds long."""

    kind: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """As the harness reads it."""
        return {"kind": self.kind, "seconds": self.seconds}


@dataclass(frozen=True)
class Window:
    """A window as it went, by the phone's clock since boot; `runs` inferences were run in it."""

    kind: str
    begin_s: float
    end_s: float
    runs: int = 0

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end_s - self.begin_s


def plan_windows(pairs: int = DEFAULT_PAIRS, window_s: float = WINDOW_S) -> tuple[WindowPlan, ...]:
    """Idle and load in turn, with an idle window at both ends.

    So each load lies between two idle windows, whose mean a slow drift does not move. Raises
    `UsageError` for fewer than three pairs, whose spread says nothing.
    """
    if pairs < FEWEST_PAIRS:
        raise UsageError(f"{pairs} pairs of windows are too few; at least {FEWEST_PAIRS}")
    if not 0 < window_s < 3600:
        raise UsageError(f"a window of {window_s:g} s cannot be; use 60 s")
    idle, load = WindowPlan("idle", window_s), WindowPlan("load", window_s)
    return (*(window for _ in range(pairs) for window in (idle, load)), idle)


def parse_windows(document: Mapping[str, Any], plan: Sequence[WindowPlan]) -> tuple[Window, ...]:
    """The windows in the harness's answer; raises `DeviceError` where they are not those asked for.

    Raises `BadInputError` for keys that are missing.
    """
    windows = tuple(
        Window(
            entry.text("kind"),
            entry.number("begin_s"),
            entry.number("end_s"),
            entry.integer("runs", 0),
        )
        for entry in Reader(document, "the harness's answer").objects("windows")
    )
    if [window.kind for window in windows] != [window.kind for window in plan]:
        raise DeviceError("the harness ran other windows than it was asked for; measure again")
    ends = [0.0, *(window.end_s for window in windows)]
    for before, window in zip(ends, windows, strict=False):
        if window.end_s <= window.begin_s or window.begin_s < before:
            raise DeviceError("the harness's windows overlap, so its clock is off; measure again")
    if any(window.kind == "load" and window.runs < 1 for window in windows):
        raise DeviceError("the model did not run once in a window of load; ask for longer windows")
    return windows
