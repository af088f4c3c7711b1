"""The preprocessing contract: presets, files, labels, and what a model carries."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
from edge_deploy_runner.contract import (
    CONTRACT_ENTRY,
    PRESETS,
    Contract,
    Preprocessing,
    fit_labels,
    preprocessing_from_mapping,
    read_contract,
    read_labels,
    read_preprocessing,
)  # fmt: skip
from edge_deploy_runner.errors import BadInputError, DamagedModelError, UsageError
from edge_deploy_runner.tflite.model_file import ModelFile
from small_models_photo import MOBILENET, Builder, color_classifier, with_files


def test_the_presets_are_those_that_are_promised() -> None:
    assert set(PRESETS) == {"mobilenet", "efficientnet-lite", "imagenet-caffe", "raw-0-255", "0-1"}


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_contract_survives_the_journey_through_json(name: str, tmp_path: Path) -> None:
    path = tmp_path / "contract.json"
    path.write_text(json.dumps(PRESETS[name].to_json()))
    assert read_preprocessing(str(path))._replace(source=name) == PRESETS[name]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_model_gives_back_the_contract_it_was_given(name: str) -> None:
    carried = read_contract(ModelFile(color_classifier(preprocessing=PRESETS[name])))
    assert carried == Contract(PRESETS[name], ("red", "green", "blue"))


@pytest.mark.parametrize(
    ("name", "scale", "zero_point"),
    [("efficientnet-lite", 1 / 128, -1), ("mobilenet", 1 / 127.5, -1), ("raw-0-255", 1.0, -128),
     ("0-1", 1 / 255, -128)],
)  # fmt: skip
def test_the_input_range_makes_the_scale_exact(name: str, scale: float, zero_point: int) -> None:
    low, high = PRESETS[name].input_range()
    assert math.isclose((high - low) / 255, scale)
    assert round(-128 - low / ((high - low) / 255)) == zero_point


def test_a_toml_file_may_start_from_a_preset(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('preset = "imagenet-caffe"\ncrop_fraction = 0.875\nstd = [1, 2, 3]\n')
    found = read_preprocessing(str(path))
    assert (found.color_order, found.crop_fraction, found.std) == ("BGR", 0.875, (1.0, 2.0, 3.0))


def test_a_model_card_is_a_contract_file_too(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_text(json.dumps({"preprocessing": PRESETS["0-1"].to_json(), "other": 1}))
    assert read_preprocessing(str(path)).std == (255.0,)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"resise": "box"},
            "unknown preprocessing key 'resise'; valid keys: background_class, color",
        ),
        ({"resize": "best"}, "nearest, bilinear"),
        ({"crop": "left"}, "center, none"),
        ({"color_order": "GBR"}, "RGB, BGR, GRAY"),
        ({"mean": [1, 2]}, "1 or 3 finite numbers"),
        ({"mean": "much"}, "mean is 'much'"),
        ({"mean": [float("nan")]}, "finite"),
        ({"std": 0}, "greater than 0"),
        ({"crop_fraction": 1.5}, "crop_fraction"),
        ({"exif_transpose": "yes"}, "true or false"),
        ({"preset": "mobilnet"}, "mobilenet, efficientnet-lite"),
    ],
)
def test_bad_contracts_are_refused_with_the_valid_values(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInputError, match=message):
        preprocessing_from_mapping(values, "p.toml")


def test_a_contract_is_checked_however_it_is_made_and_then_stays() -> None:
    contract = Preprocessing(mean=(0.0,), std=(255.0,))
    assert contract._replace(crop="none") == Preprocessing((0.0,), (255.0,), crop="none")
    for make in (contract._replace, Preprocessing):
        with pytest.raises(BadInputError, match="center, none"):
            make(crop="left")
        with pytest.raises(BadInputError, match="1 or 3 finite numbers"):
            make(mean=(1.0, 2.0))
    for make in (copy.copy, copy.deepcopy):
        assert make(contract) == contract
    assert len({contract, Preprocessing((0.0,), (255.0,)), contract._replace(source="a")}) == 2
    assert repr(contract).startswith("Preprocessing(mean=(0.0,), std=(255.0,), color_order='RGB'")
    for name in ("crop", "krop"):
        with pytest.raises(AttributeError):
            setattr(contract, name, "none")


@pytest.mark.parametrize(
    ("name", "content"),
    [("p.json", "{"), ("p.json", "[1]"), ("p.toml", "a = = 1"), ("p.json", None),
     ("p.toml", b"\xff\xfe")],
)  # fmt: skip
def test_files_that_hold_no_contract_are_refused(
    tmp_path: Path, name: str, content: str | bytes | None
) -> None:
    path = tmp_path / name
    if isinstance(content, str):
        path.write_text(content)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInputError):
        read_preprocessing(str(path))


def test_an_unknown_preset_is_a_matter_of_usage() -> None:
    with pytest.raises(UsageError, match="'nope'; use one of mobilenet, efficientnet-lite"):
        read_preprocessing("nope")


def test_labels_are_read_with_their_blanks_and_marks_removed(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeffcat \r\ndog, hound\r\nvögel\r\n\r\n".encode())
    assert read_labels(path) == ("cat", "dog, hound", "vögel")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00", b"a\x00b\n"])
def test_files_that_hold_no_labels_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="label"):
        read_labels(path)


def test_an_off_by_one_in_the_labels_is_refused_unless_the_background_is_stated() -> None:
    labels = ("cat", "dog")
    assert fit_labels(labels, 2, False) == labels
    assert fit_labels(labels, 3, True) == ("background", "cat", "dog")
    assert fit_labels(("background", *labels), 3, True) == ("background", "cat", "dog")
    with pytest.raises(BadInputError, match="--background-class"):
        fit_labels(labels, 3, False)
    with pytest.raises(BadInputError, match="looks like a background class"):
        fit_labels(("background", *labels), 2, False)
    with pytest.raises(BadInputError, match="one label too many"):
        fit_labels((*labels, "bird"), 2, False)
    for background in (False, True):
        with pytest.raises(BadInputError, match="holds 2 labels but the model has 9"):
            fit_labels(labels, 9, background)


def with_record(record: bytes, files: dict[str, str]) -> ModelFile:
    build = Builder()
    x, y = build.tensor("x", (1, 4, 4, 3)), build.tensor("y", (1, 4, 4, 3))
    build.operator("RELU", [x], [y])
    build.add_metadata(CONTRACT_ENTRY, record)
    return ModelFile(with_files(build.pack([x], [y]), files))


GOOD = Contract(MOBILENET, ("a", "b")).to_json()


@pytest.mark.parametrize(
    ("record", "files"),
    [
        (b"{", {"labels.txt": "a\nb\n"}),
        (b"[]", {"labels.txt": "a\nb\n"}),
        (b"\xff\xff", {}),
        (b"[" * 100_000, {}),
        (GOOD.encode(), {}),
        (GOOD.encode(), {"labels.txt": "a\nb\nc\n"}),
        (GOOD.replace("bilinear", "bilinaer").encode(), {"labels.txt": "a\nb\n"}),
        (GOOD.replace("127.5", '"x"').encode(), {"labels.txt": "a\nb\n"}),
    ],
    ids=["json", "list", "bytes", "deep", "no-labels", "other-labels", "method", "number"],
)
def test_a_damaged_contract_in_a_model_is_refused(record: bytes, files: dict[str, str]) -> None:
    good = with_record(GOOD.encode(), {"labels.txt": "a\nb\n"})
    assert read_contract(good).labels == ("a", "b")
    with pytest.raises(DamagedModelError, match="contract"):
        read_contract(with_record(record, files))


def test_a_model_without_a_contract_has_an_empty_one() -> None:
    assert read_contract(ModelFile(color_classifier(contract=False))) == Contract()


def test_means_and_stds_are_given_for_every_channel() -> None:
    assert Preprocessing().per_channel() == ((127.5,) * 3, (127.5,) * 3)
    assert Preprocessing(color_order="GRAY").per_channel() == ((127.5,), (127.5,))


def test_a_background_class_must_be_the_first_label() -> None:
    labels = ("tench", "goldfish", "shark")
    with pytest.raises(BadInputError, match="class 0 is said to be the background"):
        fit_labels(labels, 3, background_class=True)
    named = ("background", "goldfish", "shark")
    assert fit_labels(named, 3, background_class=True) == named
