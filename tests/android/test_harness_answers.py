"""The Java core answers as Python does, tensor for tensor, over the same LiteRT library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import ASSETS, ROOT, edge_deploy
from edge_deploy_runner.bench.child import random_tensor
from edge_deploy_runner.contract import preset
from edge_deploy_runner.interpreter import LoadedModel, input_spec
from edge_deploy_runner.preprocessing import open_photo, prepare
from numpy.typing import NDArray
from small_models import dynamic_batch_model, float16_model, int8_model, two_input_model

from edge_deploy.demonstration import crops

from .harness_jvm import HarnessJvm, harness_jvm, outputs_of

SHARED = ROOT.parent / "shared" / "models"
FLOAT_TOLERANCE = 1e-5
KERNELS = {"auto": "xnnpack", "none": "builtin"}


@pytest.fixture(scope="module")
def jvm() -> HarnessJvm:
    """The harness."""
    return harness_jvm()


def assert_same_answers(
    jvm: HarnessJvm, model: Path, runs: list[list[NDArray]], folder: Path, kind: str = "litert",
    delegate: str = "auto", threads: int = 1,
) -> None:  # fmt: skip
    """Integer outputs byte for byte, floats within the tolerance."""
    python = LoadedModel(model, threads, KERNELS[delegate])
    found = outputs_of(
        jvm, model, [[tensor.tobytes() for tensor in run] for run in runs], len(python.outputs),
        folder, runtime=jvm.runtime(kind), threads=[threads],
        spec={"delegate": delegate, "threads": threads},
    )  # fmt: skip
    for run, raw in zip(runs, found, strict=True):
        for expected, data in zip(python.run(*run), raw, strict=True):
            answered = np.frombuffer(data, expected.dtype).reshape(expected.shape)
            if expected.dtype.kind == "f":
                assert np.abs(answered - expected).max() <= FLOAT_TOLERANCE
            else:
                assert np.array_equal(answered, expected)
            assert np.ptp(expected.astype(float)) > 0  # an answer that says something


def random_runs(model: Path, count: int) -> list[list[NDArray]]:
    """Random inputs for a model."""
    random = np.random.default_rng(5)
    details = LoadedModel(model, 1).inputs
    return [
        [random_tensor(random, tuple(d["shape"]), np.dtype(d["dtype"]), -1.0, 1.0) for d in details]
        for _ in range(count)
    ]


@pytest.mark.parametrize("kind", ["litert", "tflite"])
@pytest.mark.parametrize(
    "recipe",
    ["float32", "float16", "dynamic", "weight-int8", "int8", "int8-float-io", "uint8", "int16x8"],
)
def test_digits_answers_are_pythons(
    digits_models: Path, jvm: HarnessJvm, tmp_path: Path, recipe: str, kind: str
) -> None:
    model = digits_models / f"digits_mobilenet_v2_{recipe}.tflite"
    assert_same_answers(jvm, model, random_runs(model, 3), tmp_path, kind)


@pytest.mark.parametrize("delegate", ["auto", "none"])
@pytest.mark.parametrize("threads", [1, 2])
def test_kernels_and_threads_are_those_asked_for(
    digits_models: Path, jvm: HarnessJvm, tmp_path: Path, delegate: str, threads: int
) -> None:
    model = digits_models / "digits_mobilenet_v2_float32.tflite"
    runs = random_runs(model, 2)
    assert_same_answers(jvm, model, runs, tmp_path, delegate=delegate, threads=threads)


def test_kernels_differ_in_the_last_bits(
    digits_models: Path, jvm: HarnessJvm, tmp_path: Path
) -> None:
    """Without this, two delegates that answer alike could be the same one."""
    model = digits_models / "digits_mobilenet_v2_float32.tflite"
    runs = [[tensor.tobytes() for tensor in run] for run in random_runs(model, 2)]
    answers = [
        outputs_of(jvm, model, runs, 1, tmp_path / name, spec={"delegate": name})
        for name in KERNELS
    ]
    assert answers[0] != answers[1]


@pytest.mark.parametrize("kind", ["litert", "tflite"])
@pytest.mark.parametrize(
    "make", [int8_model, float16_model, two_input_model, dynamic_batch_model],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_small_models(jvm: HarnessJvm, tmp_path: Path, make: object, kind: str) -> None:
    model = tmp_path / "small.tflite"
    model.write_bytes(make())  # type: ignore[operator]
    assert_same_answers(jvm, model, random_runs(model, 2), tmp_path / "run", kind)


def _photo_runs(model: Path, contract: str, photos: list[Path]) -> list[list[NDArray]]:
    spec = input_spec(LoadedModel(model, 1).inputs[0], model.name)
    return [[prepare(open_photo(photo), preset(contract), spec)] for photo in photos]


def _photos() -> list[Path]:
    found = sorted((ASSETS / "photos").iterdir())
    assert len(found) >= 5
    return found


@pytest.mark.needs_shared
def test_mobilenet_v2_on_every_photo(jvm: HarnessJvm, tmp_path: Path) -> None:
    model = SHARED / "mobilenet_v2_1.0_224_quant.tflite"
    runs = _photo_runs(model, "mobilenet", _photos())
    assert_same_answers(jvm, model, runs, tmp_path, threads=2)


@pytest.fixture(scope="module")
def efficientnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with EfficientNet-Lite0 in float32 and int8."""
    folder = tmp_path_factory.mktemp("efficientnet")
    calibration = folder / "crops.npz"
    photos = [path for path in _photos() if "rotated" not in path.name]
    np.savez(calibration, x=crops(photos, 20, seed=1))
    edge_deploy(
        "convert", SHARED / "efficientnet_lite0.keras", "-o", folder, "-r", "float32", "-r", "int8",
        "--preprocess", "efficientnet-lite", "--calibration", calibration,
    )  # fmt: skip
    return folder


@pytest.mark.needs_shared
def test_efficientnet_on_every_photo(jvm: HarnessJvm, tmp_path: Path, efficientnet: Path) -> None:
    for recipe in ("float32", "int8"):
        model = efficientnet / f"efficientnet_lite0_{recipe}.tflite"
        runs = _photo_runs(model, "efficientnet-lite", _photos())
        assert_same_answers(jvm, model, runs, tmp_path, threads=2)
