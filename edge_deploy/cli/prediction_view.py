"""How a prediction looks in a terminal: every figure with its interval, and what it rests on."""

from __future__ import annotations

from collections.abc import Callable

from edge_deploy_runner.bench.percentiles import Estimate
from edge_deploy_runner.bench.prediction import Basis, Prediction
from edge_deploy_runner.bench.records import Measurement

from .energy_view import energy_lines
from .rendering import human_size, milliseconds, table_console, warn

_NO_POINT = "no point of its own: "
_STANDINGS = {
    "measured": "measured by you",
    "read": "as published",
    "guess": "a guess",
    "simulated": "of an emulator",
}


def show_prediction(measurement: Measurement, prediction: Prediction) -> None:
    """The table of one prediction, and its warnings on stderr."""
    from rich.markup import escape
    from rich.table import Table

    basis = prediction.basis
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(style="dim", no_wrap=True)

    def row(name: str, value: str, evidence: str = "") -> None:
        table.add_row(name, escape(value), evidence)

    row("model", f"{measurement.model.name}  (sha256 {measurement.model.sha256[:12]})")
    row("device", f"{basis.device}  {measurement.device.get('name') or ''}; nothing was run")
    row("run", _run_words(basis))
    row("size", human_size(measurement.model.size_bytes), "measured")
    for name, found in prediction.latency.items():
        row(name, _with_ends(found, milliseconds), "predicted")
    row(
        "peak memory",
        f"{_with_ends(prediction.peak_memory, human_size)} above the runtime alone",
        "predicted",
    )
    for line in energy_lines(measurement.energy, measurement.battery):
        row(*line)
    row("load, first inference, p99", "no prediction knows them", "unknown")
    row("rests on", _models_words(basis))
    row("  source", f"{basis.source} ({_STANDINGS.get(basis.standing, basis.standing)})")
    row("  coefficients", _coefficients_words(basis))
    if basis.nearest:
        near = (f"{entry.model} {milliseconds(entry.measured_ms)}" for entry in basis.nearest)
        timed_on = basis.nearest[0].device
        elsewhere = f" (on {timed_on})" if timed_on not in ("", basis.device) else ""
        row("  nearest models", ", ".join(near) + elsewhere)
    row("  intervals", f"{prediction.coverage:.0%} of models lie in that of p50")
    for number, reason in enumerate(basis.widened):
        row("" if number else "  wider because", reason)
    for other in basis.others:
        row(
            "  disagrees",
            f"{milliseconds(other.ms)}  [{milliseconds(other.low_ms)} to "
            f"{milliseconds(other.high_ms)}] with {other.runtime}: {other.source}",
        )
    if basis.other_runtimes:
        row("  other runtimes", f"{'; '.join(basis.other_runtimes)} (--runtime-version)")
    row("  p90", basis.tail)
    row("  memory", basis.memory)
    console = table_console()
    console.print(table)
    if measurement.sweep:
        _show_sweep(measurement)
    console.print(f"To measure instead: {escape(basis.replace_with)}", soft_wrap=True)
    for text in measurement.warnings:
        warn(text)


def _run_words(basis: Basis) -> str:
    threads = f"{basis.threads} thread" + ("" if basis.threads == 1 else "s")
    cores = "" if basis.cluster in ("", "all") else f" on its {basis.cluster} cores"
    kernels = "XNNPACK" if basis.delegate == "xnnpack" else basis.delegate
    return f"{basis.runtime}, {threads}{cores}, {basis.dtype}, delegate {kernels}"


def _models_words(basis: Basis) -> str:
    if not basis.models:
        note = basis.scale_note.removeprefix(_NO_POINT)
        return f"no model's time on this device: {note or 'a guess'}"
    count = f"{basis.models} model" + ("" if basis.models == 1 else "s")
    words = f"times of {count} on this device"
    shares = [
        f"off by {share:.1%} {of}"
        for key, of in (
            ("mae_loo", "on average for a model left out"),
            ("mae_lofo", "for a family left out"),
        )
        if (share := basis.error.get(key)) is not None
    ]
    return "; ".join([words, ", ".join(shares)]) if shares else words


def _coefficients_words(basis: Basis) -> str:
    note = f"; {basis.scale_note}" if basis.scale_note and basis.models else ""
    return f"of {basis.runtime}, fitted {basis.made}{note}"


def _with_ends(found: Estimate, form: Callable[[float], str]) -> str:
    assert found.low is not None
    assert found.high is not None
    return f"{form(found.value)}  [{form(found.low)} to {form(found.high)}]"


def _show_sweep(measurement: Measurement) -> None:
    from rich.table import Table

    table = Table(title="threads", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("threads", "p50", "p90"):
        table.add_column(name, justify="right")
    for point in measurement.sweep:
        mark = "*" if point.threads == measurement.spec.threads else ""
        found = point.predicted or {}
        table.add_row(
            f"{point.threads}{mark}",
            *(_with_ends(found[name], milliseconds) for name in ("p50", "p90")),
        )
    table_console().print(table)
