"""How one device looks in a terminal: every value, its source, and what is predicted of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .rendering import plain_table, table_console
from .sheet import Row, print_notes, print_sheet, print_text, together

if TYPE_CHECKING:
    from rich.console import Console

    from edge_deploy.catalogue import Cluster, DeviceProfile, Fact
    from edge_deploy.prediction.latency.model import LatencyModel

_UNITS = {"battery_mah": "mAh", "battery_v": "V", "idle_w": "W", "load_w": "W"}
_WORDS = {
    "isa": "instructions", "ram": "memory", "ram_kind": "kind of memory", "battery_mah": "battery",
    "storage_budget": "a model may take", "battery_v": "battery voltage",
    "idle_w": "power when idle", "load_w": "power, all cores busy",
}  # fmt: skip


_LEGEND = (
    "off by: mean error on a model that the fit did not see; new family: where its whole family "
    "was left out; inside: models in the 80% interval of the others; -: too few models or families."
)


def show_device(profile: DeviceProfile, points: bool = False) -> None:
    """Every value of a device with its source, and the error of its predictions."""
    entries = list(profile.latency)  # a damaged file says so before anything is printed
    console = table_console()
    print_text(console, f"{profile.name} ({profile.id}): {_what(profile)}", bold=len(profile.name))
    sources = _Sources()
    print_sheet(
        console,
        [
            Row(what, value, f"{fact.standing:<5} {sources.mark(fact.source)}")
            for what, value, fact in _rows(profile)
        ],
    )
    _show_entries(profile, entries, points, sources, console)
    console.print("\n[bold]Sources[/]")
    print_notes(console, sources.notes())


class _Sources:
    """Numbers sources in the order in which they are first named."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, source: str) -> str:
        return f"[{self._numbers.setdefault(source, len(self._numbers) + 1)}]"

    def notes(self) -> list[tuple[str, str]]:
        return [(self.mark(source), source) for source in list(self._numbers)]


def _rows(profile: DeviceProfile) -> Iterator[tuple[str, str, Fact]]:
    """What each fact is about, its value in words, and the fact."""
    currents = profile.currents_source
    for cluster in profile.clusters:
        yield f"cores {cluster.name}", _cluster_words(cluster), profile.clusters_source
        if cluster.active_ma_per_core and currents:
            yield "  one busy core", _milliamperes(cluster.active_ma_per_core), currents
        for other in cluster.alternatives:
            yield "    or", _milliamperes(other.value), other
    for key, fact in profile.facts.items():
        yield _WORDS.get(key, key), _value(key, fact), fact
        for other in fact.alternatives:
            yield "  or", _value(key, other), other


def _what(profile: DeviceProfile) -> str:
    words = [f"{profile.kind}, {profile.soc}"]
    if profile.like:
        words.append(f"a calibration of it may start from {profile.like}")
    if profile.origin != "package":
        words.append(f"with {profile.origin}")
    return "; ".join(words)


def _show_entries(
    profile: DeviceProfile,
    entries: Sequence[LatencyModel],
    points: bool,
    sources: _Sources,
    console: Console,
) -> None:
    if not entries:
        console.print()
        print_text(
            console,
            "Nothing of this kind has been measured, so its latency is not predicted; "
            f"`edge-deploy devices calibrate --id {profile.id}` measures one.",
        )
        return
    console.print("\n[bold]Latency is predicted from[/]")
    groups: dict[tuple[str, str], list[LatencyModel]] = {}
    for entry in entries:
        groups.setdefault((_basis(entry, sources), entry.like), []).append(entry)
    for (basis, _), group in groups.items():
        notes = {entry.scale_note for entry in group}
        shared = notes.pop() if len(notes) == 1 else ""
        if group[0].like and not shared:
            runtimes = {entry.like_runtime for entry in group} - {""}
            with_runtime = f" with {'; '.join(sorted(runtimes))}" if runtimes else ""
            shared = f"starts from the coefficients of {group[0].like}{with_runtime}"
        print_text(console, f"{basis}; {shared}" if shared else basis)
        _show_errors(group, console)
    print_text(console, _LEGEND)
    if points:
        for entry in entries:
            _show_points(entry, console)
    else:
        _show_families(entries, console)


def _basis(entry: LatencyModel, sources: _Sources) -> str:
    """What entries share: what ran their points and where these come from."""
    delegate = "no delegate" if entry.delegate == "none" else entry.delegate
    disturbed = f"; disturbed, times differed by {entry.noise:.0%}" if entry.noise else ""
    return (
        f"{entry.runtime}, {delegate}; {entry.standing} {sources.mark(entry.source)}{disturbed}; "
        f"fitted {entry.made}"
    )


