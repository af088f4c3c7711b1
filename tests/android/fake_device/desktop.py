"""The desktop's builds of the libraries that a phone loads, under the phone's names."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from android import toolchain
from android.java import stand_in


def desktop_libraries(folder: Path) -> Path:
    """Fill a folder with the LiteRT runtime, our shim for it, and stand-ins for other libraries.

    Raises the build's `ToolMissingError` where clang, lld or jni.h is not installed.
    """
    build = stand_in.jni_build()
    shutil.copy(stand_in.litert_library(), folder / "libLiteRt.so")
    shim = build.build_shims(folder / "shims", [build.HOST])[build.HOST]
    shutil.move(shim, folder / shim.name)
    stand_in.build_stand_in(folder)
    sources = sorted((Path(__file__).parent / "framework").rglob("*.java"))
    toolchain.javac(sources, folder / "framework", [folder])
    with zipfile.ZipFile(toolchain.dependencies().framework) as framework:
        wanted = [name for name in framework.namelist() if name.startswith("org/json/")]
        framework.extractall(folder / "framework", wanted)
    folder.chmod(0o755)
    return folder
