"""From classes.dex and a manifest to a signed APK, the same bytes on every machine."""

from __future__ import annotations

import base64
import sys
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from .dependencies import JAVA_FOLDER
from .errors import MissingToolError
from .running import find_program, run

sys.path.insert(0, str(JAVA_FOLDER.parent))

from edge_deploy_android.archives.aligned_zip import (
    PAGE_BYTES,
    ZipEntry,
    zip_bytes,
)

FRAMEWORK_RESOURCES = Path("/usr/share/android-framework-res/framework-res.apk")
SIGNING = JAVA_FOLDER / "signing"
MIN_SDK = 26


def classes_jar(classes: Path) -> bytes:
    """A jar of a folder's class files, sorted and stored."""
    files = sorted(classes.rglob("*.class"))
    return stored_zip((path.relative_to(classes).as_posix(), path.read_bytes()) for path in files)


def stored_zip(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A zip of names and bytes, nothing compressed: no zlib has a say in its bytes."""
    return zip_bytes(ZipEntry(name, data, stored=True) for name, data in files)


def dex_entry(dex_file: Path) -> ZipEntry:
    """An app's code."""
    return ZipEntry("classes.dex", dex_file.read_bytes(), stored=True)


def link_resources(
    manifest: Path, folder: Path, version: str, *, assets: Sequence[Path] = ()
) -> list[ZipEntry]:
    """The manifest and resource table of an app in their binary form, and its assets.

    Models (`.tflite`) are left uncompressed, and lie at a page of 16 KB.
    """
    if not FRAMEWORK_RESOURCES.is_file():
        raise MissingToolError(
            f"{FRAMEWORK_RESOURCES} is missing; install it: apt-get install android-framework-res"
        )
    linked = folder / "linked.apk"
    # Debian's aapt2 is of Android 10 and knows no <uses-native-library>: it warns, and keeps it.
    run([
        find_program("aapt2", "aapt"), "link", "--warn-manifest-validation", "-0", ".tflite",
        "-I", FRAMEWORK_RESOURCES, "--manifest", manifest, "--version-code", "1",
        "--version-name", version, *(word for path in assets for word in ("-A", path)),
        "-o", linked,
    ])  # fmt: skip
    with zipfile.ZipFile(linked) as archive:
        return [_apk_entry(info, archive.read(info)) for info in archive.infolist()]


def _apk_entry(info: zipfile.ZipInfo, data: bytes) -> ZipEntry:
    stored = info.compress_type == zipfile.ZIP_STORED or not info.filename.startswith("assets/")
    align = PAGE_BYTES if info.filename.endswith(".tflite") else 4
    return ZipEntry(info.filename, data, stored=stored, align=align)


def library_entry(abi: str, name: str, data: bytes) -> ZipEntry:
    """A native library of an APK: stored, and at a page of 16 KB, so that it need not be copied."""
    return ZipEntry(f"lib/{abi}/{name}", data, stored=True, align=PAGE_BYTES)


def write_signed_apk(entries: Iterable[ZipEntry], apk: Path, folder: Path) -> None:
    """Write an APK signed with the debug key (schemes v2 and v3), entries sorted by name.

    `folder` is for what lies between; RSA signatures of this kind hold no random number.
    """
    unsigned = folder / "unsigned.apk"
    unsigned.write_bytes(zip_bytes(sorted(entries, key=lambda entry: entry.name)))
    key = folder / "debug-key.pk8"
    key.write_bytes(pem_bytes(SIGNING / "debug-key.pem"))
    run([
        find_program("apksigner", "apksigner"), "sign", "--key", key,
        "--cert", SIGNING / "debug-certificate.pem", "--min-sdk-version", str(MIN_SDK),
        "--v1-signing-enabled", "false", "--v2-signing-enabled", "true",
        "--v3-signing-enabled", "true", "--v4-signing-enabled", "false",
        "--out", apk, unsigned,
    ])  # fmt: skip


def verify_apk(apk: Path) -> str:
    """What apksigner says of an APK; raises `BuildError` where its signature does not verify."""
    return run([find_program("apksigner", "apksigner"), "verify", "--verbose", apk])


def pem_bytes(path: Path) -> bytes:
    """What a PEM file holds, without its armour."""
    lines = path.read_text("ascii").splitlines()
    return base64.b64decode("".join(line for line in lines if not line.startswith("-----")))
