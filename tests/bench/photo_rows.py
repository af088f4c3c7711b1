"""A folder of 12-megapixel photos through `run`: rate, overlap, memory, and moved answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from edge_deploy_runner.classifier import Classifier
from edge_deploy_runner.interpreter import default_threads
from edge_deploy_runner.running import prepare_inputs, run_inputs
from edge_deploy_runner.sources.inputs import iter_inputs
from PIL import Image

from .measuring import (
    SCRIPTS,
    Row,
    at_most,
    interleaved,
    left_out,
    medians,
    peak_of,
    ratios,
    say,
)
from .subjects import Subject, Subjects

_FASTER, _SHARE, _MEMORY = 3.0, 0.9, 1.05
_MOST_MS = 10.0
_SIZE = (4000, 3000)
_QUALITY = 92
# A sensor's noise: without it an enlarged photo is half as many bytes as a camera's, and unpacks
# in half the time.
_NOISE = 3.0
# Left, top and width of the crops, as fractions of the largest 4:3 part of a photo.
_CROPS = ((0.0, 0.0, 1.0), (0.0, 0.1, 0.85), (0.2, 0.15, 0.8))
_ROTATE_RIGHT = 6


def photo_rows(subjects: Subjects) -> list[Row]:
    """All rows, with every subject whose model is fast enough."""
    folder = subjects.folder / "photos-12-megapixels"
    say("making 12-megapixel photos")
    photos = _make_photos(subjects.photos[:4], folder)
    size_mb = sum(photo.stat().st_size for photo in photos) / len(photos) / 1e6
    say(f"{len(photos)} photos of {size_mb:.1f} MB")
    rows = []
    for subject in subjects.both:
        model = subjects.model(subject, "int8")
        inference_ms = 1e3 / _Rates(model, folder, default_threads()).inference()
        if inference_ms >= _MOST_MS:
            name = f"12-MP photos, {subject.name} int8"
            rows.append(left_out(name, "ours / plain", f"it takes {inference_ms:.1f} ms here"))
            continue
        pairs = 3 if subjects.quick else 9
        say(f"12-megapixel photos through {model.name}")
        rows.append(_throughput(subject, model, folder, pairs))
        rows.extend(_overlap(subject, model, folder, pairs))
    rows.append(_memory(subjects, photos))
    return rows + _movement(subjects, photos)


def _make_photos(sources: Iterable[Path], folder: Path) -> list[Path]:
    """Enlarged crops with noise; every third one is stored as a camera held upright stores it."""
    folder.mkdir()
    source = np.random.default_rng(12)
    made = []
    for path in sources:
        with Image.open(path) as opened:
            photo = opened.convert("RGB")
        width = min(photo.width, photo.height * _SIZE[0] / _SIZE[1])
        height = width * _SIZE[1] / _SIZE[0]
        for left, top, share in _CROPS:
            x, y = (photo.width - width) / 2 + left * width, top * height
            box = (x, y, x + share * width, min(photo.height, y + share * height))
            large = photo.resize(_SIZE, Image.Resampling.LANCZOS, box=box)
            noise = np.round(source.normal(0, _NOISE, (*_SIZE[::-1], 1))).astype(np.int16)
            noisy = (np.asarray(large, np.int16) + noise).clip(0, 255).astype(np.uint8)
            image, exif = Image.fromarray(noisy), Image.Exif()
            if len(made) % 3 == 2:
                image = image.transpose(Image.Transpose.ROTATE_90)
                exif[0x0112] = _ROTATE_RIGHT
            made.append(folder / f"{len(made):02}_{path.stem}.jpg")
            image.save(made[-1], quality=_QUALITY, exif=exif)
    return made


def _rate(work: Iterable[Any]) -> float:
    """How many a second."""
    begun = time.perf_counter()
    count = sum(1 for _ in work)
    return count / (time.perf_counter() - begun)


@dataclass
class _Rates:
    """Photos a second, by what is done with them; a model with so many threads of its own."""

    model: Path
    folder: Path
    threads: int

    def __post_init__(self) -> None:
        self.classifier = Classifier(self.model, self.threads, draft=True)
        self._zeros = np.zeros(self.classifier.input.shape, self.classifier.input.dtype)
        for _ in range(20):
            self.classifier.scores(self._zeros)

    def inference(self) -> float:
        """The runtime alone, on one tensor again and again, for half a second."""
        begun, count = time.perf_counter(), 0
        while time.perf_counter() - begun < 0.5:
            self.classifier.scores(self._zeros)
            count += 1
        return count / (time.perf_counter() - begun)

    def decoding(self, decoders: int) -> float:
        """Decoding and preprocessing alone."""
        return _rate(prepare_inputs(self.classifier, iter_inputs([self.folder] * 2), decoders))

    def end_to_end(self, decoders: int | None = None) -> float:
        """Both, as `run` does."""
        return _rate(run_inputs(self.classifier, [self.folder] * 2, decoders=decoders))

    def plain(self) -> float:
        """Pillow's open and resize, then invoke, one photo after another."""
        interpreter = self.classifier.loaded.interpreter
        source = interpreter.get_input_details()[0]
        target = interpreter.get_output_details()[0]["index"]
        scale, zero = source["quantization"]
        mean, std = (values[0] for values in self.classifier.photo_contract().per_channel())

        def one(path: Path) -> Any:
            image = Image.open(path).convert("RGB").resize(self.classifier.input.size)
            tensor = (np.asarray(image, np.float32) - mean) / std
            tensor = np.round(tensor / scale + zero).clip(-128, 127).astype(source["dtype"])
            interpreter.set_tensor(source["index"], tensor[np.newaxis])
            interpreter.invoke()
            return interpreter.get_tensor(target)

        return _rate(map(one, sorted(self.folder.iterdir())))


