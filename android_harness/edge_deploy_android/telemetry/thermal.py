"""Heat: what `dumpsys thermalservice` and /sys/class/thermal say."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# Temperature.TYPE_... of Android.
SENSOR_KINDS = {
    0: "cpu", 1: "gpu", 2: "battery", 3: "skin", 4: "usb port", 5: "power amplifier",
    6: "bcl voltage", 7: "bcl current", 8: "bcl percentage", 9: "npu", 10: "tpu", 11: "display",
    12: "modem", 13: "soc", 14: "wifi", 15: "camera", 16: "flashlight", 17: "speaker",
    18: "ambient", 19: "pogo",
}  # fmt: skip
# Volts, amperes and percent in the shape of temperatures.
_NO_HEAT = {"bcl voltage", "bcl current", "bcl percentage"}
_READING = re.compile(r"\bTemperature\{([^{}]*)\}")
_FIELD = re.compile(r"\bm(Value|Type|Name|Status)\s*=\s*([^,{}]*)")
_STATUS = re.compile(r"^\s*Thermal Status\s*:\s*(\d{1,2})\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Sensor:
    """One sensor of the phone, and how hot it is."""

    name: str
    kind: str
    celsius: float
    status: int = 0


@dataclass(frozen=True)
class Thermal:
    """The thermal status (a place in the runner's `THERMAL_STATUS`) and the sensors.

    `cached` says that they are what the phone remembers from its last alarm, not what they are now.
    """

    status: int | None = None
    sensors: tuple[Sensor, ...] = ()
    cached: bool = False

    def by_name(self) -> dict[str, float]:
        """Degrees Celsius by `NAME (kind)`."""
        return {f"{sensor.name} ({sensor.kind})": sensor.celsius for sensor in self.sensors}


@dataclass
class _Sections:
    """Sensors by the section they stand in; sections name themselves in a line with a colon."""

    now: dict[tuple[str, str], Sensor] = field(default_factory=dict)
    cached: dict[tuple[str, str], Sensor] = field(default_factory=dict)


def parse_thermal_service(text: str) -> Thermal | None:
    """The heat in the output of `dumpsys thermalservice` (Android 10 and later).

    What the hardware says now wins over what is cached. Sensors at exactly 0.0 are not connected.
    None where the service did not answer.
    """
    status = None
    found = _Sections()
    section: dict[tuple[str, str], Sensor] | None = None
    for line in text.splitlines():
        match = _STATUS.match(line)
        if match is not None and status is None:
            status = int(match.group(1))
        low = line.strip().lower()
        if low.endswith(":"):
            if "temperatures" not in low:
                section = None
            elif "cached" in low:
                section = found.cached
            else:
                section = found.now if "current" in low else None
        for reading in _READING.finditer(line):
            sensor = _sensor(reading.group(1))
            if sensor is not None and section is not None:
                section.setdefault((sensor.name, sensor.kind), sensor)
    if status is None and not found.now and not found.cached:
        return None
    cached = not found.now and bool(found.cached)
    sensors = tuple((found.cached if cached else found.now).values())
    return Thermal(status, sensors, cached)


def _sensor(text: str) -> Sensor | None:
    values = {name: value.strip() for name, value in _FIELD.findall(text)}
    try:
        celsius, kind = float(values["Value"]), int(values["Type"])
    except (KeyError, ValueError):
        return None
    word = SENSOR_KINDS.get(kind, "unknown")
    if celsius == 0 or word in _NO_HEAT or not -60 < celsius < 200:
        return None
    status = values.get("Status", "0")
    return Sensor(values.get("Name") or "?", word, celsius, int(status) if status.isdigit() else 0)


def parse_thermal_zones(text: str) -> dict[str, float]:
    """Degrees Celsius by zone, from lines of `thermal_zone0 TYPE VALUE`.

    A value is in thousandths of a degree, on some older phones in tenths or whole degrees; what is
    no temperature in any of them is left out, and so is 0.
    """
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3 or not words[0].startswith("thermal_zone"):
            continue
        if not re.fullmatch(r"-?\d{1,9}", words[-1]):
            continue
        value = int(words[-1])
        celsius = next(
            (
                value / factor
                for factor, low, high in ((1000, 1000, 150_000), (10, 150, 1000), (1, 1, 150))
                if low <= abs(value) < high
            ),
            None,
        )
        if celsius is not None:
            found[f"{words[0]} ({' '.join(words[1:-1])})"] = celsius
    return found
