"""What `profile` says of a phone: the harness's errors, and how long its windows of power take."""

from __future__ import annotations

from pathlib import Path

import pytest
from edge_deploy_android.energy_readings import _with_time_left
from edge_deploy_android.measuring import _in_the_users_words
from edge_deploy_android.power import WindowPlan
from edge_deploy_android.pushing import LocalFile
from edge_deploy_android.runtime_library import Library, RuntimeFiles
from edge_deploy_runner.errors import BadInputError, DeviceError

GPU = LocalFile(Path("/tmp/x/abc.so"), "abc" * 20, "libtensorflowlite_gpu_jni.so")
OWN = LocalFile(Path("/tmp/x/def.so"), "def" * 20, "own.so")
RUNTIME = RuntimeFiles(
    Library("tflite", OWN, "own.so"), None, Library("gpu", GPU, "tensorflow-lite-gpu.aar")
)


@pytest.mark.parametrize("folder", ["", "/data/local/tmp/edge-deploy/files/"])
def test_libraries_have_the_users_names(folder: str) -> None:
    said = f"9A1: the library {folder}{GPU.sha256}.so cannot be loaded; not {OWN.sha256}.so"
    found = _in_the_users_words(BadInputError(said), "gpu", RUNTIME)
    assert isinstance(found, BadInputError)
    assert str(found) == (
        "9A1: the library libtensorflowlite_gpu_jni.so (of tensorflow-lite-gpu.aar) cannot be "
        "loaded; not own.so"
    )


def test_a_runtime_without_nnapi() -> None:
    error = DeviceError("9A1: no ('long org.tensorflow.lite.nnapi.NnApiDelegateImpl.make(int)')")
    assert str(_in_the_users_words(error, "nnapi", RUNTIME)) == (
        "own.so: this runtime has no NNAPI; measure with another --delegate"
    )
    assert "NnApiDelegateImpl" in str(_in_the_users_words(error, "auto", RUNTIME))


def test_windows_are_counted_and_timed() -> None:
    plan = [WindowPlan(kind, 60.0) for kind in ("idle", "load", "idle", "load", "idle")]
    seen: list[tuple[str, int, int]] = []
    report = _with_time_left(plan, lambda *words: seen.append(words))
    for number, window in enumerate(plan):
        report(f"{window.kind} window", number, len(plan))
    report("windows", 5, 5)
    report("warming up", 1, 3)
    assert seen == [
        ("idle window 1 of 3, 5 minutes left", 0, 0),
        ("load window 1 of 2, 4 minutes left", 0, 0),
        ("idle window 2 of 3, 3 minutes left", 0, 0),
        ("load window 2 of 2, 2 minutes left", 0, 0),
        ("idle window 3 of 3, 60 s left", 0, 0),
        ("windows", 5, 5),
        ("warming up", 1, 3),
    ]
