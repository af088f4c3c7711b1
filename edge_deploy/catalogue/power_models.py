"""The power model of a known device: what its sources say that it draws at idle and under load.

Sources state power for all cores under load, or the current of one core at half and at full
clock. Whatever lies between (fewer cores, other clocks) is spread evenly, which is an assumption
and is named as one beside the source.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edge_deploy.energy import PowerDraw, scaled_load

from .profile import Cluster, DeviceProfile, Fact


def profile_power(profile: DeviceProfile, threads: int, cluster: str = "") -> PowerDraw | None:
    """Power draw with `threads` busy cores; None where no source says.

    The cores of `cluster` are taken first, then the fastest ones. What other sources say stands
    in `alternatives`; one that states only idle or only load power is taken with the other of the
    first source.
    """
    if "idle_w" in profile.facts and "load_w" in profile.facts:
        draws = _board_draws(profile, threads)
    else:
        draws = _core_draws(profile, threads, cluster)
    return replace(draws[0], alternatives=tuple(draws[1:])) if draws else None


def _board_draws(profile: DeviceProfile, threads: int) -> list[PowerDraw]:
    idle, load = profile.facts["idle_w"], profile.facts["load_w"]
    others = dict.fromkeys((*_sources_beside(idle), *_sources_beside(load)))
    pairs = [(idle, load), *((_of_source(idle, name), _of_source(load, name)) for name in others)]
    busy, cores = min(threads, profile.cores), profile.cores
    assumed = (
        "" if busy == cores else f"; {busy} of {cores} cores taken as {busy}/{cores} of the load, "
        "an assumption"
    )  # fmt: skip
    draws = []
    for its_idle, its_load in pairs:
        idle_w, load_w = _pair(its_idle.value), _pair(its_load.value)
        if (its_idle.source, its_idle.standing) == (its_load.source, its_load.standing):
            said = f"idle, and load of all {cores} cores: {_said(its_load)}"
        else:
            said = f"idle: {_said(its_idle)}; load of all {cores} cores: {_said(its_load)}"
        draws.append(
            PowerDraw(
                scaled_load(idle_w, load_w, threads, cores),
                idle_w,
                "predicted",
                f"power model of {profile.id} ({said}{assumed})",
                _standing(its_idle, its_load),
            )
        )
    return draws


def _core_draws(profile: DeviceProfile, threads: int, cluster: str) -> list[PowerDraw]:
    voltage = profile.facts.get("battery_v")
    busy = [
        entry
        for entry in sorted(profile.fastest_first(), key=lambda one: one.name != cluster)
        for _ in range(entry.cores)
    ][:threads]
    if voltage is None or not busy or any(c.active_ma_per_core is None for c in busy):
        return []
    idle = profile.facts.get("idle_w")
    first = profile.currents_source or profile.clusters_source
    currents = {fact.source: fact for entry in busy for fact in entry.alternatives}
    names = dict.fromkeys((first.source, *currents, *_sources_beside(idle)))
    draws = []
    for name in names:
        pairs = [_current(entry, name) for entry in busy]
        low, high = (sum(ends) / 1000 * float(voltage.value) for ends in zip(*pairs, strict=True))
        its_current = currents.get(name, first)
        its_idle = None if idle is None else _of_source(idle, name)
        draws.append(
            PowerDraw(
                (low, high),
                None if its_idle is None else _pair(its_idle.value),
                "predicted",
                f"power model of {profile.id} (mA per core at half and full clock: "
                f"{_said(its_current)}; the clock taken to lie between them, an assumption; "
                f"battery voltage: {_said(voltage)}"
                f"{f'; idle: {_said(its_idle)}' if its_idle else ''})",
                _standing(its_current, voltage),
            )
        )
    return draws


def _said(fact: Fact) -> str:
    return f"{fact.source}, {fact.standing}"


def _standing(*facts: Fact) -> str:
    return "guess" if any(fact.standing == "guess" for fact in facts) else "read"


def _sources_beside(fact: Fact | None) -> tuple[str, ...]:
    return () if fact is None else tuple(other.source for other in fact.alternatives)


def _of_source(fact: Fact, source: str) -> Fact:
    return next((other for other in fact.alternatives if other.source == source), fact)


def _current(cluster: Cluster, source: str) -> tuple[float, float]:
    for other in cluster.alternatives:
        if other.source == source:
            return _pair(other.value)
    assert cluster.active_ma_per_core is not None
    return cluster.active_ma_per_core


def _pair(value: Any) -> tuple[float, float]:
    low, high = value
    return float(low), float(high)
