"""Findings about the machine: clocks, power, heat, room, cameras, buses, and what it really is."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from edge_deploy_runner.machine import vcgencmd
from edge_deploy_runner.machine.boards import decode_revision
from edge_deploy_runner.machine.environment import Environment, memory_controller
from edge_deploy_runner.machine.telemetry import (
    Telemetry,
    throttled_since_boot_words,
    throttling_words,
)

from .finding import Finding, ok, problem, warning

# A bundle takes at most 85 MB, and the version before it stays beside it.
LITTLE_STORAGE_BYTES, NO_STORAGE_BYTES = 300_000_000, 120_000_000
LITTLE_MEMORY_BYTES = 100_000_000
WARM_CELSIUS, HOT_CELSIUS = 70.0, 80.0
# No clock that is set is before this version was made.
_EARLIEST_CLOCK = 1_735_689_600  # 2025-01-01
# Video nodes of a Pi's codecs and image processors, which are no cameras.
_NOT_CAMERAS = ("bcm2835-codec", "bcm2835-isp", "rpivid", "rpi-hevc", "pispbe", "hevc")
_RIBBON = ("unicam", "rp1-cfe")
_POWER_MEND = "use the board's own power supply and its cable (5 V 3 A for a Pi 4, 27 W for a Pi 5)"
_CPUFREQ = "/sys/devices/system/cpu/cpu*/cpufreq"
_COOL_MEND = "add a heat sink or a fan, and let it cool down"

Access = Callable[[str, int], bool]


def is_pi(machine: Environment) -> bool:
    """Whether this is a Raspberry Pi, or plays one."""
    return (machine.board or "").startswith("Raspberry Pi")


def check_board(machine: Environment) -> Finding:
    """What this machine is."""
    name = machine.board or "not a Raspberry Pi"
    if machine.board and machine.revision:
        maker = decode_revision(int(machine.revision, 16)).maker
        name += f" ({maker})" if maker else ""
    memory = f", {machine.ram_bytes / 2**20:.0f} MiB of memory" if machine.ram_bytes else ""
    inside = f", inside {machine.container}" if machine.container else ""
    return ok("board", f"{name}: {machine.cores} cores{memory}, {machine.os}{inside}")


def check_emulator(machine: Environment) -> Finding:
    """Whether figures from here can be measured ones."""
    if machine.emulator:
        return warning(
            "emulator",
            f"this is an emulator, {machine.emulator}: its times and memory are not a board's",
            "measure on a real board: edge-deploy profile MODEL --device ssh://USER@HOST",
        )
    if machine.virtual_machine:
        return ok("emulator", f"none (a virtual machine on {machine.virtual_machine})")
    return ok("emulator", "none")


def check_cpu(machine: Environment) -> Finding:
    """The CPU and its instructions that matter to inference."""
    name = machine.cpu_model or machine.machine
    features = set(machine.cpu_features)
    listed = f"{name}: {', '.join(machine.cpu_features) or 'no features that matter are stated'}"
    if (
        machine.emulator
        and machine.machine.startswith(("aarch64", "arm"))
        and not _is_arm(features)
    ):
        return ok("cpu", f"unknown: the emulator shows that of its host, {name}")
    is_small = machine.architecture.startswith("armv")
    if is_small and machine.cpu_model and not features & {"neon", "asimd"}:
        return problem(
            "cpu", f"{listed}; without NEON the runtime's kernels cannot run",
            "use a Raspberry Pi Zero 2 W or newer",
        )  # fmt: skip
    if machine.machine == "aarch64" and "asimd" in features and "asimddp" not in features:
        return ok("cpu", f"{listed} (no dot products: int8 gains less than on a Pi 5)")
    return ok("cpu", listed)


def _is_arm(features: set[str]) -> bool:
    return not features or bool(features & {"neon", "vfpv4", "asimd"})


def check_governor(look: Telemetry) -> Finding:
    """Whether the clock stands still during a measurement."""
    if look.governor is None:
        return ok("governor", "the kernel shows no clock control")
    limit, most = look.limit_frequency_mhz, look.max_frequency_mhz
    if limit is not None and most is not None and limit < most * 0.999:
        return warning(
            "governor", f"the clock is limited to {limit:.0f} of {most:.0f} MHz",
            f"echo {most * 1000:.0f} | sudo tee {_CPUFREQ}/scaling_max_freq",
        )  # fmt: skip
    top = f", up to {most:.0f} MHz" if most is not None else ""
    if look.governor == "performance":
        return ok("governor", f"performance{top}")
    return warning(
        "governor", f"{look.governor}{top}: the clock follows the load, so latencies scatter",
        f"echo performance | sudo tee {_CPUFREQ}/scaling_governor",
    )  # fmt: skip


def check_throttling(machine: Environment, look: Telemetry, error: str = "") -> Finding:
    """Under-voltage, capped clocks and heat limits, now and since boot.

    `error` is why the firmware could not be asked.
    """
    bits = look.throttled
    if bits is None:
        if look.under_voltage:
            return problem("throttling", "the supply voltage is too low now", _POWER_MEND)
        if look.under_voltage is False:
            return ok("throttling", "the supply voltage is enough (the firmware was not asked)")
        if not is_pi(machine) or machine.emulated:
            return ok("throttling", "nothing says: no Raspberry Pi firmware here")
        if error:
            return warning(
                "throttling", f"vcgencmd does not answer: {error}",
                "sudo usermod -aG video $USER, and log in anew",
            )  # fmt: skip
        return warning(
            "throttling", "unknown: vcgencmd is not installed", "sudo apt install raspi-utils"
        )
    now, since = throttling_words(bits), throttled_since_boot_words(bits)
    mend = _POWER_MEND if bits & 0x10001 else _COOL_MEND
    if now:
        return problem(
            "throttling", f"now: {', '.join(now)} ({bits:#x}); figures are worthless", mend
        )
    if since:
        return warning("throttling", f"since boot: {', '.join(since)} ({bits:#x})", mend)
    return ok("throttling", "none since boot")


def check_temperature(look: Telemetry) -> Finding:
    """How far the hottest sensor is from where boards slow down."""
    if not look.temperatures_celsius:
        return ok("temperature", "no sensor")
    zone, hottest = max(look.temperatures_celsius.items(), key=lambda item: item[1])
    text = f"{hottest:.1f} °C at {zone}"
    if hottest >= HOT_CELSIUS:
        return problem("temperature", f"{text}: boards slow down from 80 °C on", _COOL_MEND)
    if hottest >= WARM_CELSIUS:
        return warning("temperature", f"{text}: little is left to the 80 °C limit", _COOL_MEND)
    return ok("temperature", text)


def check_load(machine: Environment, look: Telemetry) -> Finding:
    """Whether other programs keep the cores busy."""
    load = look.load_average
    if load is None:
        return ok("load", "the kernel does not say")
    if load > machine.cores * 0.5:
        return warning(
            "load", f"{load:.2f} on {machine.cores} cores: other programs disturb measurements",
            "top -o %CPU, and stop what is not needed",
        )  # fmt: skip
    return ok("load", f"{load:.2f} on {machine.cores} cores")


def check_storage(folder: Path) -> Finding:
    """Whether a bundle and the version before it fit on the disk."""
    free = shutil.disk_usage(_existing(folder)).free
    text = f"{free / 1e6:.0f} MB free at {folder}"
    mend = "sudo apt clean && sudo journalctl --vacuum-size=50M"
    if free < NO_STORAGE_BYTES:
        return problem("storage", f"{text}: a bundle needs up to 85 MB and room to unpack", mend)
    if free < LITTLE_STORAGE_BYTES:
        return warning("storage", f"{text}: too little for two versions of a bundle", mend)
    return ok("storage", text)


def _existing(folder: Path) -> Path:
    return next((path for path in (folder, *folder.parents) if path.exists()), Path.cwd())


def check_memory(root: Path) -> Finding:
    """Free memory, and swap for the moments in which it is not enough."""
    text = _read(root / "proc/meminfo")
    found = {
        name: int(kilobytes) * 1024
        for name, kilobytes in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)
    }
    if "MemAvailable" not in found:
        return ok("memory", "the kernel does not say")
    free, swap = found["MemAvailable"], found.get("SwapTotal", 0)
    words = f"{free / 1e6:.0f} MB free, {swap / 1e6:.0f} MB of swap"
    if free < LITTLE_MEMORY_BYTES:
        return warning(
            "memory", f"{words}: the runtime and a MobileNet take 50 to 75 MB",
            "sudo systemctl set-default multi-user.target && sudo reboot   (no desktop)",
        )  # fmt: skip
    if swap == 0 and found.get("MemTotal", 0) < 600_000_000:
        return warning(
            "memory", f"{words}: a small board without swap kills programs when it runs out",
            "sudo fallocate -l 512M /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile "
            "&& sudo swapon /swapfile",
        )  # fmt: skip
    return ok("memory", words)


def check_memory_controller(root: Path) -> Finding:
    """Whether systemd can hold a service's memory limit."""
    state = memory_controller(root)
    if state is False:
        return warning(
            "memory-controller",
            "the kernel's memory controller is off, so systemd's MemoryMax does nothing; "
            "the service keeps the budget's limit itself",
            "sudo sed -i '1 s/$/ cgroup_enable=memory/' /boot/firmware/cmdline.txt && sudo reboot",
        )
    return ok("memory-controller", "on" if state else "the kernel does not say")


