"""Signs and units of a phone's battery, found out from its own readings and never assumed.

Android asks for uA (negative while discharging), uAh and mV. Phones are known that give mA, that
count discharge as positive, and that give uV. What a phone can draw, 0.02 to 15 W, is a range of
less than a factor of a thousand: of units a thousand apart at most one fits.
"""

from __future__ import annotations

from collections.abc import Sequence

LEAST_W, MOST_W = 0.02, 15.0
_LEAST_V, _MOST_V = 2.5, 10.0
_OPPOSITE_SHARE = 0.1


class NotMeasurable(Exception):
    """Why a phone's readings give no energy; a sentence part for a stranger."""


def volts_per_unit(values: Sequence[int]) -> float:
    """What one unit of a phone's voltage is in volts; raises `NotMeasurable` where none fits."""
    known = sorted(value for value in values if value > 0)
    if not known:
        raise NotMeasurable("the phone states no battery voltage")
    middle = known[len(known) // 2]
    for factor in (1e-3, 1e-6, 1.0):
        if _LEAST_V <= middle * factor <= _MOST_V:
            return factor
    raise NotMeasurable(f"its battery voltage of {middle} is none in mV, uV or V")


def unit_scale(idle_w: float, load_w: float, what: str, units: Sequence[tuple[str, float]]) -> str:
    """Which unit makes idle and load plausible; `units` are names and factors on the watts given.

    Raises `NotMeasurable` where none does, or more than one.
    """
    fitting = [
        name
        for name, factor in units
        if LEAST_W <= load_w * factor <= MOST_W and LEAST_W <= idle_w * factor <= MOST_W
    ]
    if len(fitting) == 1:
        return fitting[0]
    tried = ", ".join(
        f"{idle_w * factor:.3g} W idle and {load_w * factor:.3g} W under load in {name}"
        for name, factor in units
    )
    if fitting:
        raise NotMeasurable(f"the unit of its {what} cannot be told: it would be {tried}")
    raise NotMeasurable(f"its {what} makes no sense for a phone: it would be {tried}")


def direction(steps: Sequence[float], what: str) -> int:
    """1 where a counter goes up as it is used, -1 where it goes down.

    Raises `NotMeasurable` where it stands still, or goes both ways.
    """
    up = sum(step for step in steps if step > 0)
    down = -sum(step for step in steps if step < 0)
    if up == down == 0:
        raise NotMeasurable(f"its {what} stands still")
    if min(up, down) > _OPPOSITE_SHARE * max(up, down):
        raise NotMeasurable(f"its {what} goes up by {up:g} and down by {down:g} while discharging")
    return 1 if up > down else -1


def discharge_sign(values: Sequence[int]) -> int:
    """The sign that a phone gives a current out of its battery.

    `values` were read while it discharged, under load. Raises `NotMeasurable` where they are all
    zero or of both signs.
    """
    positive = sum(value > 0 for value in values)
    negative = sum(value < 0 for value in values)
    if positive == negative == 0:
        raise NotMeasurable("its current is always 0")
    if min(positive, negative) > _OPPOSITE_SHARE * (positive + negative):
        raise NotMeasurable(
            f"its current changes sign while discharging ({positive} readings above 0, "
            f"{negative} below)"
        )
    return 1 if positive > negative else -1
