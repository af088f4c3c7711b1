"""Operators timed alone: small models, each of one operator, that the host cut out of a model."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge_deploy_runner.errors import BadInputError, DeviceError
from edge_deploy_runner.json_reader import Reader
from edge_deploy_runner.progress import Progress, silent

from .process import BenchProcess
from .records import OperatorTiming
from .run_spec import RunSpec

_TOTAL_SECONDS = 2.0
_LONGEST_SECONDS = 0.02
_MOST_CRASHES = 5


@dataclass(frozen=True)
class OperatorModel:
    """One operator as a `.tflite` model of its own, in bytes.

    Without one, `ms` states its time (0 for what the runtime computes once) or is None, and
    `reason` says why.
    """

    name: str
    kind: str
    model: bytes | None
    ms: float | None = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values; the model in base64."""
        model = None if self.model is None else base64.b64encode(self.model).decode("ascii")
        return {
            "name": self.name, "kind": self.kind, "model": model, "ms": self.ms,
            "reason": self.reason,
        }  # fmt: skip

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> OperatorModel:
        """The operator in a JSON object; raises `BadInputError` for what is none."""
        reader = Reader(document, "the operator")
        model = reader.optional_text("model")
        return cls(
            reader.text("name"),
            reader.text("kind"),
            None if model is None else base64.b64decode(model),
            reader.optional_number("ms"),
            reader.text("reason", ""),
        )


def time_operators(
    operators: Iterable[OperatorModel],
    total: int,
    spec: RunSpec,
    name: str,
    on_progress: Progress = silent,
) -> tuple[OperatorTiming, ...]:
    """Milliseconds of each operator, in their order; one is held in memory at a time.

    An operator that cannot run has `ms` None and a reason. A crash costs one operator, and the
    rest goes on. `name` is the model's, for sentences.
    """
    # Each operator is a model too small for the delegate to be insisted on.
    alone = RunSpec(spec.threads, "none" if spec.delegate == "none" else "auto")
    request = {
        "task": "operators",
        "spec": alone.to_json(),
        "seconds": min(_LONGEST_SECONDS, _TOTAL_SECONDS / max(1, total)),
    }
    waiting = _numbered(operators, total, on_progress)
    found: list[OperatorTiming] = []
    crashes = 0
    while crashes < _MOST_CRASHES:
        with BenchProcess(request, f"an operator of {name}") as child:
            if _time_until_crash(child, waiting, found):
                break
            crashes += 1
    for operator in waiting:
        ms, reason = operator.ms, operator.reason
        if operator.model is not None:
            reason = "not tried: the runtime crashed on too many operators"
        found.append(OperatorTiming(operator.name, operator.kind, ms, reason))
    on_progress("timing operators", total, total)
    return tuple(found)


def _numbered(
    operators: Iterable[OperatorModel], total: int, on_progress: Progress
) -> Iterator[OperatorModel]:
    for number, operator in enumerate(operators):
        on_progress("timing operators", number, total)
        yield operator


def _time_until_crash(
    child: BenchProcess, waiting: Iterator[OperatorModel], found: list[OperatorTiming]
) -> bool:
    """Whether all were timed; False after an operator whose child is gone, which is in `found`."""
    for operator in waiting:
        ms, reason = operator.ms, operator.reason
        if operator.model is not None:
            child.send({"model": base64.b64encode(operator.model).decode("ascii")})
            try:
                answer = child.answer(60.0)
            except (BadInputError, DeviceError) as error:
                found.append(OperatorTiming(operator.name, operator.kind, None, str(error)))
                return False
            ms = None if answer["ms"] is None else float(answer["ms"])
            reason = str(answer["reason"])
        found.append(OperatorTiming(operator.name, operator.kind, ms, reason))
    return True
