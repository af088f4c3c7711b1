"""From a device at hand, or a table of its times, to a device file: one call."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deploy_android.measuring import AndroidOptions
from edge_deploy_android.target import AndroidTarget
from edge_deploy_runner.errors import DeviceError, UsageError
from edge_deploy_runner.progress import Progress, silent

from edge_deploy.catalogue import DeviceProfile, all_profiles, device_profile
from edge_deploy.prediction.latency.model import LatencyModel
from edge_deploy.prediction.synthetic.layers import DTYPES
from edge_deploy.prediction.tables.reading import read_latencies
from edge_deploy.profiling import check_device
from edge_deploy.remote.target import SshTarget

from .connection import Target
from .device_file import (
    check_is,
    check_place,
    cluster_of,
    device_text,
    id_of,
    write_calibration,
)
from .latency_models import calibrated_models, models_of_tables, read_features
from .measuring import QUICK_MODELS, ROUNDS, calibrate
from .micro_models import MICRO_MODELS
from .times import REFUSED_NOISE, Calibration


@dataclass(frozen=True)
class OwnDevice:
    """A device file that was written, and what it rests on.

    `record` is the JSON file beside it with every time; None, like `calibration`, for a table.
    """

    id: str
    path: Path
    models: tuple[LatencyModel, ...]
    warnings: tuple[str, ...]
    record: Path | None = None
    calibration: Calibration | None = None


def calibrate_device(
    device: str,
    *,
    device_id: str | None = None,
    like: str | None = None,
    quick: bool = False,
    threads: Sequence[int] | None = None,
    dtypes: Sequence[str] = ("float32", "int8"),
    rounds: int = ROUNDS,
    wheels: str | os.PathLike[str] | None = None,
    cpus: str | None = None,
    output: str | os.PathLike[str] | None = None,
    force: bool = False,
    on_progress: Progress = silent,
) -> OwnDevice:
    """Run the micro-models on a device and write its file.

    `device`: "local", "ssh://USER@HOST[:PORT]" or "android[:SERIAL]". `device_id`: what to call
    it; None for the known device that it is, or else the name of the host. `like`: a known device
    whose facts a new one borrows, and with `quick` its coefficients. `threads`: None for 1 and as
    many as there are cores, at most four. `output`: ID.toml elsewhere than among the user's own.
    Raises `UsageError`, `DeviceError`, `OutputError`; whatever can be known before minutes of
    measuring is told before. Where times differ so much between rounds that nothing can be said,
    `DeviceError` unless `force`.
    """
    wheels, output = _path(wheels), _path(output)
    target = _target(device, cpus, wheels)
    if rounds < 1:
        raise UsageError(f"--rounds is {rounds}; use 1 or more")
    sibling = device_profile(like) if like else None
    for dtype in dtypes:
        if dtype not in DTYPES:
            raise UsageError(f"--dtypes has {dtype!r}; valid: {', '.join(DTYPES)}")
    if device_id is None and output is not None:
        device_id = output.stem
    if device_id is not None:
        check_place(device_id, output, force)
        if quick:
            _prior(sibling, device_id, dtypes)
    place: dict[str, Any] = {}

    def settle(machine: dict[str, Any]) -> None:
        host = target.host if isinstance(target, SshTarget) else platform.node()
        found = device_id or id_of(machine, host)
        place.update(note=check_is(found, machine), id=found)
        place["path"] = check_place(found, output, force)
        if quick:
            place["prior"] = _prior(sibling, found, dtypes)

    calibration = calibrate(
        target,
        threads=threads,
        dtypes=tuple(dict.fromkeys(dtypes)),
        micro_models=[one for one in MICRO_MODELS if not quick or one.name in QUICK_MODELS],
        operators=not quick,
        rounds=rounds,
        wheels=wheels,
        android=AndroidOptions(cpus=cpus) if isinstance(target, AndroidTarget) else None,
        on_machine=settle,
        on_progress=on_progress,
    )
    if calibration.noise > REFUSED_NOISE and not force:
        raise DeviceError(
            f"times of the same model differ by {calibration.noise:.0%} between rounds, as other "
            "programs run there: nothing was written; calibrate again when nothing else runs, or "
            "take them as they are with --force"
        )
    name, path = str(place["id"]), Path(place["path"])
    counts = [entry.threads for entry in calibration.times]
    cluster = cluster_of(all_profiles().get(name), counts, calibration.cpus)
    models = calibrated_models(calibration, cluster, place.get("prior"))
    text = device_text(
        name, path, models, machine=calibration.machine, max_mhz=calibration.max_mhz, like=sibling
    )
    record = write_calibration(path, text, calibration, force)
    notes = (place["note"],) if place["note"] else ()
    return OwnDevice(name, path, models, (*notes, *calibration.warnings), record, calibration)


def device_from_table(
    table: str | os.PathLike[str],
    device_id: str,
    *,
    features: Sequence[str | os.PathLike[str]] = (),
    like: str | None = None,
    output: str | os.PathLike[str] | None = None,
    force: bool = False,
) -> OwnDevice:
    """Fit a table of measured times and write the device's file; see `tables.parse_latencies`.

    `features`: tables or `.tflite` files of networks that the packaged table has not. `like`: the
    device whose coefficients the fit starts from, None for the Pixel 3. Raises `BadInputError`,
    `OutputError`.
    """
    sibling = device_profile(like) if like else None
    table = Path(table)
    path = check_place(device_id, _path(output), force)
    networks = read_features(map(Path, features))
    latencies = read_latencies(table)
    models, notes = models_of_tables(latencies, networks, table.name, sibling, device_id)
    write_calibration(path, device_text(device_id, path, models, like=sibling), None, force)
    return OwnDevice(device_id, path, models, notes)


def _path(given: str | os.PathLike[str] | None) -> Path | None:
    return None if given is None else Path(given)


def _target(device: str, cpus: str | None, wheels: Path | None) -> Target:
    target = check_device(device)
    if isinstance(target, DeviceProfile):
        raise UsageError(
            f"{target.id} is a known device, not one that can be reached; calibrate over --device "
            f"ssh://USER@HOST, android or local, with --id {target.id} if it is one"
        )
    if cpus and not isinstance(target, AndroidTarget):
        raise UsageError("--cpus is for a phone; leave it out")
    if wheels and not isinstance(target, SshTarget):
        raise UsageError("--wheels is for a device that is reached over ssh; leave it out")
    return target


def _prior(sibling: DeviceProfile | None, device_id: str, dtypes: Sequence[str]) -> DeviceProfile:
    prior = sibling or all_profiles().get(device_id)
    if prior is None or not prior.latency:
        raise UsageError(
            "--quick starts from a known device's coefficients; name one with --like ID "
            "(`edge-deploy devices` says which have any), or leave --quick out"
        )
    known = {model.dtype for model in prior.latency}
    for dtype in dtypes:
        if dtype not in known:
            raise UsageError(
                f"{prior.id} has no coefficients of {dtype} for --quick to start from; name those "
                f"that it has with --dtypes {','.join(sorted(known))}, or leave --quick out"
            )
    return prior
