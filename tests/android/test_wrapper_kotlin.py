"""The Kotlin facade compiles against Android's framework and answers on a JVM."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
from conftest import ROOT
from edge_deploy_runner.classifier import Classifier
from edge_deploy_runner.preprocessing import open_photo
from small_models_photo import color_classifier

from . import toolchain
from .java import stand_in
from .wrapper_java.driver import HERE, compile_driver, write_bundle, write_pixels


def test_the_facade_answers_as_python_does(tmp_path: Path) -> None:
    driver = compile_driver(tmp_path / "wrapper")
    kotlin = [*(toolchain.JAVA / "wrapper" / "kotlin").glob("*.kt"), HERE / "KotlinDriver.kt"]
    assert len(kotlin) == 2
    classes = toolchain.kotlinc(
        kotlin, tmp_path / "kotlin", [toolchain.wrapper_classes()], android=True
    )  # fmt: skip
    model = tmp_path / "colors.tflite"
    model.write_bytes(color_classifier(dtype="int8", size=(96, 64)))
    classifier = Classifier(model, threads=1, kernels="builtin")
    bundle = write_bundle(tmp_path / "bundle", classifier)
    photo = ROOT / "assets" / "photos" / "coffee.png"
    pixels = np.asarray(open_photo(photo).convert("RGB"))
    raw = write_pixels(tmp_path / "photo.raw", pixels)
    done = subprocess.run(
        [
            *(toolchain.jdk().java, f"-Djava.library.path={driver.libraries}", "-cp"),
            os.pathsep.join(map(str, (classes, toolchain.kotlin_library(), *driver.class_path))),
            *("dev.edgedeploy.driver.KotlinDriverKt", bundle, raw),
            *map(str, (pixels.shape[1], pixels.shape[0])),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=stand_in.environment(),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *answers, closed = done.stdout.splitlines()
    top = classifier.classify(photo, k=2).top
    assert [line.split("|")[:2] for line in answers] == [[str(t.index), t.label] for t in top]
    assert [float(line.split("|")[3]) for line in answers] == [t.score for t in top]
    assert "is closed" in closed
