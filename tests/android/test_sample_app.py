"""An app takes in our libraries, and what counts is true of the APK that it becomes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from small_models_photo import grey_contract, write_model

from edge_deploy.bundles.bundling import bundle

from . import toolchain
from .sample_app.packing import ABIS, RUNTIME_LIBRARY, pack_app

from building import packaging  # isort: skip

pytestmark = pytest.mark.xdist_group("android-build")

PAGE_BYTES = 16384
MODELS = {
    "assets/edge-deploy/colors/colors.tflite": "colors",
    "assets/edge-deploy/greys/greys.tflite": "greys",
}


@pytest.fixture(scope="module")
def aars(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Libraries for two models."""
    folder = tmp_path_factory.mktemp("aars")
    made = []
    options = {"colors": {"dtype": "int8"}, "greys": {"preprocessing": grey_contract()}}
    for name, these in options.items():
        model = write_model(folder, f"{name}.tflite", **these)
        made.append(folder / f"{name}.aar")
        bundle(model, "android-aar", made[-1], name=name, package=f"org.example.{name}")
    return tuple(made)


@pytest.fixture(scope="module")
def apk(aars: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample app with both of them."""
    for name, package in (("aapt2", "aapt"), ("apksigner", "apksigner"), ("dexdump", "dexdump")):
        toolchain.program(name, package)
    folder = tmp_path_factory.mktemp("sample")
    return pack_app(aars, folder / "sample.apk", folder / "scratch")


def _data_offset(apk: Path, name: str) -> int:
    """Where the bytes of an entry begin."""
    with zipfile.ZipFile(apk) as archive, apk.open("rb") as stream:
        stream.seek(archive.getinfo(name).header_offset + 26)
        lengths = stream.read(4)
        return (
            archive.getinfo(name).header_offset + 30
            + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        )  # fmt: skip


def test_the_models_can_be_mapped_from_the_apk(apk: Path, aars: tuple[Path, ...]) -> None:
    for name, library in MODELS.items():
        with zipfile.ZipFile(apk) as archive:
            info = archive.getinfo(name)
            assert info.compress_type == zipfile.ZIP_STORED
            data = archive.read(name)
        assert _data_offset(apk, name) % PAGE_BYTES == 0
        assert apk.read_bytes()[_data_offset(apk, name) :][:8] == data[:8]
        aar = next(path for path in aars if path.stem == library)
        with zipfile.ZipFile(aar) as archive:
            assert archive.read(name) == data
            contract = json.loads(archive.read(f"assets/edge-deploy/{library}/contract.json"))
        assert contract["model"]["sha256"] == hashlib.sha256(data).hexdigest()


def test_other_assets_are_compressed_by_the_apps_build(apk: Path) -> None:
    with zipfile.ZipFile(apk) as archive:
        info = archive.getinfo("assets/edge-deploy/colors/contract.json")
    assert info.compress_type == zipfile.ZIP_DEFLATED


def test_the_libraries_lie_at_pages(apk: Path) -> None:
    names = [f"lib/{abi}/{RUNTIME_LIBRARY}" for abi in ABIS]
    assert [_data_offset(apk, name) % PAGE_BYTES for name in names] == [0, 0, 0]


def test_the_signature_verifies(apk: Path) -> None:
    words = packaging.verify_apk(apk)
    assert "v2 scheme (APK Signature Scheme v2): true" in words
    assert "v3 scheme (APK Signature Scheme v3): true" in words


def test_the_code_of_both_models_is_in_it(apk: Path) -> None:
    classes = toolchain.dex_classes(apk)
    assert {
        "org.example.sample.ColorActivity", "org.example.sample.GoldenInstrumentation",
        "org.example.colors.Classifier", "org.example.greys.Classifier",
        "org.tensorflow.lite.Interpreter",
    } <= classes  # fmt: skip
    assert [name for name in classes if name.startswith(("dev.edgedeploy.", "android."))] == []


def test_the_librarys_own_test_is_in_it(apk: Path) -> None:
    classes = toolchain.dex_classes(apk)
    assert {"org.example.colors.ClassifierGoldenTest", "org.junit.runner.JUnitCore"} <= classes
    with zipfile.ZipFile(apk) as archive:
        names = archive.namelist()
    assert "assets/edge-deploy/colors/golden/golden.json" in names


def test_two_builds_are_the_same(apk: Path, aars: tuple[Path, ...], tmp_path: Path) -> None:
    again = pack_app(aars, tmp_path / "elsewhere" / "sample.apk", tmp_path / "scratch")
    assert again.read_bytes() == apk.read_bytes()


def test_the_inspector_finds_what_would_break(apk: Path) -> None:
    """The pinned runtime's libraries are for pages of 4 KB; the rest is as it should be."""
    result = subprocess.run(
        [sys.executable, "-m", "edge_deploy", "inspect", str(apk), "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 1, result.stderr
    found = json.loads(result.stdout)
    assert found["kind"] == "apk"
    assert found["abis"] == sorted(ABIS)
    assert found["page_16k"] is False
    assert {model["path"] for model in found["models"]} == set(MODELS)
    problems = [item for item in found["findings"] if item["status"] == "problem"]
    assert problems
    assert all(RUNTIME_LIBRARY in json.dumps(item) for item in problems)
