"""Predictions held against each other, or against a measurement of the device they are for.

The range of a ratio runs from end to end of the two intervals. Two predictions from the same
coefficients err together, so that their ratio is surer than its range says; and a measurement
beside the prediction for the same model shows whether that one held, if both have one runtime.
With two, what lies between them is the runtimes' difference as well, and is called so; it counts
as better or worse all the same, since the slower figure is what the device gives.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edge_deploy_runner.bench.percentiles import Estimate
from edge_deploy_runner.bench.prediction import Basis
from edge_deploy_runner.bench.records import Measurement
from edge_deploy_runner.errors import BadInputError

from .catalogue import all_profiles, is_machine
from .changes import (
    MEMORY_NOISE,
    SIZE_NOISE,
    Change,
    Comparison,
    exact_change,
    is_inside,
    status_of,
)
from .prediction.choosing import way_to_measure

_X86 = re.compile(r"x86(_64)?|i[3-6]86|amd64", re.I)
_ARM = re.compile(r"aarch64|arm", re.I)
_ARM_CORE = re.compile(r"cortex|kryo|neoverse|arm\b", re.I)
# Ids of devices that the catalogue does not know: they may be any of its own.
_UNNAMED = {"local", "ssh", "android"}


def compare_with_predictions(
    old: Measurement, new: Measurement, noise: float, names: tuple[str, str]
) -> Comparison:
    """Two predictions for one device, or a prediction and a measurement of that device.

    A device that the catalogue has no name for may be any with the same kind of instructions.
    Raises `BadInputError` for two devices, predictions for two runtimes, and simulated times.
    """
    _check_alike(old, new, names)
    one_model = old.model.sha256 == new.model.sha256
    alike = one_model and not _unlike(old, new)
    changes = [
        exact_change("size", "bytes", old.model.size_bytes, new.model.size_bytes, SIZE_NOISE)
    ]
    before, after = old.latency(), new.latency()
    for name in ("p50", "p90"):
        a, b = before[name], after[name]
        if a is not None and b is not None:
            changes.append(_change(f"latency_{name}", "ms", a, b, noise, alike))
    memory = [_memory(side) for side in (old, new)]
    if memory[0] is not None and memory[1] is not None and memory[0].value > 0:
        changes.append(_change("peak_memory", "bytes", memory[0], memory[1], MEMORY_NOISE, alike))
    return Comparison(
        "measurement",
        names[0],
        names[1],
        tuple(changes),
        tuple(_warnings(old, new, names)),
        tuple(_notes((old, new), names, one_model)),
    )


def _check_alike(old: Measurement, new: Measurement, names: tuple[str, str]) -> None:
    ids = [str(side.device.get("id")) for side in (old, new)]
    known = _is_same_machine(old, new) or _is_same_machine(new, old)
    if ids[0] != ids[1] and not set(ids) & _UNNAMED and not known:
        words = [
            f"{name} is {'predicted for' if side.prediction else 'of'} {device_id}"
            for name, side, device_id in zip(names, (old, new), ids, strict=True)
        ]
        raise BadInputError(f"{words[0]} and {words[1]}; compare figures of one device")
    for name, side, other in ((names[0], old, new), (names[1], new, old)):
        machine = str(side.device.get("machine") or "")
        if other.prediction is not None and _is_foreign(machine, other.prediction.basis.device):
            raise BadInputError(
                f"{name} was measured on a machine with {machine} instructions, which "
                f"{other.prediction.basis.device} is not; compare figures of one device"
            )
        if side.evidence == "simulated":
            raise BadInputError(
                f"{name} was measured in an emulator, whose times are not those of {ids[0]}; "
                "compare a prediction with a measurement of the device itself"
            )
    if old.prediction is None or new.prediction is None:
        return
    bases = old.prediction.basis, new.prediction.basis
    if bases[0].runtime != bases[1].runtime:
        raise BadInputError(
            f"{names[0]} is predicted for {bases[0].runtime} and {names[1]} for "
            f"{bases[1].runtime}, and runtimes are never mixed; {_with_one_runtime(*bases)}"
        )


def _with_one_runtime(old: Basis, new: Basis) -> str:
    """What to do about predictions for two runtimes."""
    profile = all_profiles().get(old.device)
    entries = profile.latency if profile is not None else ()
    both = [
        {entry.runtime for entry in entries if entry.dtype == basis.dtype} for basis in (old, new)
    ]
    if profile is not None and both[0] and both[1] and not both[0] & both[1]:
        return (
            f"of {profile.name} no runtime has times of both {old.dtype} and {new.dtype} models: "
            f"{way_to_measure(profile)}"
        )
    return "predict both with the same --runtime-version"


def _is_foreign(machine: str, device_id: str) -> bool:
    """Whether a machine with these instructions (as uname names them) cannot be a known device."""
    profile = all_profiles().get(device_id)
    if profile is None:
        return False
    is_arm = any(_ARM_CORE.search(cluster.core) for cluster in profile.clusters)
    is_x86 = any(re.search(r"intel|amd", cluster.core, re.I) for cluster in profile.clusters)
    return bool(
        (is_arm and not is_x86 and _X86.match(machine))
        or (is_x86 and not is_arm and _ARM.match(machine))
    )


def _is_same_machine(measured: Measurement, predicted: Measurement) -> bool:
    """Whether the profile of the prediction's device describes the machine that was measured."""
    if measured.prediction is not None or predicted.prediction is None:
        return False
    profile = all_profiles().get(str(predicted.device.get("id")))
    return profile is not None and is_machine(profile, measured.device)


