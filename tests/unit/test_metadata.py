"""The contract inside a `.tflite`, written by us and read back by our own reader."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from edge_deploy_converters.flatbuffer_model import drop_metadata, pack, unpack
from edge_deploy_converters.metadata import append_files, attach, is_standard
from edge_deploy_runner.contract import PRESETS, Contract, Preprocessing, read_contract
from edge_deploy_runner.interpreter import LoadedModel
from edge_deploy_runner.tflite.model_file import CONTRACT_ENTRY, STANDARD_ENTRY, ModelFile
from small_models_photo import color_classifier, grey_contract

LABELS = ("roux", "grün", "蓝")
PLAIN = color_classifier(contract=False)


def standard_only(data: bytes) -> ModelFile:
    """The model without our JSON: what a reader of the standard sees."""
    model = unpack(data)
    drop_metadata(model, CONTRACT_ENTRY)
    return ModelFile(append_files(pack(model), {"labels.txt": "\n".join(LABELS).encode()}))


@pytest.mark.parametrize("contract", [*PRESETS.values(), grey_contract()])
def test_the_contract_is_read_back(contract: Preprocessing) -> None:
    model = color_classifier(preprocessing=contract, contract=False)
    data = attach(model, Contract(contract, LABELS), "colours", "three colours")
    file = ModelFile(data)
    assert read_contract(file) == Contract(contract, LABELS)
    assert file.description == "three colours"
    zeros = np.zeros(file.inputs[0].shape, np.float32)
    np.testing.assert_array_equal(LoadedModel(data).run(zeros), LoadedModel(model).run(zeros))


@pytest.mark.parametrize("name", ["mobilenet", "efficientnet-lite", "raw-0-255", "0-1"])
def test_the_standard_says_the_same_as_far_as_it_can(name: str) -> None:
    wanted = PRESETS[name]
    assert is_standard(Contract(wanted))
    found = read_contract(standard_only(attach(PLAIN, Contract(wanted, LABELS), "m", "")))
    assert found.labels == LABELS
    assert found.preprocessing is not None
    assert (found.preprocessing.mean, found.preprocessing.std) == (wanted.mean, wanted.std)
    assert found.preprocessing.source == "standard metadata"


def test_grey_and_unequal_lists_in_the_standard() -> None:
    grey = color_classifier(preprocessing=grey_contract(), contract=False)
    found = read_contract(standard_only(attach(grey, Contract(grey_contract(), LABELS), "m", "")))
    assert found.preprocessing is not None
    assert found.preprocessing.color_order == "GRAY"
    uneven = Preprocessing(mean=(1.0, 2.0, 3.0), std=(4.0,))
    found = read_contract(standard_only(attach(PLAIN, Contract(uneven, LABELS), "m", "")))
    assert found.preprocessing is not None
    assert found.preprocessing.std == (4.0, 4.0, 4.0)


@pytest.mark.parametrize(
    "contract",
    [
        PRESETS["imagenet-caffe"],
        PRESETS["mobilenet"]._replace(layout="NCHW"),
        None,
    ],
)
def test_where_the_standard_would_lie_it_is_not_written(contract: Preprocessing | None) -> None:
    before = attach(PLAIN, Contract(PRESETS["mobilenet"], LABELS), "m", "")
    assert STANDARD_ENTRY in ModelFile(before).metadata
    after = ModelFile(attach(before, Contract(contract, LABELS), "m", ""))
    assert STANDARD_ENTRY not in after.metadata
    assert CONTRACT_ENTRY in after.metadata


def test_converting_again_replaces_contract_labels_and_tail() -> None:
    first = attach(PLAIN, Contract(PRESETS["mobilenet"], LABELS), "m", "first")
    second = attach(first, Contract(PRESETS["0-1"], ("a", "b", "c")), "m", "second")
    file = ModelFile(second)
    assert read_contract(file) == Contract(PRESETS["0-1"], ("a", "b", "c"))
    assert second.count(b"PK\x05\x06") == 1  # one zip behind the model, not two
    assert second.count("grün".encode()) == 0
    with zipfile.ZipFile(io.BytesIO(second)) as archive:
        assert archive.namelist() == ["labels.txt"]
        assert archive.read("labels.txt") == b"a\nb\nc\n"
        assert archive.testzip() is None
    assert list(file.metadata).count(STANDARD_ENTRY) == 1
    bare = attach(second, Contract(PRESETS["0-1"]), "m", "third")
    assert b"PK\x05\x06" not in bare
    assert read_contract(ModelFile(bare)) == Contract(PRESETS["0-1"])


def test_a_model_with_a_tail_of_somebody_elses_is_converted_without_it() -> None:
    carried = color_classifier()  # labels.txt behind it, as other tools write it
    assert ModelFile(carried).associated_files
    data = attach(carried, Contract(PRESETS["mobilenet"], LABELS), "m", "")
    assert list(ModelFile(data).associated_files) == ["labels.txt"]
    assert read_contract(ModelFile(data)).labels == LABELS


def test_the_same_contract_gives_the_same_bytes() -> None:
    contract = Contract(PRESETS["mobilenet"], LABELS)
    once = attach(PLAIN, contract, "m", "text")
    assert attach(PLAIN, contract, "m", "text") == once
    assert attach(once, contract, "m", "text") == once
    with zipfile.ZipFile(io.BytesIO(once)) as archive:
        (info,) = archive.infolist()
    assert info.date_time == (1980, 1, 1, 0, 0, 0)
    assert info.compress_type == zipfile.ZIP_STORED
    assert (info.create_system, info.external_attr) == (3, 0o644 << 16)


def test_nothing_is_appended_for_nothing() -> None:
    assert append_files(PLAIN, {}) == PLAIN
