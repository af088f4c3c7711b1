"""Whether a measurement can be of the device that a budget names; told before minutes of measuring.

A budget's `device` is the id or the address that a measurement has: "local", "ssh" or
"ssh://USER@HOST", "android" or "android:SERIAL", or an id of the catalogue, spelled as --device
takes it. The id of a device that the user calibrated stands for the machine that its file
describes, however that was reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_deploy_android.target import AndroidTarget
from edge_deploy_runner.errors import UsageError

from .catalogue import (
    DeviceProfile,
    all_profiles,
    damaged_files,
    folded_id,
    is_machine,
    near_ids,
)
from .remote.target import SshTarget


def check_budget_device(
    wanted: str, target: SshTarget | AndroidTarget | DeviceProfile | None
) -> None:
    """Raise `UsageError` where no measurement of the target can have the device of a budget.

    `target` None is this computer, a profile the device that figures are predicted for. What only
    the device itself tells passes.
    """
    spoken, wanted = wanted, _as_id(wanted)
    kind, colon, _ = wanted.partition(":")
    if isinstance(target, DeviceProfile):
        here = target.id
    else:
        here = "local" if target is None else target.url
    if kind == "android":
        fits = isinstance(target, AndroidTarget)
        if isinstance(target, AndroidTarget) and target.serial and colon:
            fits = wanted == target.url
    elif kind == "ssh":
        fits = isinstance(target, SshTarget) and (not colon or wanted == target.url)
    elif wanted == "local":
        fits = target is None
    elif wanted in all_profiles():
        is_phone = all_profiles()[wanted].kind == "phone"
        fits = is_phone == isinstance(target, AndroidTarget)
        if isinstance(target, DeviceProfile):
            fits = wanted == target.id
    elif wanted in damaged_files():
        raise damaged_files()[wanted]
    else:
        near = near_ids(spoken, all_profiles())
        hint = f"did you mean {' or '.join(near)}? Write" if near else "write"
        raise UsageError(
            f"the budget is for the device {spoken!r}, which is none; {hint} an id of "
            "`edge-deploy devices`, or local, ssh://USER@HOST, android or android:SERIAL"
        )
    if not fits:
        raise UsageError(
            f"the budget is for {wanted} and --device is {here}; "
            f"{'measure on' if not isinstance(target, DeviceProfile) else 'predict for'} "
            "the budget's device, or name this one in the budget"
        )


def other_device(wanted: str, device: Mapping[str, Any], evidence: str | None = "measured") -> str:
    """Why a measurement is not of the device that a budget names; "" where it is.

    `device` and `evidence` are those of the measurement, None where it is still to be made. A
    prediction is for one id; a measured machine is every known device that describes it. Raises
    `BadInputError` where the file of the budget's device is damaged.
    """
    wanted = _as_id(wanted)
    ids = [str(device[key]) for key in ("id", "target") if device.get(key)]
    if wanted in ids:
        return ""
    is_measured = evidence != "predicted"
    profile = all_profiles().get(wanted)
    if profile is None and wanted in damaged_files():
        raise damaged_files()[wanted]
    if is_measured and profile is not None and is_machine(profile, device):
        return ""
    ids = list(dict.fromkeys(ids))
    described = _described(profile) if is_measured else ""
    if profile is None and wanted.partition(":")[0] not in ("local", "ssh", "android"):
        described = " (of which there is no device file here)"
    how = {None: "this is", "predicted": "this was predicted for"}.get(evidence)
    more = ", ".join([*ids[1:], *_named(device)])
    return (
        f"the budget is for {wanted}{described} and {how or 'this was measured on'} "
        f"{ids[0] if ids else 'another device'}{f' ({more})' if more else ''}"
        + (f"; a budget names the id or the address: {' or '.join(ids)}" if ids else "")
    )


def _as_id(wanted: str) -> str:
    """An id as the catalogue has it, whatever its capitals and blanks; an address as it is."""
    return wanted if ":" in wanted or wanted in damaged_files() else folded_id(wanted)


def _named(device: Mapping[str, Any]) -> list[str]:
    """What a measured machine is besides its id: its name, or else its processor."""
    if device.get("name"):
        return [str(device["name"])]
    if device.get("model"):
        model, maker = str(device["model"]), str(device.get("manufacturer") or "")
        return [model if model.lower().startswith(maker.lower()) else f"{maker} {model}"]
    if not device.get("cpu_model"):
        return []
    ram = device.get("ram_bytes")
    memory = [f"{ram / 1e9:.1f} GB"] if isinstance(ram, int | float) else []
    return [str(device["cpu_model"]), f"{device.get('cores')} cores", *memory]


def _described(profile: DeviceProfile | None) -> str:
    """What a computer must be to count as one that the user calibrated; "" for other devices."""
    if profile is None or profile.origin == "package" or profile.device_tree:
        return ""
    if profile.kind == "phone":
        return f" ({profile.name})"
    ram = profile.ram_bytes()
    memory = f", {ram[0] / 1e9:.1f} GB" if ram else ""
    return f" ({profile.soc}, {profile.cores} cores{memory})"