def check_camera(root: Path, access: Access = os.access) -> Finding:
    """Cameras, leave to open them, and picamera2 for the ones on the ribbon cable."""
    cameras = _cameras(root)
    if not cameras:
        return ok(
            "camera",
            "none (photos and folders need none); rpicam-hello --list-cameras shows those on a "
            "ribbon cable",
        )  # fmt: skip
    listed = ", ".join(f"/dev/{node} ({name})" for node, name in cameras.items())
    closed = [node for node in cameras if not access(str(root / "dev" / node), os.R_OK | os.W_OK)]
    if closed:
        return warning(
            "camera", f"{listed}: this user may not open it",
            "sudo usermod -aG video $USER, and log in anew",
        )  # fmt: skip
    ribbon = any(name.startswith(_RIBBON) for name in cameras.values())
    if ribbon and find_spec("picamera2") is None:
        if (root / "usr/lib/python3/dist-packages/picamera2").exists():
            return warning(
                "camera", f"{listed}: this Python does not see the system's picamera2",
                "python3 -m venv --system-site-packages ~/edge, and install into that one",
            )  # fmt: skip
        return warning(
            "camera", f"{listed}: a ribbon cable's camera needs picamera2",
            "sudo apt install -y --no-install-recommends python3-picamera2",
        )  # fmt: skip
    return ok("camera", listed)


