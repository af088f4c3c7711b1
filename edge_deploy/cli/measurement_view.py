"""How measurements, verdicts and comparisons look in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from edge_deploy_runner.bench.percentiles import Estimate
from edge_deploy_runner.bench.records import Measurement
from edge_deploy_runner.bench.sustained_record import Sustained

from .energy_view import energy_lines
from .prediction_view import show_prediction
from .rendering import human_size, milliseconds, table_console, warn, with_ends
from .sheet import Row, print_sheet, together

if TYPE_CHECKING:
    from edge_deploy.changes import Comparison
    from edge_deploy.judging import Verdict

_BARS = "▁▂▃▄▅▆▇█"
_MARKS = {
    "pass": "green", "fail": "red", "void": "red", "inconclusive": "yellow", "unmeasured": "yellow",
}  # fmt: skip
_CHANGES = {"better": "green", "same": "dim", "worse": "red"}
_TOP_OPERATORS = 5


def histogram(latencies_ns: Sequence[int], bins: int = 32) -> str:
    """A line of bars from the fastest run to the 98th percentile; what is above is left out."""
    values = np.asarray(latencies_ns, dtype=np.float64)
    top = float(np.quantile(values, 0.98))
    counts, _ = np.histogram(values[values <= top], bins=bins)
    peak = max(1, int(counts.max()))
    last = len(_BARS) - 1
    return "".join(
        " " if count == 0 else _BARS[min(last, int(count * last / peak + 0.5))] for count in counts
    )


def write_junit(verdict: Verdict, path: str, force: bool) -> None:
    """Write the verdict as JUnit XML and say so."""
    from edge_deploy_runner.output import write_bytes

    from edge_deploy.junit import to_junit

    from .rendering import note

    write_bytes(path, to_junit(verdict), force)
    note(f"JUnit XML written to {path}")


def show_measurement(measurement: Measurement, why: bool = False) -> None:
    """The table of one measurement, its operators, and its warnings on stderr.

    `why`: of a prediction, how its figures come about as well.
    """
    if measurement.prediction is not None:
        show_prediction(measurement, measurement.prediction, why)
        return
    console = table_console()
    device = measurement.device
    where = device.get("name") or _phone(device) or device.get("cpu_model")
    where = where or device.get("machine") or ""
    delegate = measurement.delegate
    rows: list[Row] = []
    kind = "void" if measurement.void else measurement.evidence

    def row(name: str, value: str, evidence: str = "") -> None:
        rows.append(Row(name, value, evidence))

    row("model", f"{measurement.model.name}  (sha256 {measurement.model.sha256[:12]})")
    emulator = f"emulated by {device['emulator']}" if device.get("emulator") else ""
    row("device", f"{_place(device)}  {', '.join(filter(None, (where, emulator)))}".rstrip())
    origin = measurement.runtime.get("origin")
    brought = ", which edge-deploy brought there," if origin == "pushed" else ","
    if device.get("android"):
        row("phone", _phone_words(device))
        row("runtime file", _runtime_words(measurement.runtime))
    row(
        "run",
        f"{measurement.runtime['name']} {measurement.runtime['version']}{brought} "
        f"{_count(measurement.spec.threads, 'thread')}, delegate {delegate.words()}",
    )
    if measurement.void:
        reasons = "; ".join(measurement.void)
        rows.append(Row("void", f"{reasons}: these times do not count", "void", "red", "red"))
    row("size", human_size(measurement.model.size_bytes), "measured")
    for name, ms in (
        ("load", measurement.load_ms),
        ("first inference", measurement.first_inference_ms),
    ):
        row(name, "unknown" if ms is None else milliseconds(ms), kind)
    for name, found in measurement.latency().items():
        row(name, _estimate(found, len(measurement.latencies_ns)), kind if found else "unknown")
    latencies = measurement.latencies_ns
    slow_ms = float(np.quantile(latencies, 0.98)) / 1e6
    row(
        "latencies",
        f"{together(histogram(latencies))}  {milliseconds(min(latencies) / 1e6)} to "
        f"{milliseconds(slow_ms)}, {_count(len(latencies), 'run')}",
    )
    peak, baseline = measurement.peak_memory_bytes, measurement.baseline_memory_bytes
    if peak is None or baseline is None:
        row("peak memory", "not known on this system", "unknown")
    else:
        total = measurement.total_memory_bytes or 0
        row(
            "peak memory",
            f"{human_size(peak)} above the {human_size(baseline)} of the runtime alone "
            f"({human_size(total)} in all)",
            measurement.evidence,
        )
    for line in energy_lines(measurement.energy, measurement.battery):
        row(*line)
    if measurement.sustained is not None:
        _sustained_rows(measurement.sustained, row, kind)
    print_sheet(console, rows)
    if measurement.sweep:
        _show_sweep(measurement)
    _show_operators(measurement)
    for text in measurement.warnings:
        warn(text)


def _phone(device: Mapping[str, Any]) -> str:
    model, maker = str(device.get("model") or ""), str(device.get("manufacturer") or "")
    return model if model.lower().startswith(maker.lower()) else f"{maker} {model}"


def _phone_words(device: Mapping[str, Any]) -> str:
    """What the phone is, and how and on which of its cores the model ran."""
    mode = "as an app" if device.get("mode") == "app" else "as a shell program"
    cpus = device.get("cpus") or "cores of the scheduler's choice"
    return (
        f"{device.get('os')}, {device.get('abi')}, {device.get('soc')}, "
        f"{_count(int(device.get('cores') or 1), 'core')}; {mode}, on {cpus}"
    )


def _runtime_words(runtime: Mapping[str, str]) -> str:
    """Which libraries ran the model, and where they came from."""
    parts = []
    for prefix in ("", "gpu_"):
        name, source = runtime.get(f"{prefix}file"), runtime.get(f"{prefix}source")
        if name is None:
            continue
        origin = f" out of {source}" if source and source != name else ""
        parts.append(f"{name}{origin} (sha256 {runtime.get(f'{prefix}sha256', '')[:12]})")
    return ", ".join(parts) or "unknown"


def _place(device: Mapping[str, Any]) -> str:
    """The device's id, and how it was reached: both where they say different things."""
    target = str(device.get("target", "local"))
    found = str(device.get("id"))
    if target in ("local", found):
        return found
    return target if found == "ssh" else f"{found} at {target}"