def _throughput(subject: Subject, model: Path, folder: Path, pairs: int) -> Row:
    rates = _Rates(model, folder, default_threads())
    found = interleaved(rates.end_to_end, rates.plain, pairs, "photos a second")
    values = ratios(found)
    return Row(
        f"12-MP photos, {subject.name} int8", "run / open, resize, invoke", tuple(values),
        f">= {_FASTER:g}", median(values) >= _FASTER, note=medians(found, "a second", 1),
    )  # fmt: skip


def _overlap(subject: Subject, model: Path, folder: Path, pairs: int) -> list[Row]:
    """End to end against the two steps alone: a core each, then as `run` does on all cores."""
    one, cores = _Rates(model, folder, 1), default_threads()
    every = _Rates(model, folder, cores)

    def slower(rates: _Rates, decoders: int) -> float:
        return min(rates.decoding(decoders), rates.inference())

    def possible(rates: _Rates, decoders: int) -> float:
        """Both steps one after the other, each on all cores: there is no more work to give."""
        return 1 / (1 / rates.decoding(decoders) + 1 / rates.inference())

    def row(what: str, ours: Callable[[], float], alone: Callable[[], float], bound: bool) -> Row:
        found = interleaved(ours, alone, pairs, what)
        values = ratios(found)
        return Row(
            f"overlap, {subject.name} int8", what, tuple(values), f">= {_SHARE:g}" if bound else "",
            median(values) >= _SHARE if bound else None, note=medians(found, "a second", 1),
        )  # fmt: skip

    return [
        row("end to end / slower step, a core each", lambda: one.end_to_end(1),
            partial(slower, one, 1), cores > 1),
        row(f"end to end / slower step, all {cores} cores each", every.end_to_end,
            partial(slower, every, cores), False),
        row("end to end / both steps in turn, all cores", every.end_to_end,
            partial(possible, every, cores), True),
    ]  # fmt: skip


def _memory(subjects: Subjects, photos: list[Path]) -> Row:
    """Peak memory over ten times as many photos."""
    few, many = (20, 200) if subjects.quick else (200, 2000)
    model = subjects.model(subjects.digits, "int8")
    command = [SCRIPTS / "edge-deploy", "run", model, "--json", "--preprocess", "mobilenet"]
    folders = {}
    for count in (few, many):
        folders[count] = subjects.folder / f"{count}-photos"
        folders[count].mkdir()
        for number in range(count):
            os.link(photos[number % len(photos)], folders[count] / f"{number:05}.jpg")

    def peak(count: int) -> float:
        return peak_of([*command, folders[count]]).largest / 1e6

    found = interleaved(
        lambda: peak(many), lambda: peak(few), 1 if subjects.quick else 3, "peak memory, MB"
    )
    return at_most(
        "memory of run", f"{many} / {few} photos of 12 MP", ratios(found), _MEMORY,
        medians(found, "MB", 0),
    )  # fmt: skip


def _movement(subjects: Subjects, photos: list[Path]) -> list[Row]:
    """Top-1 and its score, decoded small and whole, on the photos as they are and enlarged."""
    subject = None if subjects.quick else subjects.efficientnet
    if subject is None:
        reason = "it needs a model of photos: EfficientNet-Lite0, not in --quick"
        return [left_out("draft decoding", "what changes in the answers", reason)]
    rows = []
    everything = [*subjects.photos, *photos]
    for recipe in ("float32", "int8"):
        model = subjects.model(subject, recipe)
        small, whole = Classifier(model, draft=True), Classifier(model)
        moved, changed, tied, reduced = [], 0, 0, 0
        step = float(whole.loaded.outputs[0]["quantization"][0])
        for photo in everything:
            before, after = (c.scores(c.prepare(photo)) for c in (whole, small))
            best = int(before.argmax())
            if int(after.argmax()) != best:
                # An integer output that led by no more than one of its steps led by chance.
                close = before[best] - np.sort(before)[-2] <= 1.001 * step
                tied, changed = tied + int(close), changed + int(not close)
            reduced += getattr(small.decode(photo), "factor", 1) > 1
            moved.append(abs(float(after[best]) - float(before[best])))
        name = f"draft decoding, {subject.name} {recipe}"
        rows.append(
            Row(
                name, "photos whose best class changes", (float(changed),), "0", changed == 0, "",
                f"and {tied} that led by a step of the output or less; of {len(everything)}, "
                f"{reduced} of them decoded smaller",
            )
        )  # fmt: skip
        rows.append(
            Row(name, "the best class's score moves by", tuple(moved), "", None, "",
                f"at most {max(moved):.4f}")
        )  # fmt: skip
    return rows
