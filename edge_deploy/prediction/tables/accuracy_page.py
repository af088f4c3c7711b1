"""The tables of docs/prediction.md, made from the packaged data.

`python -m edge_deploy.prediction.tables.accuracy_page docs/prediction.md` writes them again,
between the marks in the page and with the plot beside it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from .accuracy import Bound, Row, bounds, coverage, family_coverage, packaged_rows
from .accuracy_plot import plot
from .few_points import clocks, families_with_a_sibling, few_points
from .published import LEFT_OUT

BEGIN = "<!-- From here on written by `edge-deploy devices accuracy --markdown`. -->"
END = "<!-- Up to here. -->"
PLOT = "prediction-accuracy.svg"


def markdown() -> str:
    """All tables of the page, with their headings."""
    rows = packaged_rows()
    parts = [
        "### The bar\n\n" + _bounds(bounds(rows)),
        "### Each device, dtype, number of threads and runtime\n\n" + _rows(rows),
        "### Each family of networks, left out as a whole\n\n" + _families(rows),
        "### Few points and a sibling device\n\n" + _few_points(),
        "### Left out of every fit\n\n"
        + "".join(f"- `{model}`: {reason}.\n" for model, reason in LEFT_OUT.items()),
    ]
    return "\n".join(parts)


def with_tables(page: str, tables: str) -> str:
    """The page with these tables between its marks; raises `ValueError` where it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks its marks, {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{tables}\n{END}{after}"


def _bounds(found: Sequence[Bound]) -> str:
    lines = ["| figure | value | bound | |", "| --- | ---: | ---: | --- |"]
    for bound in found:
        limit = f"{bound.low:.0%} to {bound.high:.0%}" if bound.low else f"at most {bound.high:.1%}"
        holds = "holds" if bound.holds else "**missed**"
        lines.append(f"| {bound.name} | {_percent(bound.value)} | {limit} | {holds} |")
    return "\n".join(lines) + "\n"


def _rows(rows: Sequence[Row]) -> str:
    lines = [
        "| device | dtype | threads | runtime | models | one out | worst | family out "
        "| inside 80% |",
        "| --- | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        group = row.group
        figures = (row.mae_loo, row.worst, row.mae_lofo, row.coverage80)
        lines.append(
            f"| {group.device} | {group.dtype} | {group.threads} | {group.runtime} | {row.n} | "
            + " | ".join(_percent(figure) for figure in figures)
            + " |"
        )
    judged = sum(row.judged for row in rows)
    lines.append("")
    share, count = family_coverage()
    lines.append(
        f"{_percent(coverage(rows))} of {judged} left-out models lie inside. Of {count} whose "
        f"whole family was left out, {_percent(share)} lie inside the interval that the other "
        "families make."
    )
    return "\n".join(lines) + "\n"


def _families(rows: Sequence[Row]) -> str:
    lines = ["| device | dtype | threads | runtime | family left out | error |"]
    lines.append("| --- | --- | ---: | --- | --- | ---: |")
    for row in rows:
        # One number of threads stands for the others of a board.
        if row.group.threads != "4" or row.n < 6:
            continue
        for family, error in row.families.items():
            group = row.group
            lines.append(
                f"| {group.device} | {group.dtype} | {group.threads} | {group.runtime} | {family} "
                f"| {_percent(error)} |"
            )
    return "\n".join(lines) + "\n"


def _few_points() -> str:
    lines = [
        "| points of its own | tried | mean error | 80% within | of other families 80% within |"
    ]
    lines.append("| ---: | ---: | ---: | ---: | ---: |")
    for row in few_points():
        widths = (row.mae, row.width80, row.width80_other)
        shown = " | ".join(f"factor {math.exp(width):.2f}" for width in widths)
        lines.append(f"| {row.points} | {row.tried} | {shown} |")
    boards = (
        ("Raspberry Pi 3B from a 3B+ (Cortex-A53 both)",
         clocks("raspberry-pi-3b", 1200, "raspberry-pi-3b-plus", 1400)),
        ("Raspberry Pi 2B V1.2 from a 3B (Cortex-A53 both)",
         clocks("raspberry-pi-2b", 900, "raspberry-pi-3b", 1200)),
        ("Raspberry Pi 3B+ from a 4B (Cortex-A53 from A72)",
         clocks("raspberry-pi-3b-plus", 1400, "raspberry-pi-4b", 1500)),
        ("Raspberry Pi 4B from a 5 (Cortex-A72 from A76)",
         clocks("raspberry-pi-4b", 1500, "raspberry-pi-5", 2400)),
    )  # fmt: skip
    lines += ["", "| no point of its own, scaled by clock | 80% within |", "| --- | ---: |"]
    lines += [f"| {name} | factor {math.exp(width):.2f} |" for name, width in boards]
    width = families_with_a_sibling()
    lines += ["", "A whole family left out, of the sibling's fit as well: 80% of its networks are "
              f"within a factor of {math.exp(width):.2f}."]  # fmt: skip
    return "\n".join(lines) + "\n"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def plot_svg() -> str:
    """The plot beside the page: the tables with the most models, a board's, and a bad one."""
    wanted = (
        ("pixel-3", "float32", "4", "TFLite 2019-20"),
        ("pixel-3", "uint8", "4", "TFLite 2019-20"),
        ("pixel-1", "float32", "1", "TFLite 2018"),
        ("raspberry-pi-3b", "float32", "4", "TFLite 2.5, 32-bit"),
        ("raspberry-pi-4b", "float32", "4", "TFLite 2.5, 64-bit"),
        ("raspberry-pi-4b", "int8", "4", "TFLite 2.5, 64-bit"),
    )
    rows = [
        row
        for row in packaged_rows()
        if (row.group.device, row.group.dtype, row.group.threads, row.group.runtime) in wanted
    ]
    return plot(rows)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.write_text(with_tables(place.read_text("utf-8"), markdown()), "utf-8", newline="\n")
    place.with_name(PLOT).write_text(plot_svg(), "utf-8", newline="\n")
