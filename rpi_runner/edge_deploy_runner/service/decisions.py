"""When an answer becomes an event: N of the last M frames, once, until it is gone.

Values in, values out: `decide(rule, state, labels, now_s)` gives the next state and the events.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge_deploy_runner.errors import BadInputError

FIRED = "fired"
RELEASED = "released"


@dataclass(frozen=True)
class Rule:
    """A label fires when it was there in `needed` of the last `window` frames.

    It fires once, until it was absent in `needed` of the last `window` frames since, and not again
    before `cooldown_s` has passed since it last fired. Each way counts its own frames only: those
    that led to one event do not count for the next.
    """

    needed: int = 1
    window: int = 1
    cooldown_s: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.needed <= self.window:
            raise BadInputError(
                f"{self.needed} of {self.window} frames makes no sense; write for example 3 of 5"
            )
        if not 0 <= self.cooldown_s < math.inf:
            raise BadInputError(f"a cooldown of {self.cooldown_s} s makes no sense")

    @classmethod
    def parse(cls, text: str, cooldown_s: float = 0.0) -> Rule:
        """The rule that "3 of 5" means; raises `BadInputError` for other texts."""
        match = re.fullmatch(r"\s*(\d{1,4})\s+of\s+(\d{1,4})\s*", text)
        if match is None:
            raise BadInputError(f"{text!r} is no number of frames; write for example 3 of 5")
        return cls(int(match.group(1)), int(match.group(2)), cooldown_s)


@dataclass(frozen=True)
class Sighting:
    """What is remembered of one label: whether it is on, its frames since then, when it fired."""

    on: bool = False
    seen: tuple[bool, ...] = ()
    fired_at_s: float = -math.inf


@dataclass(frozen=True)
class State:
    """What is remembered of all labels that were seen lately."""

    sightings: Mapping[str, Sighting] = field(default_factory=dict)

    @property
    def on(self) -> frozenset[str]:
        """The labels that have fired and are not gone yet."""
        return frozenset(label for label, it in self.sightings.items() if it.on)


@dataclass(frozen=True)
class Change:
    """A label that "fired" or was "released"."""

    kind: str
    label: str


def decide(
    rule: Rule, state: State, labels: Iterable[str], now_s: float
) -> tuple[State, tuple[Change, ...]]:
    """The state after a frame in which `labels` were seen, and what changed, by label.

    `now_s` are seconds of a clock that never jumps, such as `time.monotonic()`.
    """
    present = frozenset(labels)
    after: dict[str, Sighting] = {}
    changes = []
    for label in sorted(present | state.sightings.keys()):
        before = state.sightings.get(label, Sighting())
        seen = (*before.seen, label in present)[-rule.window :]
        cooled = now_s - before.fired_at_s >= rule.cooldown_s
        if not before.on and sum(seen) >= rule.needed and cooled:
            changes.append(Change(FIRED, label))
            after[label] = Sighting(True, (), now_s)
        elif before.on and len(seen) - sum(seen) >= rule.needed:
            changes.append(Change(RELEASED, label))
            after[label] = Sighting(False, (), before.fired_at_s)
        elif before.on or any(seen) or not cooled:
            after[label] = Sighting(before.on, seen, before.fired_at_s)
    return State(after), tuple(changes)
