"""What the package brings for phones is what its sources make, on every machine."""

from __future__ import annotations

import hashlib
import json
import os
import runpy
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT
from edge_deploy_android.archives.elf import read_elf

from . import toolchain
from .toolchain import BUILT, JAVA, BuildError

from building import dependencies as pinned  # isort: skip
from building import jdk, packaging, sources  # isort: skip

pytestmark = pytest.mark.xdist_group("android-build")

BUILD_PY = JAVA / "build.py"
harness_build = SimpleNamespace(**runpy.run_path(str(BUILD_PY)))
CORE = "dev.edgedeploy.harness."
APP = "dev.edgedeploy.harness.app."
RUNTIME = "org.tensorflow.lite."


def _build(
    out: Path, *, folder: Path, script: Path = BUILD_PY, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the build script in a process of its own."""
    return subprocess.run(
        [sys.executable, str(script), "--out", str(out)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def _sums(folder: Path) -> dict[str, str]:
    files = harness_build.files_in(folder)
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything, built now."""
    toolchain.jdk()
    toolchain.dependencies()
    for name, package in (
        ("aapt2", "aapt"), ("apksigner", "apksigner"), ("clang-16", "clang-16"),
        ("ld.lld-16", "lld-16"),
    ):  # fmt: skip
        toolchain.program(name, package)
    if not packaging.FRAMEWORK_RESOURCES.is_file():
        toolchain.skip_or_fail("android", "android-framework-res is not installed")
    folder = tmp_path_factory.mktemp("rebuilt")
    result = _build(folder / "built", folder=folder)
    assert result.returncode == 0, result.stderr
    return folder / "built"


def test_the_package_holds_what_its_sources_make(rebuilt: Path) -> None:
    assert _sums(rebuilt) == _sums(BUILT), (
        "run `make android` and commit what it built; where nothing was changed, this machine's "
        "javac, clang-16, aapt2 or apksigner is of another version than Debian 12 has"
    )


def _checkout(folder: Path) -> Path:
    """A copy of what is built from, with the packages that were fetched already."""
    without = shutil.ignore_patterns("built", "__pycache__")
    shutil.copytree(ROOT / "android_harness", folder / "android_harness", ignore=without)
    version = harness_build.VERSION_FILE.relative_to(ROOT)
    (folder / version).parent.mkdir(parents=True)
    shutil.copy(ROOT / version, folder / version)
    (folder / ".cache").symlink_to(ROOT / ".cache")
    return folder


def test_a_second_build_elsewhere_is_the_same(rebuilt: Path, tmp_path: Path) -> None:
    home = tmp_path / "somebody's home"
    home.mkdir()
    checkout = _checkout(home / "another checkout")
    before = os.umask(0o077)
    try:
        result = _build(
            tmp_path / "a folder with spaces" / "out",
            folder=home, script=checkout / BUILD_PY.relative_to(ROOT),
            HOME=str(home), USER="somebody", LOGNAME="somebody", TZ="Asia/Tokyo",
            LC_ALL="tr_TR.UTF-8", LANG="tr_TR.UTF-8", SOURCE_DATE_EPOCH="86400",
            JAVA_TOOL_OPTIONS="-Duser.language=tr -Dfile.encoding=ISO-8859-1",
            PYTHONHASHSEED="1",
        )  # fmt: skip
    finally:
        os.umask(before)
    assert result.returncode == 0, result.stderr
    assert _sums(tmp_path / "a folder with spaces" / "out") == _sums(rebuilt)


def test_the_packages_sums_name_every_file() -> None:
    lines = (BUILT / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
    found = _sums(BUILT)
    del found["SHA256SUMS"]
    assert listed == found
    assert listed[pinned.RUNTIME_AAR] == pinned.pinned_sha256()[pinned.RUNTIME_AAR]


def test_the_wheel_has_it_all(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    prefix = BUILT.relative_to(ROOT / "android_harness").as_posix()
    with zipfile.ZipFile(wheel) as archive:
        found = {
            name.removeprefix(f"{prefix}/"): hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if name.startswith(f"{prefix}/")
        }
    assert found == _sums(BUILT)


def test_the_harness_is_small(rebuilt: Path, tmp_path: Path) -> None:
    assert (rebuilt / "harness.jar").stat().st_size <= 100_000
    fat = tmp_path / "harness.jar"
    fat.write_bytes(bytes(100_001))
    with pytest.raises(BuildError, match="has 100001 bytes and may have 100000"):
        harness_build.check_size(fat)


def _named(paths: list[Path], root: Path) -> set[str]:
    return {path.relative_to(root).with_suffix("").as_posix().replace("/", ".") for path in paths}


def test_the_dex_of_the_shell_harness_holds_the_core_alone(rebuilt: Path) -> None:
    classes = toolchain.dex_classes(rebuilt / "harness.jar")
    assert _named(sources.core_sources(), sources.HARNESS_SOURCES) <= classes
    assert {f"{CORE}Main", f"{CORE}BuildInfo"} <= classes
    assert {name for name in classes if not name.startswith(CORE)} == set()
    assert {name for name in classes if name.startswith(APP)} == set()


def test_the_dex_of_the_runtime_holds_all_its_classes(rebuilt: Path) -> None:
    classes = toolchain.dex_classes(rebuilt / "tflite-runtime.jar")
    assert {
        f"{RUNTIME}Interpreter", f"{RUNTIME}NativeInterpreterWrapper", f"{RUNTIME}InterpreterApi",
        f"{RUNTIME}nnapi.NnApiDelegate", f"{RUNTIME}gpu.GpuDelegate",
        f"{RUNTIME}gpu.GpuDelegateFactory$Options",
    } <= classes  # fmt: skip
    assert {name for name in classes if not name.startswith(RUNTIME)} == set()


def test_the_dex_of_the_app_holds_both_and_nothing_of_android(rebuilt: Path) -> None:
    classes = toolchain.dex_classes(rebuilt / "harness.apk")
    assert _named(sources.app_sources(), sources.HARNESS_SOURCES) <= classes
    assert f"{APP}HarnessInstrumentation" in classes
    assert toolchain.dex_classes(rebuilt / "tflite-runtime.jar") <= classes
    assert {name for name in classes if not name.startswith((CORE, RUNTIME))} == set()


@pytest.mark.parametrize("name", ["harness.jar", "tflite-runtime.jar", "harness.apk"])
def test_every_tool_reads_the_dex(rebuilt: Path, tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(rebuilt / name) as archive:
        assert archive.read("classes.dex")[:8] == b"dex\n035\0"
        dex = Path(archive.extract("classes.dex", tmp_path))
    jar = toolchain.undexed(dex, tmp_path / "classes.jar")
    with zipfile.ZipFile(jar) as archive:
        assert len(archive.namelist()) == len(toolchain.dex_classes(rebuilt / name))


PROBE = """\
import java.lang.reflect.Field;

public class Probe {
    public static void main(String[] names) throws Exception {
        for (String name : names) {
            Class<?> found = Class.forName("dev.edgedeploy.harness.BuildInfo");
            Field field = found.getField(name);
            System.out.println(field.get(null));
        }
    }
}
"""


def test_the_harness_knows_its_own_build(rebuilt: Path, tmp_path: Path) -> None:
    (tmp_path / "Probe.java").write_text(PROBE)
    classes = toolchain.javac([tmp_path / "Probe.java"], tmp_path / "classes")
    with zipfile.ZipFile(rebuilt / "harness.jar") as archive:
        dex = Path(archive.extract("classes.dex", tmp_path))
    jar = toolchain.undexed(dex, tmp_path / "harness.jar")
    result = toolchain.java([jar, classes], "Probe", "VERSION", "DIGEST")
    about = json.loads((rebuilt / "BUILD.json").read_text())
    assert result.stdout.split() == [about["version"], about["digest"]]
    assert about == {"version": toolchain.VERSION, "digest": sources.harness_digest()}


def _digest_in(java: Path) -> str:
    script = "from building import sources; print(sources.harness_digest())"
    return subprocess.run(
        [sys.executable, "-c", script], cwd=java, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_digest_is_of_the_sources_wherever_they_lie(tmp_path: Path) -> None:
    for name in ("building", "harness", "jni"):
        shutil.copytree(JAVA / name, tmp_path / name)
    shutil.copy(pinned.PINS, tmp_path)
    assert _digest_in(tmp_path) == sources.harness_digest()
    main = tmp_path / "harness" / "src" / sources.PACKAGE / "Main.java"
    main.write_text(main.read_text() + "// one more line\n")
    changed = _digest_in(tmp_path)
    main.rename(main.with_name("Main2.java"))
    assert len({sources.harness_digest(), changed, _digest_in(tmp_path)}) == 3


def _entries(apk: Path) -> Iterator[tuple[str, int, int]]:
    """Name, method, and the offset of the data of each entry."""
    data = apk.read_bytes()
    with zipfile.ZipFile(apk) as archive:
        for info in archive.infolist():
            at = info.header_offset
            names, extra = (int.from_bytes(data[at + place : at + place + 2], "little")
                            for place in (26, 28))  # fmt: skip
            yield info.filename, info.compress_type, at + 30 + names + extra


def test_the_apk_is_signed_and_aligned(rebuilt: Path) -> None:
    apk = rebuilt / "harness.apk"
    words = packaging.verify_apk(apk)
    assert "v2 scheme (APK Signature Scheme v2): true" in words
    assert "v3 scheme (APK Signature Scheme v3): true" in words
    entries = {name: (method, offset) for name, method, offset in _entries(apk)}
    assert set(entries) == {"AndroidManifest.xml", "classes.dex", "resources.arsc"}
    assert all(method == zipfile.ZIP_STORED for method, _ in entries.values())
    assert [name for name, (_, offset) in entries.items() if offset % 4] == []


def test_the_apk_is_signed_by_the_committed_key(rebuilt: Path) -> None:
    certificate = packaging.pem_bytes(packaging.SIGNING / "debug-certificate.pem")
    result = subprocess.run(
        [toolchain.program("apksigner", "apksigner"), "verify", "--print-certs",
         rebuilt / "harness.apk"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"SHA-256 digest: {hashlib.sha256(certificate).hexdigest()}" in result.stdout


def test_a_changed_apk_does_not_verify(rebuilt: Path, tmp_path: Path) -> None:
    data = bytearray((rebuilt / "harness.apk").read_bytes())
    data[data.index(b"dex\n035\0") + 200] ^= 1
    changed = tmp_path / "harness.apk"
    changed.write_bytes(data)
    with pytest.raises(BuildError, match="apksigner ended with exit code 1"):
        packaging.verify_apk(changed)


def test_the_app_asks_for_what_a_phone_of_today_grants(rebuilt: Path) -> None:
    result = subprocess.run(
        [toolchain.program("aapt2", "aapt"), "dump", "badging", rebuilt / "harness.apk"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = result.stdout.splitlines()
    assert lines[0].startswith("package: name='dev.edgedeploy.harness' versionCode='1'")
    assert {"sdkVersion:'26'", "targetSdkVersion:'35'"} <= set(lines)
    assert [line for line in lines if "debuggable" in line or "uses-permission" in line] == []
    tree = subprocess.run(
        [toolchain.program("aapt2", "aapt"), "dump", "xmltree", "--file", "AndroidManifest.xml",
         rebuilt / "harness.apk"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "E: uses-native-library" in tree
    assert 'name(0x01010003)=".app.HarnessInstrumentation"' in tree


@pytest.mark.parametrize("abi", ["arm64-v8a", "armeabi-v7a", "x86_64"])
def test_the_shims_are_for_their_phones_and_pages_of_16_kb(abi: str) -> None:
    library = read_elf(BUILT / "jni" / abi / "libedge_deploy_litert.so")
    assert library.abi == abi
    assert library.soname == "libedge_deploy_litert.so"
    assert set(library.needed) == {"libc.so", "libdl.so"}
    assert library.unaligned(packaging.PAGE_BYTES) is None
    assert library.relro_overlap(packaging.PAGE_BYTES) == 0


def test_nothing_of_this_machine_is_in_it(rebuilt: Path) -> None:
    telling = [str(ROOT).encode(), str(Path.home()).encode(), str(rebuilt.parent).encode()]
    for name, path in harness_build.files_in(rebuilt).items():
        if name != pinned.RUNTIME_AAR:
            data = path.read_bytes()
            assert [word for word in telling if len(word) > 5 and word in data] == [], name


# --- refusals ------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache of links to the fetched packages, to damage."""
    there = toolchain.dependencies().maven
    folder = tmp_path / "cache" / "maven"
    folder.mkdir(parents=True)
    for name in pinned.pinned_sha256():
        (folder / name).symlink_to(there / name)
    return folder.parent


def test_a_damaged_package_is_refused(cache: Path) -> None:
    assert pinned.fetch(cache).jar(pinned.D8_JAR).is_file()
    victim = cache / "maven" / "tensorflow-lite-api-2.16.1.aar"
    data = bytearray(victim.read_bytes())
    data[1000] ^= 1
    victim.unlink()
    victim.write_bytes(data)
    with pytest.raises(BuildError) as caught:
        pinned.fetch(cache)
    assert "tensorflow-lite-api-2.16.1.aar is damaged or is not the pinned file" in str(
        caught.value
    )
    assert "remove it and build again" in str(caught.value)


def test_a_package_that_cannot_be_fetched_is_one_sentence(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache / "maven" / pinned.D8_JAR).unlink()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(toolchain.MissingToolError, match="mvn is not installed; install it: apt"):
        pinned.fetch(cache)


def _jdk_that_says(home: Path, words: str) -> Path:
    (home / "bin").mkdir(parents=True)
    javac = home / "bin" / "javac"
    javac.write_text(f"#!/bin/sh\necho '{words}'\n")
    javac.chmod(0o755)
    return home


def test_another_jdk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(_jdk_that_says(tmp_path / "jdk", "javac 21.0.1")))
    with pytest.raises(
        BuildError, match=r"is javac 21\.0\.1, and the harness is built with JDK 17"
    ):
        jdk.find_jdk()


def test_a_java_home_without_a_jdk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(BuildError, match="holds no JDK; set JAVA_HOME to a JDK 17, or unset it"):
        jdk.find_jdk()


def test_a_build_that_fails_leaves_the_old_one(rebuilt: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "SHA256SUMS").write_text("of an earlier build\n")
    (out / "harness.jar").write_bytes(b"earlier")
    home = _jdk_that_says(tmp_path / "jdk", "javac 11.0.2")
    result = _build(out, folder=tmp_path, JAVA_HOME=str(home))
    assert result.returncode == 1
    assert result.stderr.startswith("The harness was not built: ")
    assert "Traceback" not in result.stderr
    assert _sums(out).keys() == {"SHA256SUMS", "harness.jar"}
    assert (out / "harness.jar").read_bytes() == b"earlier"


def test_a_folder_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    result = _build(tmp_path, folder=tmp_path)
    assert result.returncode == 2
    assert "holds files that were not built here; name another folder" in result.stderr
    assert _sums(tmp_path).keys() == {"thesis.tex"}
