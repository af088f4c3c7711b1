"""`inspect` on what real tools made, held against what real tools say of it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from conftest import edge_deploy, skip_or_fail
from edge_deploy_android.archives.aligned_zip import ZipEntry, zip_bytes
from edge_deploy_android.archives.class_names import dex_classes
from edge_deploy_android.archives.elf import read_elf
from edge_deploy_android.archives.inspecting import inspect_archive
from edge_deploy_android.archives.zip_reader import open_archive
from small_models import float_model

from .sample_archives import bundle_config, elf
from .toolchain import dependencies, dexed, javac, program

FRAMEWORK = Path("/usr/share/android-framework-res/framework-res.apk")
MANIFEST = """<?xml version="1.0" encoding="utf-8"?>
<manifest xmlns:android="http://schemas.android.com/apk/res/android" package="org.example.real"
    android:versionCode="12" android:versionName="1.2">
  <uses-sdk android:minSdkVersion="26" android:targetSdkVersion="35"/>
  <application android:debuggable="true" android:extractNativeLibs="false" android:label="Real">
    <activity android:name=".Main" android:exported="false"/>
  </application>
</manifest>
"""


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def runtime_aar() -> Path:
    """The AAR as its publisher made it."""
    return dependencies().jar("tensorflow-lite-2.16.1.aar")


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What aapt2 links: an APK, and its files in protobuf form."""
    aapt2 = program("aapt2", "aapt")
    if not FRAMEWORK.is_file():
        skip_or_fail("android", "no framework to link with: apt-get install android-framework-res")
    folder = tmp_path_factory.mktemp("linked")
    (folder / "AndroidManifest.xml").write_text(MANIFEST)
    made = {}
    for name, options in (("binary", ()), ("proto", ("--proto-format",))):
        made[name] = folder / f"{name}.apk"
        result = run(
            aapt2, "link", "-I", FRAMEWORK, "--manifest", folder / "AndroidManifest.xml",
            *options, "-o", made[name],
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
    return made


@pytest.fixture(scope="module")
def classes_dex(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes through javac and D8."""
    folder = tmp_path_factory.mktemp("dex")
    source = folder / "Main.java"
    source.write_text(
        "package org.example.real;\n"
        "public class Main { static class Inner {} interface Port { void go(); } }\n"
    )
    return dexed([javac([source], folder / "classes")], folder)


def files_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def real_apk(
    path: Path, linked: Path, dex: Path, *, library_align: int = 16384, model_stored: bool = True
) -> Path:
    linked_files = files_of(linked)
    entries = [
        ZipEntry(name, data, stored=name == "resources.arsc") for name, data in linked_files.items()
    ]
    entries += [
        ZipEntry("classes.dex", dex.read_bytes()),
        ZipEntry("assets/m.tflite", float_model(), stored=model_stored, align=16384),
        ZipEntry("lib/arm64-v8a/liba.so", elf(), stored=True, align=library_align),
        ZipEntry("lib/armeabi-v7a/liba.so", elf("armeabi-v7a"), stored=True, align=4096),
    ]
    path.write_bytes(zip_bytes(entries))
    return path


def test_the_published_runtime_is_not_aligned(runtime_aar: Path) -> None:
    result = edge_deploy("inspect", runtime_aar, "--json")
    assert result.returncode == 1, result.stderr
    document = json.loads(result.stdout)
    assert document["kind"] == "aar"
    assert document["page_16k"] is False
    assert {one["abi"]: one["load_alignments"] for one in document["libraries"]} == dict.fromkeys(
        ("arm64-v8a", "armeabi-v7a", "x86", "x86_64"), [4096] * 3
    )
    assert {one["runtime"]["version"] for one in document["libraries"]} == {"2.16.1"}
    assert document["manifest"]["package"] == "org.tensorflow.lite"
    first = document["findings"][0]
    assert first["status"] == "problem"
    assert "libtensorflowlite_jni.so (arm64-v8a, x86_64) cannot be mapped" in first["text"]
    assert "litert:1.4.0" in first["mend"]


def test_libraries_as_readelf_reads_them(runtime_aar: Path, tmp_path: Path) -> None:
    readelf = program("readelf", "binutils")
    seen = 0
    with open_archive(runtime_aar) as archive:
        for entry in archive.entries:
            if not entry.name.endswith(".so"):
                continue
            path = tmp_path / entry.name.replace("/", "_")
            path.write_bytes(archive.read(entry, 2**24))
            words = run(readelf, "-lhdW", path).stdout
            ours = read_elf(path)
            loads = re.findall(r"^ +LOAD .* (0x[0-9a-f]+)$", words, re.MULTILINE)
            assert [int(load, 16) for load in loads] == list(ours.load_alignments)
            assert re.findall(r"NEEDED.*\[(.*)\]", words) == list(ours.needed)
            assert re.findall(r"SONAME.*\[(.*)\]", words) == [ours.soname]
            assert f"ELF{ours.bits}" in words
            seen += 1
    assert seen == 4


def test_classes_as_dexdump_reads_them(classes_dex: Path) -> None:
    words = run(program("dexdump", "dexdump"), classes_dex).stdout
    theirs = re.findall(r"Class descriptor  : 'L(.*);'", words)
    assert len(theirs) == 3
    assert [name.replace("/", ".") for name in theirs] == dex_classes(
        classes_dex.read_bytes(), "classes.dex"
    )


def test_the_manifest_as_aapt2_reads_it(linked: dict[str, Path]) -> None:
    words = run(program("aapt2", "aapt"), "dump", "badging", linked["binary"]).stdout
    found = inspect_archive(linked["binary"]).manifest
    assert f"name='{found.package}' versionCode='{found.version_code}'" in words
    assert f"sdkVersion:'{found.min_sdk}'" in words
    assert f"targetSdkVersion:'{found.target_sdk}'" in words
    assert "application-debuggable" in words
    assert found.debuggable
    assert found.extract_native_libs is False


def test_an_app_bundle(linked: dict[str, Path], classes_dex: Path, tmp_path: Path) -> None:
    proto = files_of(linked["proto"])
    path = tmp_path / "app.aab"
    entries = [
        ZipEntry("BundleConfig.pb", bundle_config()),
        ZipEntry("base/manifest/AndroidManifest.xml", proto["AndroidManifest.xml"]),
        ZipEntry("base/resources.pb", proto["resources.pb"]),
        ZipEntry("base/dex/classes.dex", classes_dex.read_bytes()),
        ZipEntry("base/lib/arm64-v8a/liba.so", elf()),
        ZipEntry("base/assets/m.tflite", float_model()),
    ]
    path.write_bytes(zip_bytes(entries))
    found = inspect_archive(path)
    assert found.kind == "aab"
    assert found.manifest == inspect_archive(linked["binary"]).manifest
    assert not found.breaks
    assert found.classes.count == 3


@pytest.mark.parametrize("align", [4096, 16384])
def test_alignment_as_zipalign_reads_it(
    linked: dict[str, Path], classes_dex: Path, tmp_path: Path, align: int
) -> None:
    path = real_apk(tmp_path / "app.apk", linked["binary"], classes_dex, library_align=align)
    found = inspect_archive(path)
    assert found.breaks == (align == 4096)
    words = run(program("zipalign", "zipalign"), "-c", "-v", "-p", "4", path).stdout
    offsets = {
        name: int(offset) for offset, name in re.findall(r"^ *(\d+) (\S+) \(OK\)", words, re.M)
    }
    ours = {item.path: item.offset for item in (*found.models, *found.libraries)}
    assert ours == {name: offset for name, offset in offsets.items() if name in ours}
    for library in found.libraries:
        assert library.alignment >= 4096


def test_signatures_as_apksigner_makes_them(
    linked: dict[str, Path], classes_dex: Path, tmp_path: Path
) -> None:
    apksigner, keytool = program("apksigner", "apksigner"), program("keytool", "openjdk-17-jdk")
    unsigned = real_apk(tmp_path / "app.apk", linked["binary"], classes_dex)
    key = tmp_path / "key.p12"
    result = run(
        keytool, "-genkeypair", "-keystore", key, "-storetype", "PKCS12", "-storepass", "sample",
        "-alias", "a", "-dname", "CN=sample", "-keyalg", "RSA", "-keysize", "2048",
    )  # fmt: skip
    assert result.returncode == 0, result.stdout
    signed = tmp_path / "signed.apk"
    result = run(
        apksigner, "sign", "--ks", key, "--ks-pass", "pass:sample", "--min-sdk-version", "21",
        "--v1-signing-enabled", "true", "--out", signed, unsigned,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    words = run(apksigner, "verify", "-v", "--min-sdk-version", "21", signed).stdout
    theirs = re.findall(r"Verified using (v[123]) scheme .*: true", words)
    found = inspect_archive(signed)
    assert list(found.signatures) == theirs == ["v1", "v2", "v3"]
    assert not found.breaks, found.findings
    assert found.models[0].offset % 16384 == 0
    # What is there is named, not verified: also a signature that is wrong.
    data = bytearray(signed.read_bytes())
    data[data.rindex(b"APK Sig Block 42") - 5000] ^= 255
    signed.write_bytes(data)
    assert run(apksigner, "verify", "--min-sdk-version", "24", signed).returncode != 0
    found = inspect_archive(signed)
    assert found.to_json()["signatures"] == {"schemes": ["v1", "v2", "v3"], "verified": False}


def test_a_model_that_aapt2_compressed(
    linked: dict[str, Path], classes_dex: Path, tmp_path: Path
) -> None:
    """`-0 tflite` without its dot does nothing, and says nothing; `-0 .tflite` stores the model."""
    aapt2 = program("aapt2", "aapt")
    assets = tmp_path / "assets"
    assets.mkdir()
    (assets / "m.tflite").write_bytes(float_model())
    (tmp_path / "AndroidManifest.xml").write_text(MANIFEST)
    stored = {}
    for option in ("tflite", ".tflite"):
        path = tmp_path / f"out{option}.apk"
        result = run(
            aapt2, "link", "-I", FRAMEWORK, "--manifest", tmp_path / "AndroidManifest.xml",
            "-A", assets, "-0", option, "-o", path,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        found = inspect_archive(path)
        stored[option] = found.models[0].stored
        assert found.breaks == (not stored[option])
    assert stored == {"tflite": False, ".tflite": True}


def test_every_entry_as_zipfile_reads_it(runtime_aar: Path) -> None:
    with zipfile.ZipFile(runtime_aar) as theirs, open_archive(runtime_aar) as ours:
        assert [entry.name for entry in ours.entries] == theirs.namelist()
        for entry in ours.entries:
            assert ours.read(entry, 2**24) == theirs.read(entry.name)
        jar = zipfile.ZipFile(io.BytesIO(theirs.read("classes.jar")))
        kinds = Counter(Path(name).suffix for name in jar.namelist())
    assert inspect_archive(runtime_aar).classes.count == kinds[".class"]
