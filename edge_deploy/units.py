"""Sizes, times, energies and other quantities as people write them: "5 MB", "60 ms", "1 %".

Each parser returns a plain number in the unit that its name says, and raises `BadInputError`
with the valid units. MB is 10^6 bytes, MiB 2^20.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from edge_deploy_runner.errors import BadInputError

SIZES = {
    "B": 1.0, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2.0**10, "MiB": 2.0**20,
    "GiB": 2.0**30,
}  # fmt: skip
# Both signs for micro: U+00B5 and the Greek letter.
TIMES_MS = {
    "ns": 1e-6, "us": 1e-3, "\u00b5s": 1e-3, "\u03bcs": 1e-3, "ms": 1.0, "s": 1e3, "min": 6e4,
    "h": 3.6e6,
}  # fmt: skip
ENERGIES_MJ = {
    "uJ": 1e-3, "\u00b5J": 1e-3, "\u03bcJ": 1e-3, "mJ": 1.0, "J": 1e3, "mWh": 3.6e3, "Wh": 3.6e6,
}  # fmt: skip
POWERS_W = {"mW": 1e-3, "W": 1.0, "kW": 1e3}
CHARGES_MAH = {"mAh": 1.0, "Ah": 1e3}
VOLTAGES_V = {"mV": 1e-3, "V": 1.0}
RATES_HZ = {"Hz": 1.0, "/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600}
# Of lithium cells; any voltage gives the same energy with the charge that goes with it.
_CELL_V = 3.7
PERCENT = {"%": 1.0}
POINTS = {"pt": 1.0, "pts": 1.0, "points": 1.0}
# A bare number above it was hardly meant in the usual unit.
_LARGEST_EXAMPLE = 10_000

_NUMBER = re.compile(
    r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:inf|nan)\w*)\s*(.*?)\s*"
)


def parse(text: object, units: Mapping[str, float], what: str, usual: str) -> float:
    """`text` as a number times its unit; raises `BadInputError` that lists the valid units.

    Negative and infinite quantities are refused, and so are numbers without a unit. `usual` is
    the unit of the example that is given to someone who wrote none.
    """
    valid = ", ".join(dict.fromkeys(units))
    if not isinstance(text, str):
        example: float = 2
        if isinstance(text, int | float) and not isinstance(text, bool):
            example = text if 0 < text <= _LARGEST_EXAMPLE else 2
        raise BadInputError(
            f"{what} is {text!r}; write a number and a unit in quotes, as in "
            f'"{example:g} {usual}" (units: {valid})'
        )
    match = _NUMBER.fullmatch(text)
    if not text.strip() or match is None:
        raise BadInputError(f"{what} is {text!r}, not a number and a unit (units: {valid})")
    number, unit = float(match.group(1)) if _is_plain(match.group(1)) else math.nan, match.group(2)
    if not math.isfinite(number):
        raise BadInputError(f"{what} is {text!r}; it needs a finite number (units: {valid})")
    if number < 0:
        raise BadInputError(f"{what} is {text!r}; it cannot be negative")
    if unit not in units:
        named = f"the unknown unit {unit!r}" if unit else "no unit"
        raise BadInputError(f"{what} is {text!r}, which has {named}; valid units: {valid}")
    return number * units[unit]


def _is_plain(number: str) -> bool:
    return number.lstrip("+-")[:1].isdigit() or number.lstrip("+-")[:1] == "."


def parse_size(text: object, what: str = "the size", usual: str = "MB") -> float:
    """Bytes; `usual` as in `parse`."""
    return parse(text, SIZES, what, usual)


def parse_time_ms(text: object, what: str = "the time") -> float:
    """Milliseconds."""
    return parse(text, TIMES_MS, what, "ms")


def parse_hours(text: object, what: str = "the time") -> float:
    """Hours."""
    return parse(text, TIMES_MS, what, "h") / TIMES_MS["h"]


def parse_energy_mj(text: object, what: str = "the energy") -> float:
    """Millijoules."""
    return parse(text, ENERGIES_MJ, what, "mJ")


def parse_rate_hz(text: object, what: str = "the rate") -> float:
    """Times a second; 0 is refused."""
    rate = parse(text, RATES_HZ, what, "/s")
    if rate == 0:
        raise BadInputError(f"{what} is {text!r}; it must be greater than 0")
    return rate


def rate_words(rate_hz: float) -> str:
    """A rate in the unit that makes it 1 or more: "2 a second", "5 a minute", "1 a day"."""
    spans = {"a second": 1.0, "a minute": 60.0, "an hour": 3600.0, "a day": 86400.0}
    # 0.9995 is 1 in three digits.
    unit = next((unit for unit, span in spans.items() if rate_hz * span >= 0.9995), "a day")
    times = rate_hz * spans[unit]
    return f"{times:.0f} {unit}" if times >= 100 else f"{times:.3g} {unit}"


def parse_percent(text: object, what: str = "the share") -> float:
    """Percent, 0 to 100 for a share; no upper bound here."""
    return parse(text, PERCENT, what, "%")


def parse_points(text: object, what: str = "the drop") -> float:
    """Percentage points."""
    return parse(text, POINTS, what, "pt")


def parse_battery(text: str, what: str = "the battery") -> tuple[float, float]:
    """Capacity in mAh and voltage in V from "5000mAh@3.85V"; both greater than 0."""
    capacity, at, voltage = text.partition("@")
    if not at:
        raise BadInputError(
            f"{what} is {text!r}; write capacity@voltage, as in {_same_energy(text, what)}"
        )
    return parse_capacity_mah(capacity, f"{what}'s capacity"), parse_voltage_v(
        voltage, f"{what}'s voltage"
    )


def _same_energy(text: str, what: str) -> str:
    """How to write a battery of so many Wh, as power banks are labelled; else any battery."""
    try:
        energy_wh = parse_energy_mj(text, what) / ENERGIES_MJ["Wh"]
    except BadInputError:
        energy_wh = 0.0
    if energy_wh <= 0:
        return '"5000mAh@3.85V"'
    charge_mah = float(f"{energy_wh / _CELL_V * 1000:.4g}")
    return f'"{charge_mah:g}mAh@{_CELL_V:g}V", which holds as much energy'


def parse_capacity_mah(text: object, what: str = "the capacity") -> float:
    """Milliampere hours, greater than 0."""
    return _above_zero(parse(text, CHARGES_MAH, what, "mAh"), text, what)


def parse_voltage_v(text: object, what: str = "the voltage") -> float:
    """Volts, greater than 0."""
    return _above_zero(parse(text, VOLTAGES_V, what, "V"), text, what)


def parse_watts_pair(text: str, what: str = "--watts") -> tuple[float, float]:
    """Idle and load power in watts from "2.4:6.1" or "2.4 W:6.1 W"; load above idle."""
    parts = text.split(":")
    if len(parts) != 2:
        raise BadInputError(f'{what} is {text!r}; write IDLE:LOAD in watts, as in "2.4:6.1"')
    idle_w, load_w = (
        parse(part if part.strip().endswith("W") else f"{part} W", POWERS_W, what, "W")
        for part in parts
    )
    if load_w <= idle_w:
        raise BadInputError(f"{what} is {text!r}; the load power must be above the idle power")
    return idle_w, load_w


def _above_zero(value: float, text: object, what: str) -> float:
    if value <= 0:
        raise BadInputError(f"{what} is {text!r}; it must be greater than 0")
    return value
