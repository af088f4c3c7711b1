"""What the commands share in showing things: JSON to stdout, words and progress to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click
from edge_deploy_runner.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def emit_json(document: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def note(text: str) -> None:
    """A line for the reader on stderr."""
    click.echo(text, err=True)


def warn(text: str) -> None:
    """A warning on stderr."""
    click.echo(f"Warning: {text}", err=True)


def table_console() -> Console:
    """A console on stdout for tables; as wide as the terminal.

    Where there is none it is as wide as COLUMNS says, or else 110 columns.
    """
    from rich.console import Console

    class OurConsole(Console):
        """One that leaves a reader who went away to the command line, as click does."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    said = os.environ.get("COLUMNS", "").isdigit()
    width = None if said or sys.stdout.isatty() else 110
    return OurConsole(file=sys.stdout, width=width, highlight=False, soft_wrap=False)


def plain_table(title: str) -> Table:
    """A table with one line under its headings and no other frame."""
    from rich import box
    from rich.table import Table

    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)


def human_size(size_bytes: float) -> str:
    """Bytes as kB or MB (powers of ten, as in a budget)."""
    for unit, factor in (("MB", 1e6), ("kB", 1e3)):
        if abs(size_bytes) >= factor:
            return f"{size_bytes / factor:.2f} {unit}"
    return f"{size_bytes:.0f} B"


def milliseconds(ms: float) -> str:
    """A time with two decimals or more; microseconds below a tenth of a millisecond."""
    if ms < 0.1:
        return f"{ms * 1000:.2f} \u00b5s"
    return f"{ms:.2f} ms" if ms >= 1 else f"{ms:.3f} ms"


def with_ends(
    value: float, low: float | None, high: float | None, form: Callable[[float], str]
) -> str:
    """`200 mJ  [190 to 230 mJ]`; the value alone where there is nothing else."""
    if low is None or high is None or low == high:
        return form(value)
    first, last = form(low), form(high)
    unit = f" {last.rpartition(' ')[2]}"
    return f"{form(value)}  [{first.removesuffix(unit)} to {last}]"


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress reporter that draws bars on stderr; plain lines where that is no terminal."""
    if not sys.stderr.isatty():
        seen: set[str] = set()

        def report(stage: str, done: int, total: int) -> None:
            if stage not in seen:
                seen.add(stage)
                click.echo(f"{stage[:1].upper()}{stage[1:]} ...", err=True)

        yield report
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def draw(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                for task in bars.tasks:  # a stage of unknown length ends where the next begins
                    if task.total is None:
                        bars.update(task.id, total=1, completed=1)
                title = f"{stage[:1].upper()}{stage[1:]}"
                tasks[stage] = bars.add_task(title, total=total or None)
            bars.update(tasks[stage], completed=done, total=total or None)

        yield draw
