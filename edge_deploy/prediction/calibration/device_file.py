"""The device file of a calibration: which device it is, and the text with its coefficients."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import tomli_w
from edge_deploy_runner.errors import BadInputError, OutputError, UsageError
from edge_deploy_runner.output import check_free, write_bytes, write_json
from edge_deploy_runner.toml import tomllib

from edge_deploy.catalogue import (
    DeviceProfile,
    device_file,
    device_profile,
    parse_profile,
    recognised,
    user_folder,
    with_latency,
)
from edge_deploy.catalogue.own_files import check_id, read_text, split_at_marker
from edge_deploy.prediction.latency.entry import from_entry
from edge_deploy.prediction.latency.model import LatencyModel

from .latency_models import merged
from .times import Calibration

_ITSELF = "the device itself, at its calibration"


def id_of(machine: Mapping[str, Any], host: str) -> str:
    """What to call a measured machine: the known device's id, else the phone's or host's name.

    An emulated one is no known device.
    """
    known = None if machine.get("emulated") else recognised(machine)
    if known is not None:
        return known.id
    name = machine.get("model") or host
    if machine.get("model"):
        name = f"{machine.get('manufacturer') or ''} {name}"
    slug = re.sub(r"[^a-z0-9]+", "-", str(name).lower()).strip("-") or "my-device"
    return f"{slug}-device" if slug in ("local", "android", "ssh") else slug


def cluster_of(profile: DeviceProfile | None, threads: Sequence[int], cpus: str | None) -> str:
    """The cores that a calibration ran on: those of --cpus, else the fastest if they suffice."""
    names = [cluster.name for cluster in profile.clusters] if profile else ["all"]
    if len(names) == 1 or profile is None:
        return names[0]
    if cpus in names:
        return str(cpus)
    fastest = profile.fastest_first()[0]
    return fastest.name if fastest.cores >= max(threads) and cpus is None else "all"


def check_is(device_id: str, machine: Mapping[str, Any]) -> str:
    """Raise `UsageError` where a packaged device's id is given to a machine that is not it.

    Returns a warning for an emulated machine, which may stand for any, and "" otherwise.
    """
    if not _packaged(device_id):
        return ""
    profile = device_profile(device_id)
    if machine.get("emulated"):
        return f"an emulator was measured, not a {profile.name}: its times are simulated"
    known = recognised(machine)
    if known is not None:
        what = "" if known.id == device_id else f"a {known.name}"
    elif bool(machine.get("android")) != (profile.kind == "phone"):
        what = "a phone" if machine.get("android") else "no phone"
    else:
        # Every device of the package has ARM cores.
        architecture = str(machine.get("machine") or "")
        is_arm = not architecture or architecture.startswith(("arm", "aarch64"))
        what = "" if is_arm else f"a machine with {architecture} cores"
    if what:
        raise UsageError(
            f"{device_id} is a {profile.name}, and what would be measured is {what}; give it a "
            f"name of its own with --id, and --like {device_id} to borrow the facts of that"
        )
    return ""


def check_place(device_id: str, output: str | Path | None, force: bool) -> Path:
    """Where the file of a device goes, if it may: `output`, else among the user's own.

    Raises `BadInputError` for an id that is none or does not agree with the file's name, or a
    file of that device that is damaged, and `OutputError` where there is such a file already, or
    none may be written.
    """
    check_id(device_id)
    path = Path(output) if output is not None else user_folder() / f"{device_id}.toml"
    if path.name != f"{device_id}.toml":
        raise BadInputError(
            f"the file of {device_id} must be called {device_id}.toml, not {path.name}; change "
            "--output or --id"
        )
    try:
        found = check_free(path, force)
    except OutputError as error:
        if not path.is_file():
            raise
        raise OutputError(
            f"{device_id} has a file already ({path}); --force replaces its coefficients and keeps "
            "the rest"
        ) from error
    check_free(path.with_suffix(".calibration.json"), force=True)
    before = _before(device_id, path)
    if before:
        _check_text(before, device_id, path)
    return found


def device_text(
    device_id: str,
    path: Path,
    models: Sequence[LatencyModel],
    *,
    machine: Mapping[str, Any] | None = None,
    max_mhz: float | None = None,
    like: DeviceProfile | None = None,
) -> str:
    """The text of a device's file with these coefficients.

    What stands in the file already is kept, but for coefficients of the same runs; so is what
    stands in the user's own file of that id, where this one lies elsewhere. A new file of a
    packaged device holds its id alone, and gets the facts from there; of another one it says what
    `machine`, the "device" of a measurement, and `like` say. Raises `BadInputError` where the
    file that is there is damaged.
    """
    before = _before(device_id, path)
    if not before:
        threads = max(model.threads for model in models)
        before = tomli_w.dumps(_facts(device_id, machine or {}, max_mhz, like, threads))
    above, below = split_at_marker(before)
    text = with_latency(above, merged(models, _entries(below, f"the device file {path}")))
    # Whatever is wrong is told now, not when it is used.
    _check_text(text, device_id, path)
    return text


def _before(device_id: str, path: Path) -> str:
    """What a device's file starts from: itself, the user's own, or a packaged one's id."""
    if path.is_file():
        return read_text(path)
    if (user_folder() / f"{device_id}.toml").is_file():
        return device_file(device_id)
    return f'id = "{device_id}"\n' if _packaged(device_id) else ""


