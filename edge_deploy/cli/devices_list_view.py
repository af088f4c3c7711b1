"""How the list of devices looks in a terminal: a line each, in as many columns as fit."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .devices_json import readable_entries
from .rendering import table_console, warn
from .sheet import print_notes, print_text, together

if TYPE_CHECKING:
    from edge_deploy.catalogue import DeviceProfile, Fact
    from edge_deploy.prediction.latency.model import LatencyModel

_GAP = 2
_LONGEST_CORE = 10
# What gives way first where the terminal is narrow; the id and the cores never do.
_GIVES_WAY = (
    "SoC", "scaled from", "name", "threads", "GHz", "load W", "idle W", "dtypes", "memory",
    "off by",
)  # fmt: skip
_LEGENDS = {
    "?": "a guess, not confirmed at its source",
    "*": "with a file of yours",
    "+": "what one busy core of a phone adds",
    "GHz": "of the fastest cores",
    "off by": "mean error of predictions on models that a fit did not see; guess: no model was "
    "timed, it is scaled from another device",
    "!": "models of one family alone; others may be further off",
    "-": "not known",
}


@dataclass(frozen=True)
class _Column:
    head: str
    cells: list[str]

    @property
    def width(self) -> int:
        return max(len(self.head), *map(len, self.cells), 0)


def show_devices(profiles: Sequence[DeviceProfile]) -> None:
    """A line a device, and what the marks mean; each file with a damaged entry is named on stderr.

    A device that is scaled from another shares the fault of that one's file.
    """
    from edge_deploy.catalogue import folder_fault, user_folder

    console = table_console()
    read = [readable_entries(profile) for profile in profiles]
    for fault in dict.fromkeys(str(error) for _, error in read if error):
        warn(fault)
    rows = [
        _row(profile, entries, error is not None)
        for profile, (entries, error) in zip(profiles, read, strict=True)
    ]
    columns = [_Column(head, [row[head] for row in rows]) for head in (rows[0] if rows else ())]
    left_out = []
    for head in _GIVES_WAY:
        if sum(column.width + _GAP for column in columns) - _GAP <= console.width:
            break
        left_out.append(head)
        columns = [column for column in columns if column.head != head]
    console.print(_line([column.head for column in columns], columns), style="bold", soft_wrap=True)
    lines = [_line(cells, columns) for cells in zip(*(c.cells for c in columns), strict=True)]
    console.print("\n".join((*lines, "")), markup=False, soft_wrap=True)
    heads = {column.head for column in columns}
    marks = {cell[-1:] for column in columns for cell in column.cells}
    marks |= {"+" for row in rows if "load W" in heads and row["load W"].startswith("+")}
    print_notes(console, [entry for entry in _LEGENDS.items() if entry[0] in heads | marks])
    missing = ", ".join(map(together, left_out))
    print_text(
        console,
        (f"Left out, for want of width: {missing}. " if missing else "")
        + "`edge-deploy devices show ID` has all of a device.",
    )
    if os.path.lexists(user_folder()) and (fault := folder_fault()):
        place = fault
    else:
        lie = "Your files lie in" if "*" in marks else "Files of yours would lie in"
        place = f"{lie} {user_folder()}"
    console.print(place, markup=False, soft_wrap=True)


def _line(cells: Sequence[str], columns: Sequence[_Column]) -> str:
    padded = [cell.ljust(column.width) for cell, column in zip(cells, columns, strict=True)]
    return (" " * _GAP).join(padded).rstrip()


def _row(
    profile: DeviceProfile, entries: Sequence[LatencyModel], is_damaged: bool
) -> dict[str, str]:
    guess = "?" if profile.clusters_source.standing == "guess" else ""
    clock = profile.fastest_first()[0].max_mhz
    return {
        "id": profile.id + ("" if profile.origin == "package" else "*"),
        "name": profile.name,
        "SoC": profile.soc,
        "cores": _cores(profile) + guess,
        "GHz": f"{clock / 1000:.3g}{guess}" if clock else "-",
        "memory": _memory(profile),
        "dtypes": ", ".join(dict.fromkeys(entry.dtype for entry in entries)) or "-",
        "threads": _runs(sorted({entry.threads for entry in entries})) or "-",
        "off by": "damaged" if is_damaged else _error(entries),
        "scaled from": _siblings(entries),
        "idle W": _watts(profile.facts.get("idle_w")),
        "load W": _load(profile),
    }


def _error(entries: Sequence[LatencyModel]) -> str:
    """The least and the largest mean error of a device's entries, `guess` where none is known."""
    if not entries:
        return "-"
    errors = [error for entry in entries if (error := entry.error().mae_loo) is not None]
    if not errors:
        return "guess"
    low, high = (f"{share * 100:.0f}" for share in (min(errors), max(errors)))
    families = {point.family for entry in entries for point in entry.points}
    return f"{low if low == high else f'{low}-{high}'}%" + ("!" * (len(families) == 1))


def _siblings(entries: Sequence[LatencyModel]) -> str:
    """Whose coefficients stand in for those of a device on which no model was timed."""
    if any(entry.points for entry in entries):
        return "-"
    return ", ".join(dict.fromkeys(entry.like for entry in entries if entry.like)) or "-"


def _runs(numbers: Sequence[int]) -> str:
    """1-4 for 1, 2, 3, 4; else each."""
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    return ", ".join(map(str, numbers))


def _cores(profile: DeviceProfile) -> str:
    """`1xX3+4xA715+4xA510`; numbers alone where a name is long."""
    names = [_short(cluster.core) for cluster in profile.clusters]
    counts = [cluster.cores for cluster in profile.clusters]
    if max(map(len, names)) > _LONGEST_CORE:
        return f"{'+'.join(map(str, counts))} cores"
    return "+".join(f"{count}x{name}" for count, name in zip(counts, names, strict=True))


def _short(core: str) -> str:
    named = re.search(r"Cortex-(\w+)", core)
    return named[1] if named else core


def _memory(profile: DeviceProfile) -> str:
    found = profile.ram_bytes()
    if found is None:
        return "-"
    low, high = (_size(size_bytes) for size_bytes in found)
    amount, unit = low.split()
    words = low if low == high else f"{amount if high.endswith(unit) else low}-{high}"
    return words + ("?" if profile.facts["ram"].standing == "guess" else "")


def _size(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:.2g} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"


def _load(profile: DeviceProfile) -> str:
    """Power with all cores busy; of a phone what one busy core of the fastest adds."""
    from edge_deploy.catalogue import profile_power

    load = profile.facts.get("load_w")
    if load is not None:
        return _watts(load)
    draw = profile_power(profile, 1)
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
