"""The machine that a measurement was made on: what a reader needs to judge the figures."""

from __future__ import annotations

import os
import platform
import re
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import boards, emulation

_ROOT = Path("/")


@dataclass(frozen=True)
class Environment:
    """One machine. `virtual_machine` names a hypervisor; `emulated` means foreign instructions.

    A virtual machine runs the real CPU and its figures are measured ones; an emulator's are not.
    `machine` is the kernel's architecture; programs may be of fewer bits (`userland_bits`).
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
    emulator: str | None = None
    revision: str | None = None
    cpu_features: tuple[str, ...] = ()
    userland_bits: int = 64
    libc: str | None = None
    container: str | None = None

    @property
    def architecture(self) -> str:
        """What programs and wheels are built for: `machine`, or its 32-bit sibling."""
        return architecture_of(self.machine, self.userland_bits)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "cpu_features": list(self.cpu_features)}


def architecture_of(machine: str, userland_bits: int) -> str:
    """What the programs of a machine are built for: `machine`, or its 32-bit sibling."""
    if userland_bits == 32:
        return {"aarch64": "armv7l", "x86_64": "i686"}.get(machine, machine)
    return machine


def describe(root: Path = _ROOT, machine: str | None = None) -> Environment:
    """This machine; `root` is where its /proc and /sys lie. Never raises.

    `machine` stands for what uname says, where `root` is a copy of another machine's files.
    """
    machine = machine or platform.machine()
    cpuinfo = _read(root / "proc/cpuinfo") or ""
    code = boards.revision_in(cpuinfo)
    emulator = emulation.emulator(machine, cpuinfo, _device_tree(root), root)
    return Environment(
        os=_os_name(root),
        kernel=platform.release(),
        machine=machine,
        cpu_model=cpu_model(cpuinfo) or platform.processor() or None,
        cores=os.cpu_count() or 1,
        ram_bytes=_ram_bytes(root),
        python=platform.python_version(),
        board=board_name(root),
        virtual_machine=_virtual_machine(root, cpuinfo),
        emulated=emulator is not None,
        emulator=emulator,
        revision=None if code is None else f"{code:x}",
        cpu_features=boards.cpu_features(cpuinfo),
        userland_bits=struct.calcsize("P") * 8,
        libc=libc(root),
        container=container(root),
    )


def board_name(root: Path = _ROOT) -> str | None:
    """The board by its device tree, else by its revision code; None where neither says."""
    for name in ("proc/device-tree/model", "sys/firmware/devicetree/base/model"):
        text = _read(root / name)
        if text:
            return text
    cpuinfo = _read(root / "proc/cpuinfo") or ""
    match = re.search(r"^Model\s*:\s*(\S.*)$", cpuinfo, re.MULTILINE)
    if match and "raspberry" in match.group(1).lower():
        return match.group(1).strip()
    code = boards.revision_in(cpuinfo)
    return None if code is None else boards.decode_revision(code).name


def cpu_model(cpuinfo: str) -> str | None:
    """The CPU's name in /proc/cpuinfo, on ARM the names of its cores; None where unknown."""
    match = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    cores = boards.core_names(cpuinfo)
    if cores:  # ARM kernels say "ARMv7 Processor rev 4 (v7l)", which is less
        return " + ".join(cores)
    return match.group(1).strip() if match else None


def libc(root: Path = _ROOT) -> str | None:
    """`glibc 2.36`, or `musl`; None where neither can be told (macOS, Windows)."""
    try:
        name = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):
        name = None
    if name:
        return name
    return "musl" if any(root.glob("lib/ld-musl-*")) else None


def container(root: Path = _ROOT) -> str | None:
    """The kind of container this runs in; None outside of one."""
    text = _read(root / "run/systemd/container")
    if text:
        return text
    if (root / ".dockerenv").exists():
        return "docker"
    return "podman" if (root / "run/.containerenv").exists() else None


def memory_controller(root: Path = _ROOT) -> bool | None:
    """Whether the kernel can limit a service's memory; None where it does not say.

    Raspberry Pi OS boots with `cgroup_disable=memory`, where systemd's MemoryMax does nothing.
    """
    controllers = _read(root / "sys/fs/cgroup/cgroup.controllers")
    if controllers is not None:
        return "memory" in controllers.split()
    match = re.search(
        r"^memory\s+\d+\s+\d+\s+([01])$", _read(root / "proc/cgroups") or "", re.MULTILINE
    )
    if match:
        return match.group(1) == "1"
    words = (_read(root / "proc/cmdline") or "").split()
    return False if "cgroup_disable=memory" in words else None


def _device_tree(root: Path) -> str:
    compatible = _read(root / "proc/device-tree/compatible") or ""
    return f"{board_name(root)} {compatible}"


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
