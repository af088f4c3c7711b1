"""One model over many inputs: `run_inputs(model, ["photos/"])` gives a result for each, in order.

Decoding and preprocessing run in threads, ahead of the inference in the caller's thread; a single
photo goes straight through.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from .classifier import Answer, Classifier
from .contract import Preprocessing
from .errors import BadInputError
from .interpreter import default_threads
from .sources.inputs import Input, is_live, iter_inputs, kind_of
from .tflite.model_file import ModelFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .detector import Box, Detections, Detector
    from .reduced_photo import ReducedPhoto

Arguments = Sequence[str | os.PathLike[str]]


class Result:
    """What became of one input: an answer, or the error that says why there is none.

    `dropped`: of a live source, the frames since the last result that newer ones replaced.
    """

    __slots__ = ("answer", "dropped", "error", "name")

    def __init__(
        self,
        name: str,
        answer: Answer | Detections | None = None,
        error: BadInputError | None = None,
        dropped: int | None = None,
    ) -> None:
        self.name = name
        self.answer = answer
        self.error = error
        self.dropped = dropped

    def to_json(self) -> dict[str, Any]:
        """`{"input", "top" or "detections", "timing_ms"}`, or `{"input", "error"}`.

        With "dropped" where the source is live.
        """
        dropped = {} if self.dropped is None else {"dropped": self.dropped}
        if self.answer is None:
            return {"input": self.name, "error": str(self.error), **dropped}
        if isinstance(self.answer, Answer):
            return {"input": self.name, **self.answer.to_json(), **dropped}
        found = [item.to_json() for item in self.answer.objects]
        timing = {"timing_ms": self.answer.timing_ms}
        return {"input": self.name, "detections": found, **timing, **dropped}

    def sentence(self) -> str:
        """The answer for people, on one line: the input, its classes or objects, and the time."""
        if self.answer is None:
            return f"{self.name}: {self.error}"
        if isinstance(self.answer, Answer):
            return f"{self.name}: {self.answer.sentence()}"
        found = "; ".join(f"{item.label} {100 * item.score:.1f}%" for item in self.answer.objects)
        return f"{self.name}: {found or 'nothing'}  {self.answer.timing_ms['total']:.1f} ms"


class Prepared:
    """A tensor that waits for inference, and what the steps before took in nanoseconds.

    `region`: for a detector, the part of the upright photo that the tensor shows; None: all of it.
    """

    __slots__ = ("decode_ns", "error", "name", "preprocess_ns", "region", "tensor")

    def __init__(
        self,
        name: str,
        tensor: NDArray[Any] | None,
        region: Box | None = None,
        decode_ns: int = 0,
        preprocess_ns: int = 0,
        error: BadInputError | None = None,
    ) -> None:
        self.name = name
        self.tensor = tensor
        self.region = region
        self.decode_ns = decode_ns
        self.preprocess_ns = preprocess_ns
        self.error = error


def is_many(arguments: Arguments) -> bool:
    """Whether there may be more than one picture."""
    return len(arguments) != 1 or kind_of(arguments[0]) != "photo"


def open_for_run(
    path: str | os.PathLike[str],
    arguments: Arguments,
    threads: int | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    labels: tuple[str, ...] | None = None,
    override: bool = False,
    threshold: float | None = None,
    draft: bool = True,
) -> Classifier | Detector:
    """The model for `run_inputs` on these arguments.

    As `tasks.open_model`, but a classifier starts without delay. Without `draft` JPEG photos are
    decoded whole (see `reduced_photo`). Raises `BadInputError`, also for a model that does not say
    how photos become its input where there are photos.
    """
    model = _open(
        path, threads, preprocessing=preprocessing, labels=labels, override=override,
        threshold=threshold, draft=draft,
    )  # fmt: skip
    if {kind_of(argument) for argument in arguments} != {"tensors"}:
        model.photo_contract()  # without one, every photo would fail for the same reason
    return model


def _open(
    path: str | os.PathLike[str], threads: int | None, **options: Any
) -> Classifier | Detector:
    try:
        return Classifier(path, threads, **options)
    except BadInputError:
        # Only now: to look for a detector first would cost a tenth of a cold start.
        if not _finds_objects(path):
            raise
    from .detector import Detector

    return Detector(path, threads, **options)


def _finds_objects(path: str | os.PathLike[str]) -> bool:
    from .detection_outputs import is_detector

    try:
        return is_detector(ModelFile.open(path))
    except BadInputError:
        return False


def run_inputs(
    model: Classifier | Detector,
    arguments: Arguments,
    *,
    top: int = 3,
    decoders: int | None = None,
) -> Generator[Result, None, None]:
    """Answer every input that the arguments name, in their order, each as soon as it is known.

    Arguments: photos, folders, globs, `.npy` and `.npz` arrays, video files, cameras (see
    `frames.open_source`). An input that cannot be read gives a result with an error in its place.
    `decoders`: threads that decode, by default one a core but at most four; 0 for none. Memory
    does not grow with the number of inputs. `timing_ms` tells what each step of one input took; in
    a stream of many they overlap with those of others. Of a camera always the newest picture is
    answered. Raises `DeviceError` where it fails.
    """
    if decoders is None:
        decoders = default_threads()
    for live, group in itertools.groupby(arguments, key=is_live):
        if live:
            for source in group:
                yield from _watch(model, os.fspath(source), top)
        else:
            for prepared in prepare_inputs(model, iter_inputs(group), decoders):
                yield _answer(model, prepared, top)


def _watch(model: Classifier | Detector, text: str, top: int) -> Iterator[Result]:
    """Answer a live source: of a camera always its newest picture."""
    from .sources.opening import open_source
    from .sources.streaming import Ready, Stream

    if TYPE_CHECKING:
        from .sources.frames import Frame, FrameSource, Reports

    def source(_: Reports) -> FrameSource:
        return open_source(text, decode=model.decode)  # its troubles end it

    def prepare(frame: Frame) -> Prepared:
        return _prepare(model, Input(frame.name, lambda: frame.image))

    counted = 0
    try:
        # Not ahead: whoever pauses between two answers is given the newest picture all the same.
        with Stream(source, prepare, ahead=False) as stream:
            while isinstance(taken := stream.take(None), Ready):
                result = _answer(model, taken.prepared, top)
                dropped = stream.dropped
                result.dropped, counted = dropped - counted, dropped
                yield result
    except BadInputError as error:
        yield Result(text, error=error)


def prepare_inputs(
    model: Classifier | Detector, inputs: Iterable[Input], decoders: int
) -> Iterator[Prepared]:
    """The inputs as tensors, in order; only where there are several, and `decoders`, in threads."""

    def work(item: Input) -> Prepared:
        return _prepare(model, item)

    stream = iter(inputs)
    begun = list(itertools.islice(stream, 2)) if decoders else []
    if len(begun) < 2:
        yield from map(work, itertools.chain(begun, stream))
        return
    from .lookahead import map_ahead

    yield from map_ahead(work, itertools.chain(begun, stream), decoders, depth=2 * decoders + 1)


def _prepare(model: Classifier | Detector, item: Input) -> Prepared:
    start = time.perf_counter_ns()
    region = None
    try:
        loaded = _load(model, item)
        decoded = time.perf_counter_ns()
        if isinstance(loaded, np.ndarray):
            tensor = loaded
        else:
            tensor = model.prepare(loaded)
            if not isinstance(model, Classifier):
                region = model.photo_region(loaded)
    except BadInputError as error:
        return Prepared(item.name, None, error=error)
    prepared = time.perf_counter_ns()
    return Prepared(item.name, tensor, region, decoded - start, prepared - decoded)


def _load(model: Classifier | Detector, item: Input) -> Image.Image | ReducedPhoto | NDArray[Any]:
    """The picture, or the tensor if it is prepared already."""
    content = item.content
    if isinstance(content, BadInputError):
        raise content
    if isinstance(content, Path):
        return model.decode(content)
    if isinstance(content, np.ndarray):
        from .sources.tensor_files import row_content

        return row_content(content, model.input, item.name, model.preprocessing is not None)
    return content() if callable(content) else content


def _answer(model: Classifier | Detector, prepared: Prepared, top: int) -> Result:
    if prepared.tensor is None:
        return Result(prepared.name, error=prepared.error)
    start = time.perf_counter_ns()
    try:
        if isinstance(model, Classifier):
            scores = model.scores(prepared.tensor)
            timing_ms = _timing_ms(prepared, time.perf_counter_ns() - start)
            return Result(prepared.name, Answer(model.top(scores, top), timing_ms))
        from .detector import Box, Detections

        objects = model.find(prepared.tensor, prepared.region or Box(0.0, 0.0, 1.0, 1.0))
        timing_ms = _timing_ms(prepared, time.perf_counter_ns() - start)
        return Result(prepared.name, Detections(objects, timing_ms))
    except BadInputError as error:
        return Result(prepared.name, error=error)


def _timing_ms(prepared: Prepared, inference_ns: int) -> dict[str, float]:
    steps = {
        "decode": prepared.decode_ns,
        "preprocess": prepared.preprocess_ns,
        "inference": inference_ns,
        "total": prepared.decode_ns + prepared.preprocess_ns + inference_ns,
    }
    return {name: round(ns / 1e6, 3) for name, ns in steps.items()}
