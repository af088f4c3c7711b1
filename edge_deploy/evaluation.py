"""Accuracy on labelled data, alone or against a reference on the same samples."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from edge_deploy_runner.classifier import UNKNOWN, Classifier
from edge_deploy_runner.contract import Preprocessing
from edge_deploy_runner.errors import BadInputError, UsageError
from edge_deploy_runner.preprocessing import InputSpec, prepare, quantize
from edge_deploy_runner.progress import Progress, silent
from PIL import Image

from .accuracy import Accuracy, ClassAccuracy, Flip, Tally
from .datasets import Dataset, Sample, read_dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BEST = 5

# Sources that are a name and no file.
_NAMED_SOURCES = ("keras:", "zoo:")

Content = Image.Image | np.ndarray[Any, Any]
Loaded = tuple[Sample, Content]


@dataclass
class _Answers:
    """What one model answered, as class numbers; -1 is unknown."""

    threshold: float | None
    classes: list[int] = field(default_factory=list)
    correct_top5: int = 0

    def take(self, scores: NDArray[np.float32], truth: int) -> None:
        order = np.argsort(-scores, kind="stable")[:_BEST]
        best = int(order[0])
        known = self.threshold is None or scores[best] >= self.threshold
        self.classes.append(best if known else -1)
        self.correct_top5 += int(truth in order)

    def tally(self, path: Path, truths: list[int]) -> Tally:
        correct = sum(a == b for a, b in zip(self.classes, truths, strict=True))
        sha256, size_bytes = _fingerprint(path)
        unknown = self.classes.count(-1)
        return Tally(str(path), sha256, size_bytes, correct, self.correct_top5, unknown)


def evaluate(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    reference: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    preprocessing: Preprocessing | None = None,
    labels: tuple[str, ...] | None = None,
    override: bool = False,
    threshold: float | None = None,
    limit: int | None = None,
    trust_source: bool = False,
    on_progress: Progress = silent,
) -> Accuracy:
    """Measure top-1 and top-5 of a model, and how far it is from a reference.

    `data`: a folder per class, a CSV or an `.npz` (see `datasets.read_dataset`); `limit` takes so
    many samples, spread evenly. `reference`: a `.tflite`, or a source that can be converted; only
    that one may need `trust_source`. Each model uses its own contract. Photos that cannot be read
    are skipped and listed. Raises `BadInputError`; `UsageError` for a threshold or limit that
    makes no sense.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"the threshold is {threshold}; it must lie between 0 and 1")
    if limit is not None and limit < 1:
        raise UsageError(f"the limit is {limit}; it must be 1 or more")
    classifier = Classifier(
        model, threads, preprocessing=preprocessing, labels=labels, override=override
    )
    dataset = read_dataset(data, classifier.labels, classifier.classes).limited(limit)
    answers, other = _Answers(threshold), _Answers(threshold)
    truths: list[int] = []
    names: list[str] = []
    skipped: list[tuple[str, str]] = []

    def score(loaded: Iterator[Loaded]) -> Iterator[Loaded]:
        for sample, content in loaded:
            tensor = _tensor(classifier, classifier.input, content)
            answers.take(classifier.scores(tensor), sample.index)
            truths.append(sample.index)
            names.append(sample.name)
            yield sample, content

    stream = score(_load(dataset, skipped, on_progress))
    if reference is None:
        for _ in stream:
            pass
    else:
        for sample, scores in _reference_scores(
            Path(reference), stream, classifier,
            threads=threads, trust_source=trust_source, on_progress=on_progress,
        ):  # fmt: skip
            other.take(scores, sample.index)
    if not truths:
        name, reason = skipped[0]
        raise BadInputError(
            f"none of the {len(skipped)} photos in {dataset.path} can be read; the first, {name}: "
            f"{reason}"
        )
    accuracy = Accuracy(
        model=answers.tally(Path(model), truths),
        data=str(dataset.path),
        samples=len(truths),
        threshold=threshold,
        per_class=_per_class(classifier, truths, answers.classes, other.classes),
        skipped=tuple(skipped),
        warnings=_warnings(dataset, skipped),
    )
    if reference is None:
        return accuracy
    pairs = list(zip(names, truths, answers.classes, other.classes, strict=True))
    return replace(
        accuracy,
        reference=other.tally(Path(reference), truths),
        lost=sum(theirs == truth != ours for _, truth, ours, theirs in pairs),
        won=sum(ours == truth != theirs for _, truth, ours, theirs in pairs),
        agreed=sum(ours == theirs for _, _, ours, theirs in pairs),
        flips=tuple(
            Flip(name, classifier.label(truth), _name(classifier, theirs), _name(classifier, ours))
            for name, truth, ours, theirs in pairs
            if ours != theirs
        ),
    )


