"""The systemd unit: filled in for this device, installed and started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .place import Place
from .refusal import say

# The unit's TimeoutStartSec and a little: until then a slow device may still be starting it.
SERVICE_SECONDS = 130
SYSTEMCTL_SECONDS = 120
NO_ANSWER = "failed: no answer"
UNIT_FOLDER = Path("/etc/systemd/system")
# The groups that own cameras and pins; each is joined where the device has it.
DEVICE_GROUPS = ("video", "render", "gpio", "i2c", "spi")


def has_systemd() -> bool:
    """Whether systemd runs this system."""
    return Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None


def unit_name(place: Place) -> str:
    """The service's name in systemd; it begins with ours, so that it can never be another's."""
    return f"edge-deploy-{place.folder.name}.service"


def data_folders(place: Place) -> tuple[str, str]:
    """Where state and logs go: systemd's folders for root, else beside the versions."""
    if os.geteuid() == 0:
        return (
            f"/var/lib/edge-deploy/{place.folder.name}",
            f"/var/log/edge-deploy/{place.folder.name}",
        )
    return str(place.folder / "state"), str(place.folder / "logs")


def render_unit(place: Place, template: str) -> str:
    """The unit for this device: its Python, the folder, and those device groups that it has."""
    import grp

    present = {entry.gr_name for entry in grp.getgrall()}
    groups = " ".join(group for group in DEVICE_GROUPS if group in present)
    values = {"PYTHON": sys.executable, "FOLDER": str(place.folder), "GROUPS": groups}
    for key, value in values.items():
        template = template.replace(f"@{key}@", _escaped(value))
    return template


def start_service(place: Place, manifest: dict[str, Any]) -> dict[str, Any]:
    """Install and start the unit where root may and systemd runs; else say how to go on."""
    folder = place.folder / "current"
    by_hand = f"{folder}/bin/edge-deploy-runner serve --config {place.folder}/service.toml"
    if os.geteuid() != 0 or not has_systemd():
        why = "systemd does not run here" if os.geteuid() == 0 else "only root may install services"
        if os.geteuid() != 0:
            state, logs = data_folders(place)
            Path(state, "incoming").mkdir(parents=True, exist_ok=True)
            Path(logs).mkdir(exist_ok=True)
        return {"unit": None, "state": "not installed", "reason": why, "by_hand": by_hand}
    unit = unit_name(place)
    text = (folder / f"{manifest['name']}.service").read_text("utf-8")
    part = UNIT_FOLDER / f".{unit}.part"
    part.write_text(render_unit(place, text), "utf-8")
    part.replace(UNIT_FOLDER / unit)
    failed = _systemctl("daemon-reload") or _systemctl("enable", unit)
    say(f"starting {unit}")
    failed = failed or _systemctl("restart", "--no-block", unit)
    state = failed or _settled(unit)
    return {"unit": unit, "state": state, "reason": None, "by_hand": by_hand}


def service_problem(result: dict[str, Any]) -> str | None:
    """One sentence where a version is installed as a service that does not run."""
    service = result.get("service")
    if not service or not service["unit"] or service["state"] == "active":
        return None
    unit, state = service["unit"], service["state"]
    return (
        f"{result['version']} is installed, and its service {unit} does not run (it is {state}); "
        f"look with journalctl --unit {unit}, or go back with --rollback"
    )


def remove_service(place: Place) -> None:
    """Stop the service and forget it; that of the same name below another prefix stays."""
    unit = unit_name(place)
    if os.geteuid() != 0 or not (UNIT_FOLDER / unit).exists():
        return
    text = (UNIT_FOLDER / unit).read_text("utf-8", "replace")
    if f" {_escaped(str(place.folder))}/current/" not in text:
        say(f"{unit} starts what another folder has, and stays")
        return
    if has_systemd():
        _systemctl("disable", "--now", unit)
    (UNIT_FOLDER / unit).unlink()
    if has_systemd():
        _systemctl("daemon-reload")


def _escaped(value: str) -> str:
    """As a unit has to hold it."""
    return value.replace("%", "%%")


def _systemctl(*arguments: str) -> str:
    """What systemctl says where it fails; an empty text where it does not."""
    try:
        done = subprocess.run(
            ["systemctl", *arguments], capture_output=True, text=True, check=False,
            timeout=SYSTEMCTL_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return NO_ANSWER
    return "" if done.returncode == 0 else f"failed: {done.stderr.strip() or done.returncode}"


def _settled(unit: str) -> str:
    """The service's state once it runs or has given up: active, activating, failed, ..."""
    deadline = time.monotonic() + SERVICE_SECONDS
    state = "unknown"
    while time.monotonic() < deadline:
        state = _is_active(unit)
        if state in ("active", "failed", NO_ANSWER):
            break
        time.sleep(0.3)
    return state


def _is_active(unit: str) -> str:
    try:
        done = subprocess.run(
            ["systemctl", "is-active", unit], capture_output=True, text=True, check=False,
            timeout=SYSTEMCTL_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return NO_ANSWER
    return done.stdout.strip()
