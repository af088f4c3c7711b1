"""A device file's content as a `DeviceProfile`; whatever is wrong in it is one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.toml import tomllib

from . import values
from .latency_entries import LatencyEntries, parse_entries
from .own_files import check_id, split_at_marker
from .profile import CLUSTER_NAMES, KINDS, Cluster, DeviceProfile, Fact

if TYPE_CHECKING:
    from edge_deploy.prediction.latency.model import LatencyModel

_KEYS = (
    "id", "name", "kind", "soc", "like", "device_tree", "clusters", "clusters_source",
    "currents_source", "facts", "latency",
)  # fmt: skip
_CLUSTER_KEYS = ("name", "cores", "core", "max_mhz", "active_ma_per_core", "alternatives")


def parse_profile(text: str, device_id: str, origin: str = "", packaged: str = "") -> DeviceProfile:
    """A device file's content; raises `BadInputError` that names the file, the key and the remedy.

    `origin` is the path of a user's file, "" for one of the package. `packaged` is the package's
    file of the same id, to which the user's then adds: what both state is the user's, and the
    package's facts become `alternatives`. Latency entries are parsed when they are looked at,
    the user's before the package's.
    """
    where = f"the device file {origin or device_id + '.toml'}"
    above, below = split_at_marker(text)
    below = below and "\n" * above.count("\n") + below  # so that errors name the file's own lines
    document = _document(above, where)
    values.check_keys(document, _KEYS, where)
    if "id" not in document:
        raise BadInputError(f'{where} lacks id; write id = "{device_id}"')
    if document["id"] != device_id:
        raise BadInputError(
            f"{where} calls itself {document['id']!r}; its id and its name without .toml must agree"
        )
    try:
        check_id(device_id)
    except BadInputError as error:
        raise BadInputError(f"{where}: {error}") from error
    base = parse_profile(packaged, device_id) if packaged else None
    clusters = _clusters(document, base, where)
    cores = sum(cluster.cores for cluster in clusters)
    listed = document.get("latency", [])

    def entries() -> tuple[LatencyModel, ...]:
        found = parse_entries(listed, below, cores, where)
        return (*found, *(base.latency if base else ()))

    def said(key: str, otherwise: str | None) -> str:
        if key in document:
            return values.text(document[key], f"{where}: {key}")
        if otherwise is None:
            raise BadInputError(f'{where} lacks {key}; write {key} = "..."')
        return otherwise

    kind = said("kind", base.kind if base else "computer")
    if kind not in KINDS:
        raise BadInputError(f"{where}: kind is {kind!r}; valid: {', '.join(KINDS)}")
    profile = DeviceProfile(
        id=device_id,
        name=said("name", base.name if base else None),
        soc=said("soc", base.soc if base else None),
        device_tree=said("device_tree", base.device_tree if base else ""),
        clusters=clusters,
        clusters_source=_source(document, "clusters_source", base, where),
        facts=_facts(document, base, where),
        latency=LatencyEntries(entries) if listed or below or base else (),
        kind=kind,
        like=said("like", base.like if base else ""),
        origin=origin or "package",
        currents_source=_currents_source(document, clusters, base, where),
    )
    _check_power(profile, where)
    return profile


def _document(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInputError(f"{where} is not TOML: {error}") from error


def _clusters(
    document: Mapping[str, Any], base: DeviceProfile | None, where: str
) -> tuple[Cluster, ...]:
    if "clusters" not in document:
        if base is None:
            raise BadInputError(
                f'{where} lacks clusters; write clusters = [{{ cores = 4, core = "Cortex-A72", '
                "max_mhz = 1500 }]"
            )
        return base.clusters
    listed = document["clusters"]
    if not isinstance(listed, list) or not listed:
        raise BadInputError(f"{where}: clusters lists no cores; it needs a list of tables")
    entries = [
        values.table(entry, f"{where}: clusters[{number}]") for number, entry in enumerate(listed)
    ]
    clusters = [_cluster(entry, f"{where}: clusters[{n}]") for n, entry in enumerate(entries)]
    clocks = [cluster[1] for cluster in clusters]
    found: list[Cluster] = []
    for number, (cores, max_mhz, core, current, others) in enumerate(clusters):
        name = entries[number].get("name", _cluster_name(clocks, max_mhz))
        if name == "" and "name" not in entries[number]:
            raise BadInputError(
                f"{where}: clusters[{number}] needs a name, as not every cluster has max_mhz; "
                f'write name = "big" or another (valid: {", ".join(CLUSTER_NAMES)})'
            )
        if name not in CLUSTER_NAMES:
            raise BadInputError(
                f"{where}: clusters[{number}].name is {name!r}; valid: {', '.join(CLUSTER_NAMES)}"
            )
        if name in [cluster.name for cluster in found]:
            raise BadInputError(
                f"{where}: two clusters are called {name!r}; give each its own name "
                f"({', '.join(CLUSTER_NAMES)})"
            )
        found.append(Cluster(cores, core, max_mhz, current, name, others))
    return tuple(found)


def _cluster_name(clocks: Sequence[float | None], max_mhz: float | None) -> str:
    """By its clock among those of all clusters; "" where not every clock is known."""
    if len(clocks) == 1:
        return "all"
    known = [clock for clock in clocks if clock is not None]
    if len(known) < len(clocks):
        return ""
    if len(set(known)) == 1:
        return "all"
    return {max(known): "big", min(known): "little"}.get(max_mhz or 0, "mid")


def _cluster(
    entry: dict[str, Any], where: str
) -> tuple[int, float | None, str, tuple[float, float] | None, tuple[Fact, ...]]:
    values.check_keys(entry, _CLUSTER_KEYS, where)
    for key in ("cores", "core"):
        if key not in entry:
            raise BadInputError(f"{where} lacks {key}")
    current = entry.get("active_ma_per_core")
    others = values.alternatives(entry, values.current_pair, where)
    if others and current is None:
        raise BadInputError(f"{where} has alternatives to active_ma_per_core, but not that itself")
    return (
        values.core_count(entry["cores"], f"{where}.cores"),
        values.clock_mhz(entry["max_mhz"], f"{where}.max_mhz") if "max_mhz" in entry else None,
        values.text(entry["core"], f"{where}.core"),
        None if current is None else values.current_pair(current, f"{where}.active_ma_per_core"),
        others,
    )


def _source(document: Mapping[str, Any], key: str, base: DeviceProfile | None, where: str) -> Fact:
    if key not in document and base is not None and "clusters" not in document:
        return base.clusters_source
    if key not in document:
        raise BadInputError(
            f'{where} lacks {key}; write {key} = {{ source = "...", standing = "read" }}'
        )
    return values.source_of(document[key], f"{where}: {key}")


def _currents_source(
    document: Mapping[str, Any],
    clusters: tuple[Cluster, ...],
    base: DeviceProfile | None,
    where: str,
) -> Fact | None:
    if "currents_source" in document:
        return values.source_of(document["currents_source"], f"{where}: currents_source")
    if base is not None and "clusters" not in document:
        return base.currents_source
    if any(cluster.active_ma_per_core for cluster in clusters):
        return values.source_of(document["clusters_source"], f"{where}: clusters_source")
    return None


def _facts(document: Mapping[str, Any], base: DeviceProfile | None, where: str) -> dict[str, Fact]:
    entries = values.table(document.get("facts", {}), f"{where}: facts")
    values.check_keys(entries, tuple(values.FACTS), f"{where}: facts")
    own = {key: values.fact(key, entry, f"{where}: {key}") for key, entry in entries.items()}
    if base is None:
        return own
    merged = dict(base.facts)
    for key, fact in own.items():
        theirs = base.facts.get(key)
        listed = {(str(other.value), other.source) for other in (fact, *fact.alternatives)}
        others = [
            replace(other, alternatives=())
            for other in (() if theirs is None else (theirs, *theirs.alternatives))
            if other.value != fact.value and (str(other.value), other.source) not in listed
        ]
        merged[key] = replace(fact, alternatives=(*fact.alternatives, *others))
    return merged


def _check_power(profile: DeviceProfile, where: str) -> None:
    """Idle and load power both known, and load above idle in what each source says."""
    idle, load = profile.facts.get("idle_w"), profile.facts.get("load_w")
    if load is not None and idle is None:
        raise BadInputError(f"{where} states load_w and not idle_w; a power model needs both")
    if idle is None:
        return
    if load is None:
        if all(cluster.active_ma_per_core is None for cluster in profile.clusters):
            raise BadInputError(
                f"{where} states idle_w, but neither load_w nor active_ma_per_core; a power model "
                "needs one of them as well"
            )
        return
    by_source = {other.source: other for other in load.alternatives}
    pairs = [(idle, load)] + [
        (other, by_source[other.source]) for other in idle.alternatives if other.source in by_source
    ]
    for its_idle, its_load in pairs:
        if its_load.value[0] <= its_idle.value[1]:
            raise BadInputError(
                f"{where}: load_w ({its_load.value[0]:g} W, {its_load.source}) does not lie above "
                f"idle_w ({its_idle.value[1]:g} W, {its_idle.source}); load is the power with all "
                "cores busy, idle included"
            )
