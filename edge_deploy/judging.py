"""Holding measurements and an accuracy against a budget: one check per limit.

A check passes only on evidence that the budget accepts, and only where the whole interval of the
figure lies on the good side. What was not measured, or cannot be told apart from its limit, never
passes; nor does a time, or what is worked out from one, of a run that is void.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from edge_deploy_runner.bench.records import Energy, Measurement
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.json_reader import Reader
from edge_deploy_runner.machine.environment import architecture_of

from .accuracy import Accuracy, check_accuracy
from .budget import Budget, Limit
from .budget_device import other_device
from .energy import Battery, battery_use
from .intervals import wilson_interval

# The worst first.
STATUSES = ("fail", "void", "inconclusive", "unmeasured", "pass")
# What rounding may shift the end of an interval by, as a share of it.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Figure:
    """One figure in the unit of its metric, the interval it may lie in, and its evidence.

    Bounds that are None say that no interval could be given; an exact figure has both equal to
    its value.
    """

    value: float
    low: float | None
    high: float | None
    evidence: str

    @property
    def holds_its_value(self) -> bool:
        """Whether low <= value <= high, but for rounding; not so for what is no number."""
        if self.low is None or self.high is None:
            return False
        slack = _ROUNDING * max(abs(self.low), abs(self.value), abs(self.high))
        return self.low - slack <= self.value <= self.high + slack


@dataclass(frozen=True)
class Missing:
    """There is no figure, and why; or one that does not count, where `status` is "void"."""

    reason: str
    status: str = "unmeasured"


@dataclass(frozen=True)
class Check:
    """One limit held against one figure. `limit`, `value`, `low`, `high` are in `unit`."""

    metric: str
    limit: float
    unit: str
    is_minimum: bool
    value: float | None
    low: float | None
    high: float | None
    status: str
    evidence: str
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """All checks of a budget.

    Its status is the worst: fail, void (measure again), inconclusive, unmeasured, pass.
    `architecture` is that of the device's programs, "" where the measurement does not say.
    """

    checks: tuple[Check, ...]
    budget: str
    model: str = ""
    model_sha256: str = ""
    device: str = ""
    optimize: str | None = None
    architecture: str = ""

    @property
    def status(self) -> str:
        """ "pass" only where every check passes."""
        if not self.checks:
            return "unmeasured"
        return min((check.status for check in self.checks), key=STATUSES.index)

    @property
    def passed(self) -> bool:
        """Whether the gate opens."""
        return self.status == "pass"

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "format": "edge-deploy verdict",
            "version": 1,
            "status": self.status,
            "budget": self.budget,
            "model": {"name": self.model, "sha256": self.model_sha256},
            "device": self.device,
            "architecture": self.architecture or None,
            "optimize": self.optimize,
            "checks": [check.to_json() for check in self.checks],
        }


def judge(
    measurements: Measurement | Sequence[Measurement],
    budget: Budget,
    accuracy: Accuracy | Mapping[str, Any] | None = None,
) -> Verdict:
    """Hold measurements of one model against a budget; several are judged on the worst of them.

    `accuracy` is what `evaluate` returned, or its JSON document. Raises `BadInputError` for
    measurements of different models, or an accuracy that is of another model or does not say.
    """
    found = [measurements] if isinstance(measurements, Measurement) else list(measurements)
    if not found:
        raise BadInputError("there is no measurement to judge; make one with `edge-deploy profile`")
    first = found[0]
    for other in found[1:]:
        if other.model.sha256 != first.model.sha256:
            raise BadInputError(
                f"the measurements are of different models ({first.model.name} and "
                f"{other.model.name}); judge one model at a time"
            )
    document = accuracy.to_json() if isinstance(accuracy, Accuracy) else accuracy
    if document is not None:
        check_accuracy(document)
        _check_same_model(document, first)
    return Verdict(
        checks=tuple(_judge_limit(limit, found, budget, document) for limit in budget.limits),
        budget=budget.name,
        model=first.model.name,
        model_sha256=first.model.sha256,
        device=str(first.device.get("id", "")),
        optimize=budget.optimize,
        architecture=_architecture(first.device),
    )


def _architecture(device: Mapping[str, Any]) -> str:
    machine, bits = device.get("machine"), device.get("userland_bits")
    return architecture_of(machine, 32 if bits == 32 else 64) if isinstance(machine, str) else ""


def _check_same_model(accuracy: Mapping[str, Any], measurement: Measurement) -> None:
    model = accuracy.get("model")
    sha256 = model.get("sha256") if isinstance(model, Mapping) else accuracy.get("sha256")
    if not isinstance(sha256, str) or not sha256:
        raise BadInputError(
            'the accuracy: "model.sha256" is missing, so it may be of any model; evaluate '
            f"{measurement.model.name} again"
        )
    if sha256 != measurement.model.sha256:
        raise BadInputError(
            f"the accuracy was measured on another model than {measurement.model.name} (its sha256 "
            "differs); evaluate the model that was profiled"
        )


def _judge_limit(
    limit: Limit,
    measurements: list[Measurement],
    budget: Budget,
    accuracy: Mapping[str, Any] | None,
) -> Check:
    if limit.metric in _ACCURACY:
        return _check(limit, _ACCURACY[limit.metric](accuracy), budget)
    figures: list[Figure | Missing] = []
    for measurement in measurements:
        other = other_device(budget.device, measurement.device) if budget.device else ""
        figures.append(Missing(other) if other else _figure(limit.metric, measurement, budget))
    checks = [_check(limit, figure, budget) for figure in figures]
    return min(checks, key=lambda check: (STATUSES.index(check.status), -_badness(check)))


def _badness(check: Check) -> float:
    if check.value is None:
        return -math.inf
    return -check.value if check.is_minimum else check.value


def _check(limit: Limit, figure: Figure | Missing, budget: Budget) -> Check:
    def result(status: str, reason: str = "") -> Check:
        known = figure if isinstance(figure, Figure) else None
        return Check(
            metric=limit.metric,
            limit=limit.bound,
            unit=limit.unit,
            is_minimum=limit.is_minimum,
            value=known.value if known else None,
            low=known.low if known else None,
            high=known.high if known else None,
            status=status,
            evidence=known.evidence if known else "unknown",
            reason=reason,
        )

    if isinstance(figure, Missing):
        return result(figure.status, figure.reason)
    allowed = ("measured", "user", *budget.allow, *limit.allow)
    if figure.evidence not in allowed:
        return result(
            "unmeasured",
            f"the figure is {figure.evidence}, which the budget does not accept (allow = "
            f'["{figure.evidence}"] would)',
        )
    if figure.low is None or figure.high is None:
        return result(
            "inconclusive",
            "too few runs for an interval"
            if limit.metric.startswith("latency_") or limit.metric in _SUSTAINED
            else f"the {figure.evidence} figure has no interval",
        )
    if not figure.holds_its_value:
        return result("inconclusive", "the figure lies outside its own interval; measure again")
    good, bad = (figure.low, figure.high) if limit.is_minimum else (figure.high, figure.low)
    sign = -1 if limit.is_minimum else 1
    if sign * good <= sign * limit.bound:
        return result("pass")
    # A prediction is judged on the far end of its interval: there is no second run to settle it.
    if sign * bad > sign * limit.bound or figure.evidence == "predicted":
        return result("fail")
    return result("inconclusive", "the limit lies inside the 95% interval; measure longer")


def _exact(value: float | None, evidence: str, what: str) -> Figure | Missing:
    if value is None:
        return Missing(f"{what} is not known on this system")
    if evidence == "predicted":  # exact it is not, and how far off is not said
        return Figure(value, None, None, evidence)
    return Figure(value, value, value, evidence)


def _figure(metric: str, measurement: Measurement, budget: Budget) -> Figure | Missing:
    evidence = measurement.evidence
    if measurement.void and metric not in _TIMELESS:
        return Missing(
            f"{'; '.join(measurement.void)}: this run is void; mend that and measure again", "void"
        )
    if metric == "size":  # the same on every device
        return _exact(float(measurement.model.size_bytes), "measured", "the size")
    if metric.startswith("latency_"):
        found = measurement.latency()[metric.removeprefix("latency_")]
        if found is None:
            runs = len(measurement.latencies_ns)
            return Missing(f"p99 needs 299 runs and there are {runs}; profile with --runs 299")
        return Figure(found.value, found.low, found.high, evidence)
    if metric in _SUSTAINED:
        return _sustained_figure(metric, measurement)
    if metric == "first_inference":
        return _exact(measurement.first_inference_ms, evidence, "the first inference")
    if metric == "load":
        return _exact(measurement.load_ms, evidence, "the load time")
    if metric == "peak_memory":
        peak = measurement.peak_memory_bytes
        return _exact(None if peak is None else float(peak), evidence, "the peak memory")
    if evidence == "simulated" and measurement.energy.evidence != "unknown":
        # Real watts over an emulator's time are no real energy.
        measurement = replace(measurement, energy=replace(measurement.energy, evidence=evidence))
    energy = _chosen_energy(measurement.energy, budget.gross)
    if energy.mj_per_inference is None:
        return Missing(energy.reason or "the energy is not known")
    if metric == "energy_per_inference":
        return _energy_figure(energy)
    return _battery_figure(metric, measurement, energy, budget)


_SUSTAINED = ("sustained_p90", "slowdown")
# What a board that is held back does not change.
_TIMELESS = ("size", "peak_memory")


def _sustained_figure(metric: str, measurement: Measurement) -> Figure | Missing:
    long = measurement.sustained
    if long is None:
        return Missing("no sustained run was made; profile with --sustained SECONDS")
    found = long.slowdown() if metric == "slowdown" else long.last()["p90"]
    assert found is not None
    return Figure(found.value, found.low, found.high, measurement.evidence)


def _chosen_energy(energy: Energy, gross: bool) -> Energy:
    if not gross:
        return energy
    return Energy(
        energy.evidence,
        energy.gross_mj_per_inference,
        energy.gross_low,
        energy.gross_high,
        idle_w=energy.idle_w,
        load_w=energy.load_w,
        reason=energy.reason or "the idle power is not known, so gross energy is not either",
    )


def _energy_figure(energy: Energy) -> Figure | Missing:
    value = energy.mj_per_inference
    if value is None:
        return Missing(energy.reason)
    # Only a user's own figure stands for itself.
    default = value if energy.evidence == "user" else None
    return Figure(
        value,
        default if energy.low is None else energy.low,
        default if energy.high is None else energy.high,
        energy.evidence,
    )


def _battery_figure(
    metric: str, measurement: Measurement, energy: Energy, budget: Budget
) -> Figure | Missing:
    battery = budget.battery
    if battery is None and measurement.battery is not None:
        own = measurement.battery
        battery = Battery(own.capacity_mah, own.voltage_v, own.efficiency)
    if battery is None:
        return Missing("no battery is given; add [battery] to the budget or --battery to profile")
    p50 = measurement.latency()["p50"]
    if p50 is None:
        return Missing("no latency was measured")
    if metric == "battery_per_1000":
        figure = _energy_figure(energy)
        if isinstance(figure, Missing):
            return figure
        # 1000 inferences of so many mJ are so many J.
        value, low, high = (
            None if mj is None else mj / battery.energy_j * 100
            for mj in (figure.value, figure.low, figure.high)
        )
        assert value is not None
        return Figure(value, low, high, energy.evidence)
    # Continuous use counts the idle power once, whatever `gross` says.
    hours = battery_use(battery, measurement.energy, p50.value).hours_continuous
    if hours is None or measurement.energy.idle_w is None:
        return Missing("the idle power is not known, so the hours are not either")
    gross = _energy_figure(_chosen_energy(measurement.energy, gross=True))
    if isinstance(gross, Missing):
        return gross
    # As many times the hours as it takes times less energy.
    low, high = (gross.value * hours / mj if mj else None for mj in (gross.high, gross.low))
    return Figure(hours, low, high, energy.evidence)


def _evidence(accuracy: Mapping[str, Any]) -> str:
    return Reader(accuracy, "the accuracy").evidence("measured")


def _drop(accuracy: Mapping[str, Any] | None) -> Figure | Missing:
    if accuracy is None:
        return Missing("no accuracy is given; add --accuracy FILE from `edge-deploy evaluate`")
    if accuracy.get("drop_points") is None:
        return Missing("the accuracy has no reference; run `edge-deploy evaluate` with --reference")
    reader = Reader(accuracy, "the accuracy")
    value = reader.number("drop_points", smallest=-100.0, largest=100.0)
    ends = accuracy.get("drop_ci95")
    if ends is None:
        return Figure(value, None, None, _evidence(accuracy))
    if not isinstance(ends, list) or len(ends) != 2:
        raise BadInputError('the accuracy: "drop_ci95" is not a pair [low, high]')
    low, high = (
        Reader({"drop_ci95": end}, "the accuracy").number("drop_ci95", smallest=-100.0)
        for end in ends
    )
    if not low <= high:
        raise BadInputError('the accuracy: "drop_ci95" has its ends the wrong way round')
    return Figure(value, low, high, _evidence(accuracy))


def _share(key: str) -> Callable[[Mapping[str, Any] | None], Figure | Missing]:
    def read(accuracy: Mapping[str, Any] | None) -> Figure | Missing:
        if accuracy is None:
            return Missing("no accuracy is given; add --accuracy FILE from `edge-deploy evaluate`")
        if accuracy.get(key) is None:
            return Missing(f"the accuracy has no {key}")
        reader = Reader(accuracy, "the accuracy")
        value, samples = reader.number(key, largest=1.0), reader.integer("samples")
        if samples < 1:
            raise BadInputError('the accuracy: "samples" is 0: nothing was evaluated')
        low, high = wilson_interval(value * samples, samples)
        return Figure(value * 100, low * 100, high * 100, _evidence(accuracy))

    return read


_ACCURACY: dict[str, Callable[[Mapping[str, Any] | None], Figure | Missing]] = {
    "accuracy_drop": _drop,
    "accuracy_top1": _share("top1"),
    "accuracy_top5": _share("top5"),
    "agreement": _share("agreement"),
}
