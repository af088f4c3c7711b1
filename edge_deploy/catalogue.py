"""Known devices: what they are and what power they draw, each value with its source.

The profiles are package data, `devices/*.toml`. A value marked "guess" was not confirmed by its
source, and is shown as a guess wherever it appears.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from edge_deploy_runner.errors import BadInputError, UsageError
from edge_deploy_runner.toml import tomllib

from .energy import Battery, PowerDraw, scaled_load

STANDINGS = ("read", "guess")


@dataclass(frozen=True)
class Fact:
    """One value with where it comes from: "read" at its source, or a "guess"."""

    value: Any
    source: str
    standing: str

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"value": self.value, "source": self.source, "standing": self.standing}


@dataclass(frozen=True)
class Cluster:
    """Cores of one kind; the current of one busy core, at half and at full clock, if known."""

    cores: int
    core: str
    max_mhz: float
    active_ma_per_core: tuple[float, float] | None = None


@dataclass(frozen=True)
class DeviceProfile:
    """One device. `facts` holds isa, ram, storage, battery and power values with their sources."""

    id: str
    name: str
    soc: str
    device_tree: str
    clusters: tuple[Cluster, ...]
    clusters_source: Fact
    facts: dict[str, Fact]

    @property
    def cores(self) -> int:
        """Cores of all clusters."""
        return sum(cluster.cores for cluster in self.clusters)

    def battery(self) -> Battery | None:
        """The built-in battery; None for a device that has none."""
        capacity, voltage = self.facts.get("battery_mah"), self.facts.get("battery_v")
        if capacity is None or voltage is None:
            return None
        # Power profiles of phones state currents at the battery: no converter lies between.
        return Battery(float(capacity.value), float(voltage.value), efficiency=1.0)

    def power(self, threads: int) -> PowerDraw | None:
        """Power draw with `threads` busy cores, the fastest first; None where no source says."""
        idle, load = self.facts.get("idle_w"), self.facts.get("load_w")
        if idle is not None and load is not None:
            idle_w, load_w = _pair(idle.value), _pair(load.value)
            return PowerDraw(
                scaled_load(idle_w, load_w, threads, self.cores),
                idle_w,
                "predicted",
                f"power model of {self.id} (idle: {idle.source}, {idle.standing}; load of all "
                f"{self.cores} cores: {load.source}, {load.standing})",
            )
        voltage = self.facts.get("battery_v")
        currents = [
            cluster.active_ma_per_core
            for cluster in sorted(self.clusters, key=lambda c: -c.max_mhz)
            for _ in range(cluster.cores)
        ][:threads]
        known = [pair for pair in currents if pair is not None]
        if voltage is None or not known or len(known) < len(currents):
            return None
        return PowerDraw(
            (
                sum(pair[0] for pair in known) / 1000 * float(voltage.value),
                sum(pair[1] for pair in known) / 1000 * float(voltage.value),
            ),
            None,
            "predicted",
            f"power model of {self.id} (mA per core at half and full clock: "
            f"{self.clusters_source.source}, {self.clusters_source.standing}; "
            f"battery voltage: {voltage.source}, {voltage.standing})",
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "id": self.id,
            "name": self.name,
            "soc": self.soc,
            "cores": self.cores,
            "clusters": [
                {
                    "cores": cluster.cores,
                    "core": cluster.core,
                    "max_mhz": cluster.max_mhz,
                    "active_ma_per_core": list(cluster.active_ma_per_core)
                    if cluster.active_ma_per_core
                    else None,
                }
                for cluster in self.clusters
            ],
            "clusters_source": {
                "source": self.clusters_source.source,
                "standing": self.clusters_source.standing,
            },
            **{key: fact.to_json() for key, fact in self.facts.items()},
        }


@lru_cache(maxsize=1)
def all_profiles() -> dict[str, DeviceProfile]:
    """Every known device by id, in alphabetical order."""
    folder = resources.files("edge_deploy") / "devices"
    found = {}
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".toml"):
            profile = parse_profile(entry.read_text("utf-8"), entry.name.removesuffix(".toml"))
            found[profile.id] = profile
    return found


def device_profile(device_id: str) -> DeviceProfile:
    """The profile `device_id`; raises `UsageError` with the nearest and all known ids."""
    profiles = all_profiles()
    if device_id in profiles:
        return profiles[device_id]
    # What owners call a Raspberry Pi: rpi4, pi-5, rpi-zero-2w.
    spoken = re.sub(r"^(rpi|pi)[-_ ]?(?=\d|zero)", "raspberry-pi-", device_id.lower())
    near = difflib.get_close_matches(spoken, profiles, 1, 0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"unknown device {device_id!r}; {hint}Known devices: {', '.join(profiles)}")


def recognise(board: str | None) -> DeviceProfile | None:
    """The profile of the board that a device tree names; None for an unknown one."""
    matches = [
        profile
        for profile in all_profiles().values()
        if board and profile.device_tree and board.startswith(profile.device_tree)
    ]
    return max(matches, key=lambda profile: len(profile.device_tree), default=None)


def parse_profile(text: str, device_id: str) -> DeviceProfile:
    """A device file's content; raises `BadInputError` that names what is wrong in it."""
    origin = f"the device profile {device_id}"
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInputError(f"{origin} is not TOML: {error}") from error
    try:
        if document["id"] != device_id:
            raise BadInputError(f"{origin} calls itself {document['id']!r}; id and file must agree")
        clusters = tuple(_cluster(entry, origin) for entry in document["clusters"])
        profile = DeviceProfile(
            id=device_id,
            name=str(document["name"]),
            soc=str(document["soc"]),
            device_tree=str(document.get("device_tree", "")),
            clusters=clusters,
            clusters_source=_fact("clusters_source", document["clusters_source"], origin),
            facts={
                key: _fact(key, entry, origin) for key, entry in document.get("facts", {}).items()
            },
        )
        if not clusters:
            raise BadInputError(f"{origin} lists no cores")
        for key in ("idle_w", "load_w"):
            if key in profile.facts:
                low, high = _pair(profile.facts[key].value)
                if not (math.isfinite(low) and math.isfinite(high) and 0 <= low <= high):
                    raise BadInputError(f"{origin}: {key} needs [low, high] with 0 <= low <= high")
        idle, load = profile.facts.get("idle_w"), profile.facts.get("load_w")
        if (idle is None) != (load is None):
            raise BadInputError(
                f"{origin} states one of idle_w and load_w; it needs both or neither"
            )
        if idle and load and _pair(load.value)[0] <= _pair(idle.value)[1]:
            raise BadInputError(f"{origin}: its load power must lie above its idle power")
    except KeyError as error:
        raise BadInputError(f"{origin} lacks {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise BadInputError(f"{origin} is malformed: {error}") from error
    return profile


_FACTS = ("isa", "ram", "storage", "battery_mah", "battery_v", "idle_w", "load_w")


def _fact(key: str, entry: dict[str, Any], origin: str) -> Fact:
    if key not in (*_FACTS, "clusters_source"):
        raise BadInputError(f"{origin} has an unknown fact {key!r}; valid: {', '.join(_FACTS)}")
    standing = entry["standing"]
    if standing not in STANDINGS:
        raise BadInputError(f"{origin}: {key}'s standing is {standing!r}, not read or guess")
    if not str(entry["source"]).strip():
        raise BadInputError(f"{origin}: {key} names no source")
    return Fact(entry.get("value"), str(entry["source"]), standing)


def _cluster(entry: dict[str, Any], origin: str) -> Cluster:
    cores, max_mhz = int(entry["cores"]), float(entry["max_mhz"])
    if cores < 1 or not max_mhz > 0:
        raise BadInputError(f"{origin}: a cluster needs at least one core and a clock above 0")
    current = entry.get("active_ma_per_core")
    return Cluster(
        cores, str(entry["core"]), max_mhz, _pair(current) if current is not None else None
    )


def _pair(value: Any) -> tuple[float, float]:
    low, high = value
    return float(low), float(high)
