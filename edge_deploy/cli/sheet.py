"""Rows of a name, a value and its evidence in a terminal, and notes below; no word is cut in two.

Rich's tables break a path or a URL that is wider than its column, and what was broken cannot be
copied. Here such a word has a line of its own, and the terminal does what it likes with it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_GAP = 2
_LEAST_WIDTH = 24
_BRACKETS = re.compile(r"\[[^\[\]]{1,40}\]")
_AMOUNT = re.compile(r"(?<=\d) (?=[A-Za-z%µ°]{1,3}\b)")
_FIXED = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Row:
    """One line of a sheet, or several where its value is long.

    `style` is that of its name, `value_style` that of its value and evidence.
    """

    name: str
    value: str
    evidence: str = ""
    style: str = "bold"
    value_style: str = ""


def print_sheet(console: Console, rows: Sequence[Row]) -> None:
    """Print rows in columns as wide as what they hold, all at once.

    Evidence stands beside the first line of its value; a value without has all the width.
    """
    from rich.text import Text

    left = max((len(row.name) for row in rows), default=0) + _GAP
    right = max((len(row.evidence) for row in rows), default=0)
    whole = max(_LEAST_WIDTH, console.width - left)
    part = max(_LEAST_WIDTH, whole - _GAP - right)
    cells = [wrapped(row.value, part if row.evidence else whole) for row in rows]
    labelled = [
        len(line)
        for row, lines in zip(rows, cells, strict=True)
        for line in lines
        if row.evidence and len(line) <= part
    ]
    column = max(labelled, default=0) + _GAP
    sheet = []
    for row, lines in zip(rows, cells, strict=True):
        for number, line in enumerate(lines):
            text = Text()
            text.append((row.name if number == 0 else "").ljust(left), row.style)
            if number == 0 and row.evidence:
                # A word wider than its column still keeps its distance.
                text.append(line + " " * max(_GAP, column - len(line)), row.value_style)
                text.append(row.evidence, row.value_style or "dim")
            else:
                text.append(line, row.value_style)
            text.rstrip()
            sheet.append(text)
    # One write, so that a reader who has had enough after a line has had all of it.
    console.print(Text("\n").join(sheet), soft_wrap=True)


def print_notes(console: Console, notes: Sequence[tuple[str, str]]) -> None:
    """Print a mark and a text each, the lines of a text below one another."""
    width = max((len(mark) for mark, _ in notes), default=0) + _GAP
    lines = [
        ("" if number else mark).ljust(width) + line
        for mark, words in notes
        for number, line in enumerate(wrapped(words, max(_LEAST_WIDTH, console.width - width)))
    ]
    console.print("\n".join(lines), markup=False, soft_wrap=True)


def print_text(console: Console, text: str, bold: int = 0) -> None:
    """Print a paragraph, as many of its first characters in bold."""
    from rich.text import Text

    shown = Text("\n".join(wrapped(text, max(_LEAST_WIDTH, console.width))))
    shown.stylize("bold", 0, bold)
    console.print(shown, soft_wrap=True)


def together(text: str) -> str:
    """The text as one word to `wrapped`, which prints it as it was."""
    return text.replace(" ", _FIXED)


def wrapped(text: str, width: int) -> list[str]:
    """The lines of a text; neither a word, a figure and its unit, nor an interval is broken.

    Items that begin with "- " hang by as much.
    """
    fixed = _BRACKETS.sub(lambda found: together(found[0]), text)
    fixed = _AMOUNT.sub(_FIXED, fixed)
    lines = textwrap.wrap(
        fixed,
        width,
        break_long_words=False,
        break_on_hyphens=False,
        subsequent_indent="  " if text.startswith("- ") else "",
    )
    return [line.replace(_FIXED, " ") for line in lines] or [""]
