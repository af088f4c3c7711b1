"""Holding measurements and an accuracy against a budget: one check per limit.

A check passes only on evidence that the budget accepts, and only where the whole interval of the
figure lies on the good side. What was not measured, or cannot be told apart from its limit, never
passes; nor does a time, or what is worked out from one, of a run that is void. A prediction passes
only where the budget allows it, on the far end of its interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edge_deploy_runner.bench.records import Measurement
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.machine.environment import architecture_of

from .accuracy import Accuracy, check_accuracy
from .budget import Budget, Limit
from .budget_device import other_device
from .figures import ACCURACY_FIGURES, SUSTAINED, Figure, Missing, measured_figure

# The worst first.
STATUSES = ("fail", "void", "inconclusive", "unmeasured", "pass")


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
    measurements of different models, an accuracy that is of another model or does not say, or a
    budget for a device whose own file is damaged.
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
    if limit.metric in ACCURACY_FIGURES:
        return _check(limit, ACCURACY_FIGURES[limit.metric](accuracy), budget)
    figures: list[Figure | Missing] = []
    for measurement in measurements:
        other = (
            other_device(budget.device, measurement.device, measurement.evidence)
            if budget.device
            else ""
        )
        figures.append(
            Missing(other) if other else measured_figure(limit.metric, measurement, budget)
        )
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
    for evidence in (figure.evidence, *figure.beside):
        if evidence not in allowed:
            return result(
                "unmeasured",
                f"the figure is {evidence}, which the budget does not accept (allow = "
                f'["{evidence}"] would)',
            )
    if figure.low is None or figure.high is None:
        return result(
            "inconclusive",
            "too few runs for an interval"
            if limit.metric.startswith("latency_") or limit.metric in SUSTAINED
            else f"the {figure.evidence} figure has no interval",
        )
    if not figure.holds_its_value:
        return result("inconclusive", "the figure lies outside its own interval; measure again")
    far, near = (figure.low, figure.high) if limit.is_minimum else (figure.high, figure.low)
    sign = -1 if limit.is_minimum else 1
    reason = f"judged on the far end of {figure.interval}" if figure.interval else ""
    if sign * far <= sign * limit.bound:
        return result("pass", reason)
    # A prediction is judged on the far end of its interval: there is no second run to settle it.
    if sign * near > sign * limit.bound or figure.evidence == "predicted":
        return result("fail", reason)
    return result("inconclusive", "the limit lies inside the 95% interval; measure longer")
