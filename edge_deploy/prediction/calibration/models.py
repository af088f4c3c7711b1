"""What a calibration runs: micro-models and their operators, as files in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from edge_deploy_runner.bench.operators import OperatorModel
from edge_deploy_runner.errors import DeviceError
from edge_deploy_runner.progress import Progress, silent
from edge_deploy_runner.tflite.model_file import ModelFile

from edge_deploy.operator_cutting import cut_operators
from edge_deploy.prediction.features import features
from edge_deploy.prediction.workload import OperatorWork, Workload, read_workload

from .micro_models import MicroModel


@dataclass(frozen=True)
class TimedModel:
    """One file to be timed: a micro-model, or where `kind` is not "" one of its operators.

    `kinds` are those of all its operators.
    """

    model: str
    family: str
    dtype: str
    kind: str
    kinds: tuple[str, ...]
    features: dict[str, float]
    data: bytes

    @property
    def name(self) -> str:
        """What progress and messages call it."""
        part = f", {self.kind}" if self.kind else ""
        return f"{self.model} {self.dtype}{part}"

    def to_operator(self) -> OperatorModel:
        """As the runner's timing of many small models takes it."""
        return OperatorModel(self.name, self.kind or "MODEL", self.data)


def prepare_models(
    micro_models: Iterable[MicroModel],
    dtypes: Iterable[str],
    *,
    operators: bool = True,
    on_progress: Progress = silent,
) -> tuple[TimedModel, ...]:
    """Each micro-model in each dtype, and behind all of them their operators, each shape once.

    Raises `DeviceError` where this computer lacks the tools to cut operators out.
    """
    wholes, parts = [], []
    seen: set[tuple[object, ...]] = set()
    models = [(micro, dtype) for dtype in dtypes for micro in micro_models]
    for done, (micro, dtype) in enumerate(models):
        on_progress("making the micro-models", done, len(models))
        data = micro.build(dtype)
        parsed = ModelFile(data, f"{micro.name}_{dtype}.tflite")
        workload = read_workload(parsed)
        cuts, note = cut_operators(parsed) if operators else ((), "")
        if note:
            raise DeviceError(f"this computer cannot prepare a calibration: {note}")
        kinds = tuple(dict.fromkeys(operator.kind for operator in workload.operators))
        whole = TimedModel(micro.name, micro.family, dtype, "", kinds, features(workload), data)
        wholes.append(whole)
        for operator, cut in zip(workload.operators, cuts, strict=operators):
            alone = features(_alone(operator, workload))
            shape = (dtype, operator.kind, *sorted(alone.items()))
            if cut.model is None or shape in seen:
                continue
            seen.add(shape)
            parts.append(
                TimedModel(
                    micro.name, micro.family, dtype, operator.kind, (operator.kind,), alone,
                    cut.model,
                )
            )  # fmt: skip
    on_progress("making the micro-models", len(models), len(models))
    return (*wholes, *parts)


def digest(models: Iterable[TimedModel]) -> str:
    """What a record names the files by: a hash of all their hashes."""
    whole = hashlib.sha256()
    for model in models:
        whole.update(hashlib.sha256(model.data).digest())
    return whole.hexdigest()


def _alone(operator: OperatorWork, workload: Workload) -> Workload:
    return Workload(workload.name, workload.dtype, (operator,), 0, None)
