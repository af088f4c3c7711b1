"""Files that are no model, or not one that can be used: one sentence, one exit code, no remains.

Most command lines run in one process, through the function that the console script calls. Damaged
models are in `test_damaged_models.py`.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small_models
from conftest import ASSETS
from small_models_photo import (
    color_classifier,
    rank_two_model,
    two_input_model,
)

from edge_deploy.cli import run

from .bad_lines import converted, linux, png

PHOTOS = ASSETS / "photos"


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "a")
    return stream.getvalue()


NO_MODELS = {
    "empty": b"",
    "text": b"hello\n" * 50,
    "random": np.random.default_rng(1).bytes(999),
    "zip": _zip(),
    "png": png(),
    "cut": color_classifier()[:900],
    "mark": b"\x1c\0\0\0TFL3",
}


@pytest.mark.parametrize("kind", list(NO_MODELS))
def test_files_that_are_no_model(house: Path, say: Callable[..., str], kind: str) -> None:
    path = house / f"{kind}.tflite"
    path.write_bytes(NO_MODELS[kind])
    for line in (
        ["inspect", path],
        ["run", path, house / "red.png"],
        ["evaluate", path, "--data", house],
        ["profile", path],
        ["diff", path, path],
        ["convert", path, "-o", house / "out"],
    ):
        assert path.name in say(3, *line)
    assert converted(house / "out") == []


@linux
@pytest.mark.parametrize("what", ["missing", "folder", "pipe", "device", "long"])
def test_paths_that_are_no_file(house: Path, say: Callable[..., str], what: str) -> None:
    path = {
        "missing": house / "none.tflite",
        "folder": house,
        "pipe": house / "pipe",
        "device": Path("/dev/zero"),
        "long": house / ("x" * 300 + ".tflite"),
    }[what]
    os.mkfifo(house / "pipe")
    for line in (
        ["inspect", path],
        ["run", path, house / "red.png"],
        ["profile", path],
        ["convert", path, "-o", house / "out"],
    ):
        say(3, *line)
    if what != "folder":
        say(3, "run", house / "m.tflite", path)


REFUSED_MODELS: dict[str, tuple[bytes, str]] = {
    "custom": (small_models.custom_operator_model(), "Mystery"),
    "flex": (small_models.custom_operator_model("FlexErf"), "operators that the TFLite runtime"),
    "int8": (small_models.int8_model(), "quantized already"),
    "float16": (small_models.float16_model(), "float16"),
}


@pytest.mark.parametrize("kind", list(REFUSED_MODELS))
def test_models_that_cannot_be_converted(house: Path, say: Callable[..., str], kind: str) -> None:
    data, words = REFUSED_MODELS[kind]
    (house / "odd.tflite").write_bytes(data)
    assert words in say(3, "convert", house / "odd.tflite", "-o", house / "out", "-r", "float32")
    assert converted(house / "out") == []
    assert run(["inspect", str(house / "odd.tflite"), "--json"]) == 0


def test_inputs_that_photos_cannot_fill(house: Path, say: Callable[..., str]) -> None:
    for name, data, words in (
        ("two", two_input_model(), "2 inputs"),
        ("rank2", rank_two_model(), "[1, 10]"),
        ("open", small_models.dynamic_batch_model(), "[1, 8]"),
    ):
        path = house / f"{name}.tflite"
        path.write_bytes(data)
        assert words in say(3, "run", path, house / "red.png", "--preprocess", "mobilenet")
        assert words in say(
            3,
            "evaluate",
            path,
            "--data",
            ASSETS / "digits_heldout.npz",
            "--preprocess",
            "mobilenet",
        )
        if name != "open":
            photos = ["--calibration", PHOTOS, "--preprocess", "mobilenet", "-r", "int8"]
            assert words in say(3, "convert", path, "-o", house / "out", *photos)
        assert run(["convert", str(path), "-o", str(house / name), "-r", "float32"]) == 0


def test_a_model_of_several_signatures_is_asked_about(house: Path, say: Callable[..., str]) -> None:
    from edge_deploy_converters.flatbuffer_model import pack, text, unpack

    model = unpack(color_classifier(contract=False))
    (first,) = model.signatureDefs
    second = type(first)()
    second.signatureKey, second.subgraphIndex = b"other", 0
    second.inputs, second.outputs = first.inputs, first.outputs
    model.signatureDefs = [first, second]
    assert text(first.signatureKey) == "serving_default"
    path = house / "both.tflite"
    path.write_bytes(pack(model))
    line = ["convert", path, "-o", house / "out", "-r", "float32"]
    assert "has: serving_default, other" in say(3, *line, "--signature", "none")
    assert run([str(part) for part in line]) == 0
    first.signatureKey = b"one"
    path.write_bytes(pack(model))
    assert "--signature" in say(3, *line, "--force")
    assert run([*map(str, line), "--force", "--signature", "other"]) == 0


@pytest.mark.parametrize("command", ["profile", "run"])
def test_a_model_inside_a_library(house: Path, say: Callable[..., str], command: str) -> None:
    (house / "m.aar").write_bytes(b"PK\3\4")
    photo = [house / "p.jpg"] if command == "run" else []
    said = say(3, command, house / "m.aar", *photo)
    assert "is an Android library" in said
    assert "the model is inside, in assets/" in said


def test_inspect_names_what_it_takes(house: Path, say: Callable[..., str]) -> None:
    (house / "a.txt").write_text("some words")
    with zipfile.ZipFile(house / "a.zip", "w") as archive:
        archive.writestr("a.txt", "x")
    for name in ("a.txt", "a.zip", "."):
        assert "name a .tflite, .apk, .aab or .aar" in say(3, "inspect", house / name)
