"""Which sources the harness is made of, and the digest by which both ends know them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from .dependencies import JAVA_FOLDER, PINS

PACKAGE = Path("dev/edgedeploy/harness")
HARNESS_SOURCES = JAVA_FOLDER / "harness" / "src"
MANIFEST = JAVA_FOLDER / "harness" / "AndroidManifest.xml"
# The part that knows Android; the rest runs on any JVM.
APP_SOURCES = HARNESS_SOURCES / PACKAGE / "app"
WRAPPER_SOURCES = JAVA_FOLDER / "wrapper" / "src"
JNI_SOURCES = JAVA_FOLDER / "jni"

_BUILD_INFO = """\
package dev.edgedeploy.harness;

/** Which harness this is; written by the build. */
public final class BuildInfo {{
    /** The version of edge-deploy. */
    public static final String VERSION = "{version}";
    /** The sha256 over the sources, in hex. */
    public static final String DIGEST = "{digest}";

    private BuildInfo() {{
    }}
}}
"""


def core_sources() -> list[Path]:
    """The Java files of the harness that need no Android, sorted."""
    return [path for path in _java_files(HARNESS_SOURCES) if APP_SOURCES not in path.parents]


def app_sources() -> list[Path]:
    """The Java files of the instrumented app, sorted; they need Android's framework."""
    return _java_files(APP_SOURCES)


def wrapper_sources() -> list[Path]:
    """The Java files of the classifier that goes into an app developer's library, sorted."""
    return _java_files(WRAPPER_SOURCES)


def wrapper_source_files() -> dict[str, Path]:
    """What a library as source is made of, by path: `java/`, `kotlin/`, `androidTest/`, rules."""
    wrapper = WRAPPER_SOURCES.parent
    found = {path.name: path for path in wrapper.glob("*.txt")}
    for folder, name in ((WRAPPER_SOURCES, "java"), (wrapper / "kotlin", "kotlin"),
                         (wrapper / "androidTest", "androidTest")):  # fmt: skip
        for path in folder.rglob("*"):
            if path.suffix in {".java", ".kt"}:
                found[f"{name}/{path.relative_to(folder).as_posix()}"] = path
    return dict(sorted(found.items()))


def harness_digest() -> str:
    """The sha256, in hex, over the names and bytes of what the harness is built from."""
    files = [PINS, MANIFEST, *_java_files(HARNESS_SOURCES), *_c_files(JNI_SOURCES)]
    return digest_of({path.relative_to(JAVA_FOLDER).as_posix(): path for path in files})


def digest_of(files: Mapping[str, Path]) -> str:
    """The sha256, in hex, over names and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        data = path.read_bytes()
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


def write_build_info(folder: Path, version: str, digest: str) -> Path:
    """Write the Java class that tells the harness its own version and digest."""
    path = folder / PACKAGE / "BuildInfo.java"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_BUILD_INFO.format(version=version, digest=digest).encode())
    return path


def _java_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.java"))


def _c_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in {".c", ".h"})
