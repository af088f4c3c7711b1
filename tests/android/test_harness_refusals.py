"""What the harness refuses, in one sentence each; no half-written answer is left."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from damaged_models import damaged_models
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.interpreter import LoadedModel
from small_models import custom_operator_model, float_model

from . import toolchain
from .harness_jvm import Ended, HarnessJvm, digest, harness_jvm
from .java import stand_in

KINDS = ["litert", "tflite"]


@pytest.fixture(scope="module")
def jvm() -> HarnessJvm:
    """The harness."""
    return harness_jvm()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small model."""
    path = tmp_path / "small.tflite"
    path.write_bytes(float_model())
    return path


def refused(ended: Ended, kind: str, *said: str) -> str:
    """The sentence of an answer that is an error of this class; the process ended well."""
    assert ended.code == 0, ended.said
    name, sentence = ended.error
    assert name == kind, sentence
    for words in said:
        assert words in sentence, sentence
    assert "\n" not in sentence
    assert "Exception" not in sentence
    return sentence


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": "x"}', "\0\xff"])
def test_a_damaged_request_is_a_sentence_and_code_1(
    jvm: HarnessJvm, tmp_path: Path, text: str
) -> None:
    ended = jvm.carry_out(text, tmp_path)
    assert ended.code == 1
    assert ended.answer is None
    assert ended.said.count("\n") == 1
    assert "the harness request" in ended.said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["request.json"]


def test_a_missing_request(jvm: HarnessJvm, tmp_path: Path) -> None:
    result = toolchain.java(jvm.class_path, "dev.edgedeploy.harness.Main", tmp_path / "none.json")
    assert result.returncode == 1
    assert "cannot read its request" in result.stderr
    result = toolchain.java(jvm.class_path, "dev.edgedeploy.harness.Main")
    assert (result.returncode, result.stderr) == (1, "usage: Main REQUEST.json\n")


def test_an_answer_that_cannot_be_written(jvm: HarnessJvm, model: Path, tmp_path: Path) -> None:
    request = jvm.request(model, tmp_path, output=str(tmp_path / "none" / "answer.json"))
    ended = jvm.carry_out(request, tmp_path)
    assert ended.code == 1
    assert "write its answer" in ended.said


def test_another_harness_runs_nothing(jvm: HarnessJvm, model: Path, tmp_path: Path) -> None:
    request = jvm.request(model, tmp_path, digest="f" * 64)
    ended = jvm.carry_out(request, tmp_path)
    refused(ended, "DeviceError", "f" * 16, digest()[:16], "run the command again")
    assert ended.progress == []
    assert ended.answer is not None
    assert ended.answer["harness"]["digest"] == digest()


