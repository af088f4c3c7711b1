"""Where the names of a plot's points stand, so that none lies on a point or on another name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import ImageFont

Box = tuple[float, float, float, float]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_GAP = 5.0
_LINE = 26.0


@dataclass(frozen=True)
class Label:
    """The names of points that lie on one another, from left to right, and where they stand.

    `members` are the points' indices, and `texts` what is written of each, commas included.
    """

    members: tuple[int, ...]
    texts: tuple[str, ...]
    box: Box


def place_labels(
    names: Sequence[str], marks: Sequence[Box], inside: Box, font: Font
) -> tuple[Label, ...]:
    """One label for each point, or for each heap of points whose marks lie on one another.

    `marks` are what the points take up, in pixels, and labels stay within `inside`.
    """
    found: list[Label] = []
    for members in _heaps(marks):
        texts = [f"{names[n]}, " for n in members[:-1]] + [names[members[-1]]]
        width = sum(font.getlength(text) for text in texts)
        around = _around(*(marks[n] for n in members))
        taken = [*marks, *(label.box for label in found)]
        places = _places(around, width, inside)
        box = min(places, key=lambda place: sum(_overlap(place, other) for other in taken))
        found.append(Label(tuple(members), tuple(texts), box))
    return tuple(found)


def _heaps(marks: Sequence[Box]) -> list[list[int]]:
    """Indices of marks that lie on one another, each heap from left to right."""
    heaps: list[list[int]] = []
    for number, mark in enumerate(marks):
        touching = [heap for heap in heaps if any(_overlap(mark, marks[n]) for n in heap)]
        heaps = [heap for heap in heaps if heap not in touching]
        heaps.append([number, *(n for heap in touching for n in heap)])
    return [sorted(heap, key=lambda n: (marks[n][0] + marks[n][2], n)) for heap in heaps]


def _places(around: Box, width: float, inside: Box) -> list[Box]:
    """Where a label of a width may stand, the best place first: right, above, below, left, far."""
    left, top, right, bottom = around
    across, down = (left + right - width) / 2, (top + bottom - _LINE) / 2
    corners = [
        (right + _GAP, down), (across, top - _GAP - _LINE), (across, bottom + _GAP),
        (left - _GAP - width, down),
    ]  # fmt: skip
    for n in (1, -1, 2, -2, 3, -3, 4, -4, 5, -5):
        corners += [(right + _GAP, down + n * _LINE), (left - _GAP - width, down + n * _LINE)]
    boxes = [(x, y, x + width, y + _LINE) for x, y in corners]
    return [
        box
        for box in boxes
        if box[0] >= inside[0]
        and box[1] >= inside[1]
        and box[2] <= inside[2]
        and box[3] <= inside[3]
    ] or boxes[:1]


def _around(*boxes: Box) -> Box:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _overlap(one: Box, other: Box) -> float:
    """The area that two boxes share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)
