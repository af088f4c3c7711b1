"""The budget file: the limits that a model must hold, and the one metric to make best."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.toml import tomllib

from . import units
from .energy import CONVERTER_EFFICIENCY, Battery

ALLOWABLE = ("predicted", "simulated")


@dataclass(frozen=True)
class Metric:
    """What can be limited: its unit, how its limit is written, and which side is good."""

    name: str
    unit: str
    parse: Callable[[object, str], float]
    is_minimum: bool = False


def parse_ratio(value: object, name: str) -> float:
    """A ratio of at least 1: a number, or a text such as "1.2x"; raises `BadInputError`."""
    number = value
    if isinstance(value, str):
        try:
            number = float(value.strip().removesuffix("x"))
        except ValueError:
            number = None
    if isinstance(number, bool) or not isinstance(number, int | float) or not 1 <= number < 1e6:
        raise BadInputError(f'{name} is {value!r}; write a ratio of 1 or more, as in "1.2x"')
    return float(number)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("size", "bytes", units.parse_size),
        Metric("latency_p50", "ms", units.parse_time_ms),
        Metric("latency_p90", "ms", units.parse_time_ms),
        Metric("latency_p99", "ms", units.parse_time_ms),
        Metric("sustained_p90", "ms", units.parse_time_ms),
        Metric("slowdown", "x", parse_ratio),
        Metric("first_inference", "ms", units.parse_time_ms),
        Metric("load", "ms", units.parse_time_ms),
        Metric("peak_memory", "bytes", units.parse_size),
        Metric("energy_per_inference", "mJ", units.parse_energy_mj),
        Metric("battery_per_1000", "%", units.parse_percent),
        Metric("hours_continuous", "h", units.parse_hours, is_minimum=True),
        Metric("accuracy_drop", "pt", units.parse_points),
        Metric("accuracy_top1", "%", units.parse_percent, is_minimum=True),
        Metric("accuracy_top5", "%", units.parse_percent, is_minimum=True),
        Metric("agreement", "%", units.parse_percent, is_minimum=True),
    )
}
OPTIMIZABLE = (
    "accuracy", "size", "latency_p50", "latency_p90", "latency_p99", "peak_memory",
    "energy_per_inference",
)  # fmt: skip
_KEYS = ("device", "allow", "gross", "battery", "limits", "optimize")
_BATTERY_KEYS = ("capacity", "voltage", "efficiency")


@dataclass(frozen=True)
class Limit:
    """One limit in the unit of its metric: a maximum, or a minimum where more is better."""

    metric: str
    bound: float
    allow: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """The unit of `bound`."""
        return METRICS[self.metric].unit

    @property
    def is_minimum(self) -> bool:
        """Whether values must not be lower, rather than not higher."""
        return METRICS[self.metric].is_minimum


@dataclass(frozen=True)
class Budget:
    """Satisficing limits, every one of which must hold, and one optimizing metric.

    `device` None judges measurements of any device. `allow` names evidence, besides measured and
    user figures, that may be judged. `gross` counts idle power into energies.
    """

    limits: tuple[Limit, ...]
    device: str | None = None
    allow: tuple[str, ...] = ()
    battery: Battery | None = None
    optimize: str | None = None
    gross: bool = False
    name: str = "the budget"


def read_budget(path: str | os.PathLike[str]) -> Budget:
    """The budget in a TOML file; raises `BadInputError` with what is wrong in it."""
    path = Path(path)
    try:
        if path.is_dir():
            raise BadInputError(f"{path} is a folder, not a budget file; name the file in it")
        if path.is_char_device():
            raise BadInputError(f"{path} is no file; name a budget file")
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise BadInputError(f"there is no budget at {path}; check the path") from None
    except UnicodeDecodeError:
        raise BadInputError(f"the budget {path} is not a text file") from None
    except OSError as error:
        raise BadInputError(
            f"the budget {path} cannot be read: {error.strerror or error}"
        ) from error
    return parse_budget(text, path.name)


def parse_budget(text: str, name: str = "the budget") -> Budget:
    """The budget in TOML text; raises `BadInputError` with what is wrong in it."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInputError(f"{name} is not TOML: {error}") from error
    _check_keys(document, _KEYS, name)
    device = document.get("device")
    if device is not None and (not isinstance(device, str) or not device.strip()):
        raise BadInputError(f"{name}: device is {device!r}; write a device's id in quotes")
    gross = document.get("gross", False)
    if not isinstance(gross, bool):
        raise BadInputError(f"{name}: gross is {gross!r}; write true or false")
    limits = _table(document, "limits", name)
    if not limits:
        raise BadInputError(
            f"{name} sets no limits; add a [limits] table with some of: {', '.join(METRICS)}"
        )
    for key in ("allow", "device", "gross"):
        if key in limits:
            raise BadInputError(
                f"{name}: {key} stands in [limits]; write it above the line [limits], since what "
                "follows such a line belongs to its table"
            )
    _check_keys(limits, METRICS, f"{name}, [limits]")
    return Budget(
        limits=tuple(_limit(key, value, name) for key, value in limits.items()),
        device=device,
        allow=_allow(document.get("allow", []), name),
        battery=_battery(document, name),
        optimize=_optimize(document, name),
        gross=gross,
        name=name,
    )


