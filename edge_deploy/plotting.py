"""A plot of candidates, small against fast, drawn with Pillow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from .plot_labels import place_labels

_WIDTH, _HEIGHT = 1120, 700
_LEFT, _RIGHT, _TOP, _BOTTOM = 110, 60, 80, 90
_INK, _GRID, _PASS, _FAIL = "#222222", "#dddddd", "#1b7f3b", "#b3261e"


@dataclass(frozen=True)
class Point:
    """One candidate: its name, where it lies, whether it passed its budget, and was chosen."""

    name: str
    x: float
    y: float
    passed: bool
    chosen: bool = False


def ticks(top: float) -> list[float]:
    """Round numbers from 0 to at least `top`, five or so."""
    if top <= 0:
        return [0.0, 1.0]
    step = 10 ** math.floor(math.log10(top / 4))
    step *= next(m for m in (1, 2, 5, 10) if top / (step * m) <= 6)
    return [n * step for n in range(math.ceil(top / step) + 1)]


def tradeoff_plot(points: Sequence[Point], title: str, x_label: str, y_label: str) -> Image.Image:
    """A scatter plot; both axes start at 0, and lower left is better.

    Filled green circles passed their budget, red crosses did not; a ring is about the one that was
    chosen. Points that lie on one another share a label, which names them from left to right.
    """
    image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    text, small = ImageFont.load_default(22), ImageFont.load_default(18)
    x_ticks = ticks(max(p.x for p in points) * 1.15)
    y_ticks = ticks(max(p.y for p in points) * 1.1)

    def at(x: float, y: float) -> tuple[float, float]:
        width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        return _LEFT + width * x / x_ticks[-1], _HEIGHT - _BOTTOM - height * y / y_ticks[-1]

    for tick in x_ticks:
        draw.line([at(tick, 0), at(tick, y_ticks[-1])], fill=_GRID)
        left, bottom = at(tick, 0)
        draw.text((left, bottom + 10), f"{tick:g}", _INK, small, anchor="ma")
    for tick in y_ticks:
        draw.line([at(0, tick), at(x_ticks[-1], tick)], fill=_GRID)
        left, bottom = at(0, tick)
        draw.text((left - 10, bottom), f"{tick:g}", _INK, small, anchor="rm")
    draw.line([at(0, y_ticks[-1]), at(0, 0), at(x_ticks[-1], 0)], fill=_INK, width=2)
    draw.text((_LEFT, 18), title, _INK, ImageFont.load_default(26))
    draw.text((_LEFT, 52), f"{y_label}; lower left is better", _INK, small)
    draw.text((_WIDTH - _RIGHT, _HEIGHT - 30), x_label, _INK, small, anchor="rm")
    marks = []
    for point in points:
        x, y = at(point.x, point.y)
        _mark(draw, point, x, y)
        half = 18 if point.chosen else 10
        marks.append((x - half, y - half, x + half, y + half))
    names = [f"{p.name} (chosen)" if p.chosen else p.name for p in points]
    inside = (_LEFT + 4.0, _TOP - 10.0, _WIDTH - 8.0, _HEIGHT - _BOTTOM - 2.0)
    for label in place_labels(names, marks, inside, text):
        left, middle = label.box[0], (label.box[1] + label.box[3]) / 2
        for member, written in zip(label.members, label.texts, strict=True):
            color = _PASS if points[member].passed else _FAIL
            draw.text((left, middle), written, color, text, anchor="lm")
            left += text.getlength(written)
    draw.ellipse((_LEFT, _HEIGHT - 37, _LEFT + 14, _HEIGHT - 23), fill=_PASS)
    draw.text((_LEFT + 22, _HEIGHT - 30), "within the budget", _INK, small, anchor="lm")
    draw.line((_LEFT + 200, _HEIGHT - 36, _LEFT + 212, _HEIGHT - 24), fill=_FAIL, width=3)
    draw.line((_LEFT + 200, _HEIGHT - 24, _LEFT + 212, _HEIGHT - 36), fill=_FAIL, width=3)
    draw.text((_LEFT + 222, _HEIGHT - 30), "not", _INK, small, anchor="lm")
    return image


def _mark(draw: ImageDraw.ImageDraw, point: Point, x: float, y: float) -> None:
    """The dot or cross of a point; a dot has a white edge, which parts it from its neighbours."""
    if point.passed:
        draw.ellipse((x - 9, y - 9, x + 9, y + 9), fill=_PASS, outline="white", width=1)
    else:
        draw.line((x - 8, y - 8, x + 8, y + 8), fill=_FAIL, width=4)
        draw.line((x - 8, y + 8, x + 8, y - 8), fill=_FAIL, width=4)
    if point.chosen:
        draw.ellipse((x - 16, y - 16, x + 16, y + 16), outline=_INK, width=2)
