"""A plot of how far off the predictions of left-out models are, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from .accuracy import Row

_LEFT, _TOP, _WIDTH, _HEIGHT, _LEGEND = 62, 40, 470, 300, 200
_COLOURS = ("#1b6ca8", "#b3261e", "#1b7f3b", "#8a5a00", "#6a3fa0", "#555555")
_RATIOS = (0.25, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 4)
_MARKED = 1.25


def plot(rows: Sequence[Row]) -> str:
    """Each left-out model as a dot: its time across, predicted / published upwards, both logs."""
    dots = [
        (index, point.model, point.measured_ms, point.held_out_ms / point.measured_ms)
        for index, row in enumerate(rows)
        for point in row.points
        if point.held_out_ms
    ]
    first = math.floor(math.log10(min(time for _, _, time, _ in dots)))
    last = math.ceil(math.log10(max(time for _, _, time, _ in dots)))
    farthest = max(1.5, *(max(ratio, 1 / ratio) for *_, ratio in dots)) * 1.05

    def x(time: float) -> float:
        return _LEFT + _WIDTH * (math.log10(time) - first) / (last - first)

    def y(ratio: float) -> float:
        return _TOP + _HEIGHT / 2 * (1 - math.log(ratio) / math.log(farthest))

    left, right, top, bottom = x(10**first), x(10**last), float(_TOP), float(_TOP + _HEIGHT)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {_LEFT + _WIDTH + _LEGEND} {_TOP + _HEIGHT + 50}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        _text(left, 20, "Models left out of the fit: predicted / published", size=15),
    ]
    for power in range(first, last + 1):
        parts.append(_line(x(10**power), top, x(10**power), bottom, "#dddddd"))
        parts.append(_text(x(10**power), bottom + 18, f"{10**power:g}", "middle"))
    for ratio in _RATIOS:
        if 1 / farthest <= ratio <= farthest:
            parts.append(
                _line(left, y(ratio), right, y(ratio), "#222222" if ratio == 1 else "#ddd")
            )
            parts.append(_text(left - 6, y(ratio) + 4, f"{ratio:g}", "end"))
    for ratio in (1 / _MARKED, _MARKED):
        parts.append(_line(left, y(ratio), right, y(ratio), "#999999", "4 3"))
    for index, model, time, ratio in dots:
        parts.append(
            f'<circle cx="{x(time):.1f}" cy="{y(ratio):.1f}" r="3.5" '
            f'fill="{_COLOURS[index % len(_COLOURS)]}" fill-opacity="0.7">'
            f"<title>{escape(model)}</title></circle>"
        )
    for index, row in enumerate(rows):
        place = _TOP + 14 + 22 * index
        colour = _COLOURS[index % len(_COLOURS)]
        parts.append(f'<circle cx="{right + 14:.0f}" cy="{place - 4}" r="4" fill="{colour}"/>')
        group = row.group
        parts.append(
            _text(
                right + 24, place, f"{group.device}, {group.dtype}, {group.threads} thr.", size=11
            )
        )
    under = f"published time, ms (dashed: a factor of {_MARKED:g} either way)"
    parts.append(_text((left + right) / 2, bottom + 38, under, "middle"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(x: float, y: float, words: str, anchor: str = "start", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">'
        f"{escape(words)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dashed}/>'
    )
