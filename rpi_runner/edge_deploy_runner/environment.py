"""The machine that a measurement was made on: what a reader needs to judge the figures."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_ROOT = Path("/")


@dataclass(frozen=True)
class Environment:
    """One machine. `virtual_machine` names a hypervisor; `emulated` means foreign instructions.

    A virtual machine runs the real CPU and its figures are measured ones; an emulator's are not.
    """

    os: str
    kernel: str
    machine: str
    cpu_model: str | None
    cores: int
    ram_bytes: int | None
    python: str
    board: str | None = None
    virtual_machine: str | None = None
    emulated: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def describe(root: Path = _ROOT) -> Environment:
    """This machine; `root` is where its /proc and /sys lie. Never raises."""
    cpuinfo = _read(root / "proc/cpuinfo") or ""
    board = _read(root / "proc/device-tree/model") or _read(
        root / "sys/firmware/devicetree/base/model"
    )
    compatible = _read(root / "proc/device-tree/compatible") or ""
    return Environment(
        os=_os_name(root),
        kernel=platform.release(),
        machine=platform.machine(),
        cpu_model=cpu_model(cpuinfo) or platform.processor() or None,
        cores=os.cpu_count() or 1,
        ram_bytes=_ram_bytes(root),
        python=platform.python_version(),
        board=board,
        virtual_machine=_virtual_machine(root, cpuinfo),
        emulated=is_emulated(platform.machine(), cpuinfo, f"{board} {compatible}"),
    )


def cpu_model(cpuinfo: str) -> str | None:
    """The CPU's name in /proc/cpuinfo; None where it has none (most ARM kernels)."""
    match = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return match.group(1).strip() if match else None


def is_emulated(machine: str, cpuinfo: str, device_tree: str) -> bool:
    """Whether another CPU plays this one: QEMU's `virt` board, or its user mode on a foreign host.

    User mode shows the host's /proc/cpuinfo (an x86 "vendor_id") to an ARM program.
    """
    if "dummy-virt" in device_tree:
        return True
    is_arm = machine.startswith(("aarch64", "arm"))
    return (is_arm and "vendor_id" in cpuinfo) or "QEMU TCG" in cpuinfo


def _virtual_machine(root: Path, cpuinfo: str) -> str | None:
    vendor = _read(root / "sys/class/dmi/id/sys_vendor") or ""
    product = _read(root / "sys/class/dmi/id/product_name") or ""
    text = f"{vendor} {product}".lower()
    for mark, name in (
        ("qemu", "QEMU/KVM"), ("kvm", "KVM"), ("vmware", "VMware"), ("virtualbox", "VirtualBox"),
        ("xen", "Xen"), ("amazon ec2", "Amazon EC2"), ("google compute", "Google Compute Engine"),
        ("microsoft corporation virtual", "Hyper-V"),
    ):  # fmt: skip
        if mark in text:
            return name
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    return "a hypervisor" if flags and " hypervisor" in flags.group(1) else None


def _os_name(root: Path) -> str:
    text = _read(root / "etc/os-release") or ""
    match = re.search(r'^PRETTY_NAME="?([^"\n]+)', text, re.MULTILINE)
    return match.group(1) if match else f"{platform.system()} {platform.release()}"


def _ram_bytes(root: Path) -> int | None:
    match = re.search(r"^MemTotal:\s+(\d+) kB", _read(root / "proc/meminfo") or "", re.MULTILINE)
    if match:
        return int(match.group(1)) * 1024
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace").strip("\0 \n")
    except OSError:
        return None
