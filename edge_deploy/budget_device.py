"""Whether a measurement can be of the device that a budget names; told before minutes of measuring.

A budget's `device` is the id or the address that a measurement has: "local", "ssh" or
"ssh://USER@HOST", "android" or "android:SERIAL", or an id of the catalogue.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from edge_deploy_android.target import AndroidTarget
from edge_deploy_runner.errors import UsageError

from .catalogue import DeviceProfile, all_profiles
from .remote.target import SshTarget


def check_budget_device(
    wanted: str, target: SshTarget | AndroidTarget | DeviceProfile | None
) -> None:
    """Raise `UsageError` where no measurement of the target can have the device of a budget.

    `target` None is this computer, a profile the device that figures are predicted for. What only
    the device itself tells passes.
    """
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
    else:
        near = difflib.get_close_matches(wanted.lower().replace(" ", "-"), all_profiles(), 1, 0.7)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(
            f"the budget is for the device {wanted!r}, which is none; {hint}Write an id of "
            "`edge-deploy devices`, or local, ssh://USER@HOST, android or android:SERIAL"
        )
    if not fits:
        raise UsageError(
            f"the budget is for {wanted} and --device is {here}; "
            f"{'measure on' if not isinstance(target, DeviceProfile) else 'predict for'} "
            "the budget's device, or name this one in the budget"
        )


def other_device(wanted: str, device: Mapping[str, Any], evidence: str = "measured") -> str:
    """Why a measurement is not of the device that a budget names; "" where it is.

    `device` and `evidence` are those of the measurement.
    """
    ids = [str(device[key]) for key in ("id", "target") if device.get(key)]
    if wanted in ids:
        return ""
    ids = list(dict.fromkeys(ids))
    name = device.get("name")
    if not name and device.get("model"):
        model, maker = str(device["model"]), str(device.get("manufacturer") or "")
        name = model if model.lower().startswith(maker.lower()) else f"{maker} {model}"
    how = "predicted for" if evidence == "predicted" else "measured on"
    more = ", ".join([*ids[1:], *([str(name)] if name else [])])
    return (
        f"the budget is for {wanted} and this was {how} {ids[0] if ids else 'another device'}"
        f"{f' ({more})' if more else ''}"
        + (f"; a budget names the id or the address: {' or '.join(ids)}" if ids else "")
    )
