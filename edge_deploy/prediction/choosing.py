"""Which of a device's coefficients answer for a run, or a sentence why none of them can."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from edge_deploy_runner.errors import BadInputError, UsageError

from edge_deploy.catalogue import DeviceProfile, all_profiles
from edge_deploy.prediction.latency.model import LatencyModel

DEFAULT_THREADS = 4
# The best first: the user's own times beat published ones.
_STANDINGS = ("measured", "read", "guess", "simulated")
_VERSION = re.compile(r"(?:tflite|litert|tensorflow(?: ?lite)?)\D{0,10}(\d+)\.(\d+)", re.I)


def choose(
    device: DeviceProfile,
    dtype: str,
    *,
    threads: int | None = None,
    runtime: str | None = None,
    delegate: str = "auto",
) -> tuple[LatencyModel, ...]:
    """The coefficients that fit, the best first; what was asked for is never traded for another.

    Best is what the user measured, then the newest runtime, then the most threads up to four (or
    the nearest number), then the fastest cores. `runtime` is a name, or a part that only one of
    them has. Raises `UsageError` for options, and `BadInputError` for models and devices without
    data, both with what there is.
    """
    if not device.latency:
        raise BadInputError(
            f"no model's time on {device.name} is known{_not_scaled(device)}, so none can be "
            "predicted; "
            f"{way_to_measure(device)}, or `edge-deploy devices calibrate --device "
            f"{target_of(device)} --id {device.id}`"
        )
    found = _with(device.latency, lambda model: model.dtype == dtype)
    if not found:
        raise BadInputError(
            f"there are no times of {dtype} models on {device.name}, so this one's cannot be "
            f"predicted; {_or_convert(device)}{way_to_measure(device)}"
            f"{_or_calibrate(device, dtype)}"
        )
    if delegate != "auto":
        found = _require(
            _with(found, lambda model: model.delegate == delegate),
            f"--delegate {delegate}: the times of {dtype} models on {device.name} are of "
            f"{_listed(m.delegate for m in found)}",
        )
    if runtime is not None:
        found = _of_runtime(found, runtime, f"{dtype} models on {device.name}")
    if threads is not None:
        found = _require(
            _with(found, lambda model: model.threads == threads),
            f"--threads {threads}: the times of {dtype} models on {device.name} are of "
            f"{_threads(found)}, and how the others compare is "
            "measured, not assumed",
        )
    return tuple(sorted(found, key=lambda model: _rank(model, device)))


def _not_scaled(device: DeviceProfile) -> str:
    """Why the times of the sibling that a device's file names do not stand in for its own."""
    sibling = all_profiles().get(device.like)
    if sibling is None or not sibling.latency:
        return ""
    clockless = [one for one in (device, sibling) if one.fastest_first()[0].max_mhz is None]
    if not clockless:
        return ""
    return (
        f", and those of {sibling.id} cannot be scaled to it, as the file of {clockless[0].id} "
        "does not say its clock (max_mhz of its clusters)"
    )


def same_runs(chosen: LatencyModel, models: Iterable[LatencyModel]) -> tuple[LatencyModel, ...]:
    """Coefficients from the same runs as `chosen` but for the threads, itself among them.

    Fewest threads first; one for each number.
    """
    found: dict[int, LatencyModel] = {chosen.threads: chosen}
    for model in models:
        if _runs(model) == _runs(chosen):
            found.setdefault(model.threads, model)
    return tuple(found[threads] for threads in sorted(found))


def scaled_from(model: LatencyModel) -> tuple[LatencyModel, tuple[str, ...]]:
    """The model whose points made one that has none, and the ids on the way to its device, last.

    The model itself, with no ids, where it has points of its own or their device is not known.
    """
    profiles, found, way = all_profiles(), model, list[str]()
    while not found.points and found.like in profiles and found.like not in way:
        way.append(found.like)
        same = (other for other in profiles[found.like].latency if _points(other) == _points(model))
        found = next(same, model)
        if found is model:
            break
    return (found, tuple(way)) if found.points else (model, ())


def _points(model: LatencyModel) -> tuple[object, ...]:
    """What a model keeps of the one that it was scaled from."""
    return model.dtype, model.threads, model.runtime, model.delegate, model.source


