"""What the wrapper refuses, each with one sentence; and what it is built of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_deploy_runner.classifier import Classifier
from small_models_photo import color_classifier, two_input_model

from . import toolchain
from .wrapper_java.driver import Driver, Said, compile_driver, write_bundle, write_pixels

SOURCES = toolchain.JAVA / "wrapper" / "src" / "dev" / "edgedeploy" / "classifier"
KNOWS_ANDROID = {"AndroidImages", "AssetModel", "BitmapPixels", "Classifier"}


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Driver:
    return compile_driver(tmp_path_factory.mktemp("wrapper"))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "colors.tflite"
    path.write_bytes(color_classifier(dtype="int8"))
    return write_bundle(tmp_path / "bundle", Classifier(path, threads=1))


def _photo(folder: Path, width: int = 10, height: int = 10) -> list[Any]:
    pixels = np.full((height, width, 3), 200, np.uint8)
    return [write_pixels(folder / "photo.raw", pixels), width, height]


def _classify(driver: Driver, bundle: Path, delegate: str = "XNNPACK", threads: int = 1) -> Said:
    (said,) = driver.run(
        bundle.parent, [["pixels", bundle, delegate, threads, *_photo(bundle.parent)]]
    )  # fmt: skip
    return said


def _edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def edit(bundle: Path) -> None:
        record = json.loads((bundle / "contract.json").read_text("utf-8"))
        change(record)
        (bundle / "contract.json").write_text(json.dumps(record), "utf-8")

    return edit


def _set(*path_and_value: Any) -> Callable[[Path], None]:
    *path, key, value = path_and_value

    def change(record: dict[str, Any]) -> None:
        for name in path:
            record = record[name]
        record[key] = value

    return _edit(change)


def _flip_a_bit(bundle: Path) -> None:
    model = bundle / "model.tflite"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)


def _another_model(data: bytes) -> Callable[[Path], None]:
    def change(bundle: Path) -> None:
        from hashlib import sha256

        (bundle / "model.tflite").write_bytes(data)
        record = {
            "file": "model.tflite", "sha256": sha256(data).hexdigest(), "size_bytes": len(data),
        }  # fmt: skip
        _set("model", record)(bundle)

    return change


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no contract": (lambda b: (b / "contract.json").unlink(), "there is no contract.json in"),
    "no model": (lambda b: (b / "model.tflite").unlink(), "there is no model.tflite in"),
    "no labels": (lambda b: (b / "labels.txt").unlink(), "there is no labels.txt in"),
    "a flipped bit": (_flip_a_bit, "another sha256"),
    "a longer model": (
        lambda b: (b / "model.tflite").write_bytes((b / "model.tflite").read_bytes() + b"x"),
        "another sha256",
    ),
    "an empty model": (lambda b: (b / "model.tflite").write_bytes(b""), "another sha256"),
    "a label less": (
        lambda b: (b / "labels.txt").write_text("red\ngreen\n"), "2 labels but the model has 3",
    ),
    "a label more": (
        lambda b: (b / "labels.txt").write_text("a\nb\nc\nd\n"), "4 labels but the model has 3",
    ),
    "no model but text": (_another_model(b"no model, but text"), "the TFLite runtime refuses"),
    "another model": (_another_model(two_input_model()), "has 2 inputs and 1 outputs"),
    "another input": (_set("input", "dtype", "uint8"), "the input of model.tflite is int8"),
    "another size": (_set("input", "shape", [1, 5, 5, 3]), "contract.json says int8 [1, 5, 5, 3]"),
    "another output": (_set("output", "dtype", "uint8"), "the output of model.tflite is int8"),
    "no JSON": (lambda b: (b / "contract.json").write_text("{]"), "contract.json is damaged"),
    "nested JSON": (lambda b: (b / "contract.json").write_text("[" * 9999), "nested too deep"),
    "a list": (lambda b: (b / "contract.json").write_text("[]"), "contract.json is no JSON object"),
    "another format": (_set("format", "card"), "not of an edge-deploy classifier"),
    "a later version": (_set("version", 3), "version 3, this wrapper reads 2"),
    "half a version": (_set("version", 2.5), "version"),
    "an order of its own": (_set("version", 1), "version 1, this wrapper reads 2"),
    "a missing key": (
        _edit(lambda r: r["preprocessing"].pop("resize")), 'lacks "resize"',
    ),
    "a wrong type": (_set("model", "sha256", 7), 'wrong value for "sha256"'),
    "a model elsewhere": (_set("model", "file", "../model.tflite"), "does not lie beside it"),
    "an unknown resize": (
        _set("preprocessing", "resize", "sinc"), "knows nearest, bilinear, bicubic, lanczos, box",
    ),
    "a std of 0": (_set("preprocessing", "std", [0]), "std must be greater than 0"),
    "two means": (_set("preprocessing", "mean", [1, 2]), "mean needs 1 or 3 finite numbers"),
    "a crop of 2": (_set("preprocessing", "crop_fraction", 2), "crop_fraction must lie in (0, 1]"),
    "no scale": (_set("input", "scale", 0), "has no quantization scale"),
    "another layout": (_set("input", "layout", "NCHW"), "the layouts of input and preprocessing"),
    "a grey contract": (_set("preprocessing", "color_order", "GRAY"), "not one GRAY photo"),
    "an absurd shape": (_set("input", "shape", [1, -4, 5, 3]), "makes no sense"),
    "a vast shape": (_set("input", "shape", [1, 10**9, 10**9, 3]), "makes no sense"),
    "no classes": (_set("output", "shape", [1, 1]), "not one score a class"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_folder_is_refused(driver: Driver, bundle: Path, name: str) -> None:
    fault, words = FAULTS[name]
    fault(bundle)
    said = _classify(driver, bundle)
    assert not said.ok, said.words
    assert words in said.words[0]


def test_the_folder_itself_is_taken(driver: Driver, bundle: Path) -> None:
    """Without any fault: else the refusals above would prove nothing."""
    assert _classify(driver, bundle).ok
    _set("labels", None)(bundle)
    said = _classify(driver, bundle)
    assert said.ok
    assert said.words[0].split("|")[:2] in (["0", "0"], ["1", "1"], ["2", "2"])


def test_a_background_class_is_put_before(driver: Driver, bundle: Path) -> None:
    _set("preprocessing", "background_class", True)(bundle)
    assert "the background, but labels.txt calls it" in _classify(driver, bundle).words[0]
    (bundle / "labels.txt").write_text("green\nblue\n")
    said = _classify(driver, bundle)
    assert {word.split("|")[1] for word in said.words} == {"background", "green", "blue"}


def test_a_delegate_that_is_not_there_is_an_error(driver: Driver, bundle: Path) -> None:
    """This JVM has neither a GPU library nor NNAPI; the answer must not come from the CPU."""
    for delegate in ("GPU", "NNAPI"):
        said = _classify(driver, bundle, delegate)
        assert not said.ok, said.words
        assert f"the delegate {delegate} " in said.words[0]
    assert "litert-gpu" in _classify(driver, bundle, "GPU").words[0]


@pytest.mark.parametrize("threads", [0, -1, 65])
def test_absurd_threads(driver: Driver, bundle: Path, threads: int) -> None:
    said = _classify(driver, bundle, threads=threads)
    assert said == Said(False, [f"the number of threads is {threads}; give 1 to 64"])


def test_a_closed_classifier(driver: Driver, bundle: Path) -> None:
    (said,) = driver.run(bundle.parent, [["closed", bundle]])
    assert said == Said(
        False,
        ["the classifier of model.tflite is closed; open another with Classifier.fromAssets"],
    )


@pytest.mark.parametrize(("width", "height"), [(0, 10), (10, 0), (-1, 5), (11, 10), (65536, 65536)])
def test_wrong_pixels(driver: Driver, bundle: Path, width: int, height: int) -> None:
    photo, *_ = _photo(bundle.parent)
    (said,) = driver.run(bundle.parent, [["pixels", bundle, "NONE", 1, photo, width, height]])
    assert not said.ok
    assert f"{width} x {height} pixels" in said.words[0]


def test_a_photo_of_one_pixel_is_classified(driver: Driver, bundle: Path) -> None:
    command = ["pixels", bundle, "NONE", 1, *_photo(bundle.parent, 1, 1)]
    (said,) = driver.run(bundle.parent, [command])
    assert said.ok


def test_only_four_classes_know_android() -> None:
    """All others run on a desktop, where they are tested."""
    users = {
        path.stem
        for path in SOURCES.glob("*.java")
        if re.search(r"\bandroid\.|androidx\.", path.read_text("utf-8"))
    }
    assert users == KNOWS_ANDROID
    core = [path for path in SOURCES.glob("*.java") if path.stem not in KNOWS_ANDROID]
    assert len(core) > 20


def test_nothing_that_android_6_lacks_is_used() -> None:
    """Streams, `java.nio.file` and default methods of maps came with Android 7 or 8."""
    late = r"java\.util\.(stream|function)|java\.nio\.file|java\.time|getOrDefault|\.forEach\("
    for path in SOURCES.glob("*.java"):
        assert not re.search(late, path.read_text("utf-8")), path.name


def test_no_class_is_looked_up_by_a_name_of_this_package() -> None:
    """For a bundle renames the package: only constants of class files are rewritten."""
    for path in SOURCES.glob("*.java"):
        assert not re.search(r'"dev[./]edgedeploy', path.read_text("utf-8")), path.name


def test_it_becomes_a_small_dex(tmp_path: Path) -> None:
    classes = toolchain.wrapper_classes()
    libraries = [*toolchain.runtime_classes(), toolchain.dependencies().framework]
    made = toolchain.dexed([classes], tmp_path, libraries, min_api=23)
    assert made.stat().st_size < 100_000


def test_the_instrumented_test_compiles(tmp_path: Path) -> None:
    """Against stand-ins for the two classes that only Google's Maven repository has."""
    stand_ins = {
        "androidx/test/platform/app/InstrumentationRegistry.java": (
            "package androidx.test.platform.app;\npublic final class InstrumentationRegistry {\n"
            "    public static android.app.Instrumentation getInstrumentation() {\n"
            "        return null;\n    }\n}\n"
        ),
        "org/junit/Test.java": "package org.junit;\npublic @interface Test {}\n",
        "org/junit/Assert.java": (
            "package org.junit;\npublic class Assert {\n"
            "    public static void assertTrue(String message, boolean condition) {}\n}\n"
        ),
    }
    files = [toolchain.JAVA / "wrapper" / "androidTest" / "ClassifierGoldenTest.java"]
    for name, text in stand_ins.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        files.append(path)
    libraries = [toolchain.wrapper_classes(), *toolchain.runtime_classes()]
    classes = toolchain.javac(files, tmp_path / "classes", libraries, android=True)
    assert (classes / "dev/edgedeploy/classifier/ClassifierGoldenTest.class").is_file()
