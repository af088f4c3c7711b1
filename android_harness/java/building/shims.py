"""The LiteRT shim of every phone ABI, through `jni/build.py`."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from .errors import BuildError, MissingToolError
from .sources import JNI_SOURCES

PHONE_ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64")


def build_phone_shims(out: Path) -> None:
    """Write `<abi>/libedge_deploy_litert.so` for every ABI of a phone below a folder."""
    jni_build = _jni_build()
    try:
        jni_build.build_shims(out, PHONE_ABIS)
    except jni_build.ToolMissingError as error:
        raise MissingToolError(str(error)) from None
    except subprocess.CalledProcessError as error:
        raise BuildError(f"clang refused the sources in {JNI_SOURCES}:\n{error.stderr}") from None


def _jni_build() -> ModuleType:
    """The script as a module; it and ours are both called `build`."""
    name = "edge_deploy_jni_build"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, JNI_SOURCES / "build.py")
        if spec is None or spec.loader is None:
            raise BuildError(f"{JNI_SOURCES / 'build.py'} cannot be read")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
