"""Print clocks, heat, throttling, load and, where a meter is named, power.

For humans as lines, with --json as one JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from typing import Any

from edge_deploy_runner.errors import DeviceError, UsageError
from edge_deploy_runner.machine.power_meters import (
    DEFAULT_I2C_BUS,
    DEFAULT_SHUNT_OHMS,
    METERS,
    Meter,
    PowerReading,
    open_meter,
)
from edge_deploy_runner.machine.telemetry import (
    Telemetry,
    throttled_since_boot_words,
    throttling_words,
    watch,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `telemetry`."""
    parser.add_argument(
        "--watch", type=seconds, default=0.0, metavar="SECONDS",
        help="go on for so long; without it there is one look",
    )  # fmt: skip
    parser.add_argument(
        "--interval", type=seconds, default=1.0, metavar="SECONDS",
        help="time between two looks (1)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    power = parser.add_argument_group("power", "a meter that the user names; none is guessed")
    power.add_argument("--power", choices=METERS, help="read this power meter at every look")
    power.add_argument(
        "--i2c-bus", type=int, default=DEFAULT_I2C_BUS, metavar="N",
        help=f"of ina219 and ina226: /dev/i2c-N ({DEFAULT_I2C_BUS})",
    )  # fmt: skip
    power.add_argument(
        "--address", type=address, default=0x40, metavar="0x40", help="of ina219 and ina226 (0x40)"
    )
    power.add_argument(
        "--shunt-ohms", type=float, default=DEFAULT_SHUNT_OHMS, metavar="OHMS",
        help=f"the resistor that ina219 or ina226 measures across ({DEFAULT_SHUNT_OHMS})",
    )  # fmt: skip


def seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text} is no time in seconds")
    return value


def address(text: str) -> int:
    return int(text, 0)


def main(arguments: argparse.Namespace) -> int:
    """Look at this machine, once or for a while."""
    meter = _meter(arguments)
    shortest = max(0.05, meter.shortest_interval_s if meter else 0.0)
    if arguments.interval < shortest:
        raise UsageError(f"--interval is {arguments.interval:g}; use {shortest:g} s or more")
    if meter and not arguments.json:
        print(f"power: {meter.source}")
    for look in watch(arguments.watch, arguments.interval):
        power, error = _power(meter)
        if arguments.json:
            print(
                json.dumps({
                    "time": round(time.time(), 3),
                    **look.to_json(),
                    "power": None
                    if meter is None
                    else {"source": meter.source, "error": error, **_fields(power)},
                }, allow_nan=False),
                flush=True,
            )  # fmt: skip
        else:
            words = ", ".join([*describe(look.telemetry), *describe_power(power, error)])
            print(f"{look.seconds:7.1f} s  {words or 'nothing can be read here'}", flush=True)
    return 0


def _meter(arguments: argparse.Namespace) -> Meter | None:
    if arguments.power is None:
        return None
    return open_meter(
        arguments.power,
        bus=arguments.i2c_bus,
        address=arguments.address,
        shunt_ohms=arguments.shunt_ohms,
    )


def _power(meter: Meter | None) -> tuple[PowerReading | None, str]:
    """A reading, or why there is none: a meter that fails once does not end the series."""
    if meter is None:
        return None, ""
    try:
        return meter.read(), ""
    except DeviceError as error:
        return None, str(error)


def _fields(power: PowerReading | None) -> dict[str, Any]:
    names = ("watts", "volts", "amperes", "rail_sum_w", "battery_percent")
    return {name: getattr(power, name, None) for name in names}


def describe(look: Telemetry) -> list[str]:
    """What is known, a few words each."""
    found = []
    if look.temperatures_celsius:
        found.append(f"{max(look.temperatures_celsius.values()):.1f} C")
    clock = look.arm_clock_mhz or look.frequency_mhz
    if clock is not None:
        top = f" of {look.max_frequency_mhz:.0f}" if look.max_frequency_mhz else ""
        found.append(f"{clock:.0f}{top} MHz")
    if look.governor:
        found.append(look.governor)
    if look.core_volts is not None:
        found.append(f"core {look.core_volts:.3f} V")
    if look.throttled is not None:
        now = ", ".join(throttling_words(look.throttled)) or "none"
        since = ", ".join(throttled_since_boot_words(look.throttled)) or "none"
        found.append(f"throttling now: {now}; since boot: {since}")
    elif look.under_voltage is not None:
        found.append("under-voltage" if look.under_voltage else "supply voltage ok")
    if look.others_cpu_share is not None:
        found.append(f"other programs {look.others_cpu_share:.0%} of the CPU")
    elif look.load_average is not None:
        found.append(f"load {look.load_average:.2f}")
    return found


def describe_power(power: PowerReading | None, error: str) -> list[str]:
    """A reading in words."""
    if error:
        return [f"power unknown: {error}"]
    if power is None:
        return []
    found = [f"{power.watts:.3f} W" if power.watts is not None else "watts are not measured"]
    if power.rail_sum_w is not None:
        found.append(f"rails {power.rail_sum_w:.3f} W")
    if power.volts is not None:
        found.append(f"{power.volts:.3f} V")
    if power.amperes is not None:
        found.append(f"{power.amperes:.3f} A")
    if power.battery_percent is not None:
        found.append(f"battery {power.battery_percent:.0f}%")
    return found