def _show_errors(entries: Sequence[LatencyModel], console: Console) -> None:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("dtype", "threads", "cores", "models", "off by", "new family", "worst", "inside"):
        justify: Any = "left" if name in ("dtype", "cores") else "right"
        # As wide in every group, so that all stand below one another.
        width = len("float32") if name == "dtype" else None
        table.add_column(name, justify=justify, no_wrap=True, min_width=width)
    for entry in entries:
        error = entry.error()
        table.add_row(
            entry.dtype, str(entry.threads), entry.cluster, str(error.n),
            _percent(error.mae_loo), _percent(error.mae_lofo), _percent(error.worst),
            _percent(error.coverage80, 0),
        )  # fmt: skip
    console.print(table)


def _show_families(entries: Sequence[LatencyModel], console: Console) -> None:
    """The residuals of all entries by family."""
    from rich.markup import escape

    found: dict[str, list[tuple[float | None, float | None]]] = {}
    for entry in entries:
        for point in entry.points:
            found.setdefault(point.family, []).append(
                (
                    _off(point.held_out_ms, point.measured_ms),
                    _off(point.family_held_out_ms, point.measured_ms),
                )
            )
    if not found:
        return
    table = plain_table("Residuals by family, of all the above (--points lists every model)")
    for name in ("family", "measurements", "off by", "new family", "lowest", "highest"):
        table.add_column(name, justify="left" if name == "family" else "right")
    for family, residuals in found.items():
        alone = [pair[0] for pair in residuals if pair[0] is not None]
        whole = [pair[1] for pair in residuals if pair[1] is not None]
        table.add_row(
            escape(family), str(len(residuals)), _percent(_mean_size(alone)),
            _percent(_mean_size(whole)), _signed(min(alone, default=None)),
            _signed(max(alone, default=None)),
        )  # fmt: skip
    console.print()
    console.print(table)


def _show_points(entry: LatencyModel, console: Console) -> None:
    from rich.markup import escape

    threads = "1 thread" if entry.threads == 1 else f"{entry.threads} threads"
    table = plain_table(f"{entry.dtype}, {threads}, {entry.cluster}: {escape(entry.runtime)}")
    for name in ("model", "measured ms", "predicted ms", "off by", "new family"):
        table.add_column(name, justify="left" if name == "model" else "right")
    for point in entry.points:
        table.add_row(
            escape(point.model), f"{point.measured_ms:.4g}",
            "" if point.held_out_ms is None else f"{point.held_out_ms:.4g}",
            _signed(_off(point.held_out_ms, point.measured_ms)),
            _signed(_off(point.family_held_out_ms, point.measured_ms)),
        )  # fmt: skip
    console.print()
    console.print(table if entry.points else table.title)
    terms = [together(f"{value:.4g} {name}") for name, value in entry.coefficients.items()]
    print_text(console, f"ms = {' + '.join(terms)}")
    if entry.scale_note:
        print_text(console, entry.scale_note)


def _cluster_words(cluster: Cluster) -> str:
    clock = f"at {cluster.max_mhz:.0f} MHz" if cluster.max_mhz else "at an unknown clock"
    return f"{cluster.cores}x {cluster.core} {clock}"


def _milliamperes(pair: tuple[float, float]) -> str:
    low, high = (f"{value:.0f}" if value >= 100 else f"{value:.3g}" for value in pair)
    return f"{low} to {high} mA, half to full clock"


def _value(key: str, fact: Fact) -> str:
    value, unit = fact.value, _UNITS.get(key, "")
    if key == "delegates":
        return ", ".join(value)
    if isinstance(value, list):
        low, high = (item if isinstance(item, str) else f"{item:g}" for item in value)
        text = low if low == high else f"{low} to {high}"
    else:
        text = value if isinstance(value, str) else f"{value:g}"
    return f"{text} {unit}".rstrip()


def _off(predicted_ms: float | None, measured_ms: float) -> float | None:
    return None if predicted_ms is None else predicted_ms / measured_ms - 1


def _mean_size(shares: Sequence[float]) -> float | None:
    return sum(map(abs, shares)) / len(shares) if shares else None


def _percent(share: float | None, digits: int = 1) -> str:
    return "-" if share is None else f"{share * 100:.{digits}f}%"


def _signed(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:+.1f}%"
