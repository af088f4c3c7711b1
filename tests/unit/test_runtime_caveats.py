"""Old runtimes: what they are known to answer wrongly."""

from __future__ import annotations

import pytest
import small_models
from edge_deploy_android.archives.native_libraries import version_in
from edge_deploy_android.runtime_caveats import caveats_of
from edge_deploy_runner.tflite.model_file import ModelFile

CHANNELS = ModelFile(small_models.dense_channels_model(), "channels.tflite")


@pytest.mark.parametrize("version", ["1.15.0", "2.6.2", "2.9.1", "2.9.0-rc1"])
def test_a_scale_for_each_channel_needs_later_kernels(version: str) -> None:
    (text,) = caveats_of(CHANNELS, "old.aar", version)
    assert f"old.aar has TensorFlow Lite {version}" in text
    assert "channels.tflite" in text
    for model in (small_models.rank_two_model(), small_models.int8_model()):
        assert caveats_of(ModelFile(model, "m.tflite"), "old.aar", version) == ()


@pytest.mark.parametrize("version", [None, "1.0.1", "1.4.0", "2.10.0", "2.16.1", "3.0.0"])
def test_later_and_unknown_runtimes_are_not_blamed(version: str | None) -> None:
    assert caveats_of(CHANNELS, "new.aar", version) == ()


def test_the_version_in_a_librarys_bytes() -> None:
    assert version_in(b"x\x002.6.0\x00y") == "2.6.0"
    assert version_in(b"x\x002.6.0\x00\x001.2.3\x00") is None
    assert version_in(b"no version") is None
