"""How devices look in a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .devices_json import readable_entries
from .rendering import plain_table, table_console, warn

if TYPE_CHECKING:
    from rich.console import Console

    from edge_deploy.catalogue import Cluster, DeviceProfile, Fact
    from edge_deploy.prediction.latency.model import LatencyModel

# From this width on a list has room for names and processors.
_WIDE = 150
_UNITS = {"battery_mah": "mAh", "battery_v": "V", "idle_w": "W", "load_w": "W"}
_WORDS = {
    "isa": "instructions", "ram": "memory", "ram_kind": "kind of memory", "battery_mah": "battery",
    "storage_budget": "a model may take", "battery_v": "battery voltage",
    "idle_w": "power when idle", "load_w": "power, all cores busy",
}  # fmt: skip


def show_devices(profiles: Sequence[DeviceProfile]) -> None:
    """One row a device; a ? marks a guess."""
    from rich.markup import escape
    from rich.table import Table

    from edge_deploy.catalogue import user_folder

    console = table_console()
    wide = console.width >= _WIDE
    table = Table(box=None, padding=(0, 2 if wide else 1, 0, 0))
    table.add_column("id", no_wrap=True)
    if wide:
        table.add_column("name")
        table.add_column("SoC")
    for name in ("cores, GHz", "memory", "predicted", "idle W", "load W"):
        table.add_column(name, overflow="fold")
    for profile in profiles:
        entries, error = readable_entries(profile)
        if error:
            warn(str(error))
        own = "" if profile.origin == "package" else "*"
        table.add_row(
            escape(profile.id + own),
            *([escape(profile.name), escape(profile.soc)] if wide else []),
            escape((", " if wide else "\n").join(_cores(profile))),
            escape(_marked(profile.facts.get("ram"))),
            escape("damaged" if error else _predicted(entries, wide)),
            _watts(profile.facts.get("idle_w")),
            _load(profile),
        )
    console.print(table)
    console.print(
        "? a guess, not confirmed at its source; + what one busy core of a phone adds; off by: "
        "mean error on models\nthat a fit did not see. `edge-deploy devices show ID` has all."
        if wide
        else "? a guess, not confirmed at its source; + what one busy core of a phone adds;\n"
        "off by: mean error on models that a fit did not see.\n"
        "`edge-deploy devices show ID` has all."
    )
    own = "* with a file of yours, in" if any(p.origin != "package" for p in profiles) else ""
    console.print(f"{own or 'Files of yours would lie in'} {escape(str(user_folder()))}")


def show_device(profile: DeviceProfile, points: bool = False) -> None:
    """Every value of a device with its source, and the error of its predictions."""
    from rich.markup import escape
    from rich.table import Table

    entries = list(profile.latency)  # a damaged file says so before anything is printed
    console = table_console()
    console.print(f"[bold]{escape(profile.name)}[/] ({profile.id}): {_what(profile)}")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("", "value", "standing", "source"):
        table.add_column(name, overflow="fold")
    said = ""
    for what, value, fact in _rows(profile):
        source = "as above" if fact.source == said else fact.source
        table.add_row(what, escape(value), fact.standing, escape(source))
        said = fact.source
    console.print(table)
    _show_entries(profile, entries, points, console)


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
    from rich.markup import escape

    words = [f"{profile.kind}, {profile.soc}"]
    if profile.like:
        words.append(f"a calibration of it may start from {profile.like}")
    if profile.origin != "package":
        words.append(f"with {profile.origin}")
    return escape("; ".join(words))


def _show_entries(
    profile: DeviceProfile, entries: Sequence[LatencyModel], points: bool, console: Console
) -> None:
    if not entries:
        console.print(
            "\nNothing of this kind has been measured, so its latency is not predicted; "
            f"`edge-deploy devices calibrate --id {profile.id}` measures one.",
            markup=False,
        )
        return
    console.print("\n[bold]Latency is predicted from[/]")
    groups: dict[tuple[str, str], list[LatencyModel]] = {}
    for entry in entries:
        groups.setdefault((_basis(entry), entry.like), []).append(entry)
    for (basis, _), group in groups.items():
        notes = {entry.scale_note for entry in group}
        shared = notes.pop() if len(notes) == 1 else ""
        if group[0].like and not shared:
            runtimes = {entry.like_runtime for entry in group} - {""}
            with_runtime = f" with {'; '.join(sorted(runtimes))}" if runtimes else ""
            shared = f"starts from the coefficients of {group[0].like}{with_runtime}"
        console.print(f"{basis}; {shared}" if shared else basis, markup=False)
        _show_errors(group, console)
    console.print(
        "off by: mean error on a model that the fit did not see; new family: where its whole "
        "family was\nleft out; inside: models in the 80% interval of the others."
        if console.width >= 100
        else "off by: mean error on a model that the fit did not see; new family: where its\n"
        "whole family was left out; inside: models in the 80% interval of the others."
    )
    if points:
        for entry in entries:
            _show_points(entry, console)
    else:
        _show_families(entries, console)


def _basis(entry: LatencyModel) -> str:
    """What entries share: what ran their points and where these come from."""
    delegate = "no delegate" if entry.delegate == "none" else entry.delegate
    disturbed = f"; disturbed, times differed by {entry.noise:.0%}" if entry.noise else ""
    return (
        f"{entry.runtime}, {delegate}; fitted {entry.made}; {entry.source} "
        f"({entry.standing}{disturbed})"
    )


def _show_errors(entries: Sequence[LatencyModel], console: Console) -> None:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("dtype", "threads", "cores", "models", "off by", "new family", "worst", "inside"):
        justify: Any = "left" if name in ("dtype", "cores") else "right"
        table.add_column(name, justify=justify, no_wrap=True)
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
    console.print(table)
    terms = ", ".join(f"{value:.4g} {name}" for name, value in entry.coefficients.items())
    console.print(f"ms = {terms}".replace(", ", " + "), markup=False)
    if entry.scale_note:
        console.print(entry.scale_note, markup=False)


def _predicted(entries: Sequence[LatencyModel], wide: bool) -> str:
    """Dtypes, threads and the error of a device's entries in few words."""
    if not entries:
        return "-"
    dtypes = ", ".join(dict.fromkeys(entry.dtype for entry in entries))
    threads = sorted({entry.threads for entry in entries})
    count = "1 thread" if threads == [1] else f"{_runs(threads)} threads"
    errors = [error for entry in entries if (error := entry.error().mae_loo) is not None]
    low, high = (f"{end(errors, default=0) * 100:.0f}" for end in (min, max))
    likes = ", ".join(dict.fromkeys(entry.like for entry in entries if entry.like))
    if errors:
        families = {point.family for entry in entries for point in entry.points}
        one = f"{' ' if wide else chr(10)}(1 family)" if len(families) == 1 else ""
        words = f"off by {low if low == high else f'{low}-{high}'}%{one}"
    else:
        words = f"as {likes}?" if wide and likes else "a guess"
    return (", " if wide else "\n").join([dtypes, count, words])


