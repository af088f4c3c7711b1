"""The TFLite port over a real TFLite: the one that is published for a desktop JVM, version 2.6."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from edge_deploy_runner.contract import preset
from edge_deploy_runner.interpreter import LoadedModel, input_spec
from edge_deploy_runner.preprocessing import open_photo, prepare
from edge_deploy_runner.version import VERSION

from . import toolchain
from .harness_jvm import HarnessJvm, digest, harness_jvm, outputs_of
from .java.old_tflite import OldTflite, old_tflite

# Kernels of 2022 round elsewhere.
FLOAT_APART = 1e-5
SHARED = ROOT.parent / "shared" / "models"


@pytest.fixture(scope="module")
def old() -> OldTflite:
    """TensorFlow Lite 2.6."""
    return old_tflite()


@pytest.fixture(scope="module")
def jvm(old: OldTflite, tmp_path_factory: pytest.TempPathFactory) -> HarnessJvm:
    """The harness' sources, compiled against the classes of 2.6."""
    folder = tmp_path_factory.mktemp("old")
    info = toolchain.sources.write_build_info(folder / "java", VERSION, digest())
    classes = folder / "classes"
    toolchain.javac([*toolchain.sources.core_sources(), info], classes, [old.classes])
    return HarnessJvm(harness_jvm().libraries, (classes, old.classes))


def _runtime(library: Path) -> dict[str, object]:
    return {"kind": "tflite", "library": str(library), "shim": None, "gpu_library": None}


def test_the_runtime_tells_its_version(
    jvm: HarnessJvm, old: OldTflite, digits_models: Path, tmp_path: Path
) -> None:
    model = digits_models / "digits_mobilenet_v2_float32.tflite"
    request = jvm.request(model, tmp_path, runtime=_runtime(old.library))
    answer = jvm.answer(request, tmp_path)
    assert answer["runtime"] == {
        "name": "tensorflow-lite", "version": "2.6.2", "origin": "pushed",
    }  # fmt: skip
    assert answer["delegate"] == {"asked": "auto", "used": "unknown", "operator_share": None}
    assert len(answer["latencies_ns"]) == 20


@pytest.mark.parametrize("delegate", ["auto", "none"])
def test_its_answers_are_close_to_pythons(
    jvm: HarnessJvm, old: OldTflite, digits_models: Path, tmp_path: Path, delegate: str
) -> None:
    """In float alone: 2.6 knows no fully connected layer with a scale for every channel."""
    model = digits_models / "digits_mobilenet_v2_float32.tflite"
    python = LoadedModel(model, 1)
    random = np.random.default_rng(3)
    shape = tuple(python.inputs[0]["shape"])
    tensors = [random.uniform(-1, 1, shape).astype(np.float32) for _ in range(3)]
    runs = outputs_of(
        jvm, model, [[tensor.tobytes()] for tensor in tensors], 1, tmp_path,
        runtime=_runtime(old.library), spec={"delegate": delegate},
    )  # fmt: skip
    for tensor, (data,) in zip(tensors, runs, strict=True):
        (expected,) = python.run(tensor)
        found = np.frombuffer(data, expected.dtype).reshape(expected.shape)
        assert np.abs(found - expected).max() <= FLOAT_APART
        assert np.ptp(found) > 0


def test_a_library_of_another_version_is_a_sentence(
    jvm: HarnessJvm, old: OldTflite, digits_models: Path, tmp_path: Path
) -> None:
    model = digits_models / "digits_mobilenet_v2_float32.tflite"
    request = jvm.request(model, tmp_path, runtime=_runtime(old.library))
    ended = jvm.carry_out(request, tmp_path, harness_jvm().class_path)
    name, sentence = ended.error
    assert name == "DeviceError"
    assert "does not fit the TFLite classes" in sentence


@pytest.mark.needs_shared
def test_quantized_answers_of_mobilenet_v2(jvm: HarnessJvm, old: OldTflite, tmp_path: Path) -> None:
    """8-bit inputs and outputs, one scale a tensor: within one code of Python's."""
    model = SHARED / "mobilenet_v2_1.0_224_quant.tflite"
    python = LoadedModel(model, 1)
    spec = input_spec(python.inputs[0], model.name)
    tensor = prepare(open_photo(SHARED / "parrot.jpg"), preset("mobilenet"), spec)
    ((data,),) = outputs_of(
        jvm, model, [[tensor.tobytes()]], 1, tmp_path, runtime=_runtime(old.library)
    )
    (expected,) = python.run(tensor)
    found = np.frombuffer(data, np.uint8).astype(int)
    assert np.abs(found - expected.reshape(-1).astype(int)).max() <= 1
    assert found.argmax() == expected.argmax()
