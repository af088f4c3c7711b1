"""What `inspect` finds in an APK, AAB or AAR, and when its exit code is 1."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from android.sample_archives import SampleManifest, aab, aar, apk, bundle_config, dex, elf, jar
from conftest import edge_deploy
from edge_deploy_android.archives.aligned_zip import ZipEntry, zip_bytes
from edge_deploy_android.archives.archive_inspection import ArchiveInspection
from edge_deploy_android.archives.inspecting import archive_kind, inspect_archive
from edge_deploy_android.archives.zip_reader import open_archive
from edge_deploy_runner.errors import BadInputError
from golden_keys import check_golden
from small_models import custom_operator_model, float_model

from edge_deploy import inspect

APP = SampleManifest(extract_native_libs=False)
MODEL = float_model()
TFLITE = "libtensorflowlite_jni.so"
VERSION = b"\0" + b"2.16.1\0"


def library(
    path: str = f"lib/arm64-v8a/{TFLITE}",
    *,
    stored: bool = True,
    align: int = 16384,
    page: int = 16384,
) -> ZipEntry:
    abi = path.split("/")[-2]
    return ZipEntry(path, elf(abi, alignment=page, contents=VERSION), stored=stored, align=align)


def model(path: str = "assets/m.tflite", *, stored: bool = True, data: bytes = MODEL) -> ZipEntry:
    return ZipEntry(path, data, stored=stored, align=16384 if stored else 1)


def problems(found: ArchiveInspection) -> list[str]:
    return [finding.text for finding in found.findings if finding.status == "problem"]


def warnings(found: ArchiveInspection) -> list[str]:
    return [finding.text for finding in found.findings if finding.status == "warning"]


def look(tmp_path: Path, *entries: ZipEntry, manifest: SampleManifest = APP) -> ArchiveInspection:
    return inspect_archive(apk(tmp_path / "app.apk", entries, manifest))


def test_a_good_app(tmp_path: Path) -> None:
    found = look(tmp_path, library(), library(f"lib/armeabi-v7a/{TFLITE}"), model())
    assert not found.breaks
    assert not warnings(found)
    assert found.kind == "apk"
    assert found.abis == ("arm64-v8a", "armeabi-v7a")
    assert found.page_16k is True
    assert found.signatures == ("v2", "v3")
    (packed,) = found.models
    assert packed.sha256 == hashlib.sha256(MODEL).hexdigest()
    assert packed.alignment >= 16384
    assert packed.offset % 16384 == 0
    assert packed.inputs == ("float32 1x16x16x3",)
    runtime = found.libraries[0].runtime
    assert runtime is not None
    assert (runtime.name, runtime.version) == ("TensorFlow Lite", "2.16.1")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([library(page=4096)], "mapped on 16 KB pages: LOAD segment 0 is aligned to 4096"),
        ([library(align=4096)], "not at a multiple of 16384 bytes: cannot be mapped"),
        ([library(align=4)], "not at a multiple of 4096 bytes: it does not install"),
        ([library(stored=False)], "compressed, but extractNativeLibs is false"),
        ([library(f"lib/armeabi-v7a/{TFLITE}")], "armeabi-v7a alone: devices without 32-bit code"),
        ([model(stored=False)], "m.tflite compressed: cannot be memory-mapped"),
        ([model("res/raw/x.bin", stored=False)], "res/raw/x.bin compressed: cannot be memory"),
        ([model(data=MODEL[:900])], "m.tflite cannot be opened: "),
        ([model(data=b"version https://git-lfs.github.com/spec/v1\n")], "a Git LFS pointer"),
        ([model(data=custom_operator_model("FlexErf"))], "needs TensorFlow operators (FlexErf)"),
        (
            [library(), ZipEntry("lib/x86_64/libother.so", elf("x86_64"), True, 16384)],
            "libtensorflowlite_jni.so is missing for x86_64",
        ),
        (
            [ZipEntry("lib/arm64-v8a/liba.so", elf("x86_64"), stored=True, align=16384)],
            "liba.so is a library for x86_64, not arm64-v8a",
        ),
        (
            [ZipEntry("lib/arm64-v8a/liba.so", elf(needed=["libc.so.6"]), True, 16384)],
            "was built for desktop Linux",
        ),
        ([ZipEntry("lib/arm64-v8a/liba.so", elf()[:90], True, 16384)], "liba.so cannot be loaded"),
        ([ZipEntry("resources.arsc", bytes(99))], "resources.arsc is compressed"),
        (
            [model("assets/a/m.tflite"), ZipEntry("assets/a/contract.json", json.dumps(
                {"model": {"file": "m.tflite", "sha256": "0" * 64}}).encode())],
            "contract.json names another sha256 than assets/a/m.tflite has",
        ),
    ],
)  # fmt: skip
def test_what_breaks(tmp_path: Path, entries: list[ZipEntry], words: str) -> None:
    found = look(tmp_path, *entries)
    assert any(words in text for text in problems(found)), found.findings
    assert found.breaks


@pytest.mark.parametrize(
    "entries",
    [
        [library(), library(f"lib/armeabi-v7a/{TFLITE}", page=4096, align=4096)],
        [model("kotlin/x.tflite", stored=False), library()],
        [model("assets/x.tflite", data=b"sealed by its owner" * 9), library()],
        [model(data=custom_operator_model("Mystery")), library()],
        [
            model(data=custom_operator_model("FlexErf")),
            library("lib/arm64-v8a/libtensorflowlite_flex_jni.so"),
        ],
    ],
)
def test_what_does_not_break(tmp_path: Path, entries: list[ZipEntry]) -> None:
    assert not problems(look(tmp_path, *entries))


@pytest.mark.parametrize("extract", [None, True])
def test_extracted_libraries_may_lie_anywhere(tmp_path: Path, extract: bool | None) -> None:
    manifest = replace(APP, extract_native_libs=extract)
    found = look(tmp_path, library(stored=False), library(f"lib/x86_64/{TFLITE}", align=4),
                 manifest=manifest)  # fmt: skip
    assert not problems(found)
    assert not found.libraries[0].stored


@pytest.mark.parametrize(
    ("manifest", "problem", "warning"),
    [
        (replace(APP, target_sdk=23), "Android 15 installs none below 24", ""),
        (replace(APP, target_sdk=None, min_sdk=21), "Android 15 installs none below 24", ""),
        (replace(APP, debuggable=True), "", "is debuggable"),
        (replace(APP, target_sdk=24), "", ""),
    ],
)
def test_the_manifest(tmp_path: Path, manifest: SampleManifest, problem: str, warning: str) -> None:
    found = look(tmp_path, manifest=manifest)
    assert problem in " ".join(problems(found))
    assert bool(problems(found)) == bool(problem)
    assert warning in " ".join(warnings(found))


def test_signatures(tmp_path: Path) -> None:
    v1 = [ZipEntry("META-INF/CERT.SF", b"s"), ZipEntry("META-INF/CERT.RSA", b"r")]
    unsigned = inspect_archive(apk(tmp_path / "u.apk", sign=False))
    assert any("is not signed" in text for text in warnings(unsigned))
    old = inspect_archive(apk(tmp_path / "1.apk", v1, sign=False))
    assert old.signatures == ("v1",)
    assert any("a v1 signature alone" in text for text in problems(old))
    assert inspect_archive(apk(tmp_path / "2.apk", v1)).signatures == ("v1", "v2", "v3")
    before = replace(APP, target_sdk=29)
    assert not problems(inspect_archive(apk(tmp_path / "0.apk", v1, before, sign=False)))


def test_damaged_signing_blocks_are_no_signature(tmp_path: Path) -> None:
    data = apk(tmp_path / "a.apk").read_bytes()
    at = data.index(b"APK Sig Block 42")
    for place, new in (
        (at - 8, struct.pack("<Q", 2**40)),
        (at - 8, bytes(8)),
        (at - 30, b"\xff" * 8),
    ):
        (tmp_path / "b.apk").write_bytes(data[:place] + new + data[place + 8 :])
        assert inspect_archive(tmp_path / "b.apk").signatures in ((), ("v2",))


def test_classes_defined_twice(tmp_path: Path) -> None:
    other = ZipEntry("classes2.dex", dex(["org.example.app.Main", "org.example.B"]))
    found = look(tmp_path, other)
    assert [d.name for d in found.duplicates] == ["org.example.app"]
    assert found.duplicates[0].where == ("classes.dex", "classes2.dex")
    assert not found.breaks
    names = ["org.tensorflow.lite.Interpreter", "org.tensorflow.lite.Tensor"]
    twice = [ZipEntry(f"classes{n}.dex", dex(names)) for n in (2, 3)]
    assert any(
        "2 classes of org.tensorflow.lite" in text for text in problems(look(tmp_path, *twice))
    )


def test_dex_files_that_are_not_read(tmp_path: Path) -> None:
    container = b"dex\n041\0" + dex(["a.B"])[8:]
    found = look(tmp_path, ZipEntry("classes2.dex", container))
    assert found.classes.count == 1
    assert any("classes2.dex of dex version 041" in text for text in warnings(found))


def test_names_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    path = apk(tmp_path / "app.apk", [model("assets/\x1b[2J.tflite", stored=False)], APP)
    result = edge_deploy("inspect", path)
    assert result.returncode == 1
    assert "\x1b" not in result.stdout
    assert "assets/?[2J.tflite" in result.stdout


def test_the_same_content_twice(tmp_path: Path) -> None:
    found = look(tmp_path, model(), model("assets/copy.bin"), library())
    assert any("assets/m.tflite and assets/copy.bin" in text for text in warnings(found))
    assert len(found.models) == 2


def test_a_bundle_is_packed_as_its_configuration_says(tmp_path: Path) -> None:
    entries = [
        library(f"base/lib/arm64-v8a/{TFLITE}", stored=False),
        model("base/assets/m.tflite", stored=False),
    ]
    path = tmp_path / "app.aab"
    found = inspect_archive(aab(path, entries))
    assert found.kind == "aab"
    assert not found.breaks
    assert found.models[0].stored_in_app is True
    for config, words in (
        (bundle_config(globs=["**.bin"]), "compressed in the APKs made of the bundle"),
        (bundle_config(alignment=1), "places libraries at 4 KB"),
        (bundle_config(alignment=None), "places libraries at 4 KB"),
    ):
        assert any(
            words in text for text in problems(inspect_archive(aab(path, entries, None, config)))
        )
    compressed = bundle_config(uncompressed=False, alignment=None)
    assert not problems(inspect_archive(aab(path, entries, None, compressed)))
    pack = [*entries, model("pack/assets/big.tflite", stored=False)]
    assert len(inspect_archive(aab(path, pack)).models) == 2


def test_an_aar(tmp_path: Path) -> None:
    path = tmp_path / "x.aar"
    entries: Sequence[ZipEntry] = [
        library(f"jni/arm64-v8a/{TFLITE}", stored=False), model(stored=False)
    ]  # fmt: skip
    found = inspect_archive(aar(path, entries))
    assert found.kind == "aar"
    assert not problems(found)
    assert found.models[0].stored_in_app is None
    assert any("lost when an app is packaged" in finding.text for finding in found.findings)
    unaligned = [library(f"jni/arm64-v8a/{TFLITE}", page=4096)]
    (text,) = problems(inspect_archive(aar(path, unaligned)))
    assert "an app with it crashes there" in text
    twice = [ZipEntry("libs/other.jar", jar(["org.example.library.Main"]))]
    (text,) = problems(inspect_archive(aar(path, twice)))
    assert "no app with it builds" in text
    runtime = inspect_archive(aar(path, classes=["org.tensorflow.lite.Interpreter"]))
    assert any("from tensorflow-lite and from litert" in text for text in warnings(runtime))


def test_relro_is_a_warning(tmp_path: Path) -> None:
    odd = ZipEntry("lib/arm64-v8a/liba.so", elf(relro_bytes=64), True, 16384)
    found = look(tmp_path, odd)
    assert not found.breaks
    assert any("become read-only there" in text for text in warnings(found))


# --- which file is what ---------------------------------------------------------------------------


def test_kinds_are_told_by_content(tmp_path: Path) -> None:
    for kind, make in (("apk", apk), ("aab", aab), ("aar", aar)):
        path = make(tmp_path / f"{kind}.zip")
        assert archive_kind(path) == kind
        found = inspect(path)
        assert isinstance(found, ArchiveInspection)
        assert found.kind == kind
    path = tmp_path / "x.tflite"
    path.write_bytes(apk(tmp_path / "a.apk").read_bytes())
    with pytest.raises(BadInputError, match=r"is an APK by its content; name it \.apk"):
        inspect(path)
    other = tmp_path / "other.apk"
    other.write_bytes(jar(["a.B"]))
    with pytest.raises(BadInputError, match="is a zip, but no APK, AAB or AAR"):
        inspect(other)
    assert archive_kind(other) is None
    assert archive_kind(tmp_path / "none") is None


def test_the_command(tmp_path: Path) -> None:
    contract = json.dumps(
        {"model": {"file": "m.tflite", "sha256": hashlib.sha256(MODEL).hexdigest()}}
    )
    entries = [
        model(),
        ZipEntry("assets/contract.json", contract.encode()),
        library(),
        library(f"lib/x86_64/{TFLITE}", page=4096),
        model("assets/copy.tflite"),
    ]
    path = apk(tmp_path / "app.apk", entries, APP)
    result = edge_deploy("inspect", path, "--json")
    assert result.returncode == 1, result.stderr
    document = json.loads(result.stdout)
    assert document["breaks"] is True
    check_golden("inspect_archive_keys.json", document)
    shown = edge_deploy("inspect", path)
    assert shown.returncode == 1
    heads = [line.split(" ")[0] for line in shown.stdout.splitlines()]
    assert [head for head in heads if head][:3] == ["APK", "verdict", "problem"]
    assert "litert:1.4.0" in shown.stdout
    good = edge_deploy("inspect", apk(tmp_path / "good.apk", [model(), library()], APP))
    assert good.returncode == 0, good.stdout


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("x.apk", b"", "is empty"),
        ("x.apk", MODEL, "is a TFLite model by its content"),
        ("x.aab", b"not a zip at all" * 9, "is no zip"),
        ("x.aar", jar(["a.B"]), "no APK, AAB or AAR"),
        ("x.apk", jar(["a.B"])[:-9], "cut off"),
    ],
)
def test_the_command_on_bad_input(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    for arguments in ((), ("--json",)):
        result = edge_deploy("inspect", path, *arguments)
        assert result.returncode == 3
        assert words in result.stderr
        assert "Traceback" not in result.stderr
        assert not result.stdout


# --- damage ---------------------------------------------------------------------------------------


def test_damaged_archives_end_in_one_sentence(tmp_path: Path) -> None:
    """Bits flipped, cut off, and content that is damaged inside a zip that is whole."""
    bases = [
        apk(tmp_path / "a.apk", [library(), model(stored=False)], APP),
        aab(tmp_path / "a.aab", [library("base/lib/x86_64/liba.so"), model("base/assets/m")]),
        aar(tmp_path / "a.aar", [library("jni/arm64-v8a/liba.so"), model()]),
    ]
    random_ = random.Random(20261122)
    refused = []
    target = tmp_path / "damaged.bin"
    for number in range(2000):
        base = bases[number % 3]
        data = _repacked(base, random_) if number % 2 else _damaged(base.read_bytes(), random_)
        target.write_bytes(data)
        try:
            inspect_archive(target).to_json()
        except BadInputError as error:
            refused.append(str(error))
    assert len(refused) > 500
    assert not [text for text in refused if "\n" in text or len(text) > 600]


def _damaged(data: bytes, random_: random.Random) -> bytes:
    changed = bytearray(data)
    way = random_.randrange(4)
    if way == 0:
        return data[: random_.randrange(len(data))]
    if way == 1:
        for _ in range(random_.choice((1, 2, 8))):
            changed[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
    elif way == 2:
        place = random_.randrange(max(1, len(data) - 4))
        changed[place : place + 4] = random_.choice((b"\xff" * 4, bytes(4), b"\xff\xff\xff\x7f"))
    else:
        place = random_.randrange(max(0, len(data) - 700), len(data))
        changed[place] ^= 1 << random_.randrange(8)
    return bytes(changed)


def _repacked(path: Path, random_: random.Random) -> bytes:
    """The archive with one entry damaged, and every size and checksum right again."""
    with open_archive(path) as archive:
        chosen = random_.choice([entry for entry in archive.entries if entry.size_bytes])
        entries = []
        for entry in archive.entries:
            data = archive.read(entry, 2**24)
            if entry is chosen:
                data = _damaged(data, random_)
            entries.append(ZipEntry(entry.name, data, entry.stored))
    return zip_bytes(entries)