def _load(
    dataset: Dataset, skipped: list[tuple[str, str]], on_progress: Progress
) -> Iterator[Loaded]:
    """The samples one by one; those that cannot be read go to `skipped`."""
    total = len(dataset.samples)
    for done, sample in enumerate(dataset.samples):
        on_progress("evaluate", done, total)
        try:
            content = dataset.load(sample)
        except BadInputError as error:
            skipped.append((sample.name, str(error)))
            continue
        yield sample, content
    on_progress("evaluate", total, total)


def _tensor(classifier: Classifier, spec: InputSpec, content: Content) -> NDArray[Any]:
    """The input for one sample: a photo by the contract, a prepared tensor as it is."""
    if isinstance(content, Image.Image):
        return prepare(content, classifier.photo_contract(), spec)
    if content.shape != spec.shape[1:]:
        raise BadInputError(
            f"the data holds prepared tensors of shape {list(content.shape)}, but "
            f"{classifier.path.name} takes {list(spec.shape[1:])}; give uint8 photos instead"
        )
    if spec.dtype == "float32":
        return np.ascontiguousarray(content[np.newaxis])
    return quantize(content[np.newaxis], spec)


def _reference_scores(
    reference: Path,
    stream: Iterator[Loaded],
    classifier: Classifier,
    *,
    threads: int | None,
    trust_source: bool,
    on_progress: Progress,
) -> Iterator[tuple[Sample, NDArray[np.float32]]]:
    """Each sample with the reference's scores (classes,); the one place that knows its format.

    A `.tflite` runs here, by its own contract, or by the model's where it has none. Any other
    source gets the model's tensors in float32, through `edge_deploy_converters`.
    """
    if reference.suffix == ".tflite":
        other = Classifier(reference, threads)
        if other.preprocessing is None:
            other = Classifier(reference, threads, preprocessing=classifier.preprocessing)
        _check_classes(other.classes, classifier, reference)
        for sample, content in stream:
            yield sample, other.scores(_tensor(other, other.input, content))
        return
    if not reference.exists() and not str(reference).startswith(_NAMED_SOURCES):
        raise BadInputError(f"there is no reference model at {reference}; check the path")
    # Late, and by name: the converters are only asked where a source must be run.
    converters = import_module("edge_deploy_converters.reference")
    run_source: Callable[..., NDArray[np.float32]] = converters.run_source
    spec = classifier.input._replace(dtype="float32")
    samples: list[Sample] = []

    def tensors() -> Iterator[NDArray[Any]]:
        for sample, content in stream:
            samples.append(sample)
            yield _tensor(classifier, spec, content)

    scores = run_source(str(reference), tensors(), trust_source, on_progress)
    if not samples:
        return
    _check_classes(scores.shape[1], classifier, reference)
    if not np.isfinite(scores).all():
        raise BadInputError(f"the reference {reference} answers with NaN, so it is broken")
    yield from zip(samples, scores, strict=True)


def _check_classes(classes: int, classifier: Classifier, reference: Path) -> None:
    if classes != classifier.classes:
        raise BadInputError(
            f"the reference {reference.name} has {classes} classes but {classifier.path.name} has "
            f"{classifier.classes}: they cannot be compared"
        )


def _per_class(
    classifier: Classifier, truths: list[int], ours: list[int], theirs: list[int]
) -> tuple[ClassAccuracy, ...]:
    samples = Counter(truths)
    correct = Counter(t for t, answer in zip(truths, ours, strict=True) if t == answer)
    reference = Counter(t for t, answer in zip(truths, theirs, strict=False) if t == answer)
    return tuple(
        ClassAccuracy(
            classifier.label(index), index, samples[index], correct[index],
            reference[index] if theirs else None,
        )
        for index in sorted(samples)
    )  # fmt: skip


def _warnings(dataset: Dataset, skipped: list[tuple[str, str]]) -> tuple[str, ...]:
    if not skipped:
        return dataset.warnings
    shown = ", ".join(name for name, _ in skipped[:5]) + (", ..." if len(skipped) > 5 else "")
    return (*dataset.warnings, f"skipped {len(skipped)} unreadable photos: {shown}")


def _name(classifier: Classifier, index: int) -> str:
    return UNKNOWN if index < 0 else classifier.label(index)


def _fingerprint(path: Path) -> tuple[str, int]:
    """sha256 and size of a model file, or of all files of a model folder in order.

    A source that is a name has neither: an empty text and 0.
    """
    if not path.exists():
        return "", 0
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    digest, size_bytes = hashlib.sha256(), 0
    for item in files:
        if item != path:
            digest.update(item.relative_to(path).as_posix().encode("utf-8") + b"\0")
        with item.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
                size_bytes += len(block)
    return digest.hexdigest(), size_bytes
