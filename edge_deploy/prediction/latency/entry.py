"""One `[[latency]]` entry of a device file: written, and read with a sentence for what is wrong.

What a fitted model is and says lies in `model.py`, which knows nothing of files.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from typing import Any

from edge_deploy_runner.errors import BadInputError

from edge_deploy.prediction.features import FEATURE_VERSION, TOTALS

from .model import STANDINGS, LatencyModel, Point

_TEXTS = ("cluster", "dtype", "runtime", "delegate", "made", "source", "standing")
_OPTIONAL = (
    "like", "scale_note", "kinds", "feature_version", "residuals", "spread", "coverage80",
    "p90_over_p50", "like_runtime", "like_dtype", "like_kinds", "noise", "points",
)  # fmt: skip
_POINT = ("model", "family", "measured_ms", "held_out_ms", "family_held_out_ms", "features")
_WITHOUT_UNIT = {"coefficients": "coefficients_ms"}
_POINT_WITHOUT_UNIT = {
    "measured": "measured_ms",
    "held_out": "held_out_ms",
    "family_held_out": "family_held_out_ms",
}
_FEATURE_OF_A_KIND = re.compile(r"^[A-Z][A-Z0-9_]*(\.[A-Za-z0-9_]+)+$")


def to_entry(model: LatencyModel) -> dict[str, Any]:
    """Plain values for TOML, figures to six digits.

    Only the features that have a coefficient stay with the points.
    """
    entry: dict[str, Any] = {
        "cluster": model.cluster,
        "dtype": model.dtype,
        "threads": model.threads,
        "runtime": model.runtime,
        "delegate": model.delegate,
        "made": model.made,
        "source": model.source,
        "standing": model.standing,
    }
    if model.like:
        entry["like"] = model.like
    if model.like_runtime:
        entry["like_runtime"] = model.like_runtime
    if model.like_dtype:
        entry["like_dtype"] = model.like_dtype
    if model.scale_note:
        entry["scale_note"] = model.scale_note
    entry["kinds"] = list(model.kinds)
    if model.like_kinds:
        entry["like_kinds"] = list(model.like_kinds)
    entry["feature_version"] = model.feature_version
    if model.residuals:
        entry["residuals"] = [_short(value) for value in model.residuals]
    if model.spread:
        entry["spread"] = _short(model.spread)
    if model.coverage80 is not None:
        entry["coverage80"] = _short(model.coverage80)
    if model.p90_over_p50 is not None:
        entry["p90_over_p50"] = [_short(value) for value in model.p90_over_p50]
    if model.noise:
        entry["noise"] = _short(model.noise)
    entry["coefficients_ms"] = {
        name: _short(value) for name, value in sorted(model.coefficients.items())
    }
    entry["points"] = [_point_to_entry(point, model) for point in model.points]
    return entry


def from_entry(entry: Mapping[str, Any], origin: str) -> LatencyModel:
    """The model of an entry; raises `BadInputError` that names what is wrong in it.

    `origin` is what messages call the entry.
    """
    _known_keys(entry, (*_TEXTS, "threads", "coefficients_ms", *_OPTIONAL), _WITHOUT_UNIT, origin)
    texts = {key: _text(entry, key, origin) for key in _TEXTS}
    if texts["standing"] not in STANDINGS:
        raise BadInputError(
            f"{origin}: standing is {texts['standing']!r}; valid: {', '.join(STANDINGS)}"
        )
    try:
        datetime.date.fromisoformat(texts["made"])
    except ValueError as error:
        raise BadInputError(f"{origin}: made is {texts['made']!r}, not YYYY-MM-DD") from error
    version = _whole(entry.get("feature_version", FEATURE_VERSION), "feature_version", origin)
    if version != FEATURE_VERSION:
        raise BadInputError(
            f"{origin}: its coefficients are of feature version {version}, this program counts by "
            f"version {FEATURE_VERSION}; fit them anew with `edge-deploy devices calibrate`"
        )
    coefficients = _figures(_need(entry, "coefficients_ms", origin), "coefficients_ms", origin)
    if not any(coefficients.values()):
        raise BadInputError(f"{origin}: coefficients_ms has no coefficient above 0")
    for name, value in coefficients.items():
        if name not in TOTALS and not _FEATURE_OF_A_KIND.match(name):
            raise BadInputError(
                f"{origin}: coefficients_ms has an unknown feature {name!r}; valid: "
                f"{', '.join(TOTALS)}, or KIND.FIGURE"
            )
        if value < 0:
            raise BadInputError(f"{origin}: the coefficient of {name} is negative, {value}")
    spread = _figure(entry.get("spread", 0.0), "spread", origin)
    if spread < 0:
        raise BadInputError(f"{origin}: spread is negative, {spread}")
    noise = _figure(entry.get("noise", 0.0), "noise", origin)
    if noise < 0:
        raise BadInputError(f"{origin}: noise is negative, {noise}")
    coverage = entry.get("coverage80")
    return LatencyModel(
        **texts,
        threads=_whole(_need(entry, "threads", origin), "threads", origin),
        coefficients=coefficients,
        points=tuple(
            _point_from_entry(point, texts["runtime"], f"{origin}, point {number}")
            for number, point in enumerate(_list(entry, "points", origin), 1)
        ),
        like=_optional_text(entry, "like", origin),
        scale_note=_optional_text(entry, "scale_note", origin),
        kinds=tuple(str(kind) for kind in _list(entry, "kinds", origin)),
        feature_version=version,
        residuals=tuple(
            _figure(value, "residuals", origin) for value in _list(entry, "residuals", origin)
        ),
        spread=spread,
        coverage80=None if coverage is None else _figure(coverage, "coverage80", origin),
        p90_over_p50=_tail(_list(entry, "p90_over_p50", origin), origin),
        like_runtime=_optional_text(entry, "like_runtime", origin),
        noise=noise,
        like_dtype=_optional_text(entry, "like_dtype", origin),
        like_kinds=tuple(str(kind) for kind in _list(entry, "like_kinds", origin)),
    )


def _tail(values: list[Any], origin: str) -> tuple[float, ...] | None:
    if not values:
        return None
    figures = tuple(_figure(value, "p90_over_p50", origin) for value in values)
    if len(figures) not in (2, 3) or figures[0] < 1 or list(figures) != sorted(figures):
        raise BadInputError(
            f"{origin}: p90_over_p50 is {values}; it needs [least, most] or [least, usual, most], "
            "all 1 or above"
        )
    return figures


def _point_to_entry(point: Point, model: LatencyModel) -> dict[str, Any]:
    found: dict[str, Any] = {
        "model": point.model,
        "family": point.family,
        "measured_ms": _short(point.measured_ms),
    }
    if point.held_out_ms is not None:
        found["held_out_ms"] = _short(point.held_out_ms)
    if point.family_held_out_ms is not None:
        found["family_held_out_ms"] = _short(point.family_held_out_ms)
    found["features"] = {
        name: _short(point.features[name])
        for name in sorted(model.coefficients)
        if point.features.get(name)
    }
    return found


def _point_from_entry(entry: Any, runtime: str, origin: str) -> Point:
    if not isinstance(entry, Mapping):
        raise BadInputError(f"{origin} is no table")
    if str(entry.get("runtime", runtime)) != runtime:
        raise BadInputError(
            f"{origin} was measured with {entry['runtime']}, the entry is of {runtime}; points of "
            "two runtimes never stand in one entry"
        )
    _known_keys(entry, (*_POINT, "runtime"), _POINT_WITHOUT_UNIT, origin)
    measured = _figure(_need(entry, "measured_ms", origin), "measured_ms", origin)
    if measured <= 0:
        raise BadInputError(f"{origin}: measured_ms is {measured}; a latency is above 0")
    features = _figures(_need(entry, "features", origin), "features", origin)
    for name, value in features.items():
        if value < 0:
            raise BadInputError(f"{origin}: its {name} is negative, {value}")
    held = {
        key: None if entry.get(key) is None else _figure(entry[key], key, origin)
        for key in ("held_out_ms", "family_held_out_ms")
    }
    return Point(
        _text(entry, "model", origin),
        _text(entry, "family", origin),
        measured,
        features,
        **held,
        runtime=runtime,
    )


def _known_keys(
    entry: Mapping[str, Any], valid: tuple[str, ...], without_unit: Mapping[str, str], origin: str
) -> None:
    for key in entry:
        if key in without_unit:
            raise BadInputError(
                f"{origin}: {key} says no unit; call it {without_unit[key]} and give milliseconds"
            )
        if key not in valid:
            raise BadInputError(f"{origin} has an unknown key {key!r}; valid: {', '.join(valid)}")


def _need(entry: Mapping[str, Any], key: str, origin: str) -> Any:
    if key not in entry:
        raise BadInputError(f"{origin} lacks {key}")
    return entry[key]


def _text(entry: Mapping[str, Any], key: str, origin: str) -> str:
    value = _need(entry, key, origin)
    if isinstance(value, datetime.date):  # TOML has dates of its own
        return value.isoformat()
    if not isinstance(value, str) or not value.strip():
        raise BadInputError(f"{origin}: {key} is {value!r}; it needs text")
    return value


def _optional_text(entry: Mapping[str, Any], key: str, origin: str) -> str:
    return _text(entry, key, origin) if key in entry else ""


def _list(entry: Mapping[str, Any], key: str, origin: str) -> list[Any]:
    value = entry.get(key, [])
    if not isinstance(value, list):
        raise BadInputError(f"{origin}: {key} is no list")
    return value


def _figures(value: Any, key: str, origin: str) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise BadInputError(f"{origin}: {key} is no table of name = figure")
    return {str(name): _figure(figure, f"{key}.{name}", origin) for name, figure in value.items()}


def _figure(value: Any, key: str, origin: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadInputError(f"{origin}: {key} is {value!r}, not a figure")
    return float(value)


def _whole(value: Any, key: str, origin: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadInputError(f"{origin}: {key} is {value!r}, not a whole number above 0")
    return value


def _short(value: float) -> float:
    return float(f"{value:.6g}")