def _sustained_rows(long: Sustained, row: object, kind: str) -> None:
    assert callable(row)
    first, last = long.first(), long.last()
    part = f"{long.part_seconds:.0f} s" if long.part_seconds >= 1 else "part"
    for name in ("p50", "p90"):
        begin, end = first[name], last[name]
        assert begin is not None
        assert end is not None
        slower = f" ({long.slowdown().value:.2f}x)" if name == "p50" else ""
        row(
            f"sustained {name}",
            f"{milliseconds(begin.value)} in the first {part} (warm), {milliseconds(end.value)} in "
            f"the last of {long.seconds:.0f} s{slower}",
            kind,
        )
    medians = [window.p50_ms for window in long.windows]
    if len(medians) < 2:
        return
    row("  p50 over time", _range_line(medians, milliseconds))
    heat = [w.temperature_celsius for w in long.windows if w.temperature_celsius is not None]
    if heat:
        row("  temperature", _range_line(heat, lambda value: f"{value:.1f} \u00b0C"))
    clocks = [w.frequency_mhz for w in long.windows if w.frequency_mhz is not None]
    if clocks:
        row("  clock", _range_line(clocks, lambda value: f"{value:.0f} MHz"))


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """A bar for each value, or for the largest of its neighbours where there are too many.

    The lowest bar is the smallest value. Values that differ by less than 2% make a flat line.
    """
    step = -(-len(values) // width)
    shown = [max(values[start : start + step]) for start in range(0, len(values), step)]
    low, high = min(shown), max(shown)
    spread = max(high - low, 0.02 * abs(high))
    last = len(_BARS) - 1
    return "".join(
        _BARS[0 if spread == 0 else min(last, int((value - low) * last / spread + 0.5))]
        for value in shown
    )


def _range_line(values: Sequence[float], form: Callable[[float], str]) -> str:
    low, high = form(min(values)), form(max(values))
    return f"{sparkline(values)}  {low}" + (f" to {high}" if low != high else "")


def _show_sweep(measurement: Measurement) -> None:
    from edge_deploy_runner.bench.percentiles import latency_estimates
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("threads", "p50 ms", "p90 ms", "runs"):
        table.add_column(name, justify="right")
    for point in measurement.sweep:
        found = latency_estimates(point.latencies_ns)
        cells = [f"{e.value:.2f}" if e else "-" for e in (found["p50"], found["p90"])]
        mark = "*" if point.threads == measurement.spec.threads else ""
        table.add_row(f"{point.threads}{mark}", *cells, str(len(point.latencies_ns)))
    table_console().print(table)


def _show_operators(measurement: Measurement) -> None:
    from rich.markup import escape
    from rich.table import Table

    console = table_console()
    total = measurement.operators_sum_ms
    if measurement.operators and total:
        timed = sorted(
            (entry for entry in measurement.operators if entry.ms is not None),
            key=lambda entry: -(entry.ms or 0.0),
        )
        ratio = measurement.operators_ratio or 0.0
        console.print(
            f"slowest of {len(measurement.operators)} operators, each run alone (their sum, "
            f"{milliseconds(total)}, is {ratio:.0%} of p50)",
            soft_wrap=True,
        )
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("operator", overflow="ellipsis", no_wrap=True, max_width=56)
        table.add_column("kind")
        table.add_column("ms", justify="right")
        table.add_column("of sum", justify="right")
        for entry in timed[:_TOP_OPERATORS]:
            ms = entry.ms or 0.0
            table.add_row(escape(entry.name), entry.kind, f"{ms:.4f}", f"{ms / total:.0%}")
        console.print(table)
    if measurement.operators_note:
        warn(measurement.operators_note)


def show_verdict(verdict: Verdict) -> None:
    """One line a check, and the verdict."""
    from rich.markup import escape

    from edge_deploy.junit import answer

    console = table_console()
    for check in verdict.checks:
        style = _MARKS[check.status]
        console.print(
            f"[{style}]{check.status:<12}[/] {check.metric}: {escape(answer(check))}",
            soft_wrap=True,
        )
    console.print(
        f"[bold {_MARKS[verdict.status]}]verdict: {verdict.status}[/] "
        f"{escape(verdict.model)} against {escape(verdict.budget)}",
        soft_wrap=True,
    )


def show_comparison(comparison: Comparison) -> None:
    """One row a metric, and what it comes to."""
    from rich.markup import escape
    from rich.table import Table

    from edge_deploy.junit import amount

    console = table_console()
    table = Table(box=None, padding=(0, 2, 0, 0))
    is_predicted = any(change.predicted_range for change in comparison.changes)
    interval = "from end to end" if is_predicted else "95% interval"
    for name in ("metric", "old", "new", "change", interval, "noise", ""):
        table.add_column(name, justify="left" if name in ("metric", "") else "right")
    for change in comparison.changes:
        is_share = change.unit == "share"
        old, new = (
            f"{value:.2%}" if is_share else amount(value, change.unit)
            for value in (change.old, change.new)
        )
        ratio = change.ratio
        shift = "-" if ratio is None else f"{ratio:+.2%}" if is_share else f"{ratio:.3f}x"
        ends = "-"
        found = change.predicted_range or change.ci95
        if found is not None and found[0] != found[1]:
            form = "{:+.2%}" if is_share else "{:.3f}"
            ends = f"{form.format(found[0])} to {form.format(found[1])}"
        words = change.status if change.is_clear else f"{change.status} (cannot tell)"
        table.add_row(
            change.metric, old, new, shift, ends, f"{change.noise:.1%}",
            f"[{_CHANGES[change.status]}]{words}[/]",
        )  # fmt: skip
    console.print(table)
    console.print(
        f"[bold]{comparison.status}[/]: {escape(comparison.new)} against {escape(comparison.old)}",
        soft_wrap=True,
    )
    for text in comparison.notes:
        console.print(escape(text), soft_wrap=True)
    for text in comparison.warnings:
        warn(text)


def _estimate(found: Estimate | None, runs: int) -> str:
    if found is None:
        return f"needs 299 runs; there are {runs}"
    if found.low is None or found.high is None:
        return f"{milliseconds(found.value)}  (too few runs for an interval)"
    return with_ends(found.value, found.low, found.high, milliseconds)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
