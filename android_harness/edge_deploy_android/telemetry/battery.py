"""What `dumpsys battery` and `cmd battery get` say: values as the phone prints them.

Makers differ in units and signs, so nothing is converted here but the temperature, whose tenths of
a degree are the same everywhere; `power.units` finds out the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

UPDATES_STOPPED = "UPDATES STOPPED"
_STATUS = {1: "unknown", 2: "charging", 3: "discharging", 4: "not charging", 5: "full"}
_SUPPLIES = {
    "ac powered": "AC",
    "usb powered": "USB",
    "wireless powered": "wireless",
    "dock powered": "dock",
    "mod powered": "mod",
}
_LINE = re.compile(r"^\s*([A-Za-z][A-Za-z0-9 _]*?)\s*[:=]\s*(\S.*?)\s*$")
_NUMBER = re.compile(r"[+-]?\d{1,18}")


@dataclass(frozen=True)
class Battery:
    """One look at the battery; what the phone did not print is None.

    `charge_counter` and `current_now` are raw: by Android's own definition uAh and uA, by some
    makers' mAh and mA. `voltage` is mostly mV. `plugged` names the supplies that are connected,
    `faked` says that somebody set these values by hand (`dumpsys battery set ...`).
    """

    level: int | None = None
    scale: int | None = None
    status: str | None = None
    plugged: tuple[str, ...] = ()
    present: bool | None = None
    voltage: int | None = None
    temperature_celsius: float | None = None
    charge_counter: int | None = None
    current_now: int | None = None
    faked: bool = False

    @property
    def percent(self) -> float | None:
        """Charge in percent; None where level and scale make no sense."""
        if self.level is None or not self.scale or not 0 <= self.level <= self.scale:
            return None
        return 100 * self.level / self.scale

    @property
    def charging(self) -> bool | None:
        """Whether current may flow into the phone: a supply is connected, or it says so.

        "full" says nothing of it: phones go on saying so for a while when they are unplugged.
        """
        if self.status is None and not self.plugged:
            return None
        return bool(self.plugged) or self.status == "charging"


def parse_battery(text: str) -> Battery | None:
    """The battery in the output of `dumpsys battery`; None where that service did not answer.

    The first of two lines with one name counts, as makers repeat some of them further down.
    """
    found: dict[str, str] = {}
    begun = False
    for line in text.splitlines():
        if "Battery Service state" in line:
            begun = True
        match = _LINE.match(line) if begun else None
        if match is not None:
            found.setdefault(match.group(1).lower(), match.group(2))
    if not begun or "level" not in found:
        return None
    status = _integer(found.get("status"))
    tenths = _integer(found.get("temperature"))
    scale = _integer(found.get("scale"))
    return Battery(
        level=_integer(found.get("level")),
        scale=100 if "scale" not in found else scale,
        status=None if status is None else _STATUS.get(status, "unknown"),
        plugged=tuple(word for name, word in _SUPPLIES.items() if _flag(found.get(name))),
        present=_flag(found.get("present")),
        voltage=_integer(found.get("voltage")),
        # A sensor that is not there is 0, or as cold as nothing is.
        temperature_celsius=tenths / 10 if tenths and -500 < tenths < 1500 else None,
        charge_counter=_integer(found.get("charge counter")),
        current_now=_integer(found.get("current now")),
        faked=UPDATES_STOPPED in text,
    )


def parse_property(text: str) -> int | None:
    """The number that `cmd battery get ...` or a file of /sys gives; None for any other words.

    The smallest 32 and 64 bit numbers stand for "not supported".
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) != 1:
        return None
    number = _integer(lines[0])
    return None if number in (-(2**31), -(2**63)) else number


def _integer(text: str | None) -> int | None:
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None


def _flag(text: str | None) -> bool | None:
    return {"true": True, "false": False}.get(text.lower()) if text is not None else None
