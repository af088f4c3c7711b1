"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from . import completing

# For completion of file names only: whether a file is there is the library's business, since click
# would end with its own words and exit code.
PATH = click.Path(readable=False)

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(function: Command) -> Command:
    """`--json`: one JSON document on stdout."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(
        function
    )


def contract_options(function: Command) -> Command:
    """`--preprocess`, `--labels`, `--background-class` and `--override`."""
    for option in (
        click.option(
            "--override", is_flag=True,
            help="Use the contract and labels given here, not those that the model carries.",
        ),
        click.option(
            "--background-class", is_flag=True,
            help='The model\'s class 0 means "none of these"; the label file may leave it out.',
        ),
        click.option(
            "--labels", "labels_file", metavar="FILE", type=PATH, help="Labels, one a line."
        ),
        click.option(
            "--preprocess", metavar="PRESET|FILE",
            help="How photos become input: mobilenet, efficientnet-lite, imagenet-caffe, "
            "raw-0-255, 0-1, or a .toml or .json file.",
            shell_complete=completing.presets,
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def read_contract_options(
    preprocess: str | None, labels_file: str | None, background_class: bool
) -> tuple[Any, tuple[str, ...] | None]:
    """The preprocessing and labels that the options name, `None` for what they leave open."""
    from edge_deploy_runner.contract import read_labels, read_preprocessing
    from edge_deploy_runner.errors import UsageError

    contract = read_preprocessing(preprocess) if preprocess else None
    if background_class:
        if contract is None:
            raise UsageError("--background-class goes with --preprocess; name the preset as well")
        contract = contract._replace(background_class=True)
    return contract, read_labels(labels_file) if labels_file else None
