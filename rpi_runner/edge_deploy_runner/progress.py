"""How long work reports that it moves; the command line draws it, a notebook may ignore it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with the name of a stage and how much of it is done; `total` 0 means unknown."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take note of it."""


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""
