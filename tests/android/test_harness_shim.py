"""The LiteRT shim for every phone: what it needs, how it is aligned, the same on every build."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from conftest import skip_or_fail

from . import toolchain
from .java import stand_in

PHONES = ("arm64-v8a", "armeabi-v7a", "x86_64")
MACHINES = {"arm64-v8a": "AArch64", "armeabi-v7a": "ARM", "x86_64": "X86-64"}
PAGE = 0x4000
# Since Android 8.0, by the names in AOSP's bionic/libc/libc.map.txt and libdl.map.txt.
BIONIC = {
    "calloc", "close", "dlerror", "dlopen", "dlsym", "dup", "dup2", "free", "pipe2",
    "posix_memalign", "read", "snprintf", "strlen",
}  # fmt: skip


@pytest.fixture(scope="module")
def shims(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The shim of every ABI, built now."""
    build = stand_in.jni_build()
    try:
        build.find_tools()
    except build.ToolMissingError as error:
        skip_or_fail("android", str(error))
    found: dict[str, Path] = build.build_shims(tmp_path_factory.mktemp("jni"))
    return found


def readelf(*arguments: str | Path) -> str:
    """What readelf says."""
    program = toolchain.program("readelf", "binutils")
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_there_is_one_for_every_abi(shims: dict[str, Path]) -> None:
    assert set(shims) == {*PHONES, "linux-x86_64"}
    for abi, path in shims.items():
        assert path.parent.name == abi
        assert path.stat().st_size < 30_000


@pytest.mark.parametrize("abi", PHONES)
def test_it_fits_the_phone(shims: dict[str, Path], abi: str) -> None:
    header = readelf("-h", shims[abi])
    assert MACHINES[abi] in header
    dynamic = readelf("-d", shims[abi])
    needed = [line.split("[")[1].rstrip("]") for line in dynamic.splitlines() if "NEEDED" in line]
    assert sorted(needed) == ["libc.so", "libdl.so"]
    assert "TEXTREL" not in dynamic
    loads = [line.split() for line in readelf("-lW", shims[abi]).splitlines() if "LOAD" in line]
    assert loads
    assert all(int(words[-1], 16) >= PAGE for words in loads)
    assert "RWE" not in readelf("-lW", shims[abi])


@pytest.mark.parametrize("abi", PHONES)
def test_it_uses_what_android_has_and_shows_its_functions_alone(
    shims: dict[str, Path], abi: str
) -> None:
    symbols = [
        line.split() for line in readelf("--dyn-syms", "-W", shims[abi]).splitlines()
        if line.strip()[:1].isdigit()
    ]  # fmt: skip
    undefined = {words[7].split("@")[0] for words in symbols if words[6] == "UND" and words[7:]}
    assert undefined <= BIONIC
    shown = {words[7] for words in symbols if words[6] != "UND"}
    source = (toolchain.JAVA / "harness/src/dev/edgedeploy/harness/LiteRtNative.java").read_text()
    natives = {
        line.split("(")[0].split()[-1] for line in source.splitlines() if "static native" in line
    }
    prefix = "Java_dev_edgedeploy_harness_LiteRtNative_"
    assert shown == {prefix + name for name in natives}


def test_two_builds_are_one_and_name_no_path(shims: dict[str, Path], tmp_path: Path) -> None:
    again = stand_in.jni_build().build_shims(tmp_path / "a rather different folder")
    for abi, path in shims.items():
        data = path.read_bytes()
        assert hashlib.sha256(data).digest() == hashlib.sha256(again[abi].read_bytes()).digest()
        assert b"/tmp" not in data
        assert str(stand_in.JNI).encode() not in data
