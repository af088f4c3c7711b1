"""One look at a phone: everything in a single command, so that it costs one round trip."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from edge_deploy_runner.machine.telemetry import Telemetry

from .battery import Battery, parse_battery
from .processors import Core, Memory, governors, parse_cores, parse_memory
from .thermal import Thermal, parse_thermal_service, parse_thermal_zones

# A command that a phone lacks, or does not let us run, leaves its section empty.
_SCRIPT = r"""
section() { echo "#edge-deploy $1"; }
section battery; dumpsys battery 2>/dev/null
section thermalservice; dumpsys thermalservice 2>/dev/null
section cores
for f in /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor \
  /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq \
  /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_min_freq \
  /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_max_freq \
  /sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq \
  /sys/devices/system/cpu/cpu[0-9]*/cpu_capacity; do
  v=; { read -r v < "$f"; } 2>/dev/null; [ -n "$v" ] && echo "$f=$v"
done
section zones
for z in /sys/class/thermal/thermal_zone[0-9]*; do
  t=; v=; { read -r t < "$z/type"; read -r v < "$z/temp"; } 2>/dev/null
  [ -n "$v" ] && echo "${z##*/} $t $v"
done
section memory; cat /proc/meminfo 2>/dev/null
section load; cat /proc/loadavg 2>/dev/null
section saver; settings get global low_power 2>/dev/null
section power; dumpsys power 2>/dev/null | grep -e mWakefulness= -e 'Display Power: state='
section end
"""
LOOK_ARGV = ("sh", "-c", _SCRIPT)
_HEAD = "#edge-deploy "


@dataclass(frozen=True)
class AndroidTelemetry:
    """One look at a phone; what it did not say is None or empty.

    `zones` are the kernel's thermal zones in degrees Celsius, mostly hidden from the shell user.
    """

    battery: Battery | None = None
    thermal: Thermal | None = None
    cores: tuple[Core, ...] = ()
    zones: dict[str, float] | None = None
    memory: Memory = field(default_factory=Memory)
    load_average: float | None = None
    low_power_mode: bool | None = None
    screen_on: bool | None = None

    def to_telemetry(self, others_cpu_share: float | None = None) -> Telemetry:
        """The look in the runner's words, as a measurement holds it.

        `on_battery` stays None: a phone always is, or it is charging, which has a key of its own.
        """
        heat = {**(self.zones or {}), **(self.thermal.by_name() if self.thermal else {})}
        battery = self.battery or Battery()
        return Telemetry(
            governor=governors(self.cores),
            frequency_mhz=_mhz(core.current_khz for core in self.cores),
            max_frequency_mhz=_mhz(core.max_khz for core in self.cores),
            temperatures_celsius=heat or None,
            load_average=self.load_average,
            others_cpu_share=others_cpu_share,
            battery_percent=battery.percent,
            lowest_frequency_mhz=_mhz(core.lowest_khz for core in self.cores),
            limit_frequency_mhz=_mhz(core.limit_khz for core in self.cores),
            thermal_status=self.thermal.status if self.thermal else None,
            battery_celsius=battery.temperature_celsius,
            charging=battery.charging,
            low_power_mode=self.low_power_mode,
            memory_available_bytes=self.memory.available_bytes,
        )


def read_telemetry(run: Callable[[Sequence[str]], str]) -> AndroidTelemetry:
    """Look at a phone once; `run` runs a command on it and returns what it printed.

    Takes a few tenths of a second of the phone's time: keep it out of timed sections.
    """
    return parse_look(run(LOOK_ARGV))


def parse_look(text: str) -> AndroidTelemetry:
    """The look in what `LOOK_ARGV` printed, in whole or in part."""
    parts: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(_HEAD):
            lines = parts.setdefault(line[len(_HEAD) :].strip(), [])
        else:
            lines.append(line)
    sections = {name: "\n".join(found) for name, found in parts.items()}
    return AndroidTelemetry(
        battery=parse_battery(sections.get("battery", "")),
        thermal=parse_thermal_service(sections.get("thermalservice", "")),
        cores=parse_cores(sections.get("cores", "")),
        zones=parse_thermal_zones(sections.get("zones", "")) or None,
        memory=parse_memory(sections.get("memory", "")),
        load_average=_first_number(sections.get("load", "")),
        low_power_mode={"1": True, "0": False}.get(sections.get("saver", "").strip()),
        screen_on=parse_screen(sections.get("power", "")),
    )


def parse_screen(text: str) -> bool | None:
    """Whether the screen is on, by the lines of `dumpsys power`; None where they do not say."""
    match = re.search(r"\bmWakefulness=(\w+)", text)
    if match is not None:
        return match.group(1) == "Awake"
    match = re.search(r"Display Power: state=(\w+)", text)
    return match.group(1) == "ON" if match is not None else None


def _mhz(values: Iterable[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) / 1000 if known else None


def _first_number(text: str) -> float | None:
    match = re.match(r"\s*(\d+(?:\.\d+)?)\b", text)
    return float(match.group(1)) if match else None
