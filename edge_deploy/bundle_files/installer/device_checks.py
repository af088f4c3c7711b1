"""Whether this device can run a bundle, and has room for it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import re
import shutil
import struct
import sys
from pathlib import Path
from typing import Any

from .refusal import DEVICE, OUTPUT, Refusal

# What Python's compiled modules and the folders themselves take, beside the files.
SPARE_BYTES = 12 << 20
BLOCK = 4096


def machine() -> str:
    """What this Python's programs are built for; a 64-bit kernel may run a 32-bit system."""
    name = platform.machine()
    if struct.calcsize("P") == 4 and name in ("aarch64", "armv8l", "armv7l"):
        return "armv7l"
    return name


def check_device(manifest: dict[str, Any]) -> None:
    """Raise `Refusal` where the bundle is for another machine, Python or an older system."""
    target = manifest["target"]
    whose = f"this bundle is for {target['name']}"
    if machine() != target["machine"]:
        why = ""
        if machine() == "armv6l":
            why = " (the Pi Zero and the Pi 1 have a processor that no TFLite runtime is built for)"
        raise Refusal(
            DEVICE,
            f"{whose} ({target['machine']}) and this device is {machine()}{why}; "
            "build one with another --target",
        )
    here = "{}.{}".format(*sys.version_info[:2])
    if here != target["python"]:
        raise Refusal(
            DEVICE,
            f"{whose} (Python {target['python']}) and this is Python {here} ({sys.executable}); "
            "run it with the system's python3, or build one with another --target",
        )
    have = glibc()
    wanted = tuple(int(part) for part in target["glibc"].split("."))
    if have is None or have < wanted:
        found = ".".join(map(str, have)) if have else "none"
        raise Refusal(
            DEVICE, f"{whose} and needs glibc {target['glibc']}; this system has {found}: update it"
        )
    check_system_packages(manifest)


def check_system_packages(manifest: dict[str, Any]) -> None:
    """Raise `Refusal` where a module that the system has to bring is missing or too new."""
    for wanted in manifest.get("system_packages", ()):
        module, package, below = wanted["module"], wanted["package"], wanted["below"]
        mend = f"with a network, run sudo apt install {package} once"
        if importlib.util.find_spec(module) is None:
            raise Refusal(DEVICE, f"this system has no Python module {module}; {mend}")
        if below is not None:
            found = str(getattr(importlib.import_module(module), "__version__", "0"))
            if int(found.split(".", 1)[0]) >= below:
                raise Refusal(
                    DEVICE,
                    f"this system's {module} is {found} and the runtime needs one below {below}; "
                    f"remove it, and {mend}",
                )


def glibc() -> tuple[int, ...] | None:
    """The C library's version; None where it is another one."""
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError, AttributeError):
        return None
    match = re.fullmatch(r"glibc (\d+)\.(\d+).*", text)
    return (int(match.group(1)), int(match.group(2))) if match else None


def check_space(manifest: dict[str, Any], folder: Path) -> None:
    """Raise `Refusal` where the file system of a folder has not room enough."""
    needed = needed_bytes(manifest)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise disk_full(needed, free, folder)


def needed_bytes(manifest: dict[str, Any]) -> int:
    """What an installed bundle takes on a disk with blocks of 4 KiB."""
    sizes = (record["size_bytes"] for record in manifest["files"].values())
    return int(sum(-(-size // BLOCK) * BLOCK for size in sizes)) + SPARE_BYTES


def disk_full(needed: int, free: int, folder: Path) -> Refusal:
    """The refusal of a disk without room; of one with room it is the number of files."""
    if free >= needed:
        return Refusal(
            OUTPUT,
            f"the disk is full: {folder} has {free / 1e6:.0f} MB free and takes no more files "
            "(see df -i); remove some, or name another folder with --prefix",
        )
    return Refusal(
        OUTPUT,
        f"the disk is full: the bundle needs {needed / 1e6:.0f} MB and {folder} has "
        f"{free / 1e6:.0f} MB free; free some space or name another folder with --prefix",
    )
