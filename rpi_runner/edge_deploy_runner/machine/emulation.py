"""Whether another CPU plays this one: figures from such a machine are simulated, not measured."""

from __future__ import annotations

import os
import re
from pathlib import Path

_ROOT = Path("/")


def emulator(machine: str, cpuinfo: str, device_tree: str, root: Path | None = _ROOT) -> str | None:
    """Which emulator runs this program, and how that shows; None on a machine of its own.

    `machine` is what uname says. QEMU's user mode serves a made-up /proc/cpuinfo and hides its
    own path in /proc/self; what it leaves alone, /proc/sys/kernel/arch and the tasks' links, tells
    the truth. QEMU's raspi boards give nothing away and are not recognised. `root` None looks at
    the three texts alone.
    """
    if "dummy-virt" in device_tree:
        return "QEMU's virt board"
    if "QEMU TCG" in cpuinfo:
        return "QEMU (TCG CPU)"
    family = _family(machine)
    if family == "arm" and re.search(r"^vendor_id\s*:", cpuinfo, re.MULTILINE):
        return "QEMU user mode (an x86 /proc/cpuinfo)"
    return None if root is None else _foreign_host(family, root)


def _foreign_host(family: str, root: Path) -> str | None:
    for task in sorted(root.glob(f"proc/{_own_pid(root)}/task/*/exe")):
        name = Path(_link(task)).name
        if re.match(r"qemu-[a-z0-9_]+(-static)?$", name):
            return f"QEMU user mode ({name})"
    comm = _read(root / "proc/self/comm")
    if re.match(r"qemu-[a-z0-9_]", comm):
        return f"QEMU user mode (this process is called {comm})"
    kernel = _read(root / "proc/sys/kernel/arch")
    if kernel and _family(kernel) != family:
        return f"an emulator in user mode (the kernel is {kernel})"
    kind = re.match(r"cpu:type:(\w+)", _read(root / "sys/devices/system/cpu/modalias"))
    if kind and _family(kind.group(1)) != family:
        return f"an emulator in user mode (the CPU is {kind.group(1)})"
    return None


def _own_pid(root: Path) -> str:
    return str(os.getpid()) if root == _ROOT else "self"


def _family(machine: str) -> str:
    if machine.startswith(("aarch64", "arm")):
        return "arm"
    if re.fullmatch(r"x86(_64)?|i[3-6]86|amd64|AMD64", machine):
        return "x86"
    return machine


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip("\0 \n")
    except OSError:
        return ""
