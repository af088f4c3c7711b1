"""TensorFlow Lite 2.6 for a desktop JVM: real kernels behind the real Java classes, of 2022."""

from __future__ import annotations

import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

from conftest import skip_or_fail

from android import toolchain

HERE = Path(__file__).resolve().parent
PINS = {
    "tflite-native-cpu-2.6.2-linux-x86_64.jar": (
        "aa8ae00d9b39489d03aa76f388019da6a086eee99a22f7d7a31e4b5a09003c8e"
    ),
    "tensorflow-lite-2.6.0.aar": (
        "f7dcd32a48dc348ee2eea2bed37044354a21e43dfdf507b6a73b40b05d5793ea"
    ),
}
_LIBRARY = "native/lib/libtensorflowlite_jni.so"


@dataclass(frozen=True)
class OldTflite:
    """The library, and the jar of the classes that it fits."""

    library: Path
    classes: Path


def old_tflite() -> OldTflite:
    """Both, unpacked; the test is skipped where Maven cannot bring them."""
    maven = toolchain.program("mvn", "maven")

    def fetch(folder: Path) -> None:
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
        command = [str(maven), "-q", "-B", "-f", str(HERE / "pom.xml"), *goal]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            skip_or_fail("android", f"Maven cannot fetch TFLite 2.6: {result.stdout[-500:]}")
        for name, expected in PINS.items():
            assert toolchain.sha256_of(folder / name) == expected, name
        native, aar = (folder / name for name in PINS)
        with zipfile.ZipFile(native) as archive:
            (folder / Path(_LIBRARY).name).write_bytes(archive.read(_LIBRARY))
        with zipfile.ZipFile(aar) as archive:
            (folder / "classes.jar").write_bytes(archive.read("classes.jar"))

    folder = toolchain.once("old-tflite-2.6", fetch)
    return OldTflite(folder / Path(_LIBRARY).name, folder / "classes.jar")