def _runs(numbers: Sequence[int]) -> str:
    """1-4 for 1, 2, 3, 4; else each."""
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    return ", ".join(map(str, numbers))


def _cores(profile: DeviceProfile) -> list[str]:
    return [
        f"{cluster.cores} {_short(cluster.core)} {cluster.max_mhz / 1000:.3g}"
        for cluster in profile.clusters
    ]


def _short(core: str) -> str:
    named = re.search(r"Cortex-(\w+)", core)
    return named[1] if named else core


def _cluster_words(cluster: Cluster) -> str:
    return f"{cluster.cores}x {cluster.core} at {cluster.max_mhz:.0f} MHz"


def _milliamperes(pair: tuple[float, float]) -> str:
    low, high = (f"{value:.0f}" if value >= 100 else f"{value:.3g}" for value in pair)
    return f"{low} to {high} mA, half to full clock"


def _load(profile: DeviceProfile) -> str:
    """Power with all cores busy; of a phone what one busy core of the fastest adds."""
    load = profile.facts.get("load_w")
    if load is not None:
        return _watts(load)
    draw = profile.power(1)
    if draw is None:
        return "-"
    low, high = draw.marginal_w
    return f"+{low:.2f}-{high:.2f}" + ("?" if draw.standing == "guess" else "")


def _watts(fact: Fact | None) -> str:
    if fact is None:
        return "-"
    low, high = (round(watts, 2) for watts in fact.value)
    value = f"{low:g}" if low == high else f"{low:g}-{high:g}"
    return value + ("?" if fact.standing == "guess" else "")


def _marked(fact: Fact | None) -> str:
    if fact is None:
        return "-"
    sizes = fact.value if isinstance(fact.value, list) else [fact.value]
    words = "-".join([*(size.partition(" ")[0] for size in sizes[:-1]), sizes[-1]])
    return words + ("?" if fact.standing == "guess" else "")


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
