"""`edge-deploy run`: classify photos, offline."""

from __future__ import annotations

import gc
import json

import click

from .options import PATH, contract_options, read_contract_options


@click.command("run")
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("inputs", type=PATH, metavar="INPUT...", nargs=-1, required=True)
@click.option(
    "--top",
    default=3,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many classes to show for a photo.",
)
@click.option(
    "--threshold",
    metavar="SCORE",
    type=click.FloatRange(0, 1),
    help='An answer that scores less is "unknown".',
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Threads of the runtime; by default one a core, at most four.",
)
@contract_options
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each photo.")
def command(
    *,
    model: str,
    inputs: tuple[str, ...],
    top: int,
    threshold: float | None,
    threads: int | None,
    preprocess: str | None,
    labels_file: str | None,
    background_class: bool,
    override: bool,
    as_json: bool,
) -> int:
    """Classify photos with MODEL, with no network.

    INPUT is a photo, a folder or a glob. A photo that cannot be read is named, the others are
    classified all the same, and the exit code is 3.
    """  # fmt: skip
    # A fifth of a cold start is the collector walking over what was just imported, and again at
    # exit. What is loaded here lives to the end: out of its sight with it.
    gc.disable()
    try:
        from edge_deploy_runner.classifier import Classifier
        from edge_deploy_runner.errors import BadInputError
        from edge_deploy_runner.photos import expand_photo

        preprocessing, labels = read_contract_options(preprocess, labels_file, background_class)
        classifier = Classifier(
            model, threads, preprocessing=preprocessing, labels=labels,
            override=override, threshold=threshold,
        )  # fmt: skip
        classifier.photo_contract()  # without one, every photo would fail for the same reason
        gc.freeze()
    finally:
        gc.enable()
    failed = 0

    def report_failure(name: str, error: BadInputError) -> None:
        nonlocal failed
        failed += 1
        if as_json:
            click.echo(json.dumps({"input": name, "error": str(error)}, ensure_ascii=False))
        else:
            click.echo(f"Error: {error}", err=True)

    for argument in inputs:
        try:
            photos = expand_photo(argument)
        except BadInputError as error:
            report_failure(argument, error)
            continue
        for photo in photos:
            try:
                answer = classifier.classify(photo, top)
            except BadInputError as error:
                report_failure(str(photo), error)
                continue
            if as_json:
                record = {"input": str(photo), **answer.to_json()}
                click.echo(json.dumps(record, ensure_ascii=False))
            else:
                first, *others = (f"{score.label} {_amount(score.score)}" for score in answer.top)
                time = f"{answer.timing_ms['total']:.1f} ms"
                rest = f"  (then {'; '.join(others)})" if others else ""
                click.echo(f"{photo}: {first}{rest}  {time}")
    return 3 if failed else 0


def _amount(score: float) -> str:
    """A probability as a percentage; a logit as it is."""
    return f"{100 * score:.1f}%" if 0 <= score <= 1 else f"{score:.3g}"
