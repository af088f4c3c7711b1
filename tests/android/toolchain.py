"""The JDK, the pinned packages and what is compiled from our Java, for tests.

Everything lies in `.cache/android`, keyed by the sources it came from, so that each is fetched and
compiled once however many workers run. Where a tool is missing a test is skipped, or fails if
EDGE_DEPLOY_REQUIRE names "android".
"""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from conftest import ROOT, skip_or_fail

JAVA = ROOT / "android_harness" / "java"
BUILT = ROOT / "android_harness" / "edge_deploy_android" / "built"
sys.path.append(str(JAVA))

from building import sources  # noqa: E402
from building.dependencies import CACHE, Dependencies, fetch, sha256_of  # noqa: E402
from building.errors import BuildError, MissingToolError  # noqa: E402
from building.jdk import Jdk, compile_java, compile_kotlin, dex, find_jdk  # noqa: E402
from edge_deploy_runner.version import VERSION  # noqa: E402

ENJARIFY_FOLDER = Path("/usr/lib/python3/dist-packages")


@lru_cache(maxsize=1)
def _jdk() -> Jdk | BuildError:
    try:
        return find_jdk()
    except BuildError as error:
        return error


@lru_cache(maxsize=1)
def _dependencies() -> Dependencies | BuildError:
    try:
        return fetch()
    except BuildError as error:
        # Asked for once: without a network, Maven takes its time to say so.
        return error


def jdk() -> Jdk:
    """The JDK 17."""
    found = _jdk()
    if isinstance(found, BuildError):
        skip_or_fail("android", str(found))
        raise found
    return found


def dependencies() -> Dependencies:
    """The pinned packages; each was checked against its sha256."""
    found = _dependencies()
    if isinstance(found, BuildError):
        if "sha256" not in str(found):
            skip_or_fail("android", str(found))
        raise found  # a damaged file is never passed over
    return found


def program(name: str, package: str) -> Path:
    """A program of this system that the test needs, from the apt package that has it."""
    found = shutil.which(name)
    if found is None:
        skip_or_fail("android", f"{name} is not installed: apt-get install {package}")
    return Path(str(found))


def javac(
    files: Iterable[Path], classes: Path, class_path: Sequence[Path] = (), *, android: bool = False
) -> Path:
    """Compile Java 8 sources into a folder, which is returned; `android` adds its framework."""
    libraries = [*class_path, dependencies().framework] if android else list(class_path)
    compile_java(jdk(), files, libraries, classes)
    return classes


def kotlinc(
    files: Iterable[Path], classes: Path, class_path: Sequence[Path] = (), *, android: bool = False
) -> Path:
    """Compile Kotlin sources into a folder, which is returned; to run them, `kotlin_library()`."""
    libraries = [*class_path, dependencies().framework] if android else list(class_path)
    compile_kotlin(jdk(), dependencies(), files, libraries, classes)
    return classes


def kotlin_library() -> Path:
    """What compiled Kotlin needs on its class path."""
    return dependencies().kotlin_library


def java(
    class_path: Sequence[Path],
    main: str,
    *arguments: str | Path,
    options: Sequence[str] = (),
    stdin: bytes = b"",
    folder: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a main class on the JVM; whatever it ended with is returned."""
    command = [
        *(str(jdk().java), *options, "-cp", ":".join(map(str, class_path)), main),
        *map(str, arguments),
    ]
    result = subprocess.run(command, input=stdin, capture_output=True, check=False, cwd=folder)
    return subprocess.CompletedProcess(
        command, result.returncode, result.stdout.decode(), result.stderr.decode()
    )


def dexed(
    programs: Iterable[Path], folder: Path, class_path: Sequence[Path] = (), *, min_api: int = 23
) -> Path:
    """Turn class folders and jars into `classes.dex` in a folder; returns its path."""
    return dex(jdk(), dependencies(), programs, folder, class_path=class_path, min_api=min_api)


def undexed(dex_file: Path, jar: Path) -> Path:
    """Turn a dex file, or a zip with one, back into class files, with enjarify."""
    if not (ENJARIFY_FOLDER / "enjarify").is_dir():
        skip_or_fail("android", "enjarify is not installed: apt-get install enjarify")
    command = ["/usr/bin/python3", "-O", "-m", "enjarify.main", "-f", "-o", str(jar), str(dex_file)]
    result = subprocess.run(
        command, cwd=ENJARIFY_FOLDER, capture_output=True, text=True, check=False
    )
    words = result.stdout + result.stderr
    if result.returncode != 0 or " 0 classes had errors" not in words:
        raise AssertionError(f"enjarify did not read {dex_file}:\n{words[-2000:]}")
    return jar


def dex_classes(archive: Path) -> set[str]:
    """The names of the classes that dexdump finds in a jar or APK."""
    result = subprocess.run(
        [program("dexdump", "dexdump"), archive], capture_output=True, text=True, check=True
    )
    found = re.findall(r"^  Class descriptor  : 'L(.+);'$", result.stdout, re.MULTILINE)
    return {name.replace("/", ".") for name in found}


def runtime_classes() -> tuple[Path, ...]:
    """Jars with the Java classes of the pinned runtime (no native library)."""
    return dependencies().runtime_classes


def junit() -> tuple[Path, ...]:
    """JUnit 4 and what it needs."""
    found = dependencies()
    return (found.jar("junit-4.13.2.jar"), found.jar("hamcrest-core-1.3.jar"))


def harness_classes() -> Path:
    """The harness without its app part, compiled; runs on a JVM with `runtime_classes()`."""
    digest = sources.harness_digest()

    def build(classes: Path) -> None:
        info = sources.write_build_info(classes.with_suffix(".java"), VERSION, digest)
        javac([*sources.core_sources(), info], classes, runtime_classes())

    return once(f"harness-{digest[:16]}-{VERSION}", build)


def wrapper_classes() -> Path:
    """The classifier that goes into an app developer's library, compiled."""
    files = sources.wrapper_sources()
    digest = sources.digest_of({str(path.relative_to(JAVA)): path for path in files})

    def build(classes: Path) -> None:
        javac(files, classes, runtime_classes(), android=True)

    return once(f"wrapper-{digest[:16]}", build)


def once(name: str, build: Callable[[Path], None]) -> Path:
    """A folder of the cache, filled by `build` unless another process did so already."""
    folder = CACHE / "compiled" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            part = folder.with_name(f"{name}.part")
            shutil.rmtree(part, ignore_errors=True)
            build(part)
            part.rename(folder)
    return folder


__all__ = ["BUILT", "JAVA", "BuildError", "MissingToolError", "sha256_of"]