def _cameras(root: Path) -> dict[str, str]:
    """Video nodes that are cameras, with the names that their drivers give them."""
    found = {}
    nodes = (path for path in (root / "dev").glob("video*") if path.name[5:].isdigit())
    for node in sorted(nodes, key=lambda path: int(path.name[5:])):
        name = _read(root / "sys/class/video4linux" / node.name / "name") or "unnamed"
        if not name.startswith(_NOT_CAMERAS):
            found[node.name] = name
    return found


def check_buses(root: Path, access: Access = os.access) -> Finding:
    """GPIO and I2C, and leave to use them."""
    groups = {
        "gpio": [*(root / "dev").glob("gpiochip*"), *(root / "dev").glob("gpiomem*")],
        "i2c": [*(root / "dev").glob("i2c-*")],
    }
    present = [name for name, nodes in groups.items() if nodes]
    closed = [
        name
        for name, nodes in groups.items()
        if nodes and not any(access(str(node), os.R_OK | os.W_OK) for node in nodes)
    ]
    if closed:
        return warning(
            "buses", f"this user may not use {' and '.join(closed)}",
            f"sudo usermod -aG {','.join(closed)} $USER, and log in anew",
        )  # fmt: skip
    if not present:
        return ok("buses", "no GPIO and no I2C (only pins and power meters need them)")
    return ok("buses", " and ".join(present) + " can be used")


def check_clock(root: Path, now: float | None = None) -> Finding:
    """Whether the date can be right: a Pi without network starts where it stopped, or in 1970."""
    now = time.time() if now is None else now
    spoken = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    if now < _EARLIEST_CLOCK:
        return problem(
            "clock", f"it says {spoken}: certificates fail, and logs carry wrong times",
            "sudo timedatectl set-ntp true, or without a network: sudo date -s 'YYYY-MM-DD HH:MM'",
        )  # fmt: skip
    timesync = root / "run/systemd/timesync"
    if timesync.is_dir() and not (timesync / "synchronized").exists():
        return warning(
            "clock", f"it says {spoken}, and was not set from a network since boot",
            "sudo timedatectl set-ntp true, or without a network: sudo date -s 'YYYY-MM-DD HH:MM'",
        )  # fmt: skip
    return ok("clock", spoken)


def check_systemd(root: Path) -> Finding:
    """Whether a bundle can become a service."""
    if (root / "run/systemd/system").is_dir():
        return ok("systemd", "running")
    return warning(
        "systemd", "not running, so a bundle cannot become a service",
        "install with `python3 install.py --no-service`, and start bin/edge-deploy-runner serve",
    )  # fmt: skip


def firmware_error(root: Path) -> str:
    """Why vcgencmd gives no answer; "" where it does, or is not there."""
    answer = vcgencmd.ask("get_throttled") if root == Path("/") else None
    return answer.error if answer else ""


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip("\0 \n")
    except OSError:
        return ""
