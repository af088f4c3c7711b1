"""Fits of the catalogue's devices from the published tables that the package carries.

`python -m edge_deploy.prediction.tables.published` writes the `[[latency]]` entries of
`edge_deploy/devices/*.toml` again; the same tables give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from edge_deploy.catalogue import all_profiles, with_latency
from edge_deploy.prediction.latency.fitting import FitResult, fit
from edge_deploy.prediction.latency.model import Interval, LatencyModel, Point
from edge_deploy.prediction.latency.scaling import cluster_for, scaled_models
from edge_deploy.prediction.networks.published import published_networks

from .grouping import Group, groups
from .reading import Latency, packaged_latencies, packaged_networks

MADE = "2026-11-23"
"""The date of the packaged tables, not of the day on which a command ran."""
LEFT_OUT = {
    "DenseNet": "which DenseNet it is was never published, and its accuracy is that of none "
    "(tensorflow/tensorflow#44032)",
}
"""Rows of the packaged tables that nothing is fitted to, and why."""
_LEAST_POINTS = 2
PRIOR_DEVICE = "pixel-3"
_ROOT = Group(PRIOR_DEVICE, "float32", "4", "TFLite 2019-20", "none")
_INTEGER_ROOT = Group(PRIOR_DEVICE, "uint8", "4", "TFLite 2019-20", "none")
# Where the runtimes of short tables start: (device, runtime, dtype or "" for the same). XNNPACK's
# kernels for integers are nearer to its own for floats than to the older ones for integers.
_STARTS = {
    "TFLite 2.18": ("raspberry-pi-4b", "TFLite 2.5, 64-bit", ""),
    "XNNPACK 2020": ("raspberry-pi-4b", "TFLite 2.5, 64-bit", "float32"),
    "XNNPACK 2022, 32-bit": ("raspberry-pi-4b", "TFLite 2.5, 64-bit", "float32"),
    "XNNPACK 2022, 64-bit": ("raspberry-pi-4b", "TFLite 2.5, 64-bit", "float32"),
}


@dataclass(frozen=True)
class PublishedFit:
    """A group of the published tables, with its fit and the prior that it started from."""

    group: Group
    points: tuple[Point, ...]
    model: LatencyModel
    prior: LatencyModel | None
    intervals: tuple[Interval | None, ...]


def published_groups() -> dict[Group, tuple[Point, ...]]:
    """The packaged points by group, without the rows of `LEFT_OUT`."""
    rows = [row for row in packaged_latencies() if row.model not in LEFT_OUT]
    return groups(rows, packaged_networks())[0]


@lru_cache(maxsize=1)
def published_fits() -> tuple[PublishedFit, ...]:
    """All fits of published tables that have two points or more, in the order of the table."""
    tables = {
        group: points
        for group, points in published_groups().items()
        if len(points) >= _LEAST_POINTS
    }
    sources = _sources()
    kinds = _kinds()
    found: dict[Group, PublishedFit] = {}

    def fitted(group: Group) -> PublishedFit:
        if group not in found:
            before = _prior_of(group, tables)
            prior = None if before is None else fitted(before).model
            result = fit(tables[group], prior=prior)
            model = _model(group, result, prior, before, sources[group], kinds)
            found[group] = PublishedFit(group, tables[group], model, prior, result.intervals)
        return found[group]

    return tuple(fitted(group) for group in tables)


@lru_cache(maxsize=8)
def prior_for(dtype: str, terms: tuple[str, ...]) -> LatencyModel:
    """Where a table of a device that is not known starts: the Pixel 3's fit with these terms.

    Of its uint8 rows for integers, of its float32 rows for all others; and of these too where no
    term tells patches, without which the uint8 rows contradict each other.
    """
    tables = published_groups()
    integers = dtype in ("int8", "uint8") and "im2col_melems" in terms
    group = _INTEGER_ROOT if integers else _ROOT
    root = fit(tables[_ROOT], terms)
    result = root
    if group != _ROOT:
        start = _model(_ROOT, root, None, None, "", {})
        result = fit(tables[group], terms, prior=start)
    return replace(_model(group, result, None, None, "", {}), like=PRIOR_DEVICE)


def catalogue_entries() -> dict[str, tuple[LatencyModel, ...]]:
    """The latency entries of every packaged device that has any, by its id.

    A device without data has those of the device that it is like, scaled by their clocks.
    """
    profiles = {name: each for name, each in all_profiles().items() if each.origin == "package"}
    found: dict[str, list[LatencyModel]] = {}
    for one in published_fits():
        if one.group.device in profiles:
            profile = profiles[one.group.device]
            cluster = cluster_for(profile, one.model.threads)
            found.setdefault(profile.id, []).append(replace(one.model, cluster=cluster))

    def entries(device_id: str, above: tuple[str, ...] = ()) -> list[LatencyModel]:
        profile = profiles[device_id]
        if device_id not in found and profile.like in profiles and profile.like not in above:
            theirs = entries(profile.like, (*above, device_id))
            found[device_id] = list(scaled_models(theirs, profiles[profile.like], profile))
        return found.get(device_id, [])

    return {name: tuple(entries(name)) for name in sorted(profiles) if entries(name)}


def write_again(folder: Path) -> tuple[Path, ...]:
    """Write the latency entries of the device files in a folder again; answers with these files."""
    written = []
    for device_id, models in catalogue_entries().items():
        path = folder / f"{device_id}.toml"
        path.write_text(with_latency(path.read_text("utf-8"), models), "utf-8", newline="\n")
        written.append(path)
    return tuple(written)


def _prior_of(group: Group, tables: Mapping[Group, tuple[Point, ...]]) -> Group | None:
    if group == _ROOT:
        return None
    if group == _INTEGER_ROOT:
        return _ROOT
    device, runtime, dtype = _STARTS.get(group.runtime, ("", "", ""))
    for other in tables:
        if (other.device, other.runtime, other.dtype, other.threads) == (
            device,
            runtime,
            dtype or group.dtype,
            group.threads,
        ):
            return other
    return _ROOT if group.dtype == "float32" else _INTEGER_ROOT


def _model(
    group: Group,
    result: FitResult,
    prior: LatencyModel | None,
    before: Group | None,
    source: str,
    kinds: Mapping[str, frozenset[str]],
) -> LatencyModel:
    seen = frozenset[str]().union(*(kinds.get(point.model, ()) for point in result.points))
    theirs = frozenset() if prior is None else frozenset({*prior.kinds, *prior.like_kinds})
    note = ""
    if before is not None:
        note = (
            f"started from {before.name()}, all coefficients times {result.scale:.3g}; each then "
            "moved as the points ask"
        )
    return LatencyModel(
        cluster="all",
        dtype=group.dtype,
        threads=int(group.threads),
        runtime=group.runtime,
        delegate=group.delegate,
        coefficients={name: value for name, value in result.coefficients.items() if value > 0},
        points=result.points,
        made=MADE,
        source=source,
        standing="read",
        like=before.device if before is not None else "",
        like_runtime=before.runtime if before and before.runtime != group.runtime else "",
        like_dtype=before.dtype if before and before.dtype != group.dtype else "",
        scale_note=note,
        kinds=tuple(sorted(seen)),
        like_kinds=tuple(sorted(theirs - seen)),
        spread=result.spread,
        coverage80=result.coverage80,
    )


def _sources() -> dict[Group, str]:
    found: dict[Group, list[Latency]] = {}
    for row in packaged_latencies():
        group = Group(row.device, row.dtype, row.threads, row.runtime, row.delegate)
        found.setdefault(group, []).append(row)
    return {group: _source(rows) for group, rows in found.items()}


def _source(rows: list[Latency]) -> str:
    pages = list(dict.fromkeys(row.source for row in rows))
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    named = pages[0]
    if len(pages) > 1:
        repository, commit = pages[0].split(" ")[0].split("/")[:2], pages[0].split("@")[-1]
        named = f"{'/'.join(repository)[:80]} at {commit}, {len(pages)} pages"
        named = named.replace("benchmarks tensorflow", "benchmarks")
    return f"{named} ({'; '.join(notes)})" if notes else named


def _kinds() -> dict[str, frozenset[str]]:
    """The kinds of operators of every network in the tables."""
    return {
        network.name: frozenset(operator.kind for operator in network.workload().operators)
        for network in published_networks()
    }


if __name__ == "__main__":
    for written in write_again(Path(__file__).parents[2] / "devices"):
        print(written.name)
