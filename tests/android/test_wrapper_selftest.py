"""The wrapper's self-test passes where the answers are right, and fails where they are not."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_deploy_runner.classifier import Classifier
from edge_deploy_runner.contract import PRESETS
from edge_deploy_runner.selftest import compare
from edge_deploy_runner.tflite.model_file import ModelFile
from small_models_photo import color_classifier

from edge_deploy.bundles.golden_outputs import make_golden

from .wrapper_java.driver import Driver, Said, compile_driver, write_bundle


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Driver:
    return compile_driver(tmp_path_factory.mktemp("wrapper"))


def _bundle(folder: Path, **options: Any) -> Path:
    path = folder / "colors.tflite"
    path.write_bytes(color_classifier(size=(48, 32), **options))
    classifier = Classifier(path, threads=1)
    bundle = write_bundle(folder / "bundle", classifier)
    golden = make_golden(ModelFile.open(path), classifier.photo_contract(), "model.tflite")
    (bundle / "golden").mkdir()
    for name, data in golden.files.items():
        if not name.startswith("reference"):  # which Android does not need
            (bundle / "golden" / name).write_bytes(data)
    return bundle


def _selftest(driver: Driver, folder: Path, bundle: Path) -> Said:
    (said,) = driver.run(folder, [["selftest", bundle]])
    return said


def _change_array(path: Path, change: Callable[[np.ndarray[Any, Any]], object]) -> None:
    array = np.load(path)
    change(array)
    np.save(path, array)


@pytest.mark.parametrize("preset", ["mobilenet", "imagenet-caffe"])
@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
def test_right_answers_pass(driver: Driver, tmp_path: Path, dtype: str, preset: str) -> None:
    bundle = _bundle(tmp_path, dtype=dtype, preprocessing=PRESETS[preset])
    said = _selftest(driver, tmp_path, bundle)
    assert said.ok, said.words
    assert said.words[0] == "true", said.words
    checks = said.words[1:]
    assert len(checks) == 5, "three inputs and two photos"
    assert all(check.startswith("passed: ") for check in checks)
    assert "photo.png: 0 of 4608 differ" in " ".join(checks)


def test_a_wrong_answer_fails(driver: Driver, tmp_path: Path) -> None:
    bundle = _bundle(tmp_path, dtype="int8")

    def reverse(array: np.ndarray[Any, Any]) -> None:
        array[:] = np.roll(array, 1)

    _change_array(bundle / "golden" / "fast-1-1.npy", reverse)
    said = _selftest(driver, tmp_path, bundle)
    assert said.words[0] == "false"
    assert said.words[1].startswith("FAILED: input 1: ")
    assert [word.split(":")[0] for word in said.words[1:]].count("FAILED") == 1


def test_a_photo_that_is_prepared_otherwise_fails(driver: Driver, tmp_path: Path) -> None:
    bundle = _bundle(tmp_path, dtype="uint8")

    def nudge(array: np.ndarray[Any, Any]) -> None:
        array.reshape(-1)[17] ^= 1

    _change_array(bundle / "golden" / "photo-png.npy", nudge)
    said = _selftest(driver, tmp_path, bundle)
    assert said.words[0] == "false"
    assert "FAILED: photo photo.png: 1 of 4608 differ (allowed: 0 differ)" in said.words


def test_another_resize_fails(driver: Driver, tmp_path: Path) -> None:
    """A contract that was changed behind the bundle's back."""
    bundle = _bundle(tmp_path, dtype="uint8")
    record = json.loads((bundle / "contract.json").read_text())
    record["preprocessing"]["resize"] = "nearest"
    (bundle / "contract.json").write_text(json.dumps(record))
    assert _selftest(driver, tmp_path, bundle).words[0] == "false"


