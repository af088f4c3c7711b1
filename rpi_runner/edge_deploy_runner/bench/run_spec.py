"""How a model is run: threads, delegate, how long."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from edge_deploy_runner.errors import BadInputError, UsageError
from edge_deploy_runner.json_reader import Reader

DELEGATES = ("auto", "xnnpack", "none", "gpu", "nnapi")
# The others are those of Android.
CPU_DELEGATES = DELEGATES[:3]


@dataclass(frozen=True)
class RunSpec:
    """How to run a model: threads, delegate, and when to stop.

    `delegate`: "auto" (XNNPACK where it takes any operator), "xnnpack" (an error where it takes
    none), "none" (TFLite's built-in kernels), and on Android "gpu" or "nnapi". Runs stop when both
    `min_runs` and `min_seconds` are met; `max_seconds` ends them early only where one run takes
    longer than a second, and `max_runs` where they are so short that more would say nothing new.
    """

    threads: int = 1
    delegate: str = "auto"
    warm_up_runs: int = 5
    warm_up_seconds: float = 0.2
    min_runs: int = 50
    min_seconds: float = 2.0
    max_seconds: float = 60.0
    max_runs: int = 20_000
    sustained_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.delegate not in DELEGATES:
            raise UsageError(
                f"unknown delegate {self.delegate!r}; use one of {', '.join(DELEGATES)}"
            )
        for name, smallest in (
            ("threads", 1),
            ("warm_up_runs", 1),
            ("min_runs", 1),
            ("max_runs", 1),
        ):
            if getattr(self, name) < smallest:
                raise UsageError(f"{name} is {getattr(self, name)}; use {smallest} or more")
        for name in ("warm_up_seconds", "min_seconds", "max_seconds", "sustained_seconds"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0:
                raise UsageError(f"{name} is {value}; use a number of seconds that is not negative")

    def check_for_cpu(self) -> None:
        """Raise `UsageError` for a delegate that only Android has."""
        if self.delegate not in CPU_DELEGATES:
            raise UsageError(
                f"the {self.delegate} delegate is there on Android only; use one of "
                f"{', '.join(CPU_DELEGATES)}, or measure with --device android"
            )

    @property
    def kernels(self) -> str:
        """The name that `LoadedModel` has for the delegate's kernels."""
        return "builtin" if self.delegate == "none" else "xnnpack"

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RunSpec:
        """The spec in a JSON object; raises `BadInputError` for keys or types that are not its."""
        reader = Reader(values, "the run spec")
        known = {item.name for item in fields(cls)}
        unknown = set(values) - known
        if unknown:
            raise BadInputError(f"the run spec has an unknown key {sorted(unknown)[0]!r}")
        return cls(
            threads=reader.integer("threads", 1),
            delegate=reader.text("delegate", "auto"),
            warm_up_runs=reader.integer("warm_up_runs", cls.warm_up_runs),
            warm_up_seconds=reader.number("warm_up_seconds", cls.warm_up_seconds),
            min_runs=reader.integer("min_runs", cls.min_runs),
            min_seconds=reader.number("min_seconds", cls.min_seconds),
            max_seconds=reader.number("max_seconds", cls.max_seconds),
            max_runs=reader.integer("max_runs", cls.max_runs),
            sustained_seconds=reader.number("sustained_seconds", cls.sustained_seconds),
        )
