"""Latency models of a calibration, or of somebody's own table: points in, coefficients out."""

from __future__ import annotations

import datetime
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edge_deploy_runner.errors import BadInputError, UsageError
from edge_deploy_runner.tflite.model_file import ModelFile

from edge_deploy.catalogue import DeviceProfile, all_profiles
from edge_deploy.catalogue.known_devices import is_packaged
from edge_deploy.prediction.features import FEATURE_VERSION, features
from edge_deploy.prediction.latency.conformal import log_residual
from edge_deploy.prediction.latency.fitting import MIN_POINTS, FitResult, fit
from edge_deploy.prediction.latency.model import LatencyModel, Point
from edge_deploy.prediction.operator_features import OPERATOR_TERMS
from edge_deploy.prediction.tables.fits import TableFit, fit_group, joined
from edge_deploy.prediction.tables.grouping import Group
from edge_deploy.prediction.tables.names import family_of, plain_name
from edge_deploy.prediction.tables.reading import Latency, Network, read_networks
from edge_deploy.prediction.workload import read_workload

from .fit import OperatorPoint, fit_calibration
from .times import Calibration, ModelTimes

# How far, as a log, kernels of another runtime may have moved shapes against each other: three ARM
# siblings were 12 to 40% off on an x86 computer. No table has one device with two runtimes.
_OTHER_RUNTIME_HALF_WIDTH = 0.5
# A model that a fit has seen and misses by more than this factor, as a log, has work that no term
# of the fit describes, as where int8 HARD_SWISH runs on slow kernels.
_WORST_OF_OWN = math.log(1.4)


def calibrated_models(
    calibration: Calibration, cluster: str = "all", prior: DeviceProfile | None = None
) -> tuple[LatencyModel, ...]:
    """One model for each dtype and number of threads.

    With `prior` each starts from that device's coefficients of the same dtype, and three
    micro-models suffice; `UsageError` where it has none. Without, raises `BadInputError` for too
    few micro-models.
    """
    entries_of: dict[tuple[str, int], list[ModelTimes]] = {}
    for entry in calibration.times:
        entries_of.setdefault((entry.timed.dtype, entry.threads), []).append(entry)
    return tuple(
        _model(calibration, entries, dtype, threads, cluster, prior)
        for (dtype, threads), entries in entries_of.items()
    )


def _model(
    calibration: Calibration,
    entries: Sequence[ModelTimes],
    dtype: str,
    threads: int,
    cluster: str,
    prior: DeviceProfile | None,
) -> LatencyModel:
    points = [
        Point(
            entry.timed.model, entry.timed.family, entry.ms, entry.timed.features,
            runtime=calibration.runtime,
        )
        for entry in entries
        if not entry.timed.kind
    ]  # fmt: skip
    start = None if prior is None else _prior_model(prior, dtype, threads, cluster, calibration)
    if start is None:
        operators = [
            OperatorPoint(entry.timed.model, entry.timed.kind, entry.ms, entry.timed.features)
            for entry in entries
            if entry.timed.kind
        ]
        result = fit_calibration(points, operators)
        of_what = f"{len(points)} micro-models and {len(operators)} of their operators alone"
    else:
        # What it says of a micro-model on the sibling gives nothing away of this device.
        measured_there = any(name in OPERATOR_TERMS for name in start.coefficients)
        result = fit(points, prior=replace(start, points=()) if measured_there else start)
        _check_start(result, prior, dtype, calibration.widening(dtype, threads))
        of_what = f"{len(points)} micro-models"
    kinds = {kind for entry in entries for kind in entry.timed.kinds}
    return LatencyModel(
        cluster=cluster,
        dtype=dtype,
        threads=threads,
        runtime=calibration.runtime,
        delegate=calibration.delegate,
        coefficients={name: value for name, value in result.coefficients.items() if value > 0},
        points=result.points,
        made=datetime.date.today().isoformat(),
        source=f"edge-deploy devices calibrate: {of_what}",
        standing="simulated" if calibration.evidence == "simulated" else "measured",
        like="" if prior is None else prior.id,
        like_runtime=_like_runtime(start, calibration.runtime),
        scale_note="" if start is None else _scale_note(start, result, calibration.runtime),
        kinds=tuple(sorted(kinds)),
        like_kinds=_like_kinds(start, kinds),
        feature_version=FEATURE_VERSION,
        residuals=_residuals_of(start),
        spread=_spread(result, start, calibration.runtime),
        coverage80=result.coverage80,
        p90_over_p50=calibration.tail(threads),
        noise=calibration.widening(dtype, threads),
    )


