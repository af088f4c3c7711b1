"""What the machine was doing around a measurement: clocks, heat, load, power.

Everything is optional: what cannot be read is None, and nothing here raises.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import vcgencmd

# Bits of `vcgencmd get_throttled`; the same ones shifted by 16 mean "has occurred since boot".
THROTTLED_BITS = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}
# Android's own scale of heat; from "moderate" on the system holds the processor back.
THERMAL_STATUS = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
THERMAL_STATUS_MODERATE = 2
_ROOT = Path("/")


@dataclass(frozen=True)
class Telemetry:
    """One look at the machine. `others_cpu_share` (0 to 1) covers the timed runs before it."""

    governor: str | None = None
    frequency_mhz: float | None = None
    max_frequency_mhz: float | None = None
    temperatures_celsius: dict[str, float] | None = None
    load_average: float | None = None
    others_cpu_share: float | None = None
    throttled: int | None = None
    battery_percent: float | None = None
    on_battery: bool | None = None
    energy_uj: int | None = None
    # What the governor may choose between; a limit below the largest clock caps every run.
    lowest_frequency_mhz: float | None = None
    limit_frequency_mhz: float | None = None
    # The clock that the firmware really runs: throttling does not show in `frequency_mhz`.
    arm_clock_mhz: float | None = None
    core_volts: float | None = None
    under_voltage: bool | None = None
    # What a phone says: a place in THERMAL_STATUS, its battery, and its power saving.
    thermal_status: int | None = None
    battery_celsius: float | None = None
    charging: bool | None = None
    low_power_mode: bool | None = None
    memory_available_bytes: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def sample(root: Path = _ROOT, others_cpu_share: float | None = None) -> Telemetry:
    """Look at the machine once; `root` is where its /sys and /proc lie. Never raises.

    On a Raspberry Pi three short programs are run, so keep it out of timed sections.
    """
    percent, on_battery = _battery(root)
    throttled = read_throttled(root)
    # What the firmware says is of this machine, not of a folder that stands for another.
    firmware = root == _ROOT
    return Telemetry(
        governor=_governor(root),
        frequency_mhz=_largest_mhz(root, "scaling_cur_freq"),
        max_frequency_mhz=_largest_mhz(root, "cpuinfo_max_freq"),
        temperatures_celsius=_temperatures(root),
        load_average=_load_average(root),
        others_cpu_share=others_cpu_share,
        throttled=throttled,
        battery_percent=percent,
        on_battery=on_battery,
        energy_uj=read_energy_uj(root),
        lowest_frequency_mhz=_largest_mhz(root, "scaling_min_freq"),
        limit_frequency_mhz=_largest_mhz(root, "scaling_max_freq"),
        arm_clock_mhz=vcgencmd.parse_clock_mhz(_firmware("measure_clock", "arm"))
        if firmware
        else None,
        core_volts=vcgencmd.parse_volts(_firmware("measure_volts", "core")) if firmware else None,
        under_voltage=read_under_voltage(root, throttled),
    )


@dataclass(frozen=True)
class Look:
    """One of a series of looks at the machine, `seconds` after the first."""

    seconds: float
    telemetry: Telemetry

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"seconds": round(self.seconds, 3), "telemetry": self.telemetry.to_json()}


def watch(
    seconds: float,
    interval_s: float = 1.0,
    root: Path = _ROOT,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Look]:
    """Look at the machine every `interval_s` for so many seconds; the first look is at once.

    From the second look on `others_cpu_share` covers the time since the one before.
    """
    begun = time.monotonic()
    before = cpu_times(root)
    yield Look(0.0, sample(root))
    number = 1
    while number * interval_s <= seconds:
        sleep(max(0.0, begun + number * interval_s - time.monotonic()))
        now = cpu_times(root)
        share = others_share(before, now) if before and now else None
        before = now
        yield Look(time.monotonic() - begun, sample(root, share))
        # Looks that are late are left out, not made up for.
        number = max(number + 1, int((time.monotonic() - begun) / interval_s))


def parse_sysfs_throttled(text: str) -> int | None:
    """The bits in the kernel's file, which are hexadecimal digits with nothing before them."""
    match = re.fullmatch(r"\s*(?:0x)?([0-9a-fA-F]{1,8})\s*", text)
    return int(match.group(1), 16) if match else None


def read_throttled(root: Path = _ROOT) -> int | None:
    """The throttling bits from the firmware, else from the kernel; None where neither says."""
    if root == _ROOT:
        bits = vcgencmd.parse_throttled(_firmware("get_throttled"))
        if bits is not None:
            return bits
    for pattern in ("sys/devices/platform/soc*/soc*:firmware", "sys/devices/platform/*:firmware"):
        for folder in sorted(root.glob(pattern)):
            text = _read(folder / "get_throttled")
            if text is not None:
                return parse_sysfs_throttled(text)
    return None


