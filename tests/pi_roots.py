"""Folders with the /proc, /sys and /dev files of Raspberry Pis, in their published formats.

They are written by hand after what owners have shown of their boards; none was copied off one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ARMV8_32 = "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm crc32"


@dataclass(frozen=True)
class Pi:
    """What tells one board from another."""

    name: str
    model: str
    revision: str
    machine: str
    part: str
    core: str
    features: str
    memory_kb: int
    max_khz: int
    cores: int = 4
    architecture: str = "8"


ZERO_W = Pi(
    "zero-w", "Raspberry Pi Zero W Rev 1.1", "9000c1", "armv6l", "0xb76", "ARM1176",
    "half thumb fastmult vfp edsp java tls", 440_000, 1_000_000, cores=1, architecture="7",
)  # fmt: skip
ZERO_2_W = Pi(
    "zero-2-w", "Raspberry Pi Zero 2 W Rev 1.0", "902120", "aarch64", "0xd03", "Cortex-A53",
    "fp asimd evtstrm crc32 cpuid", 426_000, 1_000_000,
)  # fmt: skip
PI_3B_PLUS = Pi(
    "3b-plus", "Raspberry Pi 3 Model B Plus Rev 1.3", "a020d3", "aarch64", "0xd03", "Cortex-A53",
    "fp asimd evtstrm crc32 cpuid", 920_000, 1_400_000,
)  # fmt: skip
PI_4B = Pi(
    "4b", "Raspberry Pi 4 Model B Rev 1.4", "c03114", "aarch64", "0xd08", "Cortex-A72",
    "fp asimd evtstrm crc32 cpuid", 3_884_000, 1_500_000,
)  # fmt: skip
PI_5 = Pi(
    "5", "Raspberry Pi 5 Model B Rev 1.0", "d04170", "aarch64", "0xd0b", "Cortex-A76",
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop "
    "asimddp", 8_240_000, 2_400_000,
)  # fmt: skip
# Raspberry Pi OS bookworm of 32 bits boots a 64-bit kernel on a Pi 4.
PI_4B_32_BIT = Pi(
    "4b-32", PI_4B.model, PI_4B.revision, "aarch64", "0xd08", "Cortex-A72",
    ARMV8_32, 3_884_000, 1_800_000,
)  # fmt: skip
BOARDS = (ZERO_W, ZERO_2_W, PI_3B_PLUS, PI_4B, PI_5, PI_4B_32_BIT)


def put(root: Path, name: str, text: str) -> None:
    """Write one file, and the folders that it lies in."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def cpuinfo(pi: Pi) -> str:
    """The board's /proc/cpuinfo."""
    blocks = [
        f"processor\t: {number}\nBogoMIPS\t: 108.00\nFeatures\t: {pi.features}\n"
        f"CPU implementer\t: 0x41\nCPU architecture: {pi.architecture}\nCPU variant\t: 0x0\n"
        f"CPU part\t: {pi.part}\nCPU revision\t: 3\n\n"
        for number in range(pi.cores)
    ]
    return (
        "".join(blocks)
        + f"Revision\t: {pi.revision}\nSerial\t\t: 0000000000000000\nModel\t\t: {pi.model}\n"
    )


def write_pi(root: Path, pi: Pi) -> Path:
    """A board at rest with an up-to-date Raspberry Pi OS and nothing attached; returns `root`."""
    put(root, "proc/cpuinfo", cpuinfo(pi))
    put(root, "proc/device-tree/model", pi.model + "\0")
    put(root, "proc/device-tree/compatible", "raspberrypi,board\0brcm,soc\0")
    put(root, "proc/loadavg", "0.05 0.10 0.08 1/180 2100\n")
    put(root, "proc/stat", "cpu  100 0 50 9000 10 0 5 0 0 0\n")
    put(
        root,
        "proc/meminfo",
        f"MemTotal:       {pi.memory_kb} kB\nMemFree:          80000 kB\n"
        f"MemAvailable:   {pi.memory_kb - 150_000} kB\nSwapTotal:        524284 kB\n",
    )
    put(
        root,
        "proc/cmdline",
        "coherent_pool=1M cgroup_disable=memory root=/dev/mmcblk0p2 rootwait\n",
    )
    put(root, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n")
    put(root, "etc/os-release", 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    put(root, "sys/class/thermal/thermal_zone0/temp", "48850\n")
    put(root, "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
    for number in range(pi.cores):
        folder = f"sys/devices/system/cpu/cpu{number}/cpufreq"
        put(root, f"{folder}/scaling_governor", "ondemand\n")
        put(root, f"{folder}/scaling_cur_freq", "600000\n")
        put(root, f"{folder}/scaling_min_freq", "600000\n")
        put(root, f"{folder}/scaling_max_freq", f"{pi.max_khz}\n")
        put(root, f"{folder}/cpuinfo_max_freq", f"{pi.max_khz}\n")
    put(root, "sys/class/hwmon/hwmon1/name", "rpi_volt\n")
    put(root, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n")
    # A codec and an image processor, which are no cameras.
    put(root, "dev/video10", "")
    put(root, "sys/class/video4linux/video10/name", "bcm2835-codec-decode\n")
    put(root, "dev/video13", "")
    put(root, "sys/class/video4linux/video13/name", "bcm2835-isp-output0\n")
    put(root, "dev/gpiochip0", "")
    put(root, "run/systemd/system/.keep", "")
    put(root, "run/systemd/timesync/synchronized", "")
    return root
