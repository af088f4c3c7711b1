"""The stand-in for libtensorflowlite_jni.so that lets the published TFLite classes run on a JVM."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[3]
JNI = ROOT / "android_harness" / "java" / "jni"
HERE = Path(__file__).resolve().parent
LIBRARY = "libtensorflowlite_jni.so"
VARIABLE = "EDGE_DEPLOY_LITERT_LIBRARY"
_MODULE = "edge_deploy_jni_build"
_SESSION = ("litert_api.c", "session.c")
_ALSO_NEEDED = ("getenv", "memfd_create", "write")


def jni_build() -> ModuleType:
    """The script android_harness/java/jni/build.py as a module."""
    specification = importlib.util.spec_from_file_location(_MODULE, JNI / "build.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[_MODULE] = module  # where dataclasses look up their own module
    specification.loader.exec_module(module)
    return module


def build_stand_in(folder: Path) -> Path:
    """The library in a folder of its own, for `-Djava.library.path` or `System.load`."""
    build = jni_build()
    found: Path = build.build_library(
        build.HOST,
        [*(JNI / name for name in _SESSION), HERE / "stand_in.c"],
        folder / LIBRARY,
        include=(JNI,),
        also_needed=_ALSO_NEEDED,
    )
    return found


def litert_library() -> Path:
    """The libLiteRt.so that Python runs here."""
    specification = importlib.util.find_spec("ai_edge_litert")
    assert specification is not None
    assert specification.origin is not None
    return Path(specification.origin).parent / "libLiteRt.so"


def litert_with(folder: Path, source: str) -> Path:
    """The libLiteRt.so that Python runs here, but with some of its functions from C text."""
    tools = jni_build().find_tools()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "changed.c").write_text(source)
    real, made = litert_library(), folder / "libChangedLiteRt.so"
    subprocess.run(
        [
            *(tools.clang, "-shared", "-fPIC", "-nostdlib", "-fuse-ld=lld", "-Wl,--no-as-needed"),
            *("-o", str(made), str(folder / "changed.c"), str(real), f"-Wl,-rpath,{real.parent}"),
        ],
        check=True,
    )
    return made


def environment() -> dict[str, str]:
    """The environment of a JVM that loads the stand-in."""
    return {**os.environ, VARIABLE: str(litert_library())}