def _change(
    metric: str, unit: str, old: Estimate, new: Estimate, noise: float, alike: bool
) -> Change:
    ratio = new.value / old.value
    low, high = _end(new.low, new) / _end(old.high, old), _end(new.high, new) / _end(old.low, old)
    status = status_of(low, high, noise)
    return Change(
        metric, unit, old.value, new.value, ratio, None, noise, status,
        # Of one model and one way to run it, figures that meet are what was to be shown.
        is_clear=alike or status != "same" or is_inside(low, high, noise),
        predicted_range=(low, high),
    )  # fmt: skip


def _end(end: float | None, figure: Estimate) -> float:
    return figure.value if end is None else end


def _runtime(side: Measurement) -> str:
    if side.prediction is not None:
        return side.prediction.basis.runtime
    return f"{side.runtime['name']} {side.runtime['version']}"


def _unlike(one: Measurement, other: Measurement) -> list[str]:
    """In what two runs of a model differ that a time depends on."""
    runtime = [] if _runtime(one) == _runtime(other) else ["another runtime"]
    threads = [] if one.spec.threads == other.spec.threads else ["other threads"]
    return runtime + threads


def _memory(side: Measurement) -> Estimate | None:
    if side.prediction is not None:
        return side.prediction.peak_memory
    return None if side.peak_memory_bytes is None else Estimate(float(side.peak_memory_bytes))


def _warnings(old: Measurement, new: Measurement, names: tuple[str, str]) -> list[str]:
    found = [
        f"the {what} differ: {first} and {second}"
        for what, first, second in (
            ("threads", old.spec.threads, new.spec.threads),
            ("delegates", old.delegate.used, new.delegate.used),
        )
        if first != second
    ]
    for name, side in zip(names, (old, new), strict=True):
        if side.void:
            found.append(f"{name} is void ({'; '.join(side.void)}); measure it again")
        if side.prediction is None:
            other = new if side is old else old
            assert other.prediction is not None
            if side.device.get("id") != other.device.get("id") and not _is_same_machine(
                side, other
            ):
                found.append(
                    f"{name} was measured on {side.device.get('id')} and the prediction is for "
                    f"{other.device.get('id')}: whether they are one device is yours to know"
                )
            used, meant = _runtime(side), _runtime(other)
            if used != meant:
                found.append(
                    f"{name} was measured with {used} and the prediction is for {meant}: what lies "
                    "between them is the difference of the two runtimes as well, not the "
                    "prediction's error alone"
                )
    return found


def _notes(sides: Sequence[Measurement], names: tuple[str, str], one_model: bool) -> list[str]:
    first, second = (side.prediction for side in sides)
    if first is not None and second is not None:
        if _coefficients(first.basis) == _coefficients(second.basis):
            return [
                "both are predicted from the same coefficients, so that their errors are largely "
                "common: the ratio is surer than its range says"
            ]
        return ["they are predicted from different coefficients, whose errors are not common"]
    if not one_model:
        return ["one of two models is predicted and the other measured"]
    number = 0 if first is not None else 1
    return _held(sides[number], sides[1 - number], names[1 - number])


def _held(predicted: Measurement, measured: Measurement, name: str) -> list[str]:
    prediction = predicted.prediction
    assert prediction is not None
    found = measured.latency()["p50"]
    expected = prediction.latency["p50"]
    assert found is not None
    assert expected.low is not None
    assert expected.high is not None
    where = (
        "below" if found.value < expected.low
        else "above" if found.value > expected.high
        else "inside"
    )  # fmt: skip
    unlike = _unlike(predicted, measured)
    return [
        f"{name}: the measured p50 of {found.value:.3g} ms lies {where} the predicted "
        f"{prediction.coverage:.0%} interval, {expected.low:.3g} to {expected.high:.3g} ms"
        + (f", of {' and '.join(unlike)}" if unlike else "")
    ]


def _coefficients(basis: Basis) -> tuple[object, ...]:
    return (
        basis.cluster, basis.runtime, basis.dtype, basis.threads, basis.delegate, basis.made,
        basis.source,
    )  # fmt: skip
