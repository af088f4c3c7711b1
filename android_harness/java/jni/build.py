"""Builds the LiteRT shim for phones and this computer with clang and lld alone, without the NDK.

Each library is linked against empty stand-ins of the target's libc and libdl, so that it names
what it needs of the system at run time. The same sources give the same bytes.

Usage: python build.py FOLDER
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIBRARY = "libedge_deploy_litert.so"
SOURCES = ("litert_api.c", "session.c", "litert_native.c")
# Android 8.0, the oldest that is measured on, and pages of 16 KB (Android 15 and later).
TARGETS = {
    "arm64-v8a": "aarch64-linux-android26",
    "armeabi-v7a": "armv7a-linux-androideabi26",
    "x86_64": "x86_64-linux-android26",
    "linux-x86_64": "x86_64-linux-gnu",
}
HOST = "linux-x86_64"
_PAGE_BYTES = 16384
_PHONE_LIBRARIES = {
    "libc.so": (
        *("calloc", "free", "posix_memalign", "snprintf", "strlen"),
        *("dup", "dup2", "close", "pipe2", "read"),
    ),
    "libdl.so": ("dlopen", "dlsym", "dlerror"),
}
_HOST_NAMES = {"libc.so": "libc.so.6", "libdl.so": "libdl.so.2"}
# jni.h includes these and uses nothing but va_list.
_EMPTY_HEADERS = ("stdio.h",)


@dataclass(frozen=True)
class Tools:
    """The programs and headers of a build; `find_tools` names what is missing."""

    clang: str
    jni_headers: Path


class ToolMissingError(Exception):
    """A program that the build needs is not installed; the message names its package."""


def find_tools() -> Tools:
    """The tools on this computer; raises `ToolMissingError`."""
    clang = shutil.which("clang-16")
    if clang is None or shutil.which("ld.lld-16") is None:
        raise ToolMissingError("the shim is built by clang-16 and lld-16; install both packages")
    javac = shutil.which("javac")
    if javac is None:
        raise ToolMissingError("jni.h comes with openjdk-17-jdk-headless; install it")
    headers = Path(javac).resolve().parents[1] / "include"
    if not (headers / "jni.h").is_file():
        raise ToolMissingError("there is no jni.h beside javac; install openjdk-17-jdk-headless")
    return Tools(clang, headers)


def build_shims(out: Path, abis: Sequence[str] = tuple(TARGETS)) -> dict[str, Path]:
    """The shim of each ABI, as `out/<abi>/libedge_deploy_litert.so`.

    Raises `ToolMissingError`, and `subprocess.CalledProcessError` for what clang refuses.
    """
    return {
        abi: build_library(
            abi, [HERE / name for name in SOURCES], out / abi / LIBRARY, include=(HERE,)
        )
        for abi in abis
    }


def build_library(
    abi: str,
    sources: Sequence[Path],
    library: Path,
    include: Sequence[Path] = (),
    also_needed: Sequence[str] = (),
) -> Path:
    """One library of C sources that need nothing but jni.h and the functions listed above.

    `also_needed` names further functions of libc.
    """
    tools = find_tools()
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="edge-deploy-jni-") as folder:
        scratch = Path(folder)
        stubs = _stub_libraries(tools, abi, scratch, also_needed)
        headers = scratch / "headers"
        headers.mkdir()
        for name in _EMPTY_HEADERS:
            (headers / name).touch()
        # Sources go by short names in a folder of their own: no path of this computer gets in.
        names = []
        for source in sources:
            shutil.copy(source, scratch / source.name)
            names.append(source.name)
        searched = [headers, *include, tools.jni_headers, tools.jni_headers / "linux"]
        _clang(
            tools, abi, scratch, library, library.name,
            "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden",
            "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables",
            *(f"-I{path}" for path in searched), *names, *stubs,
        )  # fmt: skip
    return library


def _stub_libraries(tools: Tools, abi: str, folder: Path, also_needed: Sequence[str]) -> list[str]:
    """Names of empty libraries in the folder that stand for the system's."""
    names = []
    for phone_name, functions in _PHONE_LIBRARIES.items():
        name = _HOST_NAMES[phone_name] if abi == HOST else phone_name
        source = folder / f"{phone_name}.c"
        listed = (*functions, *also_needed) if phone_name == "libc.so" else functions
        source.write_text("".join(f"void {function}(void) {{}}\n" for function in listed))
        _clang(tools, abi, folder, folder / name, name, source.name)
        names.append(name)
    return names


def _clang(
    tools: Tools, abi: str, folder: Path, library: Path, soname: str, *arguments: str
) -> None:
    subprocess.run(
        [
            tools.clang, f"--target={TARGETS[abi]}", "-shared", "-fPIC", "-nostdlib",
            "-nostdlibinc", "-fno-builtin", "-fuse-ld=lld", "-Wl,--build-id=none",
            f"-Wl,-z,max-page-size={_PAGE_BYTES}", "-Wl,-z,noexecstack", "-Wl,-z,relro,-z,now",
            "-Wl,--no-undefined", "-Wl,--hash-style=both", "-Wl,-s", f"-Wl,-soname,{soname}",
            "-o", str(library.absolute()), *arguments,
        ],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Build all shims into the folder that is named."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        for abi, path in build_shims(Path(arguments[0])).items():
            print(f"{abi}: {path} ({path.stat().st_size} bytes)")
    except ToolMissingError as error:
        print(error, file=sys.stderr)
        return 5
    except subprocess.CalledProcessError as error:
        print(error.stderr, file=sys.stderr)
        return 5
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
