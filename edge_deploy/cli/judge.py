"""`edge-deploy judge`: hold measurements against a budget."""

from __future__ import annotations

import click

from .options import PATH, json_option


@click.command("judge")
@click.argument("measurements", type=PATH, nargs=-1, required=True, metavar="MEASUREMENT...")
@click.option(
    "--budget", "budget_file", type=PATH, required=True, metavar="FILE", help="The budget (TOML)."
)
@click.option(
    "--accuracy", "accuracy_file", type=PATH, metavar="FILE", help="What evaluate --json printed."
)
@click.option(
    "--junit", "junit_file", type=PATH, metavar="FILE", help="Write the verdict as JUnit XML."
)
@click.option("-o", "--output", type=PATH, metavar="FILE", help="Write the verdict (JSON).")
@click.option("--force", is_flag=True, help="Replace files that exist.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, *, measurements: tuple[str, ...], budget_file: str,
    accuracy_file: str | None, junit_file: str | None, output: str | None, force: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Hold MEASUREMENT files of one model against a budget, on the worst of them.

    The exit code is 0 where every check passes, else 1: a figure that was not measured, or that
    lies too near its limit to tell, does not pass.
    """
    from edge_deploy_runner.bench.record_reading import read_measurement
    from edge_deploy_runner.json_reader import read_json_object
    from edge_deploy_runner.output import check_free, write_json

    from edge_deploy.budget import read_budget
    from edge_deploy.judging import judge

    from . import measurement_view
    from .rendering import emit_json, note

    for path in (output, junit_file):
        if path:
            check_free(path, force)
    budget = read_budget(budget_file)
    found = [read_measurement(path) for path in measurements]
    verdict = judge(found, budget, read_json_object(accuracy_file) if accuracy_file else None)
    if output:
        write_json(output, verdict.to_json(), force)
        note(f"verdict written to {output}")
    if junit_file:
        measurement_view.write_junit(verdict, junit_file, force)
    if as_json:
        emit_json(verdict.to_json())
    else:
        measurement_view.show_verdict(verdict)
    if not verdict.passed:
        ctx.exit(1)
