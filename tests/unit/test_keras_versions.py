"""A Keras file that its loader is too old for: both versions are named."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from edge_deploy_converters.keras_versions import cannot_load, keras_version_of

ERROR = ValueError("Unrecognized keyword\n  arguments")
PLAIN = "Keras cannot load net.keras: Unrecognized keyword arguments"


def keras_file(folder: Path, metadata: str) -> Path:
    path = folder / "net.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("metadata.json", metadata)
    return path


def test_the_version_that_a_file_names(tmp_path: Path) -> None:
    path = keras_file(tmp_path, json.dumps({"keras_version": "3.15.1", "date_saved": "today"}))
    assert keras_version_of(path) == "3.15.1"


@pytest.mark.parametrize("metadata", ["{", "[]", "{}", '{"keras_version": 3}', "7"])
def test_a_file_that_does_not_say(tmp_path: Path, metadata: str) -> None:
    assert keras_version_of(keras_file(tmp_path, metadata)) == ""


def test_a_file_without_metadata_or_no_zip(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    path.write_bytes(b"no zip")
    assert keras_version_of(path) == keras_version_of(tmp_path / "missing.keras") == ""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    assert keras_version_of(path) == ""


@pytest.mark.parametrize(
    ("saved_with", "loaded_with"), [("3.15.1", "3.9.2"), ("3.10.0", "3.9.2"), ("4.0", "3.15.1")]
)
def test_of_a_newer_keras_both_versions_are_named(saved_with: str, loaded_with: str) -> None:
    assert str(cannot_load(Path("a/net.keras"), ERROR, saved_with, loaded_with)) == (
        f"Keras {loaded_with} cannot load net.keras, which Keras {saved_with} saved: Unrecognized "
        "keyword arguments; install that Keras or a newer one, or save the model with this one"
    )


@pytest.mark.parametrize("saved_with", ["3.9.2", "3.9", "2.19.0-tf", "", "unknown", "\x1b[31m9.9"])
def test_of_this_or_an_older_keras_or_an_unknown_one_none_is(saved_with: str) -> None:
    assert str(cannot_load(Path("net.keras"), ERROR, saved_with, "3.9.2")) == PLAIN


def test_a_loader_of_unknown_version_is_not_named() -> None:
    assert str(cannot_load(Path("net.keras"), ERROR, "3.9.2", "")) == PLAIN


def test_what_a_file_says_of_its_version_is_shown_as_far_as_it_is_one() -> None:
    found = str(cannot_load(Path("net.h5"), ERROR, "9.19.0-tf\x1b[31m, trust me", "2.21.0"))
    assert "which Keras 9.19.0 saved: " in found
