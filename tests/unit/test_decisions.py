"""N of the last M frames: when a label fires, and when it is let go."""

from __future__ import annotations

import itertools
import random

import pytest
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.service.decisions import Change, Rule, State, decide


def play(rule: Rule, pattern: str, step_s: float = 1.0) -> str:
    """One letter a frame for label "a": present is x; out comes F, R or a dot."""
    state, out = State(), ""
    for number, letter in enumerate(pattern):
        state, changes = decide(rule, state, ["a"] if letter == "x" else [], number * step_s)
        out += {(): ".", "fired": "F", "released": "R"}[changes[0].kind if changes else ()]
    return out


@pytest.mark.parametrize(
    ("needed", "window", "frames", "events"),
    [
        (1, 1, "..x..x", "..FR.F"),
        (1, 1, "xxx", "F.."),
        (2, 3, "x.x...", "..F.R."),
        (2, 3, "x..x..", "......"),
        (3, 5, "xxxxxxxx", "..F....."),
        (3, 5, "x.x.x", "....F"),
        (3, 5, "xx...x", "......"),
        (3, 5, "xxx.x.x.xxx", "..F....R..F"),
        (1, 3, "x..x", "FR.F"),
        (3, 3, "xx.xxx.xx...", ".....F.....R"),
    ],
)
def test_by_hand(needed: int, window: int, frames: str, events: str) -> None:
    assert play(Rule(needed, window), frames) == events


def test_every_pattern_of_ten_frames_keeps_the_promises() -> None:
    for needed, window in ((1, 1), (1, 3), (2, 2), (2, 3), (3, 5), (4, 4)):
        rule = Rule(needed, window)
        for bits in itertools.product(".x", repeat=10):
            frames = "".join(bits)
            events = play(rule, frames)
            told = [(i, kind) for i, kind in enumerate(events) if kind != "."]
            # In turn, beginning with "fired".
            assert [kind for _, kind in told] == ["F", "R"] * (len(told) // 2) + ["F"] * (
                len(told) % 2
            )
            last = -1
            for place, kind in told:
                counted = frames[max(last + 1, place - window + 1) : place + 1]
                sought = "x" if kind == "F" else "."
                assert counted.count(sought) >= needed, (rule, frames, events)
                assert frames[place] == sought  # never in a frame that says the opposite
                last = place
            # And it never waits longer than it must.
            state, since = "R", 0
            for place in range(10):
                sought = "x" if state == "R" else "."
                counted = frames[max(since, place - window + 1) : place + 1]
                if counted.count(sought) >= needed:
                    assert events[place] == ("F" if state == "R" else "R")
                    state, since = events[place], place + 1
                else:
                    assert events[place] == "."


def test_labels_do_not_disturb_each_other() -> None:
    random_ = random.Random(3)
    rule = Rule(2, 4)
    patterns = {name: "".join(random_.choice(".x") for _ in range(200)) for name in "abc"}
    alone = {name: [decide_label(rule, pattern, name)] for name, pattern in patterns.items()}
    state, together = State(), []
    for number in range(200):
        seen = [name for name, pattern in patterns.items() if pattern[number] == "x"]
        state, changes = decide(rule, state, seen, float(number))
        together.extend((number, change) for change in changes)
    for name in "abc":
        assert [it for it in together if it[1].label == name] == alone[name][0]


def decide_label(rule: Rule, pattern: str, name: str) -> list[tuple[int, Change]]:
    state, out = State(), []
    for number, letter in enumerate(pattern):
        state, changes = decide(rule, state, [name] if letter == "x" else [], float(number))
        out.extend((number, change) for change in changes)
    return out


def test_a_cooldown_delays_but_does_not_forget() -> None:
    assert play(Rule(1, 1, cooldown_s=5), "x.x.x.x.x") == "FR....FR."
    assert play(Rule(1, 1, cooldown_s=5), "x.xxxxxxx") == "FR...F..."
    assert play(Rule(1, 1, cooldown_s=5), "x.......x") == "FR......F"


def test_nothing_is_remembered_of_labels_that_are_gone() -> None:
    rule, state = Rule(2, 3), State()
    for number in range(1000):
        state, _ = decide(rule, state, [f"label {number}"], float(number))
    assert len(state.sightings) <= 3


def test_what_is_on() -> None:
    state, changes = decide(Rule(), State(), ["b", "a"], 0.0)
    assert changes == (Change("fired", "a"), Change("fired", "b"))
    assert state.on == {"a", "b"}
    state, changes = decide(Rule(), state, ["b"], 1.0)
    assert changes == (Change("released", "a"),)
    assert state.on == {"b"}


def test_rules_from_text() -> None:
    assert Rule.parse(" 3 of 5 ", 2.0) == Rule(3, 5, 2.0)
    for text in ("3/5", "3 of", "0 of 5", "6 of 5", "-1 of 5", "", "3 of 5 of 7"):
        with pytest.raises(BadInputError, match="3 of 5"):
            Rule.parse(text)
    with pytest.raises(BadInputError, match="cooldown"):
        Rule(1, 1, float("nan"))
