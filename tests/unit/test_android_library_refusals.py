"""When no library for apps is made, and what is said of one that is."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from edge_deploy_runner.classifier import Classifier
from edge_deploy_runner.contract import PRESETS, Contract
from edge_deploy_runner.errors import BadInputError, BundleError, OutputError, UsageError
from edge_deploy_runner.tflite.model_file import ModelFile
from small_detectors import quarter_detector
from small_library import content, made_in
from small_models import custom_operator_model
from small_models_photo import (
    COLOR_LABELS,
    color_classifier,
    grey_contract,
    rank_two_model,
    two_input_model,
    write_model,
)

from edge_deploy.bundles import android_assets
from edge_deploy.bundles.bundling import GateError, bundle


def refused(tmp_path: Path, data: bytes, **options: Any) -> str:
    path = tmp_path / "refused.tflite"
    path.write_bytes(data)
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    for target in ("android-aar", "android-module"):
        with pytest.raises(BadInputError) as caught:
            bundle(path, target, out, **options)
        assert list(out.iterdir()) == []
    return str(caught.value)


def test_models_that_lack_something(tmp_path: Path) -> None:
    bare = color_classifier(contract=False)
    assert refused(tmp_path, bare) == (
        "refused.tflite carries neither preprocessing nor labels, which an app must know; give "
        "both, with --preprocess PRESET|FILE and --labels FILE"
    )
    only = refused(tmp_path, bare, preprocessing=PRESETS["mobilenet"])
    assert "--labels" in only
    assert "--preprocess" not in only
    only = refused(tmp_path, bare, labels=COLOR_LABELS)
    assert "--preprocess" in only
    assert "--labels" not in only


def test_what_is_given_goes_into_the_model(tmp_path: Path) -> None:
    bare = tmp_path / "bare.tflite"
    bare.write_bytes(color_classifier(contract=False))
    made = made_in(
        tmp_path, model=bare, preprocessing=PRESETS["mobilenet"], labels=COLOR_LABELS
    )  # fmt: skip
    assert made.manifest["model"]["source_sha256"] == ModelFile.open(bare).sha256
    (tmp_path / "inside.tflite").write_bytes(content(made)["assets/edge-deploy/bare/bare.tflite"])
    assert Classifier(tmp_path / "inside.tflite").labels == COLOR_LABELS


def test_models_that_are_no_classifiers(tmp_path: Path) -> None:
    assert "detector" in refused(tmp_path, quarter_detector())
    assert "2 inputs" in refused(tmp_path, two_input_model())
    assert "Mystery" in refused(tmp_path, custom_operator_model())
    assert "FlexErf" in refused(tmp_path, custom_operator_model("FlexErf"))
    options = {"preprocessing": PRESETS["mobilenet"], "labels": COLOR_LABELS}
    assert "[1, 10]" in refused(tmp_path, rank_two_model(), **options)
    grey = {"preprocessing": grey_contract(), "override": True, "labels": COLOR_LABELS}
    assert "channel" in refused(tmp_path, color_classifier(), **grey)
    assert "labels" in refused(tmp_path, color_classifier(classes=5))


def with_softmax_scale(scale: float) -> bytes:
    """The int8 color classifier, whose softmax is given values of another scale."""
    data = color_classifier("int8")
    (operator,) = [op for op in ModelFile(data).graph.operators if op.kind == "SOFTMAX"]
    found = ModelFile(data).graph.tensor(operator.inputs[0]).scales[0]
    return data.replace(struct.pack("<f", found), struct.pack("<f", scale))


@pytest.mark.parametrize("least", [1e-9, 1.2e-8, 1e-12])
def test_a_softmax_that_the_runtime_refuses(tmp_path: Path, least: float) -> None:
    """With reference kernels alone, some of these would end the process."""
    assert "the TFLite runtime refuses" in refused(tmp_path, with_softmax_scale(least))


def test_options_of_other_targets(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    for target in ("android-aar", "android-module"):
        with pytest.raises(UsageError, match="--service"):
            bundle(model, target, tmp_path, service="s.toml")
        with pytest.raises(UsageError, match="--wheels"):
            bundle(model, target, tmp_path, wheels=tmp_path)
    with pytest.raises(UsageError, match="--package"):
        bundle(model, "rpi-bookworm", tmp_path, package="com.example.x")
    with pytest.raises(UsageError, match="android-aar, android-module, rpi-bookworm"):
        bundle(model, "android-apk", tmp_path)


@pytest.mark.parametrize(
    ("text", "meant"),
    [("android", "android-aar"), ("aar", "android-aar"), ("AAR", "android-aar"),
     ("module", "android-module"), ("android-apk", "android-aar"), ("bookworm", "rpi-bookworm")],
)  # fmt: skip
def test_a_target_that_is_nearly_one(tmp_path: Path, text: str, meant: str) -> None:
    with pytest.raises(UsageError, match=rf"did you mean {meant}\? Use one of android-aar, "):
        bundle(tmp_path / "none.tflite", text, tmp_path)
    with pytest.raises(UsageError, match=r"target ''; use one of"):
        bundle(tmp_path / "none.tflite", "", tmp_path)


def test_outputs_that_cannot_be(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    with pytest.raises(OutputError, match=r"x\.zip\.aar"):
        bundle(model, "android-aar", tmp_path / "x.zip")
    made = bundle(model, "android-aar", tmp_path / "x.aar")
    before = made.path.stat().st_mtime_ns
    with pytest.raises(OutputError, match="--force"):
        bundle(model, "android-aar", tmp_path / "x.aar")
    assert made.path.stat().st_mtime_ns == before
    with pytest.raises(OutputError, match="an AAR is --target android-aar"):
        bundle(model, "android-module", tmp_path / "x.aar")
    with pytest.raises(OutputError, match="an AAR is --target android-aar"):
        bundle(model, "android-module", tmp_path / "y.aar")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file"):
        bundle(model, "android-module", tmp_path / "file")
    with pytest.raises(OutputError, match=r"name must end in \.aar"):
        bundle(model, "android-aar", tmp_path / "x.txt")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {model.name, "x.aar", "file"}


def test_a_folder_to_be_is_made(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    made = bundle(model, "android-aar", f"{tmp_path}/new/")
    assert made.path == tmp_path / "new" / "colors.aar"
    assert made.path.is_file()
    module = bundle(model, "android-module", f"{tmp_path}/colors/")
    assert module.path == tmp_path / "colors"


@pytest.mark.parametrize(
    "name", ["my module", "a:b", 'a"b', "a$b", ".hidden", "dot.", "a.zip.zip "]
)
def test_folders_that_gradle_cannot_name(tmp_path: Path, name: str) -> None:
    model = write_model(tmp_path)
    with pytest.raises(OutputError, match=r"Gradle's include\(\)"):
        bundle(model, "android-module", tmp_path / name)
    with pytest.raises(OutputError, match=r"Gradle's include\(\)"):
        bundle(model, "android-module", tmp_path / f"{name}.zip")
    assert [path.name for path in tmp_path.iterdir()] == [model.name]


def test_a_module_that_one_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_model(tmp_path)
    module = bundle(model, "android-module", tmp_path / "flowers").path
    monkeypatch.chdir(module)
    again = bundle(model, "android-module", ".", force=True)
    assert again.path == module
    assert ':flowers"' in (module / "README.md").read_text()


def test_a_wrapper_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_deploy_android.library import wrapper

    monkeypatch.setattr(wrapper, "CLASSES", "none.jar")
    with pytest.raises(BundleError, match=r"none\.jar is missing"):
        made_in(tmp_path)


def verdict_of(folder: Path, of: Path, **changes: Any) -> Path:
    record = {
        "format": "edge-deploy verdict", "version": 1, "status": "pass", "budget": "b.toml",
        "model": {"name": "colors", "sha256": ModelFile.open(of).sha256},
        "device": "android:R58", "architecture": "aarch64",
        "checks": [{"metric": "latency_p90", "status": "pass", "evidence": "measured"}], **changes,
    }  # fmt: skip
    path = folder / "verdict.json"
    path.write_text(json.dumps(record))
    return path


def test_verdicts_of_phones_and_of_others(tmp_path: Path) -> None:
    model = write_model(tmp_path)

    def warnings(**changes: Any) -> tuple[str, ...]:
        verdict = verdict_of(tmp_path, model, **changes)
        made = made_in(tmp_path, model=model, verdict=verdict, force=True)
        assert made.gated
        assert made.manifest["warnings"] == list(made.warnings)
        return made.warnings

    assert warnings() == ()
    assert warnings(architecture="armv7l") == ()
    assert "x86_64" in warnings(device="local", architecture="x86_64")[0]
    assert "no phone" in warnings(device="raspberry-pi-5")[0]
    simulated = [{"metric": "size", "status": "pass", "evidence": "simulated"}]
    assert "simulated" in warnings(checks=simulated)[0]


def test_verdicts_that_close_the_gate(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    for target in ("android-aar", "android-module"):
        failed = verdict_of(tmp_path, model, status="fail")
        with pytest.raises(GateError):
            made_in(tmp_path, target, model=model, verdict=failed)
        other = verdict_of(tmp_path, model, model={"name": "x", "sha256": "0" * 64})
        with pytest.raises(BadInputError, match="another model"):
            made_in(tmp_path, target, model=model, verdict=other)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".tflite"}


def test_the_budgets_size(tmp_path: Path) -> None:
    budget = tmp_path / "budget.toml"
    budget.write_text('[limits]\nsize = "1 MB"\n')
    made = made_in(tmp_path, budget=budget)
    assert made.manifest["limits"] == {"size_bytes": 1_000_000}
    budget.write_text('[limits]\nsize = "1 kB"\n')
    with pytest.raises(GateError, match="1000"):
        made_in(tmp_path, budget=budget, force=True)


def test_slow_and_large_models_are_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    from edge_deploy.bundles import android

    assert made_in(tmp_path).warnings == ()
    monkeypatch.setattr(android, "_LARGE_BYTES", 1000)
    (large,) = made_in(tmp_path, force=True).warnings
    assert "Play AI pack" in large


@pytest.mark.parametrize(
    ("dtype", "kind", "words"),
    [
        ("int16", "CONV_2D", ["int16x8"]),
        ("int8", "CONV_2D", []),
        ("int8", "HARD_SWISH", ["HARD_SWISH"]),
        ("float32", "HARD_SWISH", []),
    ],
)
def test_what_is_known_to_be_slow_is_warned_of(dtype: str, kind: str, words: list[str]) -> None:
    from edge_deploy.bundles import android

    file = ModelFile(color_classifier())
    tensors = tuple(tensor._replace(dtype=dtype) for tensor in file.graph.tensors)
    operators = (file.graph.operators[0]._replace(kind=kind),)
    file.subgraphs = (file.graph._replace(tensors=tensors, operators=operators),)
    found = android._slowness(file)
    assert len(found) == len(words)
    assert all(word in text for word, text in zip(words, found, strict=True))


def test_a_contract_without_its_labels_is_no_contract() -> None:
    """The sentence names one option alone where one thing alone is missing."""
    with pytest.raises(BadInputError, match="--labels FILE"):
        android_assets.complete(Contract(PRESETS["mobilenet"]), "x.tflite")
