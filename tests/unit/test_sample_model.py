"""The sample model: every Keras that the lock files install can read it."""

from __future__ import annotations

import importlib.util
import json
import sys
import zipfile
from types import ModuleType

import pytest
from conftest import ASSETS


@pytest.fixture(scope="module")
def train_digits() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_digits", ASSETS / "train_digits.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_holds_nothing_that_the_oldest_keras_would_refuse(train_digits: ModuleType) -> None:
    with zipfile.ZipFile(ASSETS / "digits_mobilenet_v2.keras") as archive:
        config = json.loads(archive.read("config.json"))
    assert config["class_name"] == "Functional"
    assert train_digits.for_older_keras(config) == config


def test_only_defaults_are_left_out(train_digits: ModuleType) -> None:
    initializer = {"class_name": "GlorotUniform", "config": {"seed": None, "input_axes": None}}
    dense = {
        "class_name": "Dense",
        "config": {"units": 3, "kernel_initializer": initializer, "quantization_config": {"a": 1}},
    }
    (found,) = train_digits.for_older_keras([dense])
    assert found["config"] == {
        "units": 3,
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
        "quantization_config": {"a": 1},  # not the default: an older Keras has to refuse it
    }
