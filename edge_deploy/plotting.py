"""A plot of candidates, small against fast, drawn with Pillow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

_WIDTH, _HEIGHT = 1120, 700
_LEFT, _RIGHT, _TOP, _BOTTOM = 110, 60, 80, 90
_INK, _GRID, _PASS, _FAIL = "#222222", "#dddddd", "#1b7f3b", "#b3261e"


@dataclass(frozen=True)
class Point:
    """One candidate: its name, where it lies, and whether it passed its budget."""

    name: str
    x: float
    y: float
    passed: bool


def ticks(top: float) -> list[float]:
    """Round numbers from 0 to at least `top`, five or so."""
    if top <= 0:
        return [0.0, 1.0]
    step = 10 ** math.floor(math.log10(top / 4))
    step *= next(m for m in (1, 2, 5, 10) if top / (step * m) <= 6)
    return [n * step for n in range(math.ceil(top / step) + 1)]


def tradeoff_plot(points: Sequence[Point], title: str, x_label: str, y_label: str) -> Image.Image:
    """A scatter plot; both axes start at 0, and lower left is better.

    Filled green circles passed their budget, red crosses did not.
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
    taken: list[tuple[float, float, float, float]] = []
    for point in points:
        x, y = at(point.x, point.y)
        if point.passed:
            draw.ellipse((x - 9, y - 9, x + 9, y + 9), fill=_PASS)
        else:
            draw.line((x - 8, y - 8, x + 8, y + 8), fill=_FAIL, width=4)
            draw.line((x - 8, y + 8, x + 8, y - 8), fill=_FAIL, width=4)
        _label(draw, point, (x, y), text, taken)
    draw.ellipse((_LEFT, _HEIGHT - 37, _LEFT + 14, _HEIGHT - 23), fill=_PASS)
    draw.text((_LEFT + 22, _HEIGHT - 30), "within the budget", _INK, small, anchor="lm")
    draw.line((_LEFT + 200, _HEIGHT - 36, _LEFT + 212, _HEIGHT - 24), fill=_FAIL, width=3)
    draw.line((_LEFT + 200, _HEIGHT - 24, _LEFT + 212, _HEIGHT - 36), fill=_FAIL, width=3)
    draw.text((_LEFT + 222, _HEIGHT - 30), "not", _INK, small, anchor="lm")
    return image


def _label(
    draw: ImageDraw.ImageDraw,
    point: Point,
    at: tuple[float, float],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    taken: list[tuple[float, float, float, float]],
) -> None:
    """Write a name beside its point where no other name is yet."""
    color = _PASS if point.passed else _FAIL
    places = [((14, 0), "lm"), ((0, -14), "mb"), ((0, 14), "mt"), ((-14, 0), "rm")]
    places += [((14, 22 * n), "lm") for n in (1, -1, 2, -2, 3, -3)]
    for (dx, dy), anchor in places:
        box = draw.textbbox((at[0] + dx, at[1] + dy), point.name, font, anchor=anchor)
        inside = box[0] > _LEFT and box[2] < _WIDTH and box[1] > _TOP - 10
        free = all(
            box[2] < other[0] or box[0] > other[2] or box[3] < other[1] or box[1] > other[3]
            for other in taken
        )
        if inside and free:
            break
    taken.append(box)
    draw.text((at[0] + dx, at[1] + dy), point.name, color, font, anchor=anchor)