def _limit(key: str, value: object, name: str) -> Limit:
    metric = METRICS[key]
    side, other = ("min", "max") if metric.is_minimum else ("max", "min")
    allow: tuple[str, ...] = ()
    if isinstance(value, dict):
        origin = f"{name}, {key}"
        if other in value:
            good = "higher" if metric.is_minimum else "lower"
            raise BadInputError(f"{origin}: {good} is better here, so write {side}, not {other}")
        _check_keys(value, (side, "allow"), origin)
        if side not in value:
            raise BadInputError(f"{origin} has no {side}")
        allow = _allow(value.get("allow", []), origin)
        value = value[side]
    bound = metric.parse(value, f"{name}: {key}")
    if metric.unit == "%" and key != "battery_per_1000" and bound > 100:
        raise BadInputError(f"{name}: {key} is {value!r}; a share is at most 100 %")
    return Limit(key, bound, allow)


def _allow(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise BadInputError(f'{name}: allow is {value!r}; write a list, as in ["predicted"]')
    for item in value:
        if item not in ALLOWABLE:
            raise BadInputError(f"{name}: allow holds {item!r}; it may hold {', '.join(ALLOWABLE)}")
    return tuple(value)


def _battery(document: dict[str, Any], name: str) -> Battery | None:
    if "battery" not in document:
        return None
    table = _table(document, "battery", name)
    _check_keys(table, _BATTERY_KEYS, f"{name}, [battery]")
    for key in ("capacity", "voltage"):
        if key not in table:
            raise BadInputError(f"{name}: [battery] needs a {key}")
    efficiency = CONVERTER_EFFICIENCY
    if "efficiency" in table:
        efficiency = units.parse_percent(table["efficiency"], f"{name}: battery efficiency") / 100
    capacity_mah = units.parse_capacity_mah(table["capacity"], f"{name}: battery capacity")
    voltage_v = units.parse_voltage_v(table["voltage"], f"{name}: battery voltage")
    try:
        return Battery(capacity_mah, voltage_v, efficiency)
    except BadInputError as error:
        raise BadInputError(f"{name}: {error}") from None


def _optimize(document: dict[str, Any], name: str) -> str | None:
    if "optimize" not in document:
        return None
    table = _table(document, "optimize", name)
    _check_keys(table, ("metric",), f"{name}, [optimize]")
    metric = table.get("metric")
    if metric not in OPTIMIZABLE:
        raise BadInputError(
            f"{name}: [optimize] metric is {metric!r}; use exactly one of {', '.join(OPTIMIZABLE)}"
        )
    return str(metric)


def _table(document: dict[str, Any], key: str, name: str) -> dict[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise BadInputError(f"{name}: {key} must be a table, [{key}]")
    return value


def _check_keys(table: dict[str, Any], valid: Iterable[str], where: str) -> None:
    names = list(valid)
    for key in table:
        if key not in names:
            near = difflib.get_close_matches(key, names, 1, 0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            raise BadInputError(
                f"{where}: unknown key {key!r}; {hint}valid keys: {', '.join(names)}"
            )
