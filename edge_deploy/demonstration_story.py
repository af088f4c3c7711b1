"""What the demo found out: one model's candidates, the one chosen, and what they see in photos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deploy_converters.conversion import ConvertedModel
from edge_deploy_runner.bench.records import Measurement
from edge_deploy_runner.classifier import Score

from .accuracy import Accuracy
from .budget import Budget
from .judging import Verdict


@dataclass(frozen=True)
class Candidate:
    """One recipe with everything that was found out about it.

    `agreement` is the share of unseen samples on which it answers as float32 does.
    """

    model: ConvertedModel
    measurement: Measurement
    verdict: Verdict
    agreement: float
    accuracy: Accuracy | None = None

    def percentile_ms(self, name: str) -> float:
        """The latency's p50 or p90 in milliseconds."""
        estimate = self.measurement.latency()[name]
        return estimate.value if estimate else float("nan")


@dataclass(frozen=True)
class Look:
    """What two recipes see in one photo."""

    photo: str
    float32: Score
    int8: Score


@dataclass(frozen=True)
class Story:
    """One model from source to verdict, in one folder."""

    title: str
    folder: Path
    budget: Budget
    candidates: tuple[Candidate, ...]
    samples: str
    looks: tuple[Look, ...] = ()

    @property
    def chosen(self) -> Candidate | None:
        """Of those that pass the budget, the best by its metric."""
        passing = [c for c in self.candidates if c.verdict.status == "pass"]
        return min(passing, key=self._rank, default=None)

    def _rank(self, candidate: Candidate) -> float:
        """Smaller is better, by the budget's own metric."""
        metric = self.budget.optimize or "latency_p50"
        if metric.startswith("accuracy"):
            return -(candidate.accuracy.top1 if candidate.accuracy else candidate.agreement)
        if metric == "size":
            return candidate.model.size_bytes
        if metric == "peak_memory":
            return candidate.measurement.peak_memory_bytes or float("inf")
        return candidate.percentile_ms("p90" if metric == "latency_p90" else "p50")

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        chosen = self.chosen
        return {
            "title": self.title,
            "folder": str(self.folder),
            "chosen": chosen.model.recipe.name if chosen else None,
            "candidates": [
                {
                    "recipe": c.model.recipe.name,
                    "path": str(c.model.path),
                    "size_bytes": c.model.size_bytes,
                    "agreement": c.agreement,
                    "top1": c.accuracy.top1 if c.accuracy else None,
                    "verdict": c.verdict.status,
                }
                for c in self.candidates
            ],
            "photos": [
                {"photo": k.photo, "float32": k.float32.label, "int8": k.int8.label}
                for k in self.looks
            ],
        }
