"""What is known of one device: its cores, memory, power and battery, each value with its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_deploy.energy import Battery
from edge_deploy.units import parse_size

if TYPE_CHECKING:
    from edge_deploy.prediction.latency.model import LatencyModel

STANDINGS = ("read", "guess")
KINDS = ("raspberry-pi", "phone", "board", "computer")
CLUSTER_NAMES = ("all", "big", "mid", "little")
"""The fastest first."""


@dataclass(frozen=True)
class Fact:
    """One value with where it comes from: "read" at its source, or a "guess".

    `alternatives`: what other sources say instead, where they disagree.
    """

    value: Any
    source: str
    standing: str
    alternatives: tuple[Fact, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "value": self.value,
            "source": self.source,
            "standing": self.standing,
            "alternatives": [_without_alternatives(other) for other in self.alternatives],
        }


def _without_alternatives(fact: Fact) -> dict[str, Any]:
    return {"value": fact.value, "source": fact.source, "standing": fact.standing}


@dataclass(frozen=True)
class Cluster:
    """Cores of one kind: "all" where a device has one kind, else "big", "mid" and "little".

    `max_mhz` is None where nobody could read it; nothing is then scaled by it.
    `active_ma_per_core` is the current of one busy core at half and at full clock, if known;
    `alternatives` are such pairs of other sources.
    """

    cores: int
    core: str
    max_mhz: float | None
    active_ma_per_core: tuple[float, float] | None = None
    name: str = "all"
    alternatives: tuple[Fact, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        current = self.active_ma_per_core
        return {
            "name": self.name,
            "cores": self.cores,
            "core": self.core,
            "max_mhz": self.max_mhz,
            "active_ma_per_core": list(current) if current else None,
            "alternatives": [_without_alternatives(other) for other in self.alternatives],
        }


@dataclass(frozen=True)
class DeviceProfile:
    """One device. `facts` holds isa, ram, storage, battery and power values with their sources.

    latency: what the device's latency is predicted from, the user's own first; they are read
    when they are first looked at, and that raises `BadInputError` where they are damaged.
    kind: one of `KINDS`. like: the sibling whose coefficients a calibration may start from, ""
    for none. origin: "package", or the path of the user's file that adds to it.
    """

    id: str
    name: str
    soc: str
    device_tree: str
    clusters: tuple[Cluster, ...]
    clusters_source: Fact
    facts: dict[str, Fact]
    latency: Sequence[LatencyModel] = ()
    kind: str = "computer"
    like: str = ""
    origin: str = "package"
    currents_source: Fact | None = None

    @property
    def cores(self) -> int:
        """Cores of all clusters."""
        return sum(cluster.cores for cluster in self.clusters)

    def fastest_first(self) -> tuple[Cluster, ...]:
        """The clusters by their clocks, or by their names where a clock is not known."""
        if all(cluster.max_mhz for cluster in self.clusters):
            return tuple(sorted(self.clusters, key=lambda cluster: -(cluster.max_mhz or 0)))
        return tuple(sorted(self.clusters, key=lambda one: CLUSTER_NAMES.index(one.name)))

    def ram_bytes(self) -> tuple[float, float] | None:
        """Memory of the smallest and of the largest board or phone of this name, if known."""
        fact = self.facts.get("ram")
        if fact is None:
            return None
        sizes = fact.value if isinstance(fact.value, list) else [fact.value]
        return parse_size(sizes[0]), parse_size(sizes[-1])

    def storage_budget_bytes(self) -> float | None:
        """What a model may take of the storage; None where nothing is said."""
        fact = self.facts.get("storage_budget")
        return None if fact is None else parse_size(fact.value)

    def delegates(self) -> tuple[str, ...]:
        """What else than the CPU the device can run models on, as its file names it."""
        fact = self.facts.get("delegates")
        return () if fact is None else tuple(fact.value)

    def battery(self) -> Battery | None:
        """The built-in battery; None for a device that has none."""
        capacity, voltage = self.facts.get("battery_mah"), self.facts.get("battery_v")
        if capacity is None or voltage is None:
            return None
        # Power profiles of phones state currents at the battery: no converter lies between.
        return Battery(float(capacity.value), float(voltage.value), efficiency=1.0)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON, without the latency models."""
        currents = self.currents_source
        return {
            "id": self.id,
            "name": self.name,
            "kind": self.kind,
            "soc": self.soc,
            "like": self.like or None,
            "origin": self.origin,
            "cores": self.cores,
            "clusters": [cluster.to_json() for cluster in self.clusters],
            "clusters_source": _source_of(self.clusters_source),
            "currents_source": None if currents is None else _source_of(currents),
            **{key: fact.to_json() for key, fact in self.facts.items()},
        }


def _source_of(fact: Fact) -> dict[str, Any]:
    return {"source": fact.source, "standing": fact.standing}
