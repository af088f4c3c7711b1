"""How a prediction looks in a terminal: every figure with its interval, and what it rests on."""

from __future__ import annotations

from collections.abc import Sequence

from edge_deploy_runner.bench.percentiles import Estimate
from edge_deploy_runner.bench.prediction import Basis, OtherSource, Prediction
from edge_deploy_runner.bench.records import Measurement

from .energy_view import energy_lines, energy_sources
from .rendering import human_size, milliseconds, table_console, warn, with_ends
from .sheet import Row, print_sheet, together

_NO_POINT = "no point of its own: "
_STANDINGS = {
    "measured": "measured by you",
    "read": "as published",
    "guess": "a guess",
    "simulated": "of an emulator",
}


def show_prediction(measurement: Measurement, prediction: Prediction, why: bool = False) -> None:
    """The table of one prediction, and its warnings on stderr.

    It says what is this model's and this device's own; `why` adds how the figures come about.
    """
    basis = prediction.basis
    name = str(measurement.device.get("name") or "")
    device = basis.device if name in ("", basis.device) else f"{basis.device}  {name}"
    rows = [
        Row("model", f"{measurement.model.name}  (sha256 {measurement.model.sha256[:12]})"),
        Row("device", f"{device}; nothing was run"),
        Row("run", _run_words(basis)),
        Row("size", human_size(measurement.model.size_bytes), "measured"),
        *(
            Row(percentile, _figure(found), "predicted")
            for percentile, found in prediction.latency.items()
        ),
        Row("peak memory", _memory_words(prediction.peak_memory), "predicted"),
        *(Row(*line) for line in energy_lines(measurement.energy, measurement.battery, brief=True)),
        Row("rests on", _models_words(basis)),
        Row("  source", f"{basis.source} ({_STANDINGS.get(basis.standing, basis.standing)})"),
        Row("  coefficients", _coefficients_words(basis)),
        *_nearest_rows(basis),
        *_listed("  wider because", basis.widened),
        *(Row("  disagrees", _other_words(other)) for other in basis.others),
    ]
    console = table_console()
    print_sheet(console, rows)
    if measurement.sweep:
        _show_sweep(measurement)
    if why:
        console.print("\nWhy", style="bold")
        print_sheet(console, _why_rows(measurement, prediction))
        console.print()
    console.print(f"To measure instead: {basis.replace_with}", markup=False, soft_wrap=True)
    if not why:
        console.print(
            f"{prediction.coverage:.0%} of models lie in the interval of p50; --why says how the "
            "figures come about.",
            soft_wrap=True,
        )
    for text in measurement.warnings:
        warn(text)


def _why_rows(measurement: Measurement, prediction: Prediction) -> list[Row]:
    """What is much the same for every model of a device, and in full what was cut short."""
    basis = prediction.basis
    rows = [
        Row(
            "intervals",
            f"{prediction.coverage:.0%} of models lie in that of p50; those of p90, energy and "
            "battery follow from its ends",
        ),
        Row("p90", basis.tail),
        Row("peak memory", f"above that of the runtime alone: {basis.memory}"),
        *(Row(*line) for line in energy_sources(measurement.energy)),
    ]
    if basis.scale_note and basis.models:
        rows.append(Row("coefficients", basis.scale_note))
    if basis.other_runtimes:
        rows.append(Row("other runtimes", f"{'; '.join(basis.other_runtimes)} (--runtime-version)"))
    rows.append(Row("not known", "load, first inference and p99: no prediction knows them"))
    return rows


def _run_words(basis: Basis) -> str:
    threads = f"{basis.threads} thread" + ("" if basis.threads == 1 else "s")
    cores = "" if basis.cluster in ("", "all") else f" on its {basis.cluster} cores"
    kernels = "XNNPACK" if basis.delegate == "xnnpack" else basis.delegate
    return f"{basis.runtime}, {threads}{cores}, {basis.dtype}, delegate {kernels}"


def _memory_words(found: Estimate) -> str:
    return f"{with_ends(found.value, found.low, found.high, human_size)} above the runtime"


def _models_words(basis: Basis) -> str:
    if not basis.models:
        note = basis.scale_note.removeprefix(_NO_POINT)
        return f"no model's time on this device: {note or 'a guess'}"
    count = f"{basis.models} model" + ("" if basis.models == 1 else "s")
    shares = [
        f"{share:.1%} on {of}"
        for key, of in (("mae_loo", "one left out"), ("mae_lofo", "a family"))
        if (share := basis.error.get(key)) is not None
    ]
    off = f"; off by {', '.join(shares)}" if shares else ""
    return f"times of {count} on this device{off}"


def _coefficients_words(basis: Basis) -> str:
    start = f", starting from those of {basis.like}" if basis.like and basis.models else ""
    return f"of {basis.runtime}, fitted {basis.made}{start}"


def _nearest_rows(basis: Basis) -> list[Row]:
    if not basis.nearest:
        return []
    near = ", ".join(
        together(f"{entry.model} {milliseconds(entry.measured_ms)}") for entry in basis.nearest
    )
    timed_on = basis.nearest[0].device
    elsewhere = f" (on {timed_on})" if timed_on not in ("", basis.device) else ""
    return [Row("  nearest models", near + elsewhere)]


def _other_words(other: OtherSource) -> str:
    figure = with_ends(other.ms, other.low_ms, other.high_ms, milliseconds)
    return f"{figure} with {other.runtime}: {other.source}"


def _listed(name: str, texts: Sequence[str]) -> list[Row]:
    """A row each, the name before the first; marked where there are several."""
    mark = "- " if len(texts) > 1 else ""
    return [Row("" if number else name, mark + text) for number, text in enumerate(texts)]


def _figure(found: Estimate) -> str:
    return with_ends(found.value, found.low, found.high, milliseconds)


def _show_sweep(measurement: Measurement) -> None:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("threads", "p50", "p90"):
        table.add_column(name, justify="right")
    for point in measurement.sweep:
        mark = "*" if point.threads == measurement.spec.threads else ""
        found = point.predicted or {}
        table.add_row(
            f"{point.threads}{mark}",
            *(_figure(found[name]) for name in ("p50", "p90")),
        )
    table_console().print(table)
