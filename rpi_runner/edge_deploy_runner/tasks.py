"""What a model is for: `open_model` gives a `Classifier` or a `Detector`."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from .classifier import UNKNOWN, Classifier
from .contract import Preprocessing
from .detection_outputs import is_detector
from .detector import Box, Detector
from .errors import UsageError
from .tflite.model_file import ModelFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .sources.frames import Picture

TASKS = ("auto", "classify", "detect")
Model = Classifier | Detector
_WHOLE = Box(0.0, 0.0, 1.0, 1.0)


class ModelInput(NamedTuple):
    """A picture made ready for one model, and the part of it that the model will see."""

    tensor: NDArray[Any]
    region: Box


class Finding(NamedTuple):
    """What a model says of one picture, whatever its task.

    `scores` by label, best first: the classifier's answer, or the best object of each class; empty
    where that is "unknown" or nothing. `best` is the answer itself, "unknown" too, or empty where
    a detector found nothing. `details` are `top` or `detections` for JSON.
    """

    scores: dict[str, float]
    best: str
    best_score: float | None
    details: dict[str, Any]
    inference_ns: int


def prepare_input(model: Model, picture: Picture) -> ModelInput:
    """The input tensor for a picture; raises `BadInputError` as the model's `prepare` does."""
    region = model.photo_region(picture) if isinstance(model, Detector) else _WHOLE
    return ModelInput(model.prepare(picture), region)


def find(model: Model, prepared: ModelInput, top: int = 1) -> Finding:
    """Run the model; `top` is how many classes of a classifier to tell."""
    start = time.perf_counter_ns()
    if isinstance(model, Detector):
        objects = model.find(prepared.tensor, prepared.region)
        taken_ns = time.perf_counter_ns() - start
        by_label: dict[str, float] = {}
        for item in objects:
            by_label.setdefault(item.label, item.score)
        return Finding(
            by_label,
            objects[0].label if objects else "",
            objects[0].score if objects else None,
            {"detections": [item.to_json() for item in objects]},
            taken_ns,
        )
    scores = model.scores(prepared.tensor)
    taken_ns = time.perf_counter_ns() - start
    best = model.top(scores, top)
    listed = [{"label": s.label, "index": s.index, "score": round(s.score, 6)} for s in best]
    known = {} if best[0].label == UNKNOWN and best[0].index < 0 else {best[0].label: best[0].score}
    return Finding(known, best[0].label, best[0].score, {"top": listed}, taken_ns)


def open_model(
    path: str | os.PathLike[str],
    threads: int | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    labels: tuple[str, ...] | None = None,
    override: bool = False,
    threshold: float | None = None,
    task: str = "auto",
    kernels: str = "xnnpack",
    draft: bool = False,
) -> Model:
    """A loaded model for its task: "classify", "detect", or "auto" to go by its outputs.

    The other parameters are those of `Classifier`. Raises `BadInputError` for a model that cannot
    do the task, `UsageError` for an unknown one.
    """
    if task not in TASKS:
        raise UsageError(f"unknown task {task!r}; use one of {', '.join(TASKS)}")
    if task == "auto":
        task = "detect" if is_detector(ModelFile.open(path)) else "classify"
    kind = Detector if task == "detect" else Classifier
    return kind(
        path, threads, preprocessing=preprocessing, labels=labels, override=override,
        threshold=threshold, kernels=kernels, draft=draft,
    )  # fmt: skip
