"""Findings about the computer that converts, profiles and bundles: packages and outside tools."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from edge_deploy_android.adb import Adb
from edge_deploy_android.adb_text import explain_state
from edge_deploy_runner.doctor.finding import Finding, ok, problem, warning
from edge_deploy_runner.errors import BadInputError, DeviceError, UsageError

from .bundles.wheels import WheelPlatform, wheels_for
from .diagnosis_errors import finding_and_mend

# What each bundle target runs.
TARGETS = {
    "rpi-bookworm": WheelPlatform((3, 11), "aarch64"),
    "rpi-trixie": WheelPlatform((3, 13), "aarch64"),
    "rpi-bookworm-armv7": WheelPlatform((3, 11), "armv7l"),
}
_ROOM_BYTES = 1_000_000_000
_SSH_LIMIT_S = 10.0


def target_platform(target: str) -> WheelPlatform:
    """What a bundle target runs; raises `UsageError` that lists the targets."""
    if target not in TARGETS:
        raise UsageError(f"unknown target {target!r}; use one of {', '.join(TARGETS)}")
    return TARGETS[target]


def extra_requirements(requirements: Sequence[str], extra: str) -> dict[str, str]:
    """Names and exact versions that a distribution's extra asks for."""
    found = {}
    for text in requirements:
        match = re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)\s*;(.*)$", text)
        if match and re.search(rf"extra == ['\"]{re.escape(extra)}['\"]", match[3]):
            found[match[1]] = match[2]
    return found


def check_convert_extra() -> Finding:
    """Whether models can be converted here, by the installed packages' own records."""
    mend = f"{sys.executable} -m pip install 'edge-deploy[convert]'"
    try:
        wanted = extra_requirements(metadata.requires("edge-deploy") or [], "convert")
    except metadata.PackageNotFoundError:
        return warning("convert", "edge-deploy itself is not installed, only imported", mend)
    found, wrong = [], []
    for name, version in wanted.items():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        if installed != version:
            wrong.append(f"{name} is {installed} instead of {version}")
        found.append(f"{name} {installed}")
    if wrong:
        text = f"{'; '.join(wrong)}: `convert` and `select` need the extra, the rest does not"
        return warning("convert", text, mend)
    return ok("convert", ", ".join(found))


def check_ssh() -> Finding:
    """Whether devices can be reached over ssh."""
    program = shutil.which("ssh")
    if program is None:
        return warning(
            "ssh", "not installed; only --device ssh://... needs it",
            "sudo apt install openssh-client",
        )  # fmt: skip
    try:
        said = subprocess.run(
            [program, "-V"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=_SSH_LIMIT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return warning("ssh", f"{program} does not run: {error}", "sudo apt install openssh-client")
    return ok("ssh", (said.stderr or said.stdout).strip().split(",")[0] or program)


def check_adb() -> Finding:
    """Whether Android phones can be reached, and which there are."""
    named = os.environ.get("EDGE_DEPLOY_ADB") or os.environ.get("ANDROID_HOME")
    if shutil.which("adb") is None and not named:
        return warning("adb", "not installed; only Android phones need it", "sudo apt install adb")
    try:
        adb = Adb()
        if not adb.server_is_running():
            text = f"{adb.version} at {adb.executable}; its server does not run, so that no phone "
            return ok("adb", f"{text}was looked for (`adb devices` starts it)")
        listed = adb.devices()
    except DeviceError as error:
        return warning("adb", *finding_and_mend(str(error), "see what `adb devices` says"))
    text = f"{adb.version} at {adb.executable}"
    unusable = [device for device in listed if device.state != "device"]
    if unusable:
        what, mend = finding_and_mend(explain_state(unusable[0]), "restart the phone and adb")
        return warning("adb", f"{text}; {what}", mend)
    phones = ", ".join(device.words() for device in listed) or "no phone is connected"
    return ok("adb", f"{text}; {phones}")


def check_pip() -> Finding:
    """Whether the wheels of a bundle can be fetched."""
    if find_spec("pip") is None:
        return warning(
            "pip", "this Python has none; bundles for a Pi fetch their wheels with it",
            f"{sys.executable} -m ensurepip",
        )  # fmt: skip
    return ok("pip", metadata.version("pip"))


def check_cache() -> Finding:
    """Whether the cache can be written, and has room for models and wheels."""
    from platformdirs import user_cache_dir

    folder = Path(user_cache_dir("edge-deploy"))
    present = next((path for path in (folder, *folder.parents) if path.exists()), Path.cwd())
    free = shutil.disk_usage(present).free
    if not os.access(present, os.W_OK):
        return problem(
            "cache", f"{folder} cannot be written",
            "export XDG_CACHE_HOME=/tmp/cache   (or any folder that is yours)",
        )  # fmt: skip
    if free < _ROOM_BYTES:
        return warning(
            "cache", f"{free / 1e6:.0f} MB free at {folder}; wheels and models need up to 1 GB",
            "export XDG_CACHE_HOME=FOLDER   (on a disk with room)",
        )  # fmt: skip
    return ok("cache", f"{free / 1e9:.1f} GB free at {folder}")


def check_target(target: str) -> Finding:
    """What a bundle for the target would carry."""
    platform = target_platform(target)
    try:
        pins = wheels_for(platform)
    except BadInputError as error:
        return problem("target", f"{target}: {error}", f"use one of {', '.join(TARGETS)}")
    listed = ", ".join(f"{pin.package} {pin.version}" for pin in pins)
    system = "" if platform.machine != "armv7l" else "; numpy and Pillow come from the device's apt"
    return ok("target", f"{target}, {platform}: {listed}{system}")
