"""Checks of a device file's values: each failure is one sentence that says what would be right."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from edge_deploy_runner.errors import BadInputError

from edge_deploy.units import CHARGES_MAH, POWERS_W, SIZES, VOLTAGES_V, parse_size

from .profile import STANDINGS, Fact

# No phone or board lies outside; a clock in GHz, Hz or kHz does.
_CLOCKS_MHZ = (50.0, 10_000.0)
_CURRENTS_MA = 20_000.0


def check_keys(table: Mapping[str, Any], valid: tuple[str, ...], where: str) -> None:
    """Raise `BadInputError` for the first key that is none of `valid`."""
    import difflib

    for key in table:
        if key not in valid:
            near = difflib.get_close_matches(key, valid, 1, 0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise BadInputError(f"{where} has an unknown key {key!r}{hint} (valid: {_list(valid)})")


def text(value: object, where: str) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise BadInputError(f"{where} is {_shown(value)}; it needs a text")
    return value


def number(value: object, where: str, example: str) -> float:
    """A finite number; `example` says what one looks like."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadInputError(f"{where} is {_shown(value)}; write {example}")
    return float(value)


def core_count(value: object, where: str) -> int:
    """How many cores a cluster has."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 256:
        raise BadInputError(f"{where} is {_shown(value)}; a cluster has 1 to 256 cores")
    return value


def clock_mhz(value: object, where: str) -> float:
    """A clock in MHz that a processor can have."""
    low, high = _CLOCKS_MHZ
    found = number(value, where, "a clock in MHz without its unit, as in 1800")
    if not low <= found <= high:
        raise BadInputError(
            f"{where} is {found:g}, which no processor runs at; write its clock in MHz, "
            f"{low:.0f} to {high:.0f}, as in 1800 for 1.8 GHz"
        )
    return found


def current_pair(value: object, where: str) -> tuple[float, float]:
    """The current of one busy core in mA, at half and at full clock."""
    low, high = _pair(value, where, "mA at half and at full clock, as in [26, 101]")
    if not 0 < low <= high <= _CURRENTS_MA:
        raise BadInputError(
            f"{where} is [{low:g}, {high:g}]; write mA at half and at full clock, above 0 and the "
            "smaller first, as in [26, 101]"
        )
    return low, high


def _watts(value: object, where: str) -> list[float]:
    low, high = _pair(value, where, "watts from low to high, as in [2.2, 3.0]")
    if not 0 <= low <= high:
        raise BadInputError(
            f"{where} is [{low:g}, {high:g}]; write watts from low to high, neither negative, as "
            "in [2.2, 3.0]"
        )
    return [low, high]


def _pair(value: object, where: str, example: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise BadInputError(f"{where} is {_shown(value)}; write {example}")
    low, high = (number(item, where, example) for item in value)
    return low, high


def _positive(unit: str, example: int | float, highest: float) -> Callable[[object, str], float]:
    def check(value: object, where: str) -> float:
        found = number(value, where, f"a number of {unit} without its unit, as in {example}")
        if not 0 < found <= highest:
            raise BadInputError(
                f"{where} is {found:g}; it needs a number of {unit} above 0 and up to "
                f"{highest:g}, as in {example}"
            )
        return found

    return check


def _size(value: object, where: str) -> str:
    _size_bytes(value, where)
    return str(value)


def _size_bytes(value: object, where: str) -> float:
    if isinstance(value, str):
        for units in (CHARGES_MAH, VOLTAGES_V, POWERS_W, {"MHz": 1, "GHz": 1}):
            unit = value.strip().lstrip("0123456789. ")
            if unit in units:
                raise BadInputError(
                    f"{where} is {value!r}, which is no size; valid units: {_list(tuple(SIZES))}"
                )
    size = parse_size(value, where, "GB")
    if size <= 0:
        raise BadInputError(f'{where} is {value!r}; it needs a size above 0, as in "512 MB"')
    return size


def _sizes(value: object, where: str) -> str | list[str]:
    if not isinstance(value, list):
        return _size(value, where)
    if len(value) != 2 or not _size_bytes(value[0], where) < _size_bytes(value[1], where):
        raise BadInputError(
            f"{where} is {_shown(value)}; write one size, or those of the smallest and of the "
            'largest such device, as in ["1 GB", "8 GB"]'
        )
    return [str(item) for item in value]


def _names(value: object, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise BadInputError(f'{where} is {_shown(value)}; write a list, as in ["XNNPACK", "GPU"]')
    return value


FACTS: dict[str, Callable[[object, str], Any]] = {
    "isa": text,
    "ram": _sizes,
    "ram_kind": text,
    "storage_budget": _size,
    "delegates": _names,
    "accelerator": text,
    "battery_mah": _positive("mAh", 2800, 1e6),
    "battery_v": _positive("V", 3.85, 100),
    "idle_w": _watts,
    "load_w": _watts,
}


def table(value: object, where: str) -> dict[str, Any]:
    """A table of TOML."""
    if not isinstance(value, dict):
        raise BadInputError(f"{where} is {_shown(value)}; it needs a table, as in {{ ... }}")
    return value


def source_of(entry: object, where: str) -> Fact:
    """`source` and `standing` of a fact that has no value of its own."""
    found = table(entry, where)
    check_keys(found, ("source", "standing"), where)
    return _fact(found, None, where)


def fact(key: str, entry: object, where: str) -> Fact:
    """One of `FACTS` with its source, its standing and what other sources say."""
    found = table(entry, where)
    check_keys(found, ("value", "source", "standing", "alternatives"), where)
    return Fact(
        **vars(_fact(found, FACTS[key], where))
        | {"alternatives": alternatives(found, FACTS[key], where)}
    )


def alternatives(
    entry: Mapping[str, Any], check: Callable[[object, str], Any], where: str
) -> tuple[Fact, ...]:
    """What `entry` says that other sources say."""
    listed = entry.get("alternatives", [])
    if not isinstance(listed, list):
        raise BadInputError(f"{where}.alternatives is {_shown(listed)}; it needs a list of tables")
    found = []
    for number_, other in enumerate(listed):
        place = f"{where}.alternatives[{number_}]"
        check_keys(table(other, place), ("value", "source", "standing"), place)
        found.append(_fact(other, check, place))
    return tuple(found)


def _fact(entry: Mapping[str, Any], check: Callable[[object, str], Any] | None, where: str) -> Fact:
    for key in ("source", "standing") if check is None else ("value", "source", "standing"):
        if key not in entry:
            raise BadInputError(f"{where} lacks {key}")
    standing = entry["standing"]
    if standing not in STANDINGS:
        raise BadInputError(f"{where}.standing is {_shown(standing)}; valid: {_list(STANDINGS)}")
    value = None if check is None else check(entry["value"], f"{where}")
    return Fact(value, text(entry["source"], f"{where}.source"), standing)


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names)
