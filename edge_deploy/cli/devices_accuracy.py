"""`edge-deploy devices accuracy`: how good the predictions are on models left out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .completing import known_devices
from .options import PATH, json_option

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from edge_deploy.prediction.tables.accuracy import Bound, Row


_FIGURES = ("models", "one out", "worst", "family", "in 80%")
_LEGEND = (
    "one out, worst: mean and largest error on a model that the fit did not see; family: mean "
    "error where its whole family was left out; in 80%: models in the 80% interval that the others "
    "make."
)
_DASHES = (
    "-: too little was timed: one family alone, so that none can be left out (family), or too few "
    "models for the others to make an interval (in 80%)."
)


@click.command("accuracy")
@click.option(
    "--device", "device_id", metavar="ID", shell_complete=known_devices,
    help="One device's own fits, those of your calibration among them.",
)  # fmt: skip
@click.option(
    "--table", metavar="CSV", type=PATH,
    help="Fit another table of latencies instead: model, dtype, device, threads, latency_ms, "
    "runtime.",
)  # fmt: skip
@click.option(
    "--features", metavar="CSV|MODEL", type=PATH, multiple=True,
    help="What the table's networks are: a CSV, or .tflite files called as in the table; of those "
    "that it lacks, the package's are used.",
)  # fmt: skip
@click.option("--markdown", is_flag=True, help="Print the tables of docs/prediction.md.")
@json_option
def command(
    device_id: str | None, table: str | None, features: tuple[str, ...], markdown: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Say how good the predictions are on models that their fits did not see.

    Each published model is left out of everything in turn, alone and with its whole family, and
    predicted from the rest. Ends with 1 where the packaged tables miss a bound.
    """
    from edge_deploy_runner.errors import BadInputError, UsageError

    from edge_deploy.catalogue import device_profile
    from edge_deploy.prediction.calibration.latency_models import read_features
    from edge_deploy.prediction.tables import accuracy, accuracy_page
    from edge_deploy.prediction.tables.reading import read_latencies

    from .rendering import emit_json, note, table_console

    if features and not table:
        raise UsageError("--features goes with --table; name the table of latencies as well")
    if markdown and (table or device_id or as_json):
        raise UsageError("--markdown prints the packaged tables; give it alone")
    if table and device_id:
        raise UsageError("--table names its own devices; leave --device out")
    notes: tuple[str, ...] = ()
    bounds: tuple[Bound, ...] = ()
    rows: tuple[Row, ...]
    if markdown:
        click.echo(accuracy_page.markdown(), nl=False)
        return
    if table:
        networks = read_features([Path(one) for one in features])
        rows, notes = accuracy.table_rows(read_latencies(Path(table)), networks)
    elif device_id:
        profile = device_profile(device_id)
        rows = accuracy.device_rows(profile)
        if not rows:
            raise BadInputError(
                f"no model was timed on {profile.name}, so its error is not known; measure with "
                f"`edge-deploy devices calibrate --device TARGET --id {profile.id}`"
            )
    else:
        rows = accuracy.packaged_rows()
        bounds = accuracy.bounds(rows)
    if as_json:
        emit_json(
            {
                "rows": [row.to_json() for row in rows],
                "coverage80": accuracy.coverage(rows),
                "notes": list(notes),
                "bounds": [bound.to_json() for bound in bounds],
            }
        )
    else:
        console = table_console()
        with console.capture() as shown:
            _show(rows, bounds, console)
        # Blanks at the ends of lines fill a terminal; elsewhere they are but blanks.
        text = shown.get()
        if not console.is_terminal:
            text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
        click.echo(text, nl=False)
        for said in notes:
            note(f"Note: {said}")
    if not all(bound.holds for bound in bounds):
        raise SystemExit(1)


def _show(rows: tuple[Row, ...], bounds: tuple[Bound, ...], console: Console) -> None:
    from edge_deploy.prediction.tables.accuracy import coverage

    from .rendering import plain_table
    from .sheet import print_text

    if bounds:
        table = plain_table("The bar")
        table.add_column("figure")
        table.add_column("value", justify="right")
        table.add_column("bound", justify="right")
        table.add_column("")
        for bound in bounds:
            limit = f"{bound.low:.0%} to {bound.high:.0%}" if bound.low else f"<= {bound.high:.1%}"
            table.add_row(
                bound.name, percent(bound.value), limit, "holds" if bound.holds else "MISSED"
            )
        console.print(table)
    table = _errors(rows, wide=True)
    unbound = console.options.update(max_width=1000)
    if console.measure(table, options=unbound).maximum > console.width:
        table = _errors(rows, wide=False)
    console.print(table)
    print_text(console, _LEGEND)
    figures = [(row.mae_loo, row.worst, row.mae_lofo, row.coverage80) for row in rows]
    if any(None in each for each in figures):
        print_text(console, _DASHES)
    share = coverage(rows)
    if share is not None:
        judged = sum(row.judged for row in rows)
        console.print(f"{percent(share)} of {judged} left-out models lie inside their 80% interval")


def _errors(rows: tuple[Row, ...], *, wide: bool) -> Table:
    """A row a fit; `wide` gives every word of a fit its column, else it has two lines."""
    from rich.markup import escape

    from .rendering import plain_table

    table = plain_table("Error on models left out of the fit, predicted against measured")
    table.padding = (0, 1, 0, 0)
    for name in ("device", "dtype", "threads", "runtime") if wide else ("fit",):
        table.add_column(name, no_wrap=wide, overflow="fold")
    for name in _FIGURES:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        group = row.group
        cells = (group.device, group.dtype, group.threads, group.runtime)
        count = "1 thread" if group.threads == "1" else f"{group.threads or '?'} threads"
        line = f"{group.device}, {group.dtype}\n  {count}, {group.runtime}"
        table.add_row(
            *map(escape, cells if wide else (line,)),
            str(row.n),
            *(percent(value) for value in (row.mae_loo, row.worst, row.mae_lofo, row.coverage80)),
        )
    return table


def percent(share: float | None) -> str:
    """A share in percent; a dash where there is none."""
    return "-" if share is None else f"{share:.1%}"