def _check_start(result: FitResult, prior: DeviceProfile | None, dtype: str, noise: float) -> None:
    """Raise `UsageError` where the sibling's terms cannot say what the device took.

    Times that differ by `noise` between rounds may miss by as much more.
    """
    for point in result.points:
        features = point.features
        fitted = sum(slope * features.get(name, 0) for name, slope in result.coefficients.items())
        if abs(log_residual(point.measured_ms, fitted)) > _WORST_OF_OWN + math.log1p(noise):
            raise UsageError(
                f"the coefficients of {prior.id if prior else 'the sibling'} do not fit {dtype} "
                f"here: {point.model} took {point.measured_ms:.3g} ms, and however they are scaled "
                f"they make it {fitted:.3g} ms; calibrate without --quick, or leave {dtype} out of "
                "--dtypes"
            )


def _scale_note(start: LatencyModel, result: FitResult, runtime: str) -> str:
    note = (
        f"started from its {start.dtype} on {start.threads} thread{'s' * (start.threads > 1)} with "
        f"{start.runtime}, all coefficients times {result.scale:.3g}; each then moved as the "
        "points ask"
    )
    if start.runtime != runtime:
        note += "; no point of that runtime stands here"
    return note


def _like_runtime(start: LatencyModel | None, runtime: str) -> str:
    return "" if start is None or start.runtime == runtime else start.runtime


def _like_kinds(start: LatencyModel | None, own: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted({*start.kinds, *start.like_kinds} - set(own))) if start else ()


def _spread(result: FitResult, start: LatencyModel | None, runtime: str) -> float:
    """How much leaning on a sibling widens: more where that ran another runtime."""
    if start is None or start.runtime == runtime:
        return result.spread
    return max(result.spread, _OTHER_RUNTIME_HALF_WIDTH)


def _residuals_of(start: LatencyModel | None) -> tuple[float, ...]:
    """What the prior's own held-out points missed: as far as it may be wrong where it leads."""
    if start is None:
        return ()
    own = [
        log_residual(point.measured_ms, held)
        for point in start.points
        for held in [point.family_held_out_ms or point.held_out_ms]
        if held is not None
    ]
    return tuple(own) or start.residuals


def _prior_model(
    prior: DeviceProfile, dtype: str, threads: int, cluster: str, calibration: Calibration
) -> LatencyModel:
    """The sibling's coefficients to start from: the same dtype, then the nearest runs."""
    found = [model for model in prior.latency if model.dtype == dtype]
    if not found:
        known = ", ".join(sorted({model.dtype for model in prior.latency})) or "none"
        raise UsageError(
            f"{prior.id} has no coefficients of {dtype} to start from (it has: {known}); calibrate "
            "without --quick, which starts from nothing, or choose others with --dtypes"
        )
    return min(
        found,
        key=lambda model: (
            model.runtime != calibration.runtime,
            model.cluster != cluster,
            abs(model.threads - threads),
        ),
    )


def models_of_tables(
    latencies: Iterable[Latency], networks: Mapping[str, Network], source: str,
    prior: DeviceProfile | None = None, device: str = "",
) -> tuple[tuple[LatencyModel, ...], tuple[str, ...]]:  # fmt: skip
    """Models fitted to measured tables, and a sentence for each kind of row left out.

    The fits are those that `devices accuracy --table` judges (see `table_fits`): every group
    starts from `prior`, or else from the published Pixel 3. Of several devices the rows of `device`
    count, however its name is written. Raises `BadInputError` where that is none of them, or no
    group has two points.
    """
    latencies, others = _of_device(tuple(latencies), device, source)
    found, notes = joined(latencies, networks)
    models, said = [], list(others)
    for group, points in found.items():
        if not group.threads.isdigit() or int(group.threads) < 1:
            said.append(f"{group.name()}: its number of threads is not known")
            continue
        try:
            fitted = fit_group(group, points, prior)
        except BadInputError as error:
            said.append(f"{group.name()}: {error}")
            continue
        models.append(_model_of_group(group, fitted, source))
        said.extend(fitted.notes)
    if not models:
        raise BadInputError(
            f"nothing of {source} can be fitted: {'; '.join([*said, *notes]) or 'it has no rows'}"
        )
    return tuple(models), (*said, *notes)


