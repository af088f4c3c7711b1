"""The wrapper's answers are `edge-deploy run --exact`'s, through real inference on a JVM."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, edge_deploy
from edge_deploy_runner.classifier import Classifier
from edge_deploy_runner.contract import PRESETS, Preprocessing
from edge_deploy_runner.interpreter import dequantize
from edge_deploy_runner.preprocessing import InputSpec, exif_orientation, open_photo
from PIL import ImageOps
from small_models_photo import COLORS, color_classifier, write_photo

from .wrapper_java.driver import (
    Driver,
    Said,
    compile_driver,
    contract_json,
    results,
    write_bundle,
    write_contract,
    write_pixels,
)

PHOTOS = sorted((ROOT / "assets" / "photos").iterdir())
SHARED = ROOT.parent / "shared" / "models"
MOBILENET = SHARED / "mobilenet_v2_1.0_224_quant.tflite"
EFFICIENTNET = SHARED / "efficientnet_lite0.keras"
JPEG_TOLERANCE = 0.05


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Driver:
    return compile_driver(tmp_path_factory.mktemp("wrapper"))


def _classifier(folder: Path, **options: Any) -> Classifier:
    path = folder / "colors.tflite"
    path.write_bytes(color_classifier(**options))
    return Classifier(path, threads=1)


def _pixels(photo: Path, folder: Path, classifier: Classifier) -> tuple[Path, int, int]:
    """The upright pixels of a photo as Pillow decodes them, in a file."""
    image = open_photo(photo)
    if classifier.photo_contract().exif_transpose and exif_orientation(image) != 1:
        image = ImageOps.exif_transpose(image)
    image = image.convert("RGB")
    path = write_pixels(folder / f"{photo.name}.raw", np.asarray(image))
    return path, image.width, image.height


def _run(
    driver: Driver,
    classifier: Classifier,
    photos: Sequence[Path],
    folder: Path,
    delegate: str = "XNNPACK",
    **changes: Any,
) -> list[Said]:
    bundle = write_bundle(folder / "bundle", classifier, **changes)
    commands = []
    for photo in photos:
        commands.append(["pixels", bundle, delegate, 1, *_pixels(photo, folder, classifier)])
    return driver.run(folder, commands)


def _run_command(model: Path, photos: Sequence[Path], *options: str) -> list[list[dict[str, Any]]]:
    """The top five of `edge-deploy run --exact`, for each photo."""
    done = edge_deploy(
        *("run", model, *photos, "--exact", "--json", "--threads", "1", "--top", "5", *options)
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    by_photo = {line["input"]: line["top"] for line in lines if "top" in line}
    return [by_photo[str(photo)] for photo in photos]


def _assert_same(
    said: Sequence[Said], wanted: Sequence[Sequence[dict[str, Any]]], apart: float
) -> None:  # fmt: skip
    assert len(said) == len(wanted) > 0
    for item, top in zip(said, wanted, strict=True):
        found = results(item)
        assert [(i, label) for i, label, _, _ in found] == [(t["index"], t["label"]) for t in top]
        for (_, _, score, raw), row in zip(found, top, strict=True):
            assert abs(raw - row["score"]) <= apart
            assert score == raw


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
@pytest.mark.parametrize("preset", ["mobilenet", "imagenet-caffe", "0-1"])
def test_colours_by_the_run_command(
    driver: Driver, tmp_path: Path, dtype: str, preset: str
) -> None:
    classifier = _classifier(tmp_path, dtype=dtype, preprocessing=PRESETS[preset])
    photos = [write_photo(tmp_path / "in", color) for color in COLORS]
    wanted = _run_command(classifier.path, photos)
    said = _run(driver, classifier, photos, tmp_path)
    _assert_same(said, wanted, 1e-6)
    assert [results(item)[0][1] for item in said] == list(COLORS)


@pytest.mark.parametrize("delegate", ["XNNPACK", "NONE"])
@pytest.mark.parametrize("recipe", ["float32", "float16", "dynamic", "int8", "int16"])
def test_digits_models_on_sample_photos(
    driver: Driver, tmp_path: Path, digits_models: Path, recipe: str, delegate: str
) -> None:
    """Real photos, of which a network for digits is not sure: the order of five must still hold."""
    model = next(path for path in sorted(digits_models.rglob("*.tflite")) if recipe in path.name)
    kernels = "xnnpack" if delegate == "XNNPACK" else "builtin"
    classifier = Classifier(model, threads=1, kernels=kernels)
    photos = [*PHOTOS, ROOT / "tests" / "data" / "seven.png"]
    said = _run(driver, classifier, photos, tmp_path, delegate)
    for photo, item in zip(photos, said, strict=True):
        top = classifier.classify(photo).top
        found = results(item)
        assert [(i, label) for i, label, _, _ in found] == [(t.index, t.label) for t in top]
        scores = np.array([t.score for t in top], np.float32)
        apart = 0.0 if recipe in ("int8", "int16") else 1e-5
        assert np.abs(np.array([raw for *_, raw in found], np.float32) - scores).max() <= apart
    if delegate == "XNNPACK":
        _assert_same(said, _run_command(model, photos), 1e-5)


@pytest.mark.needs_shared
def test_mobilenet_on_sample_photos(driver: Driver, tmp_path: Path) -> None:
    labels = SHARED / "imagenet_labels.txt"
    names = tuple(line.strip() for line in labels.read_text("utf-8").rstrip().splitlines())
    photos = [*PHOTOS, SHARED / "parrot.jpg", SHARED / "cat_720p.jpg", SHARED / "sunflower.bmp"]
    for preprocessing in (PRESETS["mobilenet"], PRESETS["mobilenet"]._replace(resize="lanczos")):
        classifier = Classifier(
            MOBILENET, 1, preprocessing=preprocessing, labels=names, override=True
        )  # fmt: skip
        folder = tmp_path / preprocessing.resize
        folder.mkdir()
        said = _run(driver, classifier, photos, folder)
        for photo, item in zip(photos, said, strict=True):
            top = classifier.classify(photo).top
            wanted = [(t.index, t.label, float(np.float32(t.score))) for t in top]
            found = [(i, label, float(np.float32(raw))) for i, label, _, raw in results(item)]
            assert found == wanted, photo.name
        if preprocessing.resize == "bilinear":
            said_bilinear = said
    wanted_by_command = _run_command(
        MOBILENET, photos, "--preprocess", "mobilenet", "--labels", str(labels), "--override"
    )
    _assert_same(said_bilinear, wanted_by_command, 1e-6)
    # Also from the files, where they are PNG: every decoder gives the same pixels.
    is_png = [photo.suffix == ".png" for photo in photos]
    bundle = tmp_path / "bilinear" / "bundle"
    commands = [["file", bundle, "XNNPACK", 1, photo] for photo in compress(photos, is_png)]
    by_file = driver.run(tmp_path, commands)
    _assert_same(by_file, list(compress(wanted_by_command, is_png)), 1e-6)


@pytest.mark.needs_shared
def test_efficientnet_on_sample_photos(driver: Driver, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    names = (SHARED / "imagenet_labels.txt").read_text("utf-8").splitlines()[1:]
    labels.write_text("\n".join(names), "utf-8")
    done = edge_deploy(
        *("convert", EFFICIENTNET, "-o", tmp_path / "out", "-r", "int8"),
        *("--preprocess", "efficientnet-lite", "--labels", labels),
        *("--calibration", ROOT / "assets" / "photos"),
    )
    assert done.returncode == 0, done.stderr
    (model,) = (tmp_path / "out").glob("*.tflite")
    photos = [*PHOTOS, SHARED / "parrot.jpg", SHARED / "cat_720p.jpg", SHARED / "sunflower.bmp"]
    said = _run(driver, Classifier(model, threads=1), photos, tmp_path)
    _assert_same(said, _run_command(model, photos), 1e-6)


def test_files_are_decoded_and_turned(driver: Driver, tmp_path: Path) -> None:
    """Through the JVM's JPEG decoder, which rounds a little otherwise than Pillow's."""
    classifier = _classifier(tmp_path, size=(224, 224))
    bundle = write_bundle(tmp_path / "bundle", classifier)
    said = driver.run(tmp_path, [["file", bundle, "XNNPACK", 1, photo] for photo in PHOTOS])
    for photo, item in zip(PHOTOS, said, strict=True):
        top = classifier.classify(photo).top
        found = results(item)
        assert [label for _, label, _, _ in found] == [t.label for t in top]
        apart = 0.0 if photo.suffix == ".png" else JPEG_TOLERANCE
        scores = np.array([raw for *_, raw in found])
        assert np.abs(scores - [t.score for t in top]).max() <= max(apart, 1e-6)


def test_logits_become_probabilities(driver: Driver, tmp_path: Path) -> None:
    """And the raw answers stay, for they are what `edge-deploy run` prints."""
    logits = np.array([[1.5, -2.0, 80.0, 79.0, 0.25]], np.float32)
    path = tmp_path / "out.bin"
    path.write_bytes(logits.tobytes())
    output = ((1, 5), "float32", 0.0, 0)
    record = contract_json(Preprocessing(), InputSpec((1, 8, 8, 3), "float32"), output)
    contract = write_contract(tmp_path / "c.json", {**record, "scores": "logits"})
    (said,) = driver.run(tmp_path, [["scores", contract, path, 5]])
    powers = np.exp(logits[0].astype(np.float64) - 80)
    shares = powers / powers.sum()
    found = results(said)
    assert [index for index, *_ in found] == [2, 3, 0, 4, 1]
    for index, _, score, raw in found:
        assert score == pytest.approx(shares[index], rel=1e-6)
        assert raw == logits[0][index]


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point"),
    [("uint8", 1 / 256, 0), ("int8", 1 / 256, -128), ("int16", 1 / 32768, 0), ("uint8", 0.0, 0)],
)
def test_scores_are_dequantized_and_ties_go_to_the_lower_class(
    driver: Driver, tmp_path: Path, dtype: str, scale: float, zero_point: int
) -> None:
    info = np.iinfo(dtype)
    codes = np.random.default_rng(8).integers(info.min, info.max, 40, endpoint=True)
    codes[[3, 7, 30, 31]] = info.max  # four of the best, and many more may be the same
    values = codes.astype(dtype).reshape(1, 40)
    path = tmp_path / "out.bin"
    path.write_bytes(values.tobytes())
    scale = float(np.float32(scale))
    output = (values.shape, dtype, scale, zero_point)
    record = contract_json(Preprocessing(), InputSpec((1, 8, 8, 3), "float32"), output)
    contract = write_contract(tmp_path / "c.json", record)
    real = dequantize(values, {"quantization": (scale, zero_point)}).reshape(-1)
    for k in (1, 5, 40, 100):
        (said,) = driver.run(tmp_path, [["scores", contract, path, k]])
        order = np.argsort(-real, kind="stable")[:k]
        assert [(i, label) for i, label, *_ in results(said)] == [(i, str(i)) for i in order]
        assert [np.float32(raw) for *_, raw in results(said)] == list(real[order])


def test_many_threads_get_the_same_answer(driver: Driver, tmp_path: Path) -> None:
    classifier = _classifier(tmp_path, dtype="int8", size=(96, 96))
    bundle = write_bundle(tmp_path / "bundle", classifier)
    pixels = _pixels(PHOTOS[0], tmp_path, classifier)
    (said,) = driver.run(tmp_path, [["many", bundle, 8, *pixels]])
    assert said.ok, said.words
    assert said.words[0] == "1", said.words
    assert float(said.words[1].split("|")[-1]) == classifier.classify(PHOTOS[0]).top[0].score
