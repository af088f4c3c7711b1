"""Answer photos, folders, arrays, cameras or video with a model, with no network.

INPUT is a photo, a folder, a glob, an .npy or .npz array, a video file, camera:N, /dev/videoN,
picamera:N or watch:FOLDER. One that cannot be read is named, the others are answered all the same,
and the exit code is 3.
"""

from __future__ import annotations

import argparse
import gc
import io
import sys
from typing import TYPE_CHECKING

from edge_deploy_runner.errors import UsageError

if TYPE_CHECKING:
    from edge_deploy_runner.contract import Preprocessing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `run`; they mean what they mean to `edge-deploy run`."""
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("inputs", metavar="INPUT", nargs="+")
    parser.add_argument("--top", type=_count, default=3, help="how many classes to show (3)")
    parser.add_argument(
        "--threshold", type=_share, metavar="SCORE", help='an answer that scores less is "unknown"'
    )
    parser.add_argument(
        "--threads", type=_count, help="threads of the runtime; one a core, up to 4"
    )
    parser.add_argument(
        "--exact", action="store_true",
        help="decode JPEG files whole, as evaluate does; slower, the scores move a little",
    )  # fmt: skip
    parser.add_argument(
        "--preprocess", metavar="PRESET|FILE", help="how photos become input, where MODEL is silent"
    )
    parser.add_argument("--labels", metavar="FILE", help="labels, one a line")
    parser.add_argument(
        "--background-class", action="store_true",
        help='class 0 of MODEL means "none of these"; the label file may leave it out',
    )  # fmt: skip
    parser.add_argument(
        "--override", action="store_true", help="use those given, not those that MODEL carries"
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON for each input")


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not 1 or more")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} does not lie between 0 and 1")
    return value


def main(arguments: argparse.Namespace) -> int:
    """Answer all inputs; the exit code is 3 where one failed."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # for names that are not UTF-8
    inputs: list[str] = arguments.inputs
    # A fifth of a cold start is the collector walking over what was just imported.
    gc.disable()
    try:
        from edge_deploy_runner.run_output import print_results
        from edge_deploy_runner.running import is_many, open_for_run, run_inputs

        preprocessing, labels = _read_contract(arguments)
        model = open_for_run(
            arguments.model, inputs, arguments.threads, preprocessing=preprocessing,
            labels=labels, override=arguments.override, threshold=arguments.threshold,
            draft=not arguments.exact,
        )  # fmt: skip
        gc.freeze()
    finally:
        gc.enable()
    results = run_inputs(model, inputs, top=arguments.top)
    return print_results(results, arguments.json, many=is_many(inputs))


def _read_contract(
    arguments: argparse.Namespace,
) -> tuple[Preprocessing | None, tuple[str, ...] | None]:
    from edge_deploy_runner.contract import read_labels, read_preprocessing

    contract = read_preprocessing(arguments.preprocess) if arguments.preprocess else None
    if arguments.background_class:
        if contract is None:
            raise UsageError("--background-class goes with --preprocess; name the preset as well")
        contract = contract._replace(background_class=True)
    return contract, read_labels(arguments.labels) if arguments.labels else None
