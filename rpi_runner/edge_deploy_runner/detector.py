"""Find objects in photos with one SSD detector: `Detector("model.tflite").detect("photo.jpg")`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from .contract import Preprocessing
from .detection_outputs import DetectionOutputs, find_outputs
from .errors import BadInputError
from .interpreter import dequantize
from .photo_model import PhotoModel, open_photo_model
from .preprocessing import center_box, exif_orientation
from .reduced_photo import ReducedPhoto

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEFAULT_THRESHOLD = 0.5
_BACKGROUND_NAMES = ("background", "???", "dummy", "unknown", "none", "__background__")


class Box(NamedTuple):
    """A rectangle, its edges as fractions (0 to 1) of the upright photo's width and height."""

    left: float
    top: float
    right: float
    bottom: float


class Detection(NamedTuple):
    """One object: its class, a score from 0 to 1, and where it is."""

    label: str
    index: int  # type: ignore[assignment]  # a tuple's method, which nobody needs here
    score: float
    box: Box

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; the box as [left, top, right, bottom]."""
        edges = (self.box.left, self.box.top, self.box.right, self.box.bottom)
        return {
            "label": self.label,
            "index": self.index,
            "score": round(self.score, 6),
            "box": [round(edge, 5) for edge in edges],
        }


class Detections(NamedTuple):
    """The objects in a photo, best first, and what the steps took in milliseconds."""

    objects: tuple[Detection, ...]
    timing_ms: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "detections": [item.to_json() for item in self.objects],
            "timing_ms": self.timing_ms,
        }


class Detector(PhotoModel):
    """A loaded object detector with the standard four outputs of SSD post-processing.

    The parameters are those of `Classifier`; objects that score under `threshold` (0.5 by
    default) are left out. A model without a contract is an error when the first photo comes.
    Labels may leave the background out or name it first, as the model has it; any other count
    than the model's is refused, as every answer would be the class beside the right one.
    """

    task = "photo detector"
    contract_hint = " (detectors mostly want crop none)"

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
        self.outputs = find_outputs(file)
        super().__init__(path, file, threads, preprocessing, labels, override, kernels, draft)
        self.threshold = DEFAULT_THRESHOLD if threshold is None else threshold
        given, origin = self.carried_labels, self.labels_origin
        self.labels = fit_detector_labels(given, self.outputs, origin) if given else ()

    def photo_region(self, photo: Image.Image | ReducedPhoto) -> Box:
        """The part of the upright photo that the model sees, as fractions of it."""
        contract = self.photo_contract()
        if contract.crop != "center":
            return Box(0.0, 0.0, 1.0, 1.0)
        image = photo.image if isinstance(photo, ReducedPhoto) else photo
        width, height = photo.full_size if isinstance(photo, ReducedPhoto) else photo.size
        if contract.exif_transpose and exif_orientation(image) >= 5:
            width, height = height, width
        left, top, right, bottom = center_box(
            (width, height), self.input.size, contract.crop_fraction
        )
        return Box(left / width, top / height, right / width, bottom / height)

    def find(self, tensor: NDArray[Any], region: Box) -> tuple[Detection, ...]:
        """The objects in a prepared tensor, best first, in fractions of the whole photo.

        `region`: what `photo_region` gave for the photo that the tensor was made from. Raises
        `BadInputError` for a broken model, which answers with NaN.
        """
        outputs = [
            dequantize(values, detail)
            for values, detail in zip(self.loaded.run(tensor), self.loaded.outputs, strict=True)
        ]
        boxes = outputs[self.outputs.boxes].reshape(-1, 4)
        classes = outputs[self.outputs.classes].reshape(-1)
        scores = outputs[self.outputs.scores].reshape(-1)
        said = float(outputs[self.outputs.count].reshape(-1)[0])
        used = min(int(said) if np.isfinite(said) else 0, len(boxes), len(classes), len(scores))
        boxes, classes, scores = boxes[:used], classes[:used], scores[:used]
        if not all(np.isfinite(values).all() for values in (boxes, classes, scores, said)):
            raise BadInputError(
                f"{self.path.name} answers with NaN, so it is broken; convert it again"
            )
        found = []
        for place in np.argsort(-scores, kind="stable"):
            score, index = float(scores[place]), round(float(classes[place]))
            if score < self.threshold:
                continue
            box = in_photo(tuple(map(float, boxes[place])), region)
            if box.right > box.left and box.bottom > box.top:
                found.append(Detection(self.label(index), index, score, box))
        return tuple(found)

    def label(self, index: int) -> str:
        """The name of a class, or its number where there is no label for it."""
        return self.labels[index] if 0 <= index < len(self.labels) else str(index)

    def detect(self, photo: str | os.PathLike[str] | Image.Image) -> Detections:
        """The objects in a photo; raises `BadInputError` for one that cannot be read."""
        start = time.perf_counter_ns()
        image = photo if isinstance(photo, Image.Image) else self.decode(photo)
        decoded = time.perf_counter_ns()
        region = self.photo_region(image)
        tensor = self.prepare(image)
        prepared = time.perf_counter_ns()
        objects = self.find(tensor, region)
        done = time.perf_counter_ns()
        steps = {
            "decode": decoded - start,
            "preprocess": prepared - decoded,
            "inference": done - prepared,
            "total": done - start,
        }
        return Detections(objects, {name: round(ns / 1e6, 3) for name, ns in steps.items()})


def in_photo(edges: tuple[float, ...], region: Box) -> Box:
    """A model's box (top, left, bottom, right in fractions of what it saw) in the whole photo.

    Boxes that reach outside the photo are cut at its edges.
    """
    top, left, bottom, right = edges

    def cut(value: float) -> float:
        return min(1.0, max(0.0, value))

    width, height = region.right - region.left, region.bottom - region.top
    return Box(
        cut(region.left + left * width),
        cut(region.top + top * height),
        cut(region.left + right * width),
        cut(region.top + bottom * height),
    )


def fit_detector_labels(
    labels: tuple[str, ...], outputs: DetectionOutputs, origin: str = "the label file"
) -> tuple[str, ...]:
    """The labels by the class numbers that the model's post-processing gives, which start at 0.

    A first label that means the background is left out, as the operator leaves that class out.
    Raises `BadInputError` for a list of any other length than the model's classes.
    """
    named = labels[1:] if labels[0].lower() in _BACKGROUND_NAMES else labels
    wanted = outputs.classes_counted
    if wanted is None or len(named) == wanted:
        return named
    if len(labels) == wanted:  # class 0 of this model is really called that
        return labels
    also = f", or {wanted + 1} with the background first" if outputs.background else ""
    raise BadInputError(
        f"{origin} holds {len(labels)} labels but the model finds {wanted} classes; give {wanted}"
        f"{also} (maps with gaps in their numbers need a line for each gap, such as ???)"
    )
