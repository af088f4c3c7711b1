"""The JDK, D8 and the Kotlin compiler."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .dependencies import D8_JAR, Dependencies
from .errors import BuildError, MissingToolError
from .running import run

JDK_VERSION = 17
# Dex version 035, which every tool reads; D8 then rewrites static methods of interfaces, which
# enjarify cannot say in the class files that it writes.
DEX_MIN_API = 23


@dataclass(frozen=True)
class Jdk:
    """A JDK 17 in its home folder."""

    home: Path

    @property
    def java(self) -> Path:
        """The program that runs classes."""
        return self.home / "bin" / "java"

    @property
    def javac(self) -> Path:
        """The compiler."""
        return self.home / "bin" / "javac"


def find_jdk() -> Jdk:
    """The JDK 17: of JAVA_HOME, else of PATH, else of Debian's folder."""
    if "JAVA_HOME" in os.environ:
        return jdk_at(Path(os.environ["JAVA_HOME"]))
    candidates = sorted(Path("/usr/lib/jvm").glob(f"java-{JDK_VERSION}-openjdk*"))
    on_path = shutil.which("javac")
    if on_path is not None:
        candidates.insert(0, Path(on_path).resolve().parents[1])
    for home in candidates:
        try:
            return jdk_at(home)
        except BuildError:
            continue
    raise MissingToolError(
        f"a JDK {JDK_VERSION} is not installed; install it: "
        f"apt-get install openjdk-{JDK_VERSION}-jdk-headless"
    )


def jdk_at(home: Path) -> Jdk:
    """The JDK in a folder; refuses one of another version than 17."""
    javac = home / "bin" / "javac"
    if not javac.is_file():
        raise MissingToolError(
            f"{home} holds no JDK; set JAVA_HOME to a JDK {JDK_VERSION}, or unset it"
        )
    words = run([javac, "-version"])
    version = re.search(r"^javac (\d+)", words, re.MULTILINE)
    if version is None or int(version[1]) != JDK_VERSION:
        raise BuildError(
            f"{home} is {words.strip()}, and the harness is built with JDK {JDK_VERSION} alone, "
            f"so that two builds are the same; set JAVA_HOME to a JDK {JDK_VERSION}"
        )
    return Jdk(home)


def compile_java(
    jdk: Jdk, sources: Iterable[Path], class_path: Sequence[Path], classes: Path
) -> None:
    """Compile Java 8 sources into a folder of class files, with every warning an error."""
    files = sorted(sources)
    if not files:
        raise BuildError("there are no Java sources to compile")
    classes.mkdir(parents=True, exist_ok=True)
    run([
        jdk.javac, "-J-Duser.language=en", "--release", "8", "-encoding", "UTF-8", "-proc:none",
        "-g:source,lines", "-Xlint:all,-options,-classfile,-processing,-path,-try", "-Werror",
        "-implicit:none", "-cp", _joined([*class_path, classes]), "-d", classes, *files,
    ])  # fmt: skip


def run_java(
    jdk: Jdk,
    class_path: Sequence[Path],
    main: str,
    arguments: Sequence[str | Path] = (),
    *,
    options: Sequence[str] = (),
) -> str:
    """Run a main class; returns what it printed, raises `BuildError` unless it ended with 0."""
    return run([jdk.java, *options, "-cp", _joined(class_path), main, *arguments])


def compile_kotlin(
    jdk: Jdk,
    dependencies: Dependencies,
    sources: Iterable[Path],
    class_path: Sequence[Path],
    classes: Path,
) -> None:
    """Compile Kotlin sources (and the Java sources they refer to) into a folder of class files."""
    classes.mkdir(parents=True, exist_ok=True)
    libraries = [*class_path, dependencies.kotlin_library]
    run_java(
        jdk, dependencies.kotlin_compiler, "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
        ["-no-stdlib", "-no-reflect", "-jvm-target", "1.8",
         "-cp", _joined(libraries), "-d", classes, *sorted(sources)],
    )  # fmt: skip


def dex(
    jdk: Jdk,
    dependencies: Dependencies,
    programs: Iterable[Path],
    folder: Path,
    *,
    class_path: Sequence[Path] = (),
    min_api: int = DEX_MIN_API,
) -> Path:
    """Turn class files and jars into `classes.dex` in a folder; returns its path.

    What the programs call but do not contain is named by `class_path`; Android's framework is
    known already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options: list[str | Path] = ["--release", "--min-api", str(min_api), "--thread-count", "1"]
    # The framework package has no plain java.lang; the JDK does.
    for library in (dependencies.framework, jdk.home):
        options += ["--lib", library]
    for jar in class_path:
        options += ["--classpath", jar]
    inputs = [file for program in programs for file in _class_files(program)]
    run_java(
        jdk, [dependencies.jar(D8_JAR)], "com.android.tools.r8.D8",
        [*options, "--output", folder, *inputs],
    )  # fmt: skip
    written = sorted(path.name for path in folder.glob("*.dex"))
    if written != ["classes.dex"]:
        raise BuildError(f"D8 wrote {', '.join(written) or 'nothing'}, not one classes.dex")
    return folder / "classes.dex"


def _class_files(program: Path) -> list[Path]:
    return sorted(program.rglob("*.class")) if program.is_dir() else [program]


def _joined(class_path: Sequence[Path]) -> str:
    return os.pathsep.join(map(os.fspath, class_path))
