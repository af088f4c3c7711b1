"""`edge-deploy evaluate`: measure the accuracy of a model on labelled data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .options import PATH, contract_options, json_option, read_contract_options

if TYPE_CHECKING:
    from edge_deploy.accuracy import Accuracy, ClassAccuracy

_BAR_COLUMNS = 30
_SHOWN_CLASSES = 20
_SHOWN_FLIPS = 10


@click.command("evaluate")
@click.argument("model", type=PATH, metavar="MODEL")
@click.option(
    "--data",
    type=PATH,
    required=True,
    metavar="DIR|CSV|NPZ",
    help="A folder per class, a CSV of file,label, or an .npz with x and y.",
)
@click.option(
    "--reference",
    type=PATH,
    metavar="MODEL",
    help="The model that this one was made from: a .tflite or a source.",
)
@click.option(
    "--threshold",
    metavar="SCORE",
    type=click.FloatRange(0, 1),
    help='An answer that scores less is "unknown", and not right.',
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Take N samples, spread evenly over the data.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Threads of the runtime; by default one a core, at most four.",
)
@contract_options
@click.option(
    "--trust-source",
    is_flag=True,
    help="Let a reference that holds code (Lambda layers, pickles) run it.",
)
@click.option(
    "-o", "--output", type=PATH, metavar="FILE", help="Write the result as JSON, for `judge`."
)
@click.option("--force", is_flag=True, help="Replace FILE.")
@json_option
def command(
    *,
    model: str,
    data: str,
    reference: str | None,
    threshold: float | None,
    limit: int | None,
    threads: int | None,
    preprocess: str | None,
    labels_file: str | None,
    background_class: bool,
    override: bool,
    trust_source: bool,
    output: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Measure top-1 and top-5 of MODEL on labelled data.

    With --reference: how many points it lost, with the paired 95% interval, how often both agree,
    the classes that changed most, and the images that flipped.
    """  # fmt: skip
    from edge_deploy_runner.output import check_free, write_json

    from edge_deploy.evaluation import evaluate

    from .rendering import emit_json, note, progress_bar, warn

    if output is not None:
        check_free(output, force)
    preprocessing, labels = read_contract_options(preprocess, labels_file, background_class)
    with progress_bar() as on_progress:
        accuracy = evaluate(
            model, data, reference=reference, threads=threads, preprocessing=preprocessing,
            labels=labels, override=override, threshold=threshold, limit=limit,
            trust_source=trust_source, on_progress=on_progress,
        )  # fmt: skip
    for text in accuracy.warnings:
        warn(text)
    if output is not None:
        write_json(output, accuracy.to_json(), force)
        note(f"written to {output}")
    if as_json:
        emit_json(accuracy.to_json())
    else:
        _show(accuracy)


def _show(accuracy: Accuracy) -> None:
    from rich.table import Table
    from rich.text import Text

    from .rendering import human_size, table_console

    console = table_console()
    table = Table(box=None, pad_edge=False)
    table.add_column("", style="bold", no_wrap=True)
    for name in ("top-1", "top-5", "unknown", "size"):
        table.add_column(name, justify="right")
    rows = [("model", accuracy.model)]
    if accuracy.reference is not None:
        rows.append(("reference", accuracy.reference))
    for name, tally in rows:
        table.add_row(
            Text(f"{name} {tally.path}"),
            f"{100 * tally.correct / accuracy.samples:.2f}%",
            f"{100 * tally.correct_top5 / accuracy.samples:.2f}%",
            str(tally.unknown),
            human_size(tally.size_bytes),
        )
    console.print(table)
    console.print(f"{accuracy.samples} samples of {len(accuracy.per_class)} classes")
    if accuracy.drop_points is not None and accuracy.drop_ci95 is not None:
        low, high = accuracy.drop_ci95
        console.print(
            f"drop {accuracy.drop_points:+.2f} points (95% {low:+.2f} to {high:+.2f}), "
            f"agreement {100 * (accuracy.agreement or 0):.2f}%, "
            f"{accuracy.lost} lost, {accuracy.won} won"
        )
    console.print()
    for text in _bars(accuracy):
        console.print(Text(text))
    _show_changes(accuracy)


def _show_changes(accuracy: Accuracy) -> None:
    from rich.text import Text

    from .rendering import table_console

    console = table_console()
    changed = accuracy.most_changed()
    if changed:
        console.print("\nmost changed classes")
        for item in changed:
            console.print(Text(f"  {item.label}: {item.change_points:+.1f} points"))
    if accuracy.flips:
        console.print(f"\n{len(accuracy.flips)} images flipped")
        for flip in accuracy.flips[:_SHOWN_FLIPS]:
            console.print(Text(f"  {flip.input} ({flip.label}): {flip.reference} -> {flip.model}"))
        if len(accuracy.flips) > _SHOWN_FLIPS:
            console.print(f"  and {len(accuracy.flips) - _SHOWN_FLIPS} more; --json lists all")


def _bars(accuracy: Accuracy) -> list[str]:
    """One bar a class, the worst first where there are many."""
    shown: list[ClassAccuracy] = list(accuracy.per_class)
    lines = []
    if len(shown) > _SHOWN_CLASSES:
        shown = sorted(shown, key=lambda item: (item.top1, item.index))[:_SHOWN_CLASSES]
        lines.append(f"the worst {_SHOWN_CLASSES} of {len(accuracy.per_class)} classes")
    width = min(28, max(len(item.label) for item in shown))
    for item in shown:
        bar = "#" * round(item.top1 * _BAR_COLUMNS)
        lines.append(
            f"{item.label[:width]:<{width}} |{bar:<{_BAR_COLUMNS}}| "
            f"{100 * item.top1:5.1f}% of {item.samples}"
        )
    return lines
