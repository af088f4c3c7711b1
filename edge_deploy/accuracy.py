"""The value that `evaluate` gives: counts, and the shares that are computed from them on read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edge_deploy_runner.errors import BadInputError

from .intervals import paired_difference_ci95

FORMAT = "edge-deploy accuracy"
VERSION = 1


@dataclass(frozen=True)
class ClassAccuracy:
    """How many samples of one class were answered rightly, by the model and by its reference."""

    label: str
    index: int
    samples: int
    correct: int
    reference_correct: int | None = None

    @property
    def top1(self) -> float:
        """The share that is right, from 0 to 1."""
        return self.correct / self.samples

    @property
    def change_points(self) -> float | None:
        """Percentage points gained (positive) or lost against the reference."""
        if self.reference_correct is None:
            return None
        return 100 * (self.correct - self.reference_correct) / self.samples


@dataclass(frozen=True)
class Flip:
    """An image that the model and its reference answer differently; `label` is the truth."""

    input: str
    label: str
    reference: str
    model: str


@dataclass(frozen=True)
class Tally:
    """One model's answers: how many of the samples were right, right among five, unknown."""

    path: str
    sha256: str
    size_bytes: int
    correct: int
    correct_top5: int
    unknown: int


@dataclass(frozen=True)
class Accuracy:
    """A model on labelled data, and against a reference on the same samples.

    An answer below the threshold is unknown: not right for top-1, but still looked at for top-5.
    `lost`: samples that only the reference has right, `won`: only the model, `agreed`: both give
    the same answer, right or wrong.
    """

    model: Tally
    data: str
    samples: int
    threshold: float | None
    per_class: tuple[ClassAccuracy, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    reference: Tally | None = None
    lost: int = 0
    won: int = 0
    agreed: int = 0
    flips: tuple[Flip, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def top1(self) -> float:
        """The share of samples whose best class is right."""
        return self.model.correct / self.samples

    @property
    def top5(self) -> float:
        """The share of samples whose class is among the five best."""
        return self.model.correct_top5 / self.samples

    @property
    def top1_known(self) -> float | None:
        """The share that is right among the answers that are not unknown."""
        known = self.samples - self.model.unknown
        return self.model.correct / known if known else None

    @property
    def drop_points(self) -> float | None:
        """Percentage points of top-1 lost against the reference; negative for a gain."""
        return 100 * (self.lost - self.won) / self.samples if self.reference else None

    @property
    def drop_ci95(self) -> tuple[float, float] | None:
        """The paired 95% interval of `drop_points` (Tango's score interval)."""
        if self.reference is None:
            return None
        low, high = paired_difference_ci95(self.lost, self.won, self.samples)
        return 100 * low, 100 * high

    @property
    def agreement(self) -> float | None:
        """The share of samples with the same answer from both models."""
        return self.agreed / self.samples if self.reference else None

    def most_changed(self, count: int = 5) -> tuple[ClassAccuracy, ...]:
        """The classes that lost or gained most against the reference, losses first."""
        changed = [item for item in self.per_class if item.change_points]
        return tuple(
            sorted(changed, key=lambda c: (-abs(c.change_points or 0), c.change_points or 0))
        )[:count]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; shares are fractions from 0 to 1."""
        model, reference = self.model, self.reference
        record: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "model": {"path": model.path, "sha256": model.sha256, "size_bytes": model.size_bytes},
            "data": self.data,
            "samples": self.samples,
            "top1": self.top1,
            "top5": self.top5,
            "correct": model.correct,
            "correct_top5": model.correct_top5,
            "threshold": self.threshold,
            "unknown": model.unknown,
            "top1_known": self.top1_known,
            "reference": None,
            "drop_points": self.drop_points,
            "drop_ci95": list(self.drop_ci95) if self.drop_ci95 else None,
            "agreement": self.agreement,
            "per_class": [_class_json(item) for item in self.per_class],
        }
        if reference is not None:
            record["reference"] = {
                "path": reference.path,
                "sha256": reference.sha256,
                "size_bytes": reference.size_bytes,
                "top1": reference.correct / self.samples,
                "top5": reference.correct_top5 / self.samples,
                "unknown": reference.unknown,
            }
            record["lost"], record["won"] = self.lost, self.won
            record["most_changed"] = [_class_json(item) for item in self.most_changed()]
            record["flips"] = [asdict(flip) for flip in self.flips]
        record["skipped"] = [{"input": name, "error": why} for name, why in self.skipped]
        record["warnings"] = list(self.warnings)
        record["evidence"] = "measured"
        return record


def is_accuracy(document: Mapping[str, Any]) -> bool:
    """Whether a document is of `evaluate`; its first ones named no format."""
    if "format" in document:
        return bool(document["format"] == FORMAT)
    return "top1" in document and "samples" in document


def check_accuracy(document: Mapping[str, Any], origin: str = "the accuracy") -> None:
    """Raise `BadInputError` for a document that is no accuracy, or one of another version."""
    if not is_accuracy(document):
        raise BadInputError(
            f"{origin} is not an accuracy; make one with `edge-deploy evaluate --json`"
        )
    version = document.get("version", VERSION)
    if isinstance(version, bool) or version != VERSION:
        raise BadInputError(
            f"{origin} has version {version!r} but this edge-deploy reads version {VERSION}; "
            "evaluate again"
        )


def _class_json(item: ClassAccuracy) -> dict[str, Any]:
    record: dict[str, Any] = {
        "label": item.label,
        "index": item.index,
        "samples": item.samples,
        "correct": item.correct,
        "top1": item.top1,
    }
    if item.reference_correct is not None:
        record["reference_top1"] = item.reference_correct / item.samples
        record["change_points"] = item.change_points
    return record