def _packaged(device_id: str) -> str:
    entry = resources.files("edge_deploy") / "devices" / f"{device_id}.toml"
    return entry.read_bytes().decode() if entry.is_file() else ""


def _check_text(text: str, device_id: str, path: Path) -> None:
    tuple(parse_profile(text, device_id, str(path), _packaged(device_id)).latency)


def _entries(below: str, origin: str) -> tuple[LatencyModel, ...]:
    try:
        entries = tomllib.loads(below).get("latency", [])
    except tomllib.TOMLDecodeError as error:
        raise BadInputError(f"{origin} is not TOML below its marker line: {error}") from error
    return tuple(
        from_entry(entry, f"{origin}: latency entry {number}")
        for number, entry in enumerate(entries, 1)
    )


def write_calibration(path: Path, text: str, calibration: Calibration | None, force: bool) -> Path:
    """Write a device's file, and every time of its calibration beside it, as JSON.

    Both are written whole or neither, whatever stops it. Returns the path of the JSON file.
    """
    record = path.with_suffix(".calibration.json")
    if calibration is None:
        write_bytes(path, text.encode(), force)
        return record
    before = record.read_bytes() if record.is_file() else None
    try:
        write_json(record, calibration.to_json(), force=True)
        write_bytes(path, text.encode(), force)
    except BaseException:
        if before is None:
            record.unlink(missing_ok=True)
        else:
            write_bytes(record, before, force=True)
        raise
    return record


def _facts(
    device_id: str,
    machine: Mapping[str, Any],
    max_mhz: float | None,
    like: DeviceProfile | None,
    threads: int,
) -> dict[str, Any]:
    """What is known of a device that no file describes yet."""
    found: dict[str, Any] = {"id": device_id, "name": _name(device_id, machine)}
    found["kind"] = _kind(machine, like)
    found["soc"] = str(machine.get("soc") or machine.get("cpu_model") or _of(like, "soc"))
    if like is not None:
        found["like"] = like.id
    if machine.get("board"):
        found["device_tree"] = str(machine["board"])
    found.update(_clusters(machine, max_mhz, like, threads))
    if machine.get("ram_bytes"):
        found["facts"] = {
            "ram": {
                "value": _size(float(machine["ram_bytes"])),
                "source": _ITSELF,
                "standing": "read",
            }
        }
    return found


def _name(device_id: str, machine: Mapping[str, Any]) -> str:
    if machine.get("model"):
        return f"{machine.get('manufacturer') or ''} {machine['model']}".strip()
    return str(machine.get("board") or device_id)


def _kind(machine: Mapping[str, Any], like: DeviceProfile | None) -> str:
    if machine.get("android"):
        return "phone"
    board = str(machine.get("board") or "")
    if board:
        return "raspberry-pi" if board.startswith("Raspberry Pi") else "board"
    return like.kind if like is not None and not machine else "computer"


def _of(like: DeviceProfile | None, key: str) -> str:
    return str(getattr(like, key)) if like is not None else "unknown"


def _clusters(
    machine: Mapping[str, Any], max_mhz: float | None, like: DeviceProfile | None, threads: int
) -> dict[str, Any]:
    """The device's cores; without a clock where neither it nor a sibling of its kind says one."""
    source = {"source": _ITSELF, "standing": "read"}
    core = str(machine.get("cpu_model") or "unknown")
    clocks = [float(clock) for clock in (machine.get("core_max_mhz") or {}).values()]
    clusters: list[dict[str, Any]]
    if clocks:
        clusters = [
            {"cores": clocks.count(clock), "core": core, "max_mhz": _whole(clock)}
            for clock in sorted(set(clocks), reverse=True)[:3]
        ]
    elif max_mhz:
        clusters = [
            {"cores": int(machine.get("cores") or 1), "core": core, "max_mhz": _whole(max_mhz)}
        ]
    elif like is not None and _may_have_cores_of(like, machine) and _tells_more(like, machine):
        clusters = [
            {"cores": one.cores, "core": one.core, "name": one.name}
            | ({"max_mhz": _whole(one.max_mhz)} if one.max_mhz else {})
            for one in like.clusters
        ]
        source = {"source": f"as of {like.id}", "standing": "guess"}
    elif machine.get("cores"):
        clusters = [{"cores": int(machine["cores"]), "core": core}]
        source["source"] += "; its clock cannot be read there"
    else:
        clusters = [{"cores": threads, "core": core}]
        source = {
            "source": "as many cores as threads were timed; what cores they are was not said",
            "standing": "guess",
        }
    return {"clusters": clusters, "clusters_source": source}


def _may_have_cores_of(like: DeviceProfile, machine: Mapping[str, Any]) -> bool:
    """Whether nothing that a machine says of its cores speaks against a sibling's."""
    names = {cluster.core for cluster in like.clusters}
    return machine.get("cores") in (None, like.cores) and (
        machine.get("cpu_model") is None or machine["cpu_model"] in names
    )


def _tells_more(like: DeviceProfile, machine: Mapping[str, Any]) -> bool:
    """Whether a sibling knows of the cores what the machine does not say itself."""
    says_all = machine.get("cores") is not None and machine.get("cpu_model") is not None
    return not says_all or any(cluster.max_mhz for cluster in like.clusters)


def _whole(figure: float) -> float:
    """2400 rather than 2400.0, as a person writes it."""
    return int(figure) if figure == int(figure) else figure


def _size(size_bytes: float) -> str:
    """A memory's size as a person writes it, to three digits."""
    return f"{size_bytes / 1e9:.3g} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"
