"""Java's globs, matched in time that grows with the text alone, as they come from any archive."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MOST_GLOBS, _LONGEST_GLOB, _MOST_TOKENS = 500, 300, 20_000
_TOKEN = re.compile(r"\*\*|\*|\\.|\[[^\]]+\]|\{[^{}]*\}|.", re.DOTALL)


class Globs:
    """A set of globs: `**` crosses folders, `*` and `?` do not, `[a-z]` and `{a,b}` choose.

    All are tried at once, by one number with a bit for every place in every glob. More than 500, or
    one longer than 300 characters, are left out.
    """

    def __init__(self, globs: Sequence[str]) -> None:
        self._tokens: list[str] = []  # "" at the end of a glob
        self._start = self._accept = 0
        expanded = [one for glob in globs[:_MOST_GLOBS] for one in _without_choices(glob)]
        for tokens in (_TOKEN.findall(glob) for glob in expanded):
            if len(self._tokens) + len(tokens) > _MOST_TOKENS:
                break
            self._start |= 1 << len(self._tokens)
            self._tokens += [*tokens, ""]
            self._accept |= 1 << (len(self._tokens) - 1)
        self._stars = self._bits([token in ("*", "**") for token in self._tokens])
        self._start = self._skipped(self._start)
        self._steps: dict[str, tuple[int, int]] = {}

    def match(self, text: str) -> bool:
        """Whether one of the globs matches the whole text."""
        places = self._start
        for character in text:
            step, stay = self._step(character)
            places = self._skipped((places & step) << 1 | places & stay)
            if not places:
                return False
        return bool(places & self._accept)

    def _skipped(self, places: int) -> int:
        """With the places behind stars, which may stand for nothing."""
        while True:
            more = places | (places & self._stars) << 1
            if more == places:
                return places
            places = more

    def _step(self, character: str) -> tuple[int, int]:
        """Where a character leads on from, and where a star takes it in."""
        if character not in self._steps:
            stars = ("**",) if character == "/" else ("*", "**")
            self._steps[character] = (
                self._bits([_consumes(token, character) for token in self._tokens]),
                self._bits([token in stars for token in self._tokens]),
            )
        return self._steps[character]

    @staticmethod
    def _bits(wanted: Sequence[bool]) -> int:
        digits = "".join("1" if one else "0" for one in reversed(wanted))
        return int(digits or "0", 2)


def _without_choices(glob: str) -> list[str]:
    """`a{b,c}` as `ab` and `ac`; more than one choice in a glob is left out."""
    if len(glob) > _LONGEST_GLOB:
        return []
    choice = re.fullmatch(r"([^{}]*)\{([^{}]*)\}([^{}]*)", glob)
    if not choice:
        return [] if "{" in glob else [glob]
    return [choice[1] + piece + choice[3] for piece in choice[2].split(",")]


def _consumes(token: str, character: str) -> bool:
    """Whether a token other than a star stands for a character."""
    if token in ("", "*", "**"):
        return False
    if token == "?":
        return character != "/"
    if token.startswith("\\"):
        return token[1:] == character
    if token.startswith("[") and len(token) > 2:
        inside = token[1:-1]
        negated = inside.startswith("!")
        ranges = re.findall(r"(.)-(.)|(.)", inside[negated:], re.DOTALL)
        found = any(
            low <= character <= high if low else character == one for low, high, one in ranges
        )
        return found != negated and character != "/"
    return token == character
