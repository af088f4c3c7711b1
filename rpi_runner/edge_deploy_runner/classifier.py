"""Classify photos with one model, offline: `Classifier("model.tflite").classify("photo.jpg")`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from .contract import Preprocessing, fit_labels
from .errors import BadInputError
from .interpreter import dequantize
from .photo_model import PhotoModel, open_photo_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN = "unknown"


class Score(NamedTuple):
    """One class with its score, a fraction from 0 to 1 for models that end in a softmax."""

    label: str
    index: int  # type: ignore[assignment]  # a tuple's method, which nobody needs here
    score: float


class Answer(NamedTuple):
    """The best classes, best first, and what the steps took in milliseconds."""

    top: tuple[Score, ...]
    timing_ms: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        top = [{"label": s.label, "index": s.index, "score": round(s.score, 6)} for s in self.top]
        return {"top": top, "timing_ms": self.timing_ms}

    def sentence(self) -> str:
        """For people, on one line: `red 99.2%  (then green 0.4%; blue 0.4%)  3.1 ms`."""
        first, *others = (f"{score.label} {_amount(score.score)}" for score in self.top)
        rest = f"  (then {'; '.join(others)})" if others else ""
        return f"{first}{rest}  {self.timing_ms['total']:.1f} ms"


def _amount(score: float) -> str:
    """A probability as a percentage; a logit as it is."""
    return f"{100 * score:.1f}%" if 0 <= score <= 1 else f"{score:.3g}"


class Classifier(PhotoModel):
    """A loaded image classifier with its contract and labels.

    `preprocessing` and `labels` are needed for a model that carries none; for one that does,
    giving others is an error unless `override`. `threshold`: an answer
    below it is "unknown"; without one none is. `draft`: decode JPEG files no larger than the input
    needs (see `reduced_photo`), which is faster and moves the scores a little.
    """

    task = "photo classifier"

    def __init__(
        self,
        model: str | os.PathLike[str],
        threads: int | None = None,
        *,
        preprocessing: Preprocessing | None = None,
        labels: tuple[str, ...] | None = None,
        override: bool = False,
        threshold: float | None = None,
        kernels: str = "xnnpack",
        draft: bool = False,
    ) -> None:
        path = Path(model)
        file = open_photo_model(path)
        super().__init__(path, file, threads, preprocessing, labels, override, kernels, draft)
        self.threshold = threshold
        self.classes = self._count_classes(file.name)
        background = bool(self.preprocessing and self.preprocessing.background_class)
        given, origin = self.carried_labels, self.labels_origin
        self.labels = fit_labels(given, self.classes, background, origin) if given else ()

    def _count_classes(self, name: str) -> int:
        shape = [int(size) for size in self.loaded.outputs[0]["shape"]]
        classes = shape[-1] if shape else 0
        if len(self.loaded.outputs) != 1 or classes < 2 or int(np.prod(shape)) != classes:
            shapes = [[int(s) for s in o["shape"]] for o in self.loaded.outputs]
            raise BadInputError(
                f"{name} answers with {shapes}, which is not one score a class: no classifier"
            )
        return classes

    def scores(self, tensor: NDArray[Any]) -> NDArray[np.float32]:
        """Scores of all classes (classes,) for a prepared tensor of the input's shape and dtype.

        Raises `BadInputError` for a broken model, which answers with NaN.
        """
        (output,) = self.loaded.run(tensor)
        scores = dequantize(output, self.loaded.outputs[0]).reshape(-1)
        if not np.isfinite(scores).all():
            raise BadInputError(
                f"{self.path.name} answers with NaN, so it is broken; convert it again"
            )
        return scores

    def top(self, scores: NDArray[np.float32], k: int = 5) -> tuple[Score, ...]:
        """The `k` best classes; the first one is "unknown" where it misses the threshold.

        Of equal scores the lower class number comes first.
        """
        order = np.argsort(-scores, kind="stable")[: max(1, k)]
        best = tuple(Score(self.label(int(i)), int(i), float(scores[i])) for i in order)
        if self.threshold is not None and best[0].score < self.threshold:
            return (Score(UNKNOWN, -1, best[0].score), *best)[: max(1, k)]
        return best

    def label(self, index: int) -> str:
        """The name of a class, or its number where the model has no labels."""
        return self.labels[index] if self.labels else str(index)

    def classify(self, photo: str | os.PathLike[str] | Image.Image, k: int = 5) -> Answer:
        """The best `k` classes for a photo; raises `BadInputError` for one that cannot be read."""
        start = time.perf_counter_ns()
        image = photo if isinstance(photo, Image.Image) else self.decode(photo)
        decoded = time.perf_counter_ns()
        tensor = self.prepare(image)
        prepared = time.perf_counter_ns()
        scores = self.scores(tensor)
        done = time.perf_counter_ns()
        steps = {
            "decode": decoded - start,
            "preprocess": prepared - decoded,
            "inference": done - prepared,
            "total": done - start,
        }
        return Answer(self.top(scores, k), {name: round(ns / 1e6, 3) for name, ns in steps.items()})