def read_under_voltage(root: Path = _ROOT, throttled: int | None = None) -> bool | None:
    """Whether the supply is too weak now: by the throttling bits, else by the kernel's alarm."""
    if throttled is not None:
        return bool(throttled & 1)
    for folder in sorted(root.glob("sys/class/hwmon/hwmon*")):
        if _read(folder / "name") == "rpi_volt":
            alarm = _integer(_read(folder / "in0_lcrit_alarm"))
            return None if alarm is None else bool(alarm)
    return None


def throttling_words(bits: int) -> tuple[str, ...]:
    """The names of the bits that are set now (0-3)."""
    return tuple(name for bit, name in THROTTLED_BITS.items() if bits >> bit & 1)


def throttled_since_boot_words(bits: int) -> tuple[str, ...]:
    """The names of the bits that say what has occurred since boot (16-19)."""
    return throttling_words(bits >> 16)


def thermal_status_word(status: int) -> str:
    """The name of a thermal status; a number beyond the scale is itself."""
    return THERMAL_STATUS[status] if status < len(THERMAL_STATUS) else str(status)


@dataclass(frozen=True)
class CpuTimes:
    """CPU seconds of the whole machine since boot, and of this process."""

    busy_s: float
    total_s: float
    own_s: float


def cpu_times(root: Path = _ROOT) -> CpuTimes | None:
    """CPU seconds so far; time that a hypervisor took away counts as busy with others' work."""
    text = _read(root / "proc/stat")
    if text is None:
        return None
    own = os.times()
    parsed = parse_cpu_line(text)
    if parsed is None:
        return None
    ticks = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
    return CpuTimes(parsed[0] / ticks, parsed[1] / ticks, own.user + own.system)


def parse_cpu_line(text: str) -> tuple[int, int] | None:
    """Busy and total ticks from /proc/stat; None where its first line is something else."""
    fields = text.split("\n", 1)[0].split()
    if len(fields) < 5 or fields[0] != "cpu" or not all(f.isdigit() for f in fields[1:]):
        return None
    # user nice system idle iowait irq softirq steal; guest time is part of user already.
    values = [int(field) for field in fields[1:9]]
    idle = sum(values[3:5])
    return sum(values) - idle, sum(values)


def others_share(before: CpuTimes, after: CpuTimes) -> float | None:
    """Share of the machine's CPU time that other programs took between two looks."""
    total = after.total_s - before.total_s
    if total <= 0:
        return None
    others = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
    return min(1.0, max(0.0, others / total))


def read_energy_uj(root: Path = _ROOT) -> int | None:
    """The package energy counter of an Intel or AMD machine (RAPL); None where unreadable."""
    return _integer(_read(root / "sys/class/powercap/intel-rapl:0/energy_uj"))


def energy_counter_range_uj(root: Path = _ROOT) -> int | None:
    """Where the energy counter wraps round to 0."""
    return _integer(_read(root / "sys/class/powercap/intel-rapl:0/max_energy_range_uj"))


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return None


def _integer(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"-?\d+", text) else None


def _governor(root: Path) -> str | None:
    names = set()
    for path in sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")):
        text = _read(path)
        if text:
            names.add(text)
    return "+".join(sorted(names)) or None


def _largest_mhz(root: Path, name: str) -> float | None:
    values = [
        _integer(_read(path))
        for path in root.glob(f"sys/devices/system/cpu/cpu[0-9]*/cpufreq/{name}")
    ]
    known = [value for value in values if value is not None]
    return max(known) / 1000 if known else None


def _temperatures(root: Path) -> dict[str, float] | None:
    found = {}
    for zone in sorted(root.glob("sys/class/thermal/thermal_zone[0-9]*")):
        milli = _integer(_read(zone / "temp"))
        if milli is not None:
            kind = _read(zone / "type")
            found[f"{zone.name} ({kind})" if kind else zone.name] = milli / 1000
    return found or None


def _load_average(root: Path) -> float | None:
    text = _read(root / "proc/loadavg")
    try:
        return float(text.split()[0]) if text else None
    except (ValueError, IndexError):
        return None


def _battery(root: Path) -> tuple[float | None, bool | None]:
    for supply in sorted(root.glob("sys/class/power_supply/*")):
        if _read(supply / "type") == "Battery":
            capacity = _integer(_read(supply / "capacity"))
            status = _read(supply / "status")
            return (
                None if capacity is None else float(capacity),
                None if status is None else status == "Discharging",
            )
    return None, None


def _firmware(*words: str) -> str:
    return vcgencmd.text_of(vcgencmd.ask(*words))
