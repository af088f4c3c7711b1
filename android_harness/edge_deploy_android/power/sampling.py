"""Reading a phone's battery and power rails while windows run: one shell loop on the phone.

It stamps each look with /proc/uptime, the clock that the harness stamps its windows with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge_deploy_android.telemetry.battery import Battery, parse_battery, parse_property
from edge_deploy_android.telemetry.power_rails import RAIL_COMMANDS, PowerRails, parse_powerstats

STOP_FILE = "stop-sampling"
_BEGIN, _END = "#edge-deploy look", "#edge-deploy done"
# A power supply of the kernel; most phones hide them from the shell user.
_SUPPLIES = ("battery", "bms", "Battery")
_PROPERTIES = ("current_now", "charge_counter", "voltage_now")
# $1 folder of the run, $2 seconds to go on at most, $3 seconds between looks, $4... the command
# that prints the rails, if any. It ends when the folder is gone, or at the stop file.
_LOOP = rf"""
folder=$1 limit=$2 pause=$3; shift 3
look() {{
  read -r up rest < /proc/uptime || return 1
  echo "{_BEGIN} $up"
  v=$(cmd battery get -f current_now 2>/dev/null) && echo "cmd current_now=$v"
  dumpsys battery 2>/dev/null
  for supply in {" ".join(_SUPPLIES)}; do
    for name in {" ".join(_PROPERTIES)}; do
      v=; {{ read -r v < "/sys/class/power_supply/$supply/$name"; }} 2>/dev/null
      [ -n "$v" ] && echo "$supply $name=$v"
    done
  done
  [ $# -gt 0 ] && "$@" 2>/dev/null | grep -e mWs -e =====
  read -r up rest < /proc/uptime
  echo "{_END} $up"
}}
read -r up rest < /proc/uptime
until=$(( ${{up%%.*}} + limit ))
while [ -d "$folder" ] && [ ! -e "$folder/{STOP_FILE}" ] && [ "${{up%%.*}}" -lt "$until" ]; do
  look "$@" || exit 1
  sleep "$pause"
done
"""
_PROPERTY = re.compile(r"^(cmd|" + "|".join(_SUPPLIES) + r") (\w+)=(.*)$")


@dataclass(frozen=True)
class PhoneSample:
    """One look: between two moments since boot, raw values by where they come from.

    `currents`, `charges` and `voltages` are in the phone's own units and signs.
    """

    begin_s: float
    end_s: float
    battery: Battery | None = None
    currents: dict[str, int] = field(default_factory=dict)
    charges: dict[str, int] = field(default_factory=dict)
    voltages: dict[str, int] = field(default_factory=dict)
    rails: PowerRails | None = None

    @property
    def at_s(self) -> float:
        """The middle of the look."""
        return (self.begin_s + self.end_s) / 2


def sampler_argv(
    folder: str, limit_s: float, interval_s: float, rails: Sequence[str] = ()
) -> tuple[str, ...]:
    """The loop as a command; `rails` is the command that prints the power rails, if any does."""
    # Whole seconds for the shell's arithmetic.
    return ("sh", "-c", _LOOP, "sampler", folder, f"{limit_s:.0f}", f"{interval_s:g}", *rails)


def parse_samples(text: str) -> tuple[PhoneSample, ...]:
    """The looks that the loop printed; one that was cut is left out."""
    found = []
    lines: list[str] = []
    begin: float | None = None
    for line in text.splitlines():
        if line.startswith(_BEGIN):
            begin, lines = _uptime(line), []
        elif line.startswith(_END):
            end = _uptime(line)
            if begin is not None and end is not None and end >= begin:
                found.append(_sample(begin, end, lines))
            begin = None
        else:
            lines.append(line)
    return tuple(found)


def _uptime(line: str) -> float | None:
    word = line.rsplit(" ", 1)[-1]
    return float(word) if re.fullmatch(r"\d{1,10}(\.\d+)?", word) else None


def _sample(begin_s: float, end_s: float, lines: list[str]) -> PhoneSample:
    currents: dict[str, int] = {}
    charges: dict[str, int] = {}
    voltages: dict[str, int] = {}
    places = {"current_now": currents, "charge_counter": charges, "voltage_now": voltages}
    for line in lines:
        match = _PROPERTY.match(line)
        value = parse_property(match.group(3)) if match else None
        if match and value is not None and match.group(2) in places:
            source = "cmd battery get" if match.group(1) == "cmd" else f"the kernel's {match[1]}"
            places[match.group(2)].setdefault(source, value)
    text = "\n".join(lines)
    battery = parse_battery(text)
    if battery is not None:
        for place, number in (
            (currents, battery.current_now),
            (charges, battery.charge_counter),
            (voltages, battery.voltage),
        ):
            if number is not None:
                place["dumpsys battery"] = number
    return PhoneSample(begin_s, end_s, battery, currents, charges, voltages, parse_powerstats(text))


__all__ = [
    "RAIL_COMMANDS",
    "STOP_FILE",
    "PhoneSample",
    "parse_samples",
    "sampler_argv",
]
