"""`edge-deploy run`: classify photos, offline."""

from __future__ import annotations

import gc

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
@click.option(
    "--exact",
    is_flag=True,
    help="Decode JPEG photos whole, as evaluate does. Without it large ones are decoded smaller, "
    "several times as fast, and scores move by some thousandths, rarely by hundredths.",
)
@contract_options
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each input.")
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
    exact: bool,
    as_json: bool,
) -> int:
    """Classify photos with MODEL, or find objects in them, with no network.

    INPUT is a photo, a folder, a glob, an .npy or .npz array, a video file, camera:N, /dev/videoN,
    picamera:N or watch:FOLDER. One that cannot be read is named, the others are answered all the
    same, and the exit code is 3.
    """
    # A fifth of a cold start is the collector walking over what was just imported, and again at
    # exit. What is loaded here lives to the end: out of its sight with it.
    gc.disable()
    try:
        from edge_deploy_runner.run_output import print_results
        from edge_deploy_runner.running import is_many, open_for_run, run_inputs

        preprocessing, labels = read_contract_options(preprocess, labels_file, background_class)
        opened = open_for_run(
            model, inputs, threads, preprocessing=preprocessing, labels=labels,
            override=override, threshold=threshold, draft=not exact,
        )  # fmt: skip
        gc.freeze()
    finally:
        gc.enable()
    return print_results(run_inputs(opened, inputs, top=top), as_json, many=is_many(inputs))
