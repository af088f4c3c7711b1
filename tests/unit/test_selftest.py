"""The self-test: what it lets pass, and what it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_deploy_runner.__main__ import main as runner
from edge_deploy_runner.contract import PRESETS, Preprocessing, read_contract
from edge_deploy_runner.errors import BadInputError, BundleError
from edge_deploy_runner.selftest import compare, selftest
from edge_deploy_runner.tflite.model_file import ModelFile
from small_bundle import small_bundle
from small_detectors import write_detector
from small_models import float16_model, float_model, int8_model, rank_two_model, two_input_model
from small_models_photo import color_classifier, mixed_model

from edge_deploy.bundles import golden_outputs, raspberry_pi
from edge_deploy.bundles.golden_outputs import (
    Golden,
    arithmetic,
    make_golden,
    quantizes_while_running,
)

MOBILENET = PRESETS["mobilenet"]


def write_golden(folder: Path, data: bytes, contract: Preprocessing | None = MOBILENET) -> Path:
    """An unpacked bundle as far as the self-test looks at it."""
    model = ModelFile(data)
    (folder / "golden").mkdir(parents=True)
    (folder / "model.tflite").write_bytes(data)
    for name, content in make_golden(model, contract, "model.tflite").files.items():
        (folder / "golden" / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("integer", int8_model()),
        ("float", float_model()),
        ("float", float16_model()),
        ("hybrid", mixed_model()),
    ],
)
def test_a_model_passes_where_it_was_made(kind: str, data: bytes, tmp_path: Path) -> None:
    assert arithmetic(ModelFile(data)) == kind
    result = selftest(write_golden(tmp_path, data))
    assert result.passed, result
    names = [check.name for check in result.checks]
    assert "photo photo.png" in names
    assert any(name.startswith("reference kernels") for name in names)
    assert any(name.startswith("xnnpack kernels") for name in names)


@pytest.mark.parametrize("data", [two_input_model(), rank_two_model()])
def test_a_model_that_takes_no_photos(data: bytes, tmp_path: Path) -> None:
    result = selftest(write_golden(tmp_path, data, None))
    assert result.passed
    assert not any("photo" in check.name for check in result.checks)


def test_a_detector(tmp_path: Path) -> None:
    model = ModelFile.open(write_detector(tmp_path))
    assert arithmetic(model) == "detection"
    contract = read_contract(model).preprocessing
    result = selftest(write_golden(tmp_path / "bundle", model.data, contract))
    assert result.passed, result
    assert {check.rule for check in result.checks} >= {"relative", "detections"}


@pytest.mark.parametrize("order", [(2, 0, 3, 1), (0, 1, 2, 3)])
def test_a_detectors_scores_are_held_wherever_they_are(
    order: tuple[int, ...], tmp_path: Path
) -> None:
    model = ModelFile.open(write_detector(tmp_path, order=order))
    golden = make_golden(model, read_contract(model).preprocessing, "m")
    for entry in json.loads(golden.files["golden.json"])["sets"]:
        for case in entry["cases"]:
            rules = [output["rule"] for output in case["outputs"]]
            held = [i for i, r in enumerate(rules) if r["kind"] != "detections"]
            held += [i for i, r in enumerate(rules) if r["at_most"] == 0.05]
            assert order.index(2) in held
            assert entry["kernels"] == "reference" or held == [order.index(2)]


def fast_rules(golden: Golden) -> list[dict[str, Any]]:
    record = json.loads(golden.files["golden.json"])
    entry = record["sets"][1]
    assert entry["kernels"] == "xnnpack"
    return [output["rule"] for case in entry["cases"] for output in case["outputs"]]


def test_a_codes_difference_is_one_whatever_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """An input on which two sets of kernels differ by more is left out; it widens nothing."""
    apart = golden_outputs._Steadiness.apart
    seen: list[bytes] = []

    def mostly_unsteady(own: Any, tensors: list[Any]) -> int:
        data = tensors[0].tobytes()
        if data not in seen:
            seen.append(data)
        return apart(own, tensors) if seen.index(data) == 3 else 40

    monkeypatch.setattr(golden_outputs._Steadiness, "apart", mostly_unsteady)
    golden = make_golden(ModelFile(int8_model()), MOBILENET, "m")
    assert [(r["kind"], r["at_most"]) for r in fast_rules(golden)] == [("codes", 1)]
    assert golden.warnings == ()


def test_without_a_steady_input_only_the_best_class_is_held(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(golden_outputs._Steadiness, "apart", lambda own, tensors: 40)
    golden = make_golden(ModelFile(int8_model()), MOBILENET, "m")
    assert {rule["kind"] for rule in fast_rules(golden)} == {"agreement"}
    assert "no steady answers" in golden.warnings[0]
    monkeypatch.setattr(raspberry_pi, "golden_of", make_golden)  # here, where the above holds
    made = small_bundle(tmp_path, model=_written(tmp_path, int8_model()), preprocessing=MOBILENET)
    assert "no steady answers" in made.warnings[0]
    assert made.manifest["warnings"] == list(made.warnings)
    result = selftest(write_golden(tmp_path / "g", int8_model()))
    assert result.passed


def _written(folder: Path, data: bytes) -> Path:
    path = folder / "m.tflite"
    path.write_bytes(data)
    return path


def test_golden_files_are_the_same_every_time() -> None:
    model = ModelFile(color_classifier())
    assert make_golden(model, MOBILENET, "m") == make_golden(model, MOBILENET, "m")


def test_another_model_fails(tmp_path: Path) -> None:
    folder = write_golden(tmp_path, float_model())
    data = bytearray((folder / "model.tflite").read_bytes())
    model = ModelFile(bytes(data))
    weights = max((bytes(model.buffer_data(number)) for number in range(8)), key=len)
    # The first weight, a float32, gets another sign.
    data[data.find(weights) + 3] ^= 0x80
    (folder / "model.tflite").write_bytes(data)
    result = selftest(folder)
    assert not result.passed
    assert any(check.passed for check in result.checks)  # the photos are as they were


def test_the_command_says_which(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_golden(tmp_path, int8_model())
    assert runner(["selftest", str(folder)]) == 0
    assert "ok " in capsys.readouterr().out
    golden = folder / "golden" / "fast-2-1.npy"
    array = np.load(golden)
    np.save(golden, np.roll(array, 1))  # another class is the best
    assert runner(["selftest", str(folder), "--json"]) == 6
    said = capsys.readouterr()
    checks = json.loads(said.out)["checks"]
    assert [c["name"] for c in checks if not c["passed"]] == ["xnnpack kernels, input 2"]
    assert "1 of 8 answers differ" in said.err


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"format": "edge-deploy golden", "version": 1}',
     '{"format": "edge-deploy golden", "version": 2}'],
)  # fmt: skip
def test_golden_files_that_make_no_sense(tmp_path: Path, text: str) -> None:
    folder = write_golden(tmp_path, int8_model())
    (folder / "golden" / "golden.json").write_text(text)
    with pytest.raises(BundleError):
        selftest(folder)


def test_a_missing_golden_file(tmp_path: Path) -> None:
    folder = write_golden(tmp_path, int8_model())
    (folder / "golden" / "input-1-1.npy").unlink()
    with pytest.raises(BundleError, match="input-1-1"):
        selftest(folder)


def test_no_bundle_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert runner(["selftest", str(tmp_path)]) == 6
    assert "unpacked bundle" in capsys.readouterr().err


def passes(found: Any, golden: Any, **rule: Any) -> bool:
    return compare("", np.asarray(found), np.asarray(golden), rule).passed


def test_identical_is_to_the_byte() -> None:
    assert passes(np.int8([1, 2]), np.int8([1, 2]), kind="identical")
    assert not passes(np.int8([1, 2]), np.int8([1, 3]), kind="identical")
    assert not passes(np.float32([0.0]), np.float32([-0.0]), kind="identical")
    assert not passes(np.int8([1, 2]), np.uint8([1, 2]), kind="identical")
    assert not passes(np.int8([1, 2]), np.int8([[1, 2]]), kind="identical")


def test_codes() -> None:
    rule = {"kind": "codes", "unit": 1.0, "at_most": 1}
    assert passes(np.uint8([255, 0]), np.uint8([254, 1]), **rule)
    assert not passes(np.uint8([255, 0]), np.uint8([253, 0]), **rule)
    assert not passes(np.int8([-128]), np.int8([127]), **rule)  # 255 apart, without overflow
    scaled = {"kind": "codes", "unit": 1 / 256, "at_most": 1}
    assert passes(np.float32([0.5 + 1 / 256]), np.float32([0.5]), **scaled)
    assert not passes(np.float32([0.5 + 2 / 256]), np.float32([0.5]), **scaled)


def test_relative_is_to_the_outputs_scale() -> None:
    rule = {"kind": "relative", "at_most": 1e-5}
    assert passes(np.float32([1000.005, 0.001]), np.float32([1000, 0]), **rule)
    assert not passes(np.float32([1000, 0.02]), np.float32([1000, 0]), **rule)
    assert not passes(np.float32([np.nan]), np.float32([1]), **rule)
    assert not passes(np.float32([np.inf]), np.float32([np.inf]), **rule)
    assert passes(np.float32([0]), np.float32([0]), **rule)


def test_agreement_is_of_direction_and_best_class() -> None:
    rule = {"kind": "agreement", "cosine": 0.999, "top1": True}
    assert passes(np.float32([0.9, 0.1]), np.float32([0.91, 0.1]), **rule)
    assert not passes(np.float32([0.1, 0.9]), np.float32([0.9, 0.1]), **rule)
    close = np.float32([0.5, 0.5001]), np.float32([0.5001, 0.5])
    assert not passes(*close, **rule)
    assert passes(*close, kind="agreement", cosine=0.999, top1=False)
    assert not passes(np.float32([0, 0]), np.float32([1, 0]), **rule)
    assert not passes(np.float32([np.nan, 0]), np.float32([1, 0]), **rule)


def test_an_unknown_rule() -> None:
    with pytest.raises(BadInputError, match="identical"):
        passes([1], [1], kind="magic")


def test_what_quantizes_while_it_runs() -> None:
    for data in (int8_model(), float_model(), float16_model(), mixed_model()):
        assert not quantizes_while_running(ModelFile(data))


def test_more_than_a_code_apart_only_in_agreement() -> None:
    golden = np.array([10, 200, 30, 5], np.uint8)
    rule = {"kind": "codes", "unit": 1.0, "at_most": 1, "cosine": 0.99, "top1": True}
    assert compare("x", np.array([11, 199, 30, 5], np.uint8), golden, rule).passed
    near = compare("x", np.array([14, 190, 35, 5], np.uint8), golden, rule)
    assert near.passed
    assert near.found.startswith("10 apart, cosine 0.99")
    assert not compare("x", np.array([190, 14, 30, 5], np.uint8), golden, rule).passed
    assert not compare("x", np.array([90, 100, 80, 70], np.uint8), golden, rule).passed
    strict = {key: rule[key] for key in ("kind", "unit", "at_most")}
    assert not compare("x", np.array([14, 190, 35, 5], np.uint8), golden, strict).passed
