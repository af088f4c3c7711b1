"""Programs of an arm64 or armhf userland under QEMU's user mode: the instructions are ARM's, the
kernel is this machine's. Exact for answers and instruction counts; worthless for milliseconds
and memory.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from edge_deploy.bundles.wheels import WheelPlatform, site_archive

from .rootfs import Userland, cached, require_programs, rootfs

ROOT = Path(__file__).resolve().parents[2]
RUNNER = ROOT / "rpi_runner"
_QEMU = {"arm64": "qemu-aarch64", "armhf": "qemu-arm"}
_PYTHON = {"bookworm": (3, 11), "trixie": (3, 13)}
# What a program finds in the userland; the rest, /tmp and /var for example, is this machine's.
_MAPPED = ("usr", "bin", "sbin", "lib", "etc")
_MACHINE = {"arm64": "aarch64", "armhf": "armv7l"}


@dataclass(frozen=True)
class Core:
    """A processor as QEMU names it, and as the kernel describes it on a Pi in /proc/cpuinfo."""

    name: str
    part: str
    architecture: int
    features: str

    def cpuinfo(self, cores: int = 4) -> str:
        """The text of /proc/cpuinfo; the runtime chooses its kernels for a core by it."""
        one = (
            f"BogoMIPS\t: 108.00\nFeatures\t: {self.features}\nCPU implementer\t: 0x41\n"
            f"CPU architecture: {self.architecture}\nCPU variant\t: 0x0\n"
            f"CPU part\t: {self.part}\nCPU revision\t: 3\n\n"
        )
        lines = "".join(f"processor\t: {number}\n{one}" for number in range(cores))
        return f"{lines}Model\t\t: QEMU user mode\n"


_ARMV8 = "fp asimd evtstrm crc32 cpuid"
_ARMV8_2 = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop "
    "asimddp"
)
A53 = Core("cortex-a53", "0xd03", 8, _ARMV8)  # Zero 2 W, 3B+
A72 = Core("cortex-a72", "0xd08", 8, _ARMV8)  # 4B
A76 = Core("cortex-a76", "0xd0b", 8, _ARMV8_2)  # 5
A7 = Core("cortex-a7", "0xc07", 7, "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt")
CORES = (A53, A72, A76)
# What QEMU takes where no core is named; 7.2 then computes wrong int8 answers.
NO_CORE = Core("max", A72.part, 8, _ARMV8)


@dataclass(frozen=True)
class EmulatedPython:
    """The system's Python of a userland on one core, with the runtime that a bundle brings."""

    userland: Userland
    core: Core

    @property
    def version(self) -> tuple[int, int]:
        """The userland's Python."""
        return _PYTHON[self.userland.suite]

    @property
    def platform(self) -> WheelPlatform:
        """Whose wheels it takes."""
        return WheelPlatform(self.version, _MACHINE[self.userland.architecture])

    def interpreter(self) -> Path:
        """A program that is this Python.

        A shell script under which Python takes itself for that script, so that `sys.executable`
        can be started again: the kernel here does not know ARM programs. Its modules are found
        beside it, by paths that no QEMU has to map: what it does not map, it takes from this
        machine.
        """
        qemu = _QEMU[self.userland.architecture]
        require_programs(**{qemu: "qemu-user"})
        root = rootfs(self.userland)
        here = "${0%/bin/python3}"
        script = (
            f'#!/bin/sh\nexec {qemu} -cpu {self.core.name} -L "{here}/root" -0 "$0" '
            f'"{here}/root/usr/bin/python3.{self.version[1]}" "$@"\n'
        )

        def build(folder: Path) -> None:
            (folder / "root").mkdir()
            for name in _MAPPED:
                (folder / "root" / name).symlink_to(root / name)
            _describe(self.core, folder / "root")
            (folder / "lib").symlink_to(root / "usr" / "lib")
            (folder / "bin").mkdir()
            (folder / "bin" / "python3").write_text(script)
            (folder / "bin" / "python3").chmod(0o755)

        recipe = f"{script}{self.core.cpuinfo()}{root}{_MAPPED}"
        name = f"python-{self.userland.name}-{self.core.name}"
        return cached(name, recipe, build) / "bin" / "python3"

    def environment(self, site: bool = True) -> dict[str, str]:
        """Variables for a run; `site`: with the runtime, numpy, Pillow and the runner to import.

        Nothing of this machine's own Python comes along, and hashes are the same in every run.
        """
        paths = [runtime_site(self.platform), RUNNER] if site else []
        return {
            "PATH": f"{self.interpreter().parent}{os.pathsep}{os.defpath}",
            "HOME": "/nonexistent",
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "PYTHONHASHSEED": "0",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def run(
        self,
        arguments: Sequence[str | Path],
        *,
        prefix: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        site: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments; `prefix`: a command to start it with."""
        return subprocess.run(
            [*prefix, str(self.interpreter()), *map(str, arguments)],
            env={**self.environment(site), **(variables or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def _describe(core: Core, root: Path) -> None:
    """Files of the kernel's; without them the runtime ends with a segmentation fault."""
    processors = root / "sys" / "devices" / "system" / "cpu"
    processors.mkdir(parents=True)
    for name in ("possible", "present", "online"):
        (processors / name).write_text("0-3\n")
    (root / "proc").mkdir()
    (root / "proc" / "cpuinfo").write_text(core.cpuinfo())


@lru_cache
def runtime_site(platform: WheelPlatform) -> Path:
    """A folder with the unpacked wheels that a bundle for this platform carries."""
    archive = site_archive(platform)

    def unpack(folder: Path) -> None:
        with tarfile.open(archive.path) as tar:
            tar.extractall(folder, filter="data")

    major, minor = platform.python
    return cached(f"site-{platform.machine}-cp{major}{minor}", archive.sha256, unpack)


@lru_cache
def qemu_version() -> str:
    """QEMU's version, such as "7.2.22"."""
    require_programs(qemu_aarch64="qemu-user")
    said = subprocess.run(["qemu-aarch64", "--version"], capture_output=True, text=True, check=True)
    return said.stdout.split("version ", 1)[1].split(maxsplit=1)[0]
