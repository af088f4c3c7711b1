"""Cores, clocks and governors from /sys/devices/system/cpu, and memory from /proc/meminfo."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CORE_VALUE = re.compile(r"^(?:.*/)?cpu(\d{1,4})/(?:cpufreq/)?(\w+)\s*=\s*(.*?)\s*$")
_MEMORY = re.compile(r"^(\w+):\s+(\d+)\s*kB\s*$", re.MULTILINE)
# Beyond that much apart, it matters which cores a process runs on.
_FAR_APART = 1.2


@dataclass(frozen=True)
class Core:
    """A core and its clock, in kHz as the kernel has it; None where it is offline or unreadable.

    `capacity` is how fast the kernel takes it for, 1024 being the fastest.
    """

    number: int
    governor: str | None = None
    current_khz: int | None = None
    lowest_khz: int | None = None
    limit_khz: int | None = None
    max_khz: int | None = None
    capacity: int | None = None


@dataclass(frozen=True)
class Clusters:
    """Cores that are alike, slowest group first; `little` is the slowest, `big` all faster ones.

    Where all cores are alike, or nothing is known of their clocks, all are big and none is little.
    """

    groups: tuple[tuple[int, ...], ...]
    big: tuple[int, ...]
    little: tuple[int, ...]


def parse_cores(text: str) -> tuple[Core, ...]:
    """Cores by number, from lines of `cpuN/cpufreq/NAME=VALUE` and `cpuN/cpu_capacity=VALUE`.

    A path may stand before `cpuN`.
    """
    values: dict[int, dict[str, str]] = {}
    for line in text.splitlines():
        match = _CORE_VALUE.match(line)
        if match is not None and match.group(3):
            values.setdefault(int(match.group(1)), {})[match.group(2)] = match.group(3)
    return tuple(
        Core(
            number,
            found.get("scaling_governor"),
            _khz(found.get("scaling_cur_freq")),
            _khz(found.get("scaling_min_freq")),
            _khz(found.get("scaling_max_freq")),
            _khz(found.get("cpuinfo_max_freq")),
            _khz(found.get("cpu_capacity")),
        )
        for number, found in sorted(values.items())
    )


def _khz(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"\d{1,9}", text) and int(text) else None


def clusters(text: str) -> Clusters:
    """Which cores are fast: by the kernel's capacity where every core has one, else by clock.

    `text` is as `parse_cores` reads it.
    """
    cores = parse_cores(text)
    if cores and all(core.capacity is not None for core in cores):
        speeds = {core.number: core.capacity or 0 for core in cores}
    elif cores and all(core.max_khz is not None for core in cores):
        speeds = {core.number: core.max_khz or 0 for core in cores}
    else:
        speeds = dict.fromkeys((core.number for core in cores), 0)
    groups = tuple(
        tuple(number for number, speed in speeds.items() if speed == level)
        for level in sorted(set(speeds.values()))
    )
    if len(groups) < 2:
        return Clusters(groups, tuple(speeds), ())
    return Clusters(groups, tuple(sorted(set(speeds) - set(groups[0]))), groups[0])


def governors(cores: tuple[Core, ...]) -> str | None:
    """The governors' names joined by a plus, as the runner has them; None where unknown."""
    return "+".join(sorted({core.governor for core in cores if core.governor})) or None


def far_apart(cores: tuple[Core, ...]) -> float | None:
    """The fastest core's largest clock over the slowest one's; None where they are much alike."""
    clocks = [core.max_khz for core in cores if core.max_khz]
    ratio = max(clocks) / min(clocks) if clocks else 1.0
    return ratio if ratio > _FAR_APART else None


@dataclass(frozen=True)
class Memory:
    """The phone's memory; None where the kernel does not say."""

    total_bytes: int | None = None
    available_bytes: int | None = None


def parse_memory(text: str) -> Memory:
    """The two lines of /proc/meminfo that matter."""
    found = {name: int(value) * 1024 for name, value in _MEMORY.findall(text.replace("\r", ""))}
    return Memory(found.get("MemTotal"), found.get("MemAvailable"))
