"""Detectors with the standard post-processing, against boxes worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edge_deploy_runner.detection_outputs import (
    DetectionOutputs,
    find_outputs,
    flexbuffer_integer,
    is_detector,
)
from edge_deploy_runner.detector import Box, Detector, fit_detector_labels, in_photo
from edge_deploy_runner.errors import BadInputError, UsageError
from edge_deploy_runner.reduced_photo import ReducedPhoto
from edge_deploy_runner.tasks import find, open_model, prepare_input
from edge_deploy_runner.tflite.model_file import ModelFile
from flatbuffers import flexbuffers
from PIL import Image
from small_detectors import (
    SHIFT,
    STRETCHED,
    expected_box,
    named_detector,
    options,
    quarter_detector,
    write_detector,
)
from small_models_photo import color_classifier, write_model


def photo(
    quarters: dict[int, tuple[int, int, int]], size: tuple[int, int] = (80, 40)
) -> Image.Image:
    """Black, with some quarters (row by row) in a colour."""
    image = Image.new("RGB", size)
    width, height = size[0] // 2, size[1] // 2
    for quarter, color in quarters.items():
        left, top = quarter % 2 * width, quarter // 2 * height
        image.paste(color, (left, top, left + width, top + height))
    return image


TWO = {1: (255, 0, 0), 2: (0, 0, 204)}


def edges(box: Box) -> list[float]:
    return [box.top, box.left, box.bottom, box.right]


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_objects_are_found_whatever_order_the_exporter_chose(
    tmp_path: Path, order: tuple[int, ...], dtype: str
) -> None:
    detector = Detector(write_detector(tmp_path, order=order, dtype=dtype))
    found = detector.detect(photo(TWO)).objects
    assert [(item.label, item.index) for item in found] == [("red", 0), ("blue", 2)]
    assert [item.score for item in found] == pytest.approx([1.0, 0.8], abs=0.01)
    for item, quarter in zip(found, (1, 2), strict=True):
        assert edges(item.box) == pytest.approx(expected_box(quarter), abs=1e-6)


def test_the_network_moves_the_boxes(tmp_path: Path) -> None:
    detector = Detector(write_detector(tmp_path, encoding=SHIFT))
    (item,) = detector.detect(photo({0: (0, 255, 0)})).objects
    expected = expected_box(0, SHIFT)
    assert expected == pytest.approx((0.375, -0.05, 0.625, 0.45))
    assert edges(item.box) == pytest.approx([0.375, 0.0, 0.625, 0.45], abs=1e-6)  # cut at the edge


def test_the_threshold_leaves_out_what_scores_less(tmp_path: Path) -> None:
    path = write_detector(tmp_path)
    assert [item.label for item in Detector(path, threshold=0.9).detect(photo(TWO)).objects] == [
        "red"
    ]
    faint = photo({3: (0, 102, 0)})
    assert Detector(path).detect(faint).objects == ()
    (item,) = Detector(path, threshold=0.3).detect(faint).objects
    assert item.score == pytest.approx(0.4, abs=0.01)


def test_boxes_of_a_cropped_photo_are_fractions_of_the_whole(tmp_path: Path) -> None:
    path = write_detector(tmp_path, contract=STRETCHED._replace(crop="center", resize="box"))
    # 80x40: the model sees the middle 40x40, columns 20 to 60.
    image = Image.new("RGB", (80, 40))
    image.paste((255, 0, 0), (40, 0, 60, 20))
    (item,) = Detector(path).detect(image).objects
    assert edges(item.box) == pytest.approx([0.0, 0.5, 0.5, 0.75], abs=1e-6)


@pytest.mark.parametrize(
    ("orientation", "back"),
    [(6, Image.Transpose.ROTATE_90), (3, Image.Transpose.ROTATE_180), (1, None)],
)
def test_boxes_are_those_of_the_upright_photo(
    tmp_path: Path, orientation: int, back: Image.Transpose | None
) -> None:
    path = write_detector(tmp_path, contract=STRETCHED._replace(crop="center", resize="box"))
    upright = Image.new("RGB", (80, 40))
    upright.paste((255, 0, 0), (40, 0, 60, 20))
    stored = upright if back is None else upright.transpose(back)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / "photo.png"
    stored.save(file, exif=exif)
    (item,) = Detector(path).detect(file).objects
    assert edges(item.box) == pytest.approx([0.0, 0.5, 0.5, 0.75], abs=1e-6)


def test_a_photo_decoded_at_an_eighth_gives_the_same_boxes(tmp_path: Path) -> None:
    path = write_detector(tmp_path, contract=STRETCHED._replace(crop="center", resize="bilinear"))
    large = photo(TWO, (1280, 641))
    large.save(tmp_path / "large.jpg", quality=95)
    fast, exact = Detector(path, draft=True), Detector(path)
    reduced = fast.decode(tmp_path / "large.jpg")
    assert isinstance(reduced, ReducedPhoto)
    assert reduced.factor == 8
    found = find(fast, prepare_input(fast, reduced)).details["detections"]
    whole = exact.detect(tmp_path / "large.jpg").to_json()["detections"]
    assert [item["label"] for item in found] == [item["label"] for item in whole] == ["red", "blue"]
    assert [item["box"] for item in found] == [item["box"] for item in whole]
    assert [item["score"] for item in found] == pytest.approx(
        [item["score"] for item in whole], abs=0.02
    )


def test_labels_may_name_the_background_first_or_leave_it_out(tmp_path: Path) -> None:
    plain = ("red", "green", "blue")
    for labels in (plain, ("???", *plain), ("background", *plain)):
        path = write_detector(tmp_path, labels=labels)
        (first, _) = Detector(path).detect(photo(TWO)).objects
        assert first.label == "red"
    unlabelled = write_detector(tmp_path, labels=None)
    assert Detector(unlabelled).detect(photo(TWO)).objects[0].label == "0"
    given = Detector(unlabelled, labels=("a", "b", "c"))
    assert [item.label for item in given.detect(photo(TWO)).objects] == ["a", "c"]


def test_a_label_list_of_another_length_is_refused(tmp_path: Path) -> None:
    for labels in (("red", "green"), ("red", "green", "blue", "pink"), ("???", "red", "green")):
        if len(labels) == 3:  # as many as there are classes: class 0 may really be called that
            assert Detector(write_detector(tmp_path, labels=labels)).labels == labels
            continue
        with pytest.raises(BadInputError, match=r"holds \d labels but the model finds 3 classes"):
            Detector(write_detector(tmp_path, labels=labels))


def test_a_network_without_background_class(tmp_path: Path) -> None:
    detector = Detector(write_detector(tmp_path, background=False))
    assert (detector.outputs.classes_counted, detector.outputs.background) == (3, False)
    assert [item.label for item in detector.detect(photo(TWO)).objects] == ["red", "blue"]


def test_labels_are_not_checked_where_nobody_knows_the_classes() -> None:
    unknown = DetectionOutputs(0, 1, 2, 3)
    assert fit_detector_labels(("???", "a"), unknown) == ("a",)
    assert fit_detector_labels(("a", "b"), unknown) == ("a", "b")


def test_outputs_of_other_exporters_are_found_by_their_names() -> None:
    names = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
    file = ModelFile(named_detector(names))
    assert find_outputs(file) == DetectionOutputs(0, 1, 2, 3)
    assert is_detector(file)


def test_outputs_that_nothing_tells_apart_are_refused() -> None:
    file = ModelFile(named_detector(("Identity", "Identity_1", "Identity_2", "Identity_3")), "x")
    with pytest.raises(
        BadInputError, match=r"x answers with Identity .*not the four outputs of SSD"
    ):
        find_outputs(file)
    with pytest.raises(BadInputError, match="not the four outputs"):
        find_outputs(ModelFile(color_classifier(), "y"))


def test_a_model_without_contract_says_so(tmp_path: Path) -> None:
    detector = Detector(write_detector(tmp_path, labels=None, contract=None))
    with pytest.raises(BadInputError, match="carries no preprocessing contract"):
        detector.detect(photo(TWO))
    with pytest.raises(BadInputError, match="carries its own preprocessing"):
        Detector(write_detector(tmp_path), preprocessing=STRETCHED._replace(crop="center"))
    with pytest.raises(BadInputError, match="carries its own labels"):
        Detector(write_detector(tmp_path), labels=("a", "b", "c"))


def test_a_model_that_answers_nan_is_named_broken(tmp_path: Path) -> None:
    detector = Detector(write_detector(tmp_path, encoding=(float("nan"),) * 4))
    with pytest.raises(BadInputError, match="answers with NaN"):
        detector.detect(photo(TWO))


def test_an_empty_photo_has_no_objects(tmp_path: Path) -> None:
    detector = Detector(write_detector(tmp_path))
    answer = detector.detect(Image.new("RGB", (30, 30)))
    assert answer.to_json()["detections"] == []
    assert set(answer.timing_ms) == {"decode", "preprocess", "inference", "total"}


def test_boxes_are_mapped_through_the_region() -> None:
    region = Box(0.25, 0.0, 0.75, 1.0)
    assert in_photo((0.0, 0.0, 1.0, 1.0), region) == Box(0.25, 0.0, 0.75, 1.0)
    assert in_photo((-1.0, -1.0, 2.0, 2.0), region) == Box(0.0, 0.0, 1.0, 1.0)


def test_the_task_is_told_by_the_outputs(tmp_path: Path) -> None:
    detector, classifier = write_detector(tmp_path), write_model(tmp_path)
    assert isinstance(open_model(detector), Detector)
    assert not isinstance(open_model(classifier), Detector)
    with pytest.raises(BadInputError, match="not the four outputs"):
        open_model(classifier, task="detect")
    with pytest.raises(BadInputError, match="no classifier"):
        open_model(detector, task="classify")
    with pytest.raises(UsageError, match="auto, classify, detect"):
        open_model(classifier, task="segment")


def test_what_is_found_is_told_by_label(tmp_path: Path) -> None:
    model = open_model(write_detector(tmp_path))
    twice = photo({0: (255, 0, 0), 3: (204, 0, 0), 1: (0, 0, 230)})
    finding = find(model, prepare_input(model, twice))
    assert finding.scores == pytest.approx({"red": 1.0, "blue": 0.902}, abs=0.01)
    assert (finding.best, finding.best_score) == ("red", pytest.approx(1.0))
    assert [item["label"] for item in finding.details["detections"]] == ["red", "blue", "red"]
    nothing = find(model, prepare_input(model, Image.new("RGB", (9, 9))))
    assert (nothing.scores, nothing.best, nothing.best_score) == ({}, "", None)


def test_an_unknown_photo_is_no_label_to_act_on(tmp_path: Path) -> None:
    model = open_model(write_model(tmp_path), threshold=0.9)
    grey = find(model, prepare_input(model, Image.new("RGB", (9, 9), (90, 90, 90))), top=2)
    assert (grey.best, grey.scores) == ("unknown", {})
    assert grey.details["top"][0]["label"] == "unknown"
    red = find(model, prepare_input(model, Image.new("RGB", (9, 9), (250, 10, 10))))
    assert list(red.scores) == ["red"]


def test_integers_in_flexbuffers() -> None:
    data = options(90)
    assert flexbuffer_integer(data, "num_classes") == 90
    assert flexbuffer_integer(data, "max_detections") == 4
    assert flexbuffer_integer(data, "y_scale") is None  # a float
    assert flexbuffer_integer(data, "nothing") is None
    for value in (0, 1, 127, 128, 255, 256, 65535, 70000, 2**40, -1, -300):
        build = flexbuffers.Builder()
        with build.Map():
            build.Int("other", 5)
            build.Int("n", value)
        assert flexbuffer_integer(bytes(build.Finish()), "n") == value


def test_damaged_flexbuffers_are_no_integers() -> None:
    data = options(90)
    random = np.random.default_rng(5)
    for length in range(len(data)):
        flexbuffer_integer(data[:length], "num_classes")  # must not raise
    for _ in range(2000):
        damaged = bytearray(data)
        damaged[random.integers(len(data))] = random.integers(256)
        value = flexbuffer_integer(bytes(damaged), "num_classes")
        assert value is None or isinstance(value, int)
    assert flexbuffer_integer(b"", "n") is None


def test_the_operator_says_how_many_classes_there_are() -> None:
    outputs = find_outputs(ModelFile(quarter_detector(order=(2, 0, 3, 1))))
    assert outputs == DetectionOutputs(1, 3, 0, 2, 3, True)
