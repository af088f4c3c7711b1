"""Rows of a CSV file as spreadsheets write them: with commas, semicolons or tabs between cells."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge_deploy_runner.errors import BadInputError

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(e[+-]?\d+)?", re.I)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
# What spreadsheets write above the first line to name the delimiter.
_NAMED_DELIMITER = re.compile(r"sep=([,;\t])\s*", re.I)
_MOST_NAMED = 12


@dataclass(frozen=True)
class Sheet:
    """A table's columns, in small letters and with `_` between words, and its rows by line.

    `origin` is what messages call the table, `heading` its columns as they are written.
    """

    origin: str
    heading: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]

    def require(self, needed: Iterable[str]) -> None:
        """Raise `BadInputError` where a column is missing, or stands there twice."""
        needed = tuple(needed)
        first, *others = [name for name in needed if name not in self.columns] or [""]
        if first:
            more = f" (and {', '.join(others)})" if others else ""
            named = [repr(name) for name in self.heading if name]
            more_named = len(named) - _MOST_NAMED
            if more_named > 0:
                named = [*named[:_MOST_NAMED], f"{more_named} more"]
            has = f"has {', '.join(named)}" if named else "is empty"
            raise BadInputError(
                f"{self.origin} lacks the column {first}{more}; its first line {has}. It needs "
                f"{', '.join(needed)}, with commas, semicolons or tabs between them"
            )
        for name, count in Counter(self.columns).items():
            if count > 1 and name in needed:
                raise BadInputError(
                    f"{self.origin} has {count} columns {name}; leave one, or call the others "
                    "something else"
                )


def read_sheet(text: str, wanted: Sequence[str], figures: Iterable[str], origin: str) -> Sheet:
    """The rows of a CSV text, with blanks around cells and empty rows taken away.

    Cells are separated by what gives most of the `wanted` columns. Where that is no comma, the
    columns `figures` may have decimal commas, which become points. Raises `BadInputError`, which
    calls the table `origin`, for rows of another length and for what is no CSV.
    """
    if "\0" in text:
        raise BadInputError(f"{origin} holds bytes of 0, so it is no text; save it as CSV in UTF-8")
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    skipped = 0
    while skipped < len(lines) and not lines[skipped].strip():
        skipped += 1
    named = _NAMED_DELIMITER.fullmatch(lines[skipped]) if skipped < len(lines) else None
    skipped += named is not None
    first = lines[skipped] if skipped < len(lines) else ""
    delimiter = named[1] if named else _delimiter(first, wanted)
    reader = csv.reader(io.StringIO("".join(lines[skipped:])), delimiter=delimiter, strict=True)
    heading: list[str] = []
    columns: list[str] = []
    found: list[tuple[int, dict[str, str]]] = []
    line = skipped
    try:
        heading = [cell.strip() for cell in next(reader, [])]
        columns = [_column(cell) for cell in heading]
        line = reader.line_num + skipped
        for cells in reader:
            line = reader.line_num + skipped
            if any(cell.strip() for cell in cells):
                found.append((line, _row(columns, cells, f"{origin}, line {line}")))
    except csv.Error as error:
        raise BadInputError(
            f"{origin}, line {line + 1} is no CSV ({error}); a quote in a cell is written twice, "
            "and one that opens a cell closes it"
        ) from error
    if delimiter != ",":
        _take_decimal_commas(found, tuple(figures), delimiter, origin)
    return Sheet(origin, tuple(heading), tuple(columns), tuple(found))


def _delimiter(first: str, wanted: Sequence[str]) -> str:
    def known(delimiter: str) -> int:
        return len({_column(cell) for cell in first.split(delimiter)} & set(wanted))

    return max(_DELIMITERS, key=known)


def _column(cell: str) -> str:
    """`Latency (ms)` as `latency_ms`."""
    return re.sub(r"[\W_]+", "_", cell.strip().strip('"').lower()).strip("_")


def _row(columns: Sequence[str], cells: Sequence[str], where: str) -> dict[str, str]:
    cells = [cell.strip() for cell in cells]
    while len(cells) > len(columns) and not cells[-1]:
        cells = cells[:-1]
    if len(cells) != len(columns):
        raise BadInputError(f"{where}: its number of fields is not that of the first line")
    return dict(zip(columns, cells, strict=True))


def _take_decimal_commas(
    rows: Iterable[tuple[int, dict[str, str]]],
    figures: Sequence[str],
    delimiter: str,
    origin: str,
) -> None:
    cells = [(row, name, row[name]) for _, row in rows for name in figures if row.get(name)]
    commas = [entry for entry in cells if _DECIMAL_COMMA.fullmatch(entry[2])]
    if not commas:
        return
    example = commas[0][2]
    if point := next((text for _, _, text in cells if "." in text), None):
        raise BadInputError(
            f"{origin} has figures with a comma ({example}) and with a point ({point}); write all "
            "with a point before the decimals, and nothing between thousands"
        )
    if delimiter == "\t" and all(_THOUSANDS.fullmatch(text) for _, _, text in commas):
        raise BadInputError(
            f"{origin} has figures like {example}, whose comma may stand before decimals or "
            "between thousands; write it as a point, or leave it out"
        )
    for row, name, text in commas:
        row[name] = text.replace(",", ".")