def _of_device(
    latencies: tuple[Latency, ...], device: str, source: str
) -> tuple[tuple[Latency, ...], tuple[str, ...]]:
    """The rows of one device, and a sentence on those of others."""
    named = {plain_name(row.device): row.device for row in reversed(latencies)}
    if len(named) < 2:
        return latencies, _doubt_of_device(named, device)
    if plain_name(device) not in named:
        raise BadInputError(
            f"{source} has rows of {len(named)} devices ({', '.join(sorted(named.values()))}); "
            "give one table for each device, or the name of one of them as the id"
        )
    chosen = tuple(row for row in latencies if plain_name(row.device) == plain_name(device))
    return chosen, (
        f"{len(latencies) - len(chosen)} rows are of other devices than {chosen[0].device}",
    )


def _doubt_of_device(named: Mapping[str, str], device: str) -> tuple[str, ...]:
    """A sentence where all rows are of a device that is called otherwise than a packaged one."""
    if not named or not is_packaged(device):
        return ()
    own = {plain_name(device), plain_name(all_profiles()[device].name)}
    if own & set(named):
        return ()
    return (f"its rows are of {', '.join(named.values())}, and are taken as times of {device}",)


def read_features(paths: Iterable[Path]) -> dict[str, Network]:
    """The networks of `.tflite` files, and of CSV tables, which all other files are.

    A file's network is called as the file is, without `.tflite`. Raises `BadInputError`.
    """
    found: dict[str, Network] = {}
    for path in paths:
        if path.suffix.lower() == ".tflite":
            workload = read_workload(ModelFile.open(path))
            found[path.stem] = Network(family_of(path.stem), features(workload))
        else:
            found.update(read_networks(path))
    return found


def _model_of_group(group: Group, fitted: TableFit, source: str) -> LatencyModel:
    start, result = fitted.start, fitted.result
    # From here on its own residuals tell, and the error of `devices accuracy` is that of the file.
    enough = len(result.points) >= MIN_POINTS
    return LatencyModel(
        cluster="all",
        dtype=group.dtype,
        threads=int(group.threads),
        runtime=group.runtime,
        delegate=group.delegate or "xnnpack",
        coefficients={name: value for name, value in result.coefficients.items() if value > 0},
        points=result.points,
        made=datetime.date.today().isoformat(),
        source=source,
        standing="read",
        like=fitted.like,
        like_runtime=_like_runtime(start, group.runtime),
        scale_note=_scale_note(start, result, group.runtime),
        like_dtype="" if start.dtype == group.dtype else start.dtype,
        kinds=_TABLE_KINDS,
        like_kinds=_like_kinds(start, _TABLE_KINDS),
        residuals=() if enough else _residuals_of(start),
        spread=result.spread if enough else _spread(result, start, group.runtime),
        coverage80=result.coverage80,
    )


# What the totals of a table of features speak of.
_TABLE_KINDS = (
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED",
    "MAX_POOL_2D", "MEAN", "MUL", "PAD", "RESHAPE", "SOFTMAX",
)  # fmt: skip


def merged(new: Sequence[LatencyModel], before: Iterable[LatencyModel]) -> tuple[LatencyModel, ...]:
    """The new models, and of those before what none of the new ones stands for."""
    replaced = {_key(model) for model in new}
    return (*new, *(model for model in before if _key(model) not in replaced))


def _key(model: LatencyModel) -> tuple[object, ...]:
    return model.cluster, model.dtype, model.threads, model.runtime, model.delegate