RULES: list[tuple[dict[str, Any], list[float], list[float], bool]] = [
    ({"kind": "codes", "unit": 1.0, "at_most": 1}, [1, 5, 3], [2, 4, 3], True),
    ({"kind": "codes", "unit": 1.0, "at_most": 1}, [1, 5, 3], [3, 5, 3], False),
    ({"kind": "codes", "unit": 0.1, "at_most": 1}, [0.1, 0.5], [0.2, 0.4], True),
    (
        {"kind": "codes", "unit": 1.0, "at_most": 1, "cosine": 0.99, "top1": True},
        [1, 100, 9], [4, 99, 9], True,
    ),
    (
        {"kind": "codes", "unit": 1.0, "at_most": 1, "cosine": 0.99, "top1": True},
        [90, 100, 9], [100, 98, 9], False,
    ),
    ({"kind": "relative", "at_most": 1e-5}, [1000.0, 1.0], [1000.009, 1.0], True),
    ({"kind": "relative", "at_most": 1e-5}, [1000.0, 1.0], [1000.015, 1.0], False),
    ({"kind": "relative", "at_most": 1e-5}, [float("nan"), 1.0], [0.0, 1.0], False),
    ({"kind": "agreement", "cosine": 0.999, "top1": False}, [1, 2, 3], [2, 4, 6], True),
    ({"kind": "agreement", "cosine": 0.999, "top1": False}, [1, 2, 3], [3, 2, 1], False),
    ({"kind": "agreement", "cosine": 0.9, "top1": True}, [10, 9, 8], [9, 10, 8], False),
    ({"kind": "agreement", "cosine": 0.9, "top1": True}, [0, 0, 0], [0, 0, 0], True),
    ({"kind": "identical"}, [0.0, 1.0], [-0.0, 1.0], False),
    ({"kind": "identical"}, [float("nan"), 1.0], [float("nan"), 1.0], True),
]  # fmt: skip


def test_the_rules_are_those_of_the_python_self_test(driver: Driver, tmp_path: Path) -> None:
    commands = []
    for number, (rule, found, golden, _) in enumerate(RULES):
        files = []
        for name, values in (("found", found), ("golden", golden)):
            path = tmp_path / f"{number}-{name}.npy"
            np.save(path, np.array([values], np.float32))
            files.append(path)
        text = tmp_path / f"{number}.json"
        text.write_text(json.dumps(rule))
        commands.append(["rule", text, *files])
    said = driver.run(tmp_path, commands)
    for item, (rule, found, golden, passed) in zip(said, RULES, strict=True):
        arrays = (np.array([values], np.float32) for values in (found, golden))
        assert compare("a", *arrays, rule).passed is passed
        assert item.words[0] == str(passed).lower(), (rule, item.words)


def _without(bundle: Path, name: str) -> None:
    (bundle / "golden" / name).unlink()


def _write(bundle: Path, name: str, data: bytes) -> None:
    (bundle / "golden" / name).write_bytes(data)


def _npy(array: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no golden files": (lambda b: _without(b, "golden.json"), "there is no golden/golden.json"),
    "no output": (lambda b: _without(b, "fast-2-1.npy"), "there is no golden/fast-2-1.npy"),
    "no JSON": (lambda b: _write(b, "golden.json", b"{"), "golden.json is damaged"),
    "a list": (lambda b: _write(b, "golden.json", b"[]"), "golden.json is no JSON object"),
    "another format": (
        lambda b: _write(b, "golden.json", b'{"format": "x", "version": 1}'), "another format",
    ),
    "no array": (lambda b: _write(b, "fast-1-1.npy", b"x"), "it is no NumPy file"),
    "half an array": (
        lambda b: _write(b, "fast-1-1.npy", _npy(np.zeros((1, 3), np.int8))[:-1]),
        "another length",
    ),
    "an array of doubles": (
        lambda b: _write(b, "fast-1-1.npy", _npy(np.zeros((1, 3)))), "its type is <f8",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_golden_files_are_refused(driver: Driver, tmp_path: Path, name: str) -> None:
    damage, words = DAMAGES[name]
    bundle = _bundle(tmp_path, dtype="int8")
    damage(bundle)
    said = _selftest(driver, tmp_path, bundle)
    assert not said.ok
    assert words in said.words[0]
