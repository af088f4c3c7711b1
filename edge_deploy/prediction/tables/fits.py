"""Tables of somebody's own, joined with networks and fitted: what is judged and what is written.

`devices accuracy --table` tells the error of these fits and `devices calibrate --table` writes
them, so that the one speaks of the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from edge_deploy.catalogue import DeviceProfile
from edge_deploy.prediction.choosing import scaled_from
from edge_deploy.prediction.latency.fitting import MIN_POINTS_WITH_PRIOR, FitResult, fit
from edge_deploy.prediction.latency.model import LatencyModel, Point
from edge_deploy.prediction.operator_features import OPERATOR_TERMS

from .doubts import doubts
from .grouping import Group, groups, terms_of
from .names import plain_name
from .published import LEFT_OUT, prior_for
from .reading import Latency, Network, completed, packaged_networks


@dataclass(frozen=True)
class TableFit:
    """The fit of a group, the model that it started from, and whose coefficients those were.

    notes: why it did not start from the device that was asked for, and what looks wrong in it.
    """

    result: FitResult
    start: LatencyModel
    like: str
    notes: tuple[str, ...] = ()


def joined(
    latencies: Iterable[Latency], networks: Mapping[str, Network]
) -> tuple[dict[Group, tuple[Point, ...]], tuple[str, ...]]:
    """Points that may be fitted together, and a sentence for each thing that was left out.

    Names that are not found as they are written are compared by `plain_name`. Networks that
    `networks` lacks, and features that it lacks of the others, are taken from the package's own
    table where that knows them.
    """
    latencies = tuple(latencies)
    everyone, taken = _with_packaged(latencies, networks)
    unfit = {plain_name(name): name for name in LEFT_OUT}
    missing: Counter[str] = Counter()
    kept = []
    for row in latencies:
        name = unfit.get(plain_name(row.model))
        if name is None or row.model in everyone:
            kept.append(row)
        else:
            missing[name] += 1
    left = [f"{_rows(count)} of {name}: {LEFT_OUT[name]}" for name, count in missing.items()]
    found, notes = groups(kept, everyone, [*networks, *packaged_networks()])
    return found, (*taken, *notes, *left)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def fit_group(
    group: Group, points: Sequence[Point], sibling: DeviceProfile | None = None
) -> TableFit:
    """The fit of one group of `joined`, with the features that all its networks have.

    It starts from `sibling`, or without one from the packaged Pixel 3, as the published tables do
    however long they are; from the Pixel 3, too, where the sibling has no coefficients of the
    dtype, or none that these features tell. Where the networks lack features that the start has
    coefficients for, that is fitted anew without them. Raises `BadInputError` for a single point.
    """
    terms = terms_of(points)
    start, note = None, ""
    if sibling is not None:
        nearest = _nearest(sibling, group)
        if nearest is None:
            note = f"{sibling.id} has no coefficients of {group.dtype}"
        elif _of_shapes(nearest) and all("ALL.n" in point.features for point in points):
            # What it says of a micro-model on the sibling gives nothing away of this device.
            result = fit(points, prior=replace(nearest, points=()))
            return TableFit(result, nearest, sibling.id, _said(group, "", result))
        else:
            start = _with_terms(nearest, terms)
            if start is None:
                note = (
                    f"the coefficients of {sibling.id} are of features that these networks lack "
                    "(--features takes .tflite files, which have all)"
                )
    if sibling is not None and start is not None:
        result = fit(points, terms, prior=start)
        return TableFit(result, start, sibling.id, _said(group, "", result))
    start = prior_for(group.dtype, terms)
    if note:
        note = f"{note}; it starts from {start.like}"
    result = fit(points, terms, prior=start)
    return TableFit(result, start, start.like, _said(group, note, result))


def _said(group: Group, note: str, result: FitResult) -> tuple[str, ...]:
    notes = (note, *doubts(result.points)) if note else doubts(result.points)
    return tuple(f"{group.name()}: {sentence}" for sentence in notes)


def _nearest(sibling: DeviceProfile, group: Group) -> LatencyModel | None:
    """The sibling's coefficients of the same dtype, and of the nearest runs among these."""
    threads = int(group.threads) if group.threads.isdigit() else 1
    return min(
        (model for model in sibling.latency if model.dtype == group.dtype),
        key=lambda model: (model.runtime != group.runtime, abs(model.threads - threads)),
        default=None,
    )


def _of_shapes(model: LatencyModel) -> bool:
    return any(name in OPERATOR_TERMS for name in model.coefficients)


def _with_terms(model: LatencyModel, terms: tuple[str, ...]) -> LatencyModel | None:
    """The model with no terms but these: fitted anew to its points where it has others.

    One that was scaled from another gets the points of that, which tell what it has seen.
    """
    model = replace(model, points=scaled_from(model)[0].points)
    if set(model.coefficients) <= set(terms):
        return model
    if _of_shapes(model):
        return None
    points = [
        point for point in _whole_points(model) if all(name in point.features for name in terms)
    ]
    if len(points) < MIN_POINTS_WITH_PRIOR:
        return None
    result = fit(points, terms, prior=prior_for(model.dtype, terms))
    return replace(model, coefficients=result.coefficients, points=result.points)


def _whole_points(model: LatencyModel) -> list[Point]:
    """A device file's points with what it does not keep: features without a coefficient, and 0."""
    nothing = dict.fromkeys(model.coefficients, 0.0)
    networks = completed(
        {
            point.model: Network(point.family, {**nothing, **point.features})
            for point in model.points
        }
    )
    return [replace(point, features=networks[point.model].features) for point in model.points]


def _with_packaged(
    latencies: Iterable[Latency], networks: Mapping[str, Network]
) -> tuple[dict[str, Network], tuple[str, ...]]:
    """Networks by all names that the latencies have for them, and a sentence on those taken."""
    whole = completed(networks)
    own = _by_plain_names(whole)
    packaged = _by_plain_names(
        {name: one for name, one in packaged_networks().items() if name not in LEFT_OUT}
    )
    found = {}
    taken = set()
    for name in dict.fromkeys(row.model for row in latencies):
        for key in (name, name.split("@", maxsplit=1)[0]):
            network = whole.get(key) or own.get(plain_name(key))
            if network is None and plain_name(key) in packaged:
                network = packaged[plain_name(key)]
                taken.add(name)
            if network is not None:
                found[name] = network
                break
    if taken and networks:
        return found, (f"no features given of {', '.join(sorted(taken))}: the package's are used",)
    return found, ()


def _by_plain_names(networks: Mapping[str, Network]) -> dict[str, Network]:
    """Networks by their plain names, without those that others share it with."""
    found: dict[str, list[Network]] = {}
    for name, network in networks.items():
        found.setdefault(plain_name(name), []).append(network)
    return {
        name: same[0]
        for name, same in found.items()
        if all(network.features == same[0].features for network in same)
    }