@pytest.mark.parametrize(
    ("changes", "said"), [({"unknown": 1}, "unknown key"), ({"spec": {"threads": "x"}}, "threads")]
)
def test_a_request_of_nonsense(
    jvm: HarnessJvm, model: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    ended = jvm.carry_out(jvm.request(model, tmp_path, **changes), tmp_path)
    refused(ended, "BadInputError", said)


@pytest.mark.parametrize("kind", KINDS)
def test_models_that_no_runtime_takes(jvm: HarnessJvm, tmp_path: Path, kind: str) -> None:
    missing = jvm.request(tmp_path / "none.tflite", tmp_path, runtime=jvm.runtime(kind))
    refused(jvm.carry_out(missing, tmp_path), "BadInputError", "there is no model at")
    for name, data in (("empty", b""), ("text", b"no model at all, but some text" * 9)):
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(data)
        request = jvm.request(path, tmp_path, runtime=jvm.runtime(kind))
        sentence = refused(
            jvm.carry_out(request, tmp_path), "BadInputError", path.name, "edge-deploy inspect"
        )
        assert sentence.startswith("the TFLite runtime refuses")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "said"), [("Mystery", "Mystery"), ("FlexErf", "Select TensorFlow op")]
)
def test_operators_that_the_runtime_lacks(
    jvm: HarnessJvm, tmp_path: Path, kind: str, name: str, said: str
) -> None:
    path = tmp_path / "odd.tflite"
    path.write_bytes(custom_operator_model(name))
    with pytest.raises(BadInputError, match="does not have"):
        LoadedModel(path, 1)
    ended = jvm.carry_out(jvm.request(path, tmp_path, runtime=jvm.runtime(kind)), tmp_path)
    refused(
        ended, "BadInputError", "odd.tflite needs operators that the TFLite runtime does not have",
        said, "convert without them",
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_library_that_is_not_there(
    jvm: HarnessJvm, model: Path, tmp_path: Path, kind: str
) -> None:
    runtime = {**jvm.runtime(kind), "library": str(tmp_path / "libnone.so")}
    ended = jvm.carry_out(jvm.request(model, tmp_path, runtime=runtime), tmp_path)
    refused(ended, "DeviceError", "libnone.so", "run the command again")


@pytest.mark.parametrize("kind", KINDS)
def test_a_library_for_another_machine(
    jvm: HarnessJvm, model: Path, tmp_path: Path, kind: str
) -> None:
    build = stand_in.jni_build()
    foreign = build.build_shims(tmp_path / "jni", ["arm64-v8a"])["arm64-v8a"]
    runtime = {**jvm.runtime(kind), "library": str(foreign)}
    ended = jvm.carry_out(jvm.request(model, tmp_path, runtime=runtime), tmp_path)
    refused(ended, "DeviceError", "cannot be loaded", "--runtime")


def test_a_library_that_is_no_litert(jvm: HarnessJvm, model: Path, tmp_path: Path) -> None:
    runtime = {**jvm.runtime(), "library": str(jvm.stand_in)}
    ended = jvm.carry_out(jvm.request(model, tmp_path, runtime=runtime), tmp_path)
    refused(ended, "DeviceError", "has no LiteRtCreateEnvironment", "LiteRT 2.1.4 and later")


def test_a_litert_whose_options_have_another_shape(
    jvm: HarnessJvm, model: Path, tmp_path: Path
) -> None:
    """Every name is there as in 2.1.2, and what tells its age; nothing of it is called."""
    names = re.findall(r"NAME\((\w+)\),", (stand_in.JNI / "litert_api.c").read_text())
    assert len(names) > 30
    source = tmp_path / "old.c"
    source.write_text(
        "".join(
            f'__attribute__((visibility("default"))) void LiteRt{name}(void) {{}}\n'
            for name in [*names, "CreateModelFromFile", "CreateCpuOptions"]
        )
    )
    build = stand_in.jni_build()
    library = build.build_library(build.HOST, [source], tmp_path / "libLiteRt.so")
    runtime = {**jvm.runtime(), "library": str(library)}
    ended = jvm.carry_out(jvm.request(model, tmp_path, runtime=runtime), tmp_path)
    refused(ended, "DeviceError", "libLiteRt.so is older than LiteRT 2.1.4", "--runtime")


def test_options_that_are_refused_are_given_back(
    jvm: HarnessJvm, model: Path, tmp_path: Path
) -> None:
    source = """
    long write(int file, const void *memory, unsigned long size);
    int LiteRtAddOpaqueOptions(void *options, void *opaque) { return 3; }
    void LiteRtDestroyOpaqueOptions(void *opaque) { write(2, "they are back\\n", 14); }
    """
    runtime = {**jvm.runtime(), "library": str(stand_in.litert_with(tmp_path / "it", source))}
    ended = jvm.carry_out(jvm.request(model, tmp_path, runtime=runtime), tmp_path)
    assert ended.said.count("they are back") == 1
    # Of its second try the harness takes what was said for the reason.
    refused(ended, "BadInputError", "small.tflite", "they are back")


def test_a_library_that_is_no_tflite(jvm: HarnessJvm, model: Path, tmp_path: Path) -> None:
    runtime = {**jvm.runtime("tflite"), "library": str(jvm.shim)}
    ended = jvm.carry_out(jvm.request(model, tmp_path, runtime=runtime), tmp_path)
    refused(ended, "DeviceError", "does not fit the TFLite classes")


def test_litert_without_its_shim(jvm: HarnessJvm, model: Path, tmp_path: Path) -> None:
    for shim, said in (
        (None, "does not name"),
        (str(tmp_path / "no.so"), "there is no LiteRT shim"),
    ):
        runtime = {**jvm.runtime(), "shim": shim}
        ended = jvm.carry_out(jvm.request(model, tmp_path, runtime=runtime), tmp_path)
        refused(ended, "DeviceError", said)


def test_an_unknown_runtime(jvm: HarnessJvm, model: Path, tmp_path: Path) -> None:
    runtime = {**jvm.runtime(), "kind": "onnx"}
    ended = jvm.carry_out(jvm.request(model, tmp_path, runtime=runtime), tmp_path)
    refused(ended, "BadInputError", "'onnx'", "tflite, litert")


def test_tflite_without_its_classes(jvm: HarnessJvm, model: Path, tmp_path: Path) -> None:
    request = jvm.request(model, tmp_path, runtime=jvm.runtime("tflite"))
    ended = jvm.carry_out(request, tmp_path, [toolchain.harness_classes()])
    refused(ended, "DeviceError", "the TFLite classes are not on the class path")
    # LiteRT needs none of them.
    request = jvm.request(model, tmp_path)
    ended = jvm.carry_out(request, tmp_path, [toolchain.harness_classes()])
    assert ended.answer is not None
    assert ended.answer["latencies_ns"]


@pytest.mark.parametrize(
    ("kind", "delegate", "said"),
    [
        ("litert", "gpu", "run on the CPU alone"),
        ("litert", "nnapi", "run on the CPU alone"),
        ("tflite", "gpu", "its library is not here"),
        ("tflite", "nnapi", "the delegate nnapi"),
    ],
)
def test_a_delegate_that_cannot_be_had_is_never_replaced(
    jvm: HarnessJvm, model: Path, tmp_path: Path, kind: str, delegate: str, said: str
) -> None:
    request = jvm.request(model, tmp_path, runtime=jvm.runtime(kind), spec={"delegate": delegate})
    refused(jvm.carry_out(request, tmp_path), "DeviceError", said)


def test_a_gpu_library_whose_classes_are_missing(
    jvm: HarnessJvm, model: Path, tmp_path: Path
) -> None:
    """The GPU classes are looked up: without them CPU runs go on, and this is a sentence."""
    runtime = {**jvm.runtime("tflite"), "gpu_library": str(jvm.shim)}
    without = [
        toolchain.harness_classes(),
        *(jar for jar in toolchain.runtime_classes() if "gpu" not in jar.name),
    ]
    request = jvm.request(model, tmp_path, runtime=runtime, spec={"delegate": "gpu"})
    ended = jvm.carry_out(request, tmp_path, without)
    refused(ended, "DeviceError", "the delegate gpu", "GpuDelegate")
    ended = jvm.carry_out({**request, "spec": {"delegate": "none", "min_seconds": 0.1}}, tmp_path,
                          without)  # fmt: skip
    assert ended.answer is not None
    assert ended.answer["delegate"] == {"asked": "none", "used": "none", "operator_share": 0.0}


@pytest.mark.parametrize(
    ("data", "said"), [(b"\0" * 10, "10 bytes"), (None, "cannot be read")], ids=["short", "none"]
)
def test_tensors_that_do_not_fit(
    jvm: HarnessJvm, model: Path, tmp_path: Path, data: bytes | None, said: str
) -> None:
    tensor = tmp_path / "in.bin"
    if data is not None:
        tensor.write_bytes(data)
    request = jvm.request(
        model, tmp_path, task="answers", inputs=[[str(tensor)]],
        outputs=[[str(tmp_path / "out.bin")]],
    )  # fmt: skip
    refused(jvm.carry_out(request, tmp_path), "BadInputError", "in.bin", said)
    request["inputs"] = [[]]
    refused(jvm.carry_out(request, tmp_path), "BadInputError", "has 1 inputs")


def test_damaged_models_are_refused_or_run_and_never_hang(jvm: HarnessJvm, tmp_path: Path) -> None:
    """The host refuses them before a push; here a crash must at least leave no answer."""
    refusals = 0
    for name, data in list(damaged_models())[::97][:8]:
        path = tmp_path / "damaged.tflite"
        path.write_bytes(data)
        request = jvm.request(path, tmp_path, spec={"min_runs": 1, "min_seconds": 0})
        ended = jvm.carry_out(json.dumps(request), tmp_path)
        if ended.code == 0:
            assert ended.answer is not None, name
            refusals += "error" in ended.answer
        else:
            assert ended.answer is None, name
    assert refusals > 0
