"""Accuracy against known answers, references, thresholds and intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_deploy_runner.contract import PRESETS
from edge_deploy_runner.errors import BadInputError, UsageError
from PIL import Image
from small_models_photo import COLORS, write_model, write_photo

from edge_deploy.evaluation import evaluate
from edge_deploy.intervals import paired_difference_ci95


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for color in COLORS:
        for number in range(4):
            write_photo(tmp_path / "data" / color, color, f"{number}.png", (30 + number, 20))
    return tmp_path / "data"


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
def test_a_model_that_is_always_right(tmp_path: Path, data: Path, dtype: str) -> None:
    accuracy = evaluate(write_model(tmp_path, dtype=dtype), data)
    assert (accuracy.samples, accuracy.top1, accuracy.top5) == (12, 1.0, 1.0)
    assert accuracy.reference is accuracy.drop_points is accuracy.agreement is None
    assert [(c.label, c.samples, c.correct) for c in accuracy.per_class] == [
        ("red", 4, 4), ("green", 4, 4), ("blue", 4, 4),
    ]  # fmt: skip


def test_a_worse_model_against_its_reference(tmp_path: Path, data: Path) -> None:
    model = write_model(tmp_path, "biased.tflite", dtype="int8", bias=(0, 0, 9))
    reference = write_model(tmp_path, "reference.tflite")
    accuracy = evaluate(model, data, reference=reference)
    assert accuracy.top1 == pytest.approx(1 / 3)
    assert accuracy.reference is not None
    assert accuracy.reference.correct == 12
    assert (accuracy.lost, accuracy.won) == (8, 0)
    assert accuracy.drop_points == pytest.approx(200 / 3)
    assert accuracy.agreement == pytest.approx(1 / 3)
    low, high = accuracy.drop_ci95 or (0, 0)
    assert 0 < low < 200 / 3 < high < 100
    assert {(flip.label, flip.reference, flip.model) for flip in accuracy.flips} == {
        ("red", "red", "blue"), ("green", "green", "blue"),
    }  # fmt: skip
    assert {item.label for item in accuracy.most_changed()} == {"red", "green"}
    record = accuracy.to_json()
    assert record["reference"]["top1"] == 1.0
    assert len(record["flips"]) == 8
    assert record["model"]["sha256"] != record["reference"]["sha256"]


def test_top5_looks_beyond_the_first(tmp_path: Path) -> None:
    labels = ("red", "green", "blue", *(f"other{n}" for n in range(5)))
    model = write_model(tmp_path, labels=labels, classes=8)
    write_photo(tmp_path / "data" / "green", "red")
    write_photo(tmp_path / "data" / "other4", "red")
    accuracy = evaluate(model, tmp_path / "data")
    assert (accuracy.top1, accuracy.top5) == (0.0, 0.5)


def test_an_answer_below_the_threshold_is_unknown_and_not_right(tmp_path: Path) -> None:
    write_photo(tmp_path / "data" / "red", "red")
    grey = tmp_path / "data" / "red" / "grey.png"
    Image.new("RGB", (30, 20), (129, 128, 128)).save(grey)
    model = write_model(tmp_path)
    assert evaluate(model, tmp_path / "data").top1 == 1.0
    accuracy = evaluate(model, tmp_path / "data", threshold=0.9)
    assert (accuracy.top1, accuracy.model.unknown, accuracy.top1_known) == (0.5, 1, 1.0)
    nothing = evaluate(model, tmp_path / "data", threshold=1.0)
    assert (nothing.top1, nothing.top1_known) == (0.0, None)
    compared = evaluate(model, tmp_path / "data", threshold=0.9, reference=model)
    assert (compared.agreement, compared.drop_points) == (1.0, 0.0)


def test_each_model_uses_its_own_contract(tmp_path: Path, data: Path) -> None:
    model = write_model(
        tmp_path, "a.tflite", dtype="uint8", preprocessing=PRESETS["imagenet-caffe"]
    )
    reference = write_model(tmp_path, "b.tflite", preprocessing=PRESETS["0-1"], size=(8, 8))
    accuracy = evaluate(model, data, reference=reference)
    assert (accuracy.top1, accuracy.agreement) == (1.0, 1.0)


def test_a_reference_without_a_contract_uses_that_of_the_model(tmp_path: Path, data: Path) -> None:
    model = write_model(tmp_path, "a.tflite")
    reference = write_model(tmp_path, "b.tflite", contract=False)
    assert evaluate(model, data, reference=reference).agreement == 1.0


def test_a_bare_model_needs_to_be_told(tmp_path: Path, data: Path) -> None:
    model = write_model(tmp_path, contract=False)
    with pytest.raises(BadInputError, match="no labels"):
        evaluate(model, data)
    with pytest.raises(BadInputError, match="--preprocess"):
        evaluate(model, data, labels=tuple(COLORS))
    told = evaluate(model, data, labels=tuple(COLORS), preprocessing=PRESETS["mobilenet"])
    assert told.top1 == 1.0
    with pytest.raises(BadInputError, match="--override"):
        evaluate(write_model(tmp_path), data, preprocessing=PRESETS["0-1"])


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_prepared_tensors_go_in_as_they_are(tmp_path: Path, dtype: str) -> None:
    tensors = np.full((3, 16, 24, 3), -1, np.float32)
    for index in range(3):
        tensors[index, :, :, index] = 1
    np.savez(tmp_path / "a.npz", x=tensors, y=np.arange(3))
    assert evaluate(write_model(tmp_path, dtype=dtype), tmp_path / "a.npz").top1 == 1.0
    np.savez(tmp_path / "b.npz", x=tensors[:, :8], y=np.arange(3))
    with pytest.raises(BadInputError, match=r"shape \[8, 24, 3\]"):
        evaluate(write_model(tmp_path, dtype=dtype), tmp_path / "b.npz")


def test_unreadable_photos_are_named_and_left_out(tmp_path: Path, data: Path) -> None:
    (data / "red" / "bad.jpg").write_text("no photo")
    accuracy = evaluate(write_model(tmp_path), data)
    assert accuracy.samples == 12
    assert [name for name, _ in accuracy.skipped] == ["red/bad.jpg"]
    assert any("red/bad.jpg" in text for text in accuracy.warnings)
    for photo in data.rglob("*.png"):
        photo.write_bytes(b"")
    with pytest.raises(BadInputError, match="none of the 13 photos"):
        evaluate(write_model(tmp_path), data)


def test_progress_is_told_from_start_to_end(tmp_path: Path, data: Path) -> None:
    seen: list[tuple[int, int]] = []
    evaluate(
        write_model(tmp_path),
        data,
        on_progress=lambda stage, done, total: seen.append((done, total)),
    )
    assert seen == [(done, 12) for done in range(13)]


def test_refusals(tmp_path: Path, data: Path) -> None:
    model = write_model(tmp_path)
    with pytest.raises(UsageError, match="threshold"):
        evaluate(model, data, threshold=2)
    with pytest.raises(UsageError, match="limit"):
        evaluate(model, data, limit=0)
    other = write_model(
        tmp_path, "four.tflite", classes=4, labels=("red", "green", "blue", "mauve")
    )
    with pytest.raises(BadInputError, match="cannot be compared"):
        evaluate(model, data, reference=other)
    for name in ("none.keras", "none.tflite"):
        with pytest.raises(BadInputError, match="none"):
            evaluate(model, data, reference=tmp_path / name)


def test_a_source_is_asked_through_the_converters(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_deploy_converters import reference as converters

    shapes: list[tuple[int, ...]] = []

    def answer(source: str, tensors: Any, trust_source: bool, on_progress: Any) -> Any:
        scores = []
        for tensor in tensors:
            assert tensor.dtype == np.float32
            shapes.append(tensor.shape)
            scores.append(tensor.mean(axis=(0, 1, 2)))
        return np.stack(scores)

    monkeypatch.setattr(converters, "run_source", answer)
    source = tmp_path / "source.keras"
    source.write_bytes(b"x")
    accuracy = evaluate(write_model(tmp_path, dtype="int8"), data, reference=source)
    assert accuracy.agreement == 1.0
    assert shapes == [(1, 16, 24, 3)] * 12


def test_the_interval_is_symmetric_and_shrinks() -> None:
    low, high = paired_difference_ci95(30, 10, 1000)
    assert low < 0.02 < high
    assert paired_difference_ci95(10, 30, 1000) == pytest.approx((-high, -low))
    wide = paired_difference_ci95(3, 1, 100)
    assert wide[1] - wide[0] > high - low
    assert paired_difference_ci95(0, 0, 100)[0] == pytest.approx(-0.037, abs=1e-3)
    assert paired_difference_ci95(5, 0, 5)[1] == pytest.approx(1.0)
    assert paired_difference_ci95(0, 5, 5)[0] == pytest.approx(-1.0)


@pytest.mark.parametrize(("lost", "won", "total"), [(0.02, 0.01, 500), (0.1, 0.02, 200)])
def test_the_interval_covers_the_truth_95_times_in_100(lost: float, won: float, total: int) -> None:
    draws = np.random.default_rng(1).multinomial(total, [lost, won, 1 - lost - won], size=2000)
    covered = 0
    for first, second, _ in draws:
        low, high = paired_difference_ci95(int(first), int(second), total)
        covered += low <= lost - won <= high
    assert 0.935 <= covered / 2000 <= 0.972


def test_logits_below_zero_are_answers_too() -> None:
    from edge_deploy.evaluation import _Answers

    answers = _Answers(None)
    answers.take(np.array([-9.0, -3.0, -5.0], np.float32), 1)
    assert answers.classes == [1]
    strict = _Answers(0.5)
    strict.take(np.array([-9.0, -3.0, -5.0], np.float32), 1)
    assert strict.classes == [-1]
