"""What a source is, told from its content, and the hash that names it."""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import zipfile
from pathlib import Path

import pytest
from edge_deploy_converters.source import find_source
from edge_deploy_runner.errors import BadInputError, UsageError
from small_models_photo import color_classifier


def make(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def zipped(folder: Path, name: str) -> str:
    with zipfile.ZipFile(folder / name, "w") as archive:
        archive.writestr("config.json", "{}")
    return str(folder / name)


def test_the_content_says_what_it_is_and_not_the_name(tmp_path: Path) -> None:
    model = color_classifier()
    found = find_source(make(tmp_path, "misnamed.keras", model))
    assert (found.front_end, found.name) == ("tflite", "misnamed")
    assert found.sha256 == hashlib.sha256(model).hexdigest()
    assert find_source(zipped(tmp_path, "misnamed.tflite")).front_end == "keras"
    assert find_source(make(tmp_path, "a.h5", b"\x89HDF\r\n\x1a\n" + bytes(9))).front_end == "h5"
    assert find_source(make(tmp_path, "a.pb", b"\x0a\x01")).front_end == "graphdef"
    # A pickle goes to the front end that refuses it with its reason.
    assert find_source(make(tmp_path, "a.pkl", pickle.dumps([1]))).front_end == "keras"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.keras", b"", "is empty"),
        ("a.keras", b"nonsense", "is not a .keras file, or is damaged"),
        ("a.h5", b"nonsense", "is not an HDF5 file, or is damaged"),
        ("a.tflite", b"\x89PNG\r\n\x1a\n" * 3, "is not a TFLite model, or is damaged"),
        ("a.onnx", b"nonsense", "of no format known here; give .keras, .h5"),
        ("saved_model.pb", b"nonsense", "part of a SavedModel; name its folder"),
    ],
)
def test_what_is_no_source(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    with pytest.raises(BadInputError, match=sentence):
        find_source(make(tmp_path, name, content))


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="there is no model at"):
        find_source(str(tmp_path / "none.keras"))
    with pytest.raises(BadInputError, match="cannot be read: File name too long"):
        find_source("x" * 300 + ".keras")
    with pytest.raises(BadInputError, match=r"holds no saved_model\.pb"):
        find_source(str(tmp_path))


@pytest.mark.skipif(os.name == "nt", reason="POSIX files")
def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(BadInputError, match="is no file"):
            find_source(str(path))


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes")
def test_a_name_that_is_no_text_becomes_one(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.tflite")
    Path(path).write_bytes(color_classifier())
    assert find_source(path).name == "?"


def test_a_folders_hash_covers_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "model" / "variables").mkdir(parents=True)
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"graph")
    data = tmp_path / "model" / "variables" / "data"
    data.write_bytes(b"one")
    first = find_source(str(tmp_path / "model"))
    assert (first.front_end, first.name) == ("saved_model", "model")
    data.write_bytes(b"two")
    second = find_source(str(tmp_path / "model"))
    data.rename(data.with_name("other"))
    third = find_source(str(tmp_path / "model"))
    assert len({first.sha256, second.sha256, third.sha256}) == 3


def test_names_of_networks() -> None:
    assert find_source("keras:MobileNetV2").front_end == "applications"
    assert find_source("zoo:efficientnet-lite0").front_end == "zoo_source"
    with pytest.raises(BadInputError, match="names no network"):
        find_source("keras:../x")
    with pytest.raises(UsageError, match="efficientnet-lite0"):
        find_source("zoo:none")
