"""The public class with Android's pictures, over stand-ins for what needs Android's native code."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from conftest import ROOT
from edge_deploy_runner.classifier import Classifier
from edge_deploy_runner.tflite.model_file import ModelFile
from small_models_photo import color_classifier

from edge_deploy.bundles.golden_outputs import make_golden

from . import toolchain
from .wrapper_java.driver import HERE, PACKAGE, Driver, compile_driver, write_bundle

PHOTO = ROOT / "assets" / "photos" / "coffee.png"
SAME_PIXELS = (
    *("stream", "RGB_565", "ARGB_8888", "RGBA_F16", "HARDWARE"),
    *("premultiplied", "transparent", "other space", "other space, premultiplied", "again"),
    "pixels",
)
REFUSED = {
    "recycled": "the bitmap is recycled; classify it before",
    "no bitmap": "the bitmap is null; give one with pixels",
    "no stream": "the photo's stream is null; give a JPEG or PNG",
    "empty": "the photo's stream is empty; give a JPEG or PNG",
    "text": "the stream is no photo that this phone can decode; give a JPEG or PNG",
    "cut": f"the photo ends too early, at {PHOTO.stat().st_size // 2} bytes; "
    "copy it again or give another",
    "no image": "the camera image is null; give one that is open",
    "a JPEG image": "the camera image has the format 256; ask the camera for YUV_420_888",
    "closed image": "the camera image cannot be read (Image is already closed); classify it before "
    "it is closed",
    "crop outside": "the crop rectangle (0, 0, 65, 48) does not lie in the picture of 64 x 48 "
    "pixels; set one that does",
    "no memory": "the photo's stream needs more memory than there is; give a smaller file",
    "45 degrees": "the rotation is 45 degrees; give 0, 90, 180 or 270",
    "no context": "the context or the options are null; give Options.defaults() for the latter",
    "closed": "the classifier of model.tflite is closed; open another with Classifier.fromAssets",
}


@pytest.fixture(scope="module")
def android_driver(tmp_path_factory: pytest.TempPathFactory) -> Driver:
    """The wrapper with the drivers and the stand-ins, which come before the real framework."""
    folder = tmp_path_factory.mktemp("android")
    driver = compile_driver(tmp_path_factory.mktemp("wrapper"))
    stand_ins = toolchain.javac(
        (HERE / "stand_ins").rglob("*.java"), folder / "stand_ins", [], android=True
    )
    names = ("AndroidDriver", "AssetsDriver", "FakeImage")
    path = [stand_ins, *driver.class_path]
    classes = toolchain.javac([HERE / f"{name}.java" for name in names], folder / "classes", path)
    return Driver((classes, *path), driver.libraries)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    path = tmp_path_factory.mktemp("model") / "colors.tflite"
    path.write_bytes(color_classifier(size=(64, 64)))
    return Classifier(path, threads=1)


# Android 14 and 8, and photos in sRGB and in a wider space.
@pytest.fixture(
    scope="module",
    params=[(), ("-Dphoto.wide=true",), ("-Dandroid.api=26", "-Dphoto.wide=true")],
    ids=["14", "14, wide", "8, wide"],
)
def options(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The phone and its photos, as options of the JVM."""
    found: tuple[str, ...] = request.param
    return found


@pytest.fixture(scope="module")
def answers(
    android_driver: Driver, model: Classifier, options: tuple[str, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, list[str]]:  # fmt: skip
    """What each way of asking gave, and under "python" what the runner answers."""
    bundle = write_bundle(tmp_path_factory.mktemp("bundle"), model)
    done = android_driver.java(f"{PACKAGE}.AndroidDriver", bundle, PHOTO, options=options)
    assert done.returncode == 0, done.stderr[-3000:]
    found = {line.split("\t")[0]: line.split("\t")[1:] for line in done.stdout.splitlines()}
    best = model.classify(PHOTO).top[0]
    return {**found, "python": ["ok", best.label, str(best.score)]}


def _apk(folder: Path, model: Classifier, name: str, stored: tuple[str, ...]) -> Path:
    """A zip with the assets of a model, of which those with the suffixes `stored` are."""
    bundle = write_bundle(folder / "bundle", model)
    golden = make_golden(ModelFile.open(model.path), model.photo_contract(), "model.tflite")
    for file, data in golden.files.items():
        (bundle / "golden").mkdir(exist_ok=True)
        (bundle / "golden" / file).write_bytes(data)
    path = folder / "app.apk"
    with zipfile.ZipFile(path, "w") as apk:
        apk.writestr("classes.dex", b"something before it")
        for file in sorted(bundle.rglob("*")):
            if file.is_file():
                method = zipfile.ZIP_STORED if file.suffix in stored else zipfile.ZIP_DEFLATED
                inside = file.relative_to(bundle).as_posix()
                apk.write(file, f"assets/edge-deploy/{name}/{inside}", method)
    return path


def _open(driver: Driver, apk: Path, folder: str, delegate: str = "XNNPACK") -> list[str]:
    done = driver.java(f"{PACKAGE}.AssetsDriver", apk, folder, delegate)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def test_a_stored_model_is_mapped_and_passes_its_self_test(
    android_driver: Driver, model: Classifier, tmp_path: Path
) -> None:
    apk = _apk(tmp_path, model, "edge_deploy_model_name", (".tflite",))
    passed, *checks = _open(android_driver, apk, "default")
    assert passed == "true", checks
    assert len(checks) == 5


def test_a_compressed_model_is_refused(
    android_driver: Driver, model: Classifier, tmp_path: Path
) -> None:
    apk = _apk(tmp_path, model, "colors", ())
    assert _open(android_driver, apk, "edge-deploy/colors") == [
        "error",
        "the model model.tflite in assets/edge-deploy/colors is compressed in the app and cannot "
        'be mapped into memory; add androidResources { noCompress += "tflite" } to the app\'s '
        "build.gradle.kts",
    ]
    assert _open(android_driver, apk, "edge-deploy/other/") == [
        "error",
        "there is no contract.json in assets/edge-deploy/other; add the bundle's files there",
    ]


@pytest.mark.parametrize("way", SAME_PIXELS)
def test_all_bitmaps_of_one_photo_have_one_answer(
    answers: dict[str, list[str]], way: str
) -> None:  # fmt: skip
    """Whatever the configuration, the transparency and the colour space, colours are the stored."""
    status, label, score = answers[way]
    assert (status, label) == ("ok", answers["python"][1])
    assert float(score) == pytest.approx(float(answers["python"][2]), abs=1e-6)


def test_a_camera_frame(answers: dict[str, list[str]]) -> None:
    assert answers["frame"] == answers["yuv"]
    assert answers["frame"][:2] == ["ok", "red"]


def test_a_crop_rectangle_is_cut_out(answers: dict[str, list[str]]) -> None:
    assert answers["crop"][:2] == ["ok", "red"]
    assert answers["crop pixels"] == ["39", "35", "true"]


def test_bitmaps_of_our_own_are_recycled(
    answers: dict[str, list[str]], options: tuple[str, ...]
) -> None:
    """And a caller's is neither recycled nor changed; from Android 10 none is copied whole."""
    left, untouched, copied = answers["bitmaps"]
    assert (left, untouched) == ("0", "true")
    assert (int(copied) > 0) == ("-Dandroid.api=26" in options)


@pytest.mark.parametrize("way", REFUSED)
def test_refused_with_a_sentence(answers: dict[str, list[str]], way: str) -> None:
    assert answers[way] == ["error", REFUSED[way]]
