"""Rows of times and networks' features made points, by what may be fitted together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge_deploy.prediction.latency.fitting import DEFAULT_TERMS
from edge_deploy.prediction.latency.model import Point

from .names import near_name, plain_name
from .reading import Latency, Network

# Those that a file can be of (`Workload.dtype`).
_DTYPES_OF_FILES = ("float32", "int8", "uint8", "int16x8", "dynamic")
_MOST_NAMED = 20


@dataclass(frozen=True)
class Group:
    """What is fitted together: one device, dtype, number of threads, runtime and delegate."""

    device: str
    dtype: str
    threads: str
    runtime: str
    delegate: str

    def name(self) -> str:
        """For messages and tables."""
        threads = self.threads or "unknown"
        unit = "thread" if threads == "1" else "threads"
        return f"{self.device}, {self.dtype}, {threads} {unit}, {self.runtime}"


def groups(
    latencies: Iterable[Latency], networks: Mapping[str, Network], others: Iterable[str] = ()
) -> tuple[dict[Group, tuple[Point, ...]], tuple[str, ...]]:
    """Points that may be fitted together, and a sentence for each kind of row left out.

    Only what ran on the CPU, has a dtype that files have and features. Devices, runtimes and
    delegates that differ in capitals alone are the same. Two rows of one model in a group count as
    one, with the lesser time, and a sentence says so. `others`: names of networks that the
    sentence on unknown ones may point to.
    """
    found: dict[Group, dict[tuple[object, ...], Point]] = {}
    spelt: dict[str, str] = {}
    units: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    unsure: Counter[str] = Counter()
    again = 0

    def spelling(name: str) -> str:
        return spelt.setdefault(" ".join(name.split()).casefold(), name)

    for row in latencies:
        network = networks.get(row.model) or networks.get(row.model.split("@")[0])
        if row.unit.upper() != "CPU":
            units[row.unit] += 1
        elif row.dtype not in _DTYPES_OF_FILES:
            unsure[row.dtype] += 1
        elif network is None:
            unknown[row.model] += 1
        else:
            device, runtime, delegate = map(spelling, (row.device, row.runtime, row.delegate))
            group = Group(device, row.dtype, row.threads, runtime, delegate)
            point = Point(
                row.model, network.family, row.latency_ms, network.features, runtime=runtime
            )
            points = found.setdefault(group, {})
            name = (plain_name(row.model), *sorted(network.features.items()))
            before = points.get(name)
            again += before is not None
            if before is None or row.latency_ms < before.measured_ms:
                points[name] = point
    notes = [
        f"{_rows_of(count)} of {unit}: how a network is split there cannot be predicted"
        for unit, count in units.items()
    ]
    notes += [_of_no_file(dtype, count) for dtype, count in unsure.items()]
    if unknown:
        notes.append(
            f"{_rows_of(unknown.total())} of networks without features: "
            f"{_with_near_names(unknown, tuple(others))}; --features says what they are"
        )
    if again:
        notes.append(
            f"{_rows_of(again)} of a model that its device, dtype, threads and runtime have "
            "already: the least time counts"
        )
    return {group: tuple(points.values()) for group, points in found.items()}, tuple(notes)


def _of_no_file(dtype: str, count: int) -> str:
    if "?" in dtype:
        return f"{_rows_of(count)} whose dtype is not certain ({dtype})"
    if dtype == "float16":
        return (
            f"{_rows_of(count)} of float16: on a CPU, files with float16 weights compute in "
            "float32 and are predicted as such; call them float32 if these did"
        )
    valid = ", ".join(_DTYPES_OF_FILES)
    return f"{_rows_of(count)} of dtype {dtype}, which no file is of; valid: {valid}"


def _with_near_names(unknown: Iterable[str], others: tuple[str, ...]) -> str:
    words = []
    for name in sorted(unknown):
        near = near_name(name, others)
        words.append(f"{name} (is it {near}?)" if near else name)
    more = len(words) - _MOST_NAMED
    return ", ".join([*words[:_MOST_NAMED], f"{more} more"] if more > 0 else words)


def _rows_of(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def terms_of(points: Iterable[Point]) -> tuple[str, ...]:
    """The default terms that every point has."""
    points = tuple(points)
    return tuple(name for name in DEFAULT_TERMS if all(name in point.features for point in points))
