"""Where answers and events go: lines, a log, a command, a pin, a broker.

A sink never ends the service: what goes wrong is counted, and told once until it works again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

ANSWER = "answer"
ERROR = "error"
KINDS = (ANSWER, "fired", "released", ERROR)


@dataclass(frozen=True)
class Notice:
    """What a sink is told: an "answer" to one frame, that a label "fired" or was "released", or an
    "error": a frame that could not be read.

    `time` is the device's wall clock in ISO 8601 (1970 where it was never set), `input` the
    frame's name. `details` holds the rest for JSON: `top` or `detections` with `timing_ms`, or
    `error`. `label` is empty where a detector found nothing; `score` is None in a "released".
    """

    kind: str
    time: str
    input: str
    label: str
    score: float | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        record: dict[str, Any] = {"time": self.time, "event": self.kind, "input": self.input}
        if self.kind in (ANSWER, ERROR):
            return {**record, **self.details}
        record["label"] = self.label
        if self.score is not None:
            record["score"] = round(self.score, 6)
        return record


class Sink(ABC):
    """Takes notices; `name` is what reports call it, `lost` counts those that did not get out.

    `tell` is called with a sentence when it begins to fail, and when it works again.
    """

    def __init__(self, name: str, tell: Callable[[str], None]) -> None:
        self.name = name
        self.lost = 0
        self._tell = tell
        self._failing = False

    def open(self) -> None:  # noqa: B027 - not every sink has something to open
        """Take hold of the pin, file or connection; raises an `EdgeDeployError` where it cannot."""

    @abstractmethod
    def put(self, notice: Notice) -> None:
        """Take one notice; never raises and never waits long."""

    def close(self) -> None:  # noqa: B027
        """Finish what was begun, within seconds, and let go."""

    def failed(self, reason: str, lost: int = 1) -> None:
        """Count what was lost; tell the reason unless the last one failed as well."""
        self.lost += lost
        if not self._failing:
            self._failing = True
            self._tell(f"the {self.name} sink fails: {reason}")

    def worked(self) -> None:
        """Note that one got out."""
        if self._failing:
            self._failing = False
            self._tell(f"the {self.name} sink works again; {self.lost} lost so far")