def _runs(model: LatencyModel) -> tuple[str, ...]:
    return model.cluster, model.dtype, model.runtime, model.delegate, model.source


def _of_runtime(
    models: Sequence[LatencyModel], runtime: str, whose: str
) -> tuple[LatencyModel, ...]:
    names = list(dict.fromkeys(model.runtime for model in models))
    # 2.1 is no part of 2.18, and 5 none of 2.5.
    part = re.compile(rf"(?<!\d)(?<!\d\.){re.escape(runtime)}(?!\d)", re.I)
    matching = [name for name in names if name == runtime] or [
        name for name in names if runtime.strip() and part.search(name)
    ]
    if len(matching) == 1:
        return _with(models, lambda model: model.runtime == matching[0])
    what = "none of them is" if not matching else "more than one of them is"
    raise UsageError(
        f"--runtime-version {runtime}: {what} that; the times of {whose} are of "
        f"{_listed(matching or names)}"
    )


def _with(
    models: Iterable[LatencyModel], fits: Callable[[LatencyModel], bool]
) -> tuple[LatencyModel, ...]:
    return tuple(model for model in models if fits(model))


def _require(models: tuple[LatencyModel, ...], refusal: str) -> tuple[LatencyModel, ...]:
    if not models:
        raise UsageError(refusal)
    return models


def _rank(model: LatencyModel, device: DeviceProfile) -> tuple[object, ...]:
    clusters = [cluster.name for cluster in device.fastest_first()]
    return (
        _STANDINGS.index(model.standing),
        tuple(-number for number in runtime_age(model.runtime)),
        model.threads > DEFAULT_THREADS,
        abs(DEFAULT_THREADS - model.threads),
        clusters.index(model.cluster) if model.cluster in clusters else len(clusters),
    )


def runtime_age(runtime: str) -> tuple[int, int, int, int, int]:
    """A runtime's place in time, greater for newer: LiteRT after TFLite, then version, then year.

    0 stands for what the name does not say. Of two that are as old, 32-bit ones come before others.
    """
    is_litert = "litert" in runtime.lower()
    version = _VERSION.search(runtime)
    major, minor = (int(part) for part in version.groups()) if version else (0, 0)
    year = re.search(r"\b(20\d\d)\b", runtime)
    bits = int("32-bit" not in runtime)
    return int(is_litert), major, minor, int(year.group(1)) if year else 0, bits


def target_of(device: DeviceProfile) -> str:
    """What --device takes to reach such a device itself."""
    return {"phone": "android", "computer": "local"}.get(device.kind, "ssh://USER@HOST")


def way_to_measure(device: DeviceProfile) -> str:
    """What one can do instead of predicting, for a message."""
    return f"measure on the device itself, with --device {target_of(device)}"


def _or_convert(device: DeviceProfile) -> str:
    """To which dtypes a source can be converted that a device has times of; "" for none."""
    known = {model.dtype for model in device.latency}
    makes = sorted(known - {"uint8"})
    advice = f"convert its source to {' or '.join(makes)}, or " if makes else ""
    if "uint8" not in known:
        return advice
    return (
        "its times of uint8 are of files that are uint8 throughout, as TensorFlow 1 made them and "
        f"`convert` makes none; {advice}"
    )


def _or_calibrate(device: DeviceProfile, dtype: str) -> str:
    """The command that adds a dtype to a device that the user calibrated; "" for any other."""
    from edge_deploy.prediction.synthetic.graph_assembly import DTYPES

    own = any(model.standing == "measured" for model in device.latency)
    if not own or dtype not in DTYPES:
        return ""
    return (
        f", or give its profile such times: `edge-deploy devices calibrate --device "
        f"{target_of(device)} --id {device.id} --dtypes {dtype} --force`"
    )


def _threads(models: Iterable[LatencyModel]) -> str:
    numbers = _listed(str(model.threads) for model in models)
    return "1 thread" if numbers == "1" else f"{numbers} threads"


def _listed(names: Iterable[str]) -> str:
    """`A, B`, or `A, 32-bit; A, 64-bit` where names have commas of their own."""
    found = sorted(set(names))
    return ("; " if any("," in name for name in found) else ", ").join(found)
