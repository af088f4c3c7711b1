"""Packs the sample app as an app's build does: javac, D8, aapt2, a zip, apksigner."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from android import toolchain

from building import packaging  # isort: skip
from building.dependencies import RUNTIME_AAR  # isort: skip

HERE = Path(__file__).parent
MANIFEST = HERE / "AndroidManifest.xml"
ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64")
RUNTIME_LIBRARY = "libtensorflowlite_jni.so"


@dataclass(frozen=True)
class UnpackedAar:
    """The parts of an AAR that an app's build takes up."""

    classes: Path
    assets: Path
    tests: tuple[Path, ...]


def unpack(aar: Path, folder: Path) -> UnpackedAar:
    """Unpack an AAR into a folder of its own."""
    with zipfile.ZipFile(aar) as archive:
        archive.extractall(folder)
    tests = sorted((folder / "edge-deploy" / "androidTest").rglob("*.java"))
    return UnpackedAar(folder / "classes.jar", folder / "assets", tuple(tests))


def pack_app(aars: Sequence[Path], apk: Path, scratch: Path) -> Path:
    """Build the sample app with these libraries and the pinned runtime; returns the APK.

    The instrumented test of the first library is in it, with JUnit.
    """
    scratch.mkdir(parents=True)
    libraries = [unpack(aar, scratch / aar.stem) for aar in aars]
    runtime = toolchain.runtime_classes()
    jars = [*(library.classes for library in libraries), *toolchain.junit(), *runtime]
    files = [*(HERE / "src").rglob("*.java"), *libraries[0].tests]
    classes = toolchain.javac(files, scratch / "app", jars, android=True)
    dex = toolchain.dexed([classes, *jars], scratch / "dex", min_api=26)
    entries = packaging.link_resources(
        MANIFEST, scratch, "1.0", assets=[_merged_assets(libraries, scratch / "assets")]
    )
    apk.parent.mkdir(parents=True, exist_ok=True)
    packaging.write_signed_apk(
        [*entries, packaging.dex_entry(dex), *runtime_libraries()], apk, scratch
    )
    return apk


def runtime_libraries() -> list[packaging.ZipEntry]:
    """The pinned runtime's native libraries, as an app carries them."""
    with zipfile.ZipFile(toolchain.dependencies().jar(RUNTIME_AAR)) as archive:
        return [
            packaging.library_entry(
                abi, RUNTIME_LIBRARY, archive.read(f"jni/{abi}/{RUNTIME_LIBRARY}")
            )
            for abi in ABIS
        ]


def _merged_assets(libraries: Sequence[UnpackedAar], folder: Path) -> Path:
    for library in libraries:
        shutil.copytree(library.assets, folder, dirs_exist_ok=True)
    return folder
