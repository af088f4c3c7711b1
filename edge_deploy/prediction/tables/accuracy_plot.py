"""A plot of predictions of left-out models against their published times, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from .accuracy import Row

_SIZE, _MARGIN, _TOP = 460, 62, 44
_COLOURS = ("#1b6ca8", "#b3261e", "#1b7f3b", "#8a5a00", "#6a3fa0")


def plot(rows: Sequence[Row]) -> str:
    """Each left-out model as a dot on logarithmic axes in ms; on the line, it was predicted."""
    times = [
        time
        for row in rows
        for point in row.points
        for time in (point.measured_ms, point.held_out_ms)
        if time
    ]
    low = 10 ** math.floor(math.log10(min(times)))
    high = 10 ** math.ceil(math.log10(max(times)))
    span = _SIZE - _MARGIN - 16

    def x(time: float) -> float:
        return _MARGIN + span * math.log(time / low) / math.log(high / low)

    def y(time: float) -> float:
        return _TOP + span - span * math.log(time / low) / math.log(high / low)

    height = _TOP + span + 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIZE + 250} {height:.0f}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{_MARGIN}" y="20" font-size="15">Models left out of the fit: predicted against '
        "published, ms</text>",
    ]
    decade = low
    while decade <= high * 1.001:
        parts.append(_line(x(decade), y(low), x(decade), y(high), "#dddddd"))
        parts.append(_line(x(low), y(decade), x(high), y(decade), "#dddddd"))
        label = f"{decade:g}"
        parts.append(
            f'<text x="{x(decade):.1f}" y="{y(low) + 18:.1f}" text-anchor="middle">{label}</text>'
        )
        parts.append(
            f'<text x="{x(low) - 6:.1f}" y="{y(decade) + 4:.1f}" text-anchor="end">{label}</text>'
        )
        decade *= 10
    parts.append(_line(x(low), y(low), x(high), y(high), "#222222"))
    for factor in (0.8, 1.25):
        start, end = (low / factor, high) if factor < 1 else (low, high / factor)
        parts.append(_line(x(start), y(start * factor), x(end), y(end * factor), "#999999", "4 3"))
    for index, row in enumerate(rows):
        colour = _COLOURS[index % len(_COLOURS)]
        for point in row.points:
            if point.held_out_ms:
                parts.append(
                    f'<circle cx="{x(point.measured_ms):.1f}" cy="{y(point.held_out_ms):.1f}" '
                    f'r="3.5" fill="{colour}" fill-opacity="0.7">'
                    f"<title>{escape(point.model)}</title></circle>"
                )
        place = _TOP + 14 + 22 * index
        parts.append(f'<circle cx="{_SIZE + 4}" cy="{place - 4}" r="4" fill="{colour}"/>')
        group = row.group
        name = escape(f"{group.device}, {group.dtype}, {group.threads} thr.")
        parts.append(f'<text x="{_SIZE + 14}" y="{place}">{name}</text>')
    parts.append(
        f'<text x="{x(math.sqrt(low * high)):.0f}" y="{y(low) + 38:.0f}" text-anchor="middle">'
        "published, ms (dashed: 20% off)</text>"
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dashed}/>'
    )
