"""The pinned packages: Maven fetches them by name; one of another sha256 is refused."""

from __future__ import annotations

import fcntl
import hashlib
import io
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import BuildError
from .running import find_program, run

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

JAVA_FOLDER = Path(__file__).resolve().parents[1]
CACHE = JAVA_FOLDER.parents[1] / ".cache" / "android"
PINS = JAVA_FOLDER / "dependencies.toml"

RUNTIME_AARS = (
    "tensorflow-lite-2.16.1.aar",
    "tensorflow-lite-api-2.16.1.aar",
    "tensorflow-lite-gpu-2.16.1.aar",
    "tensorflow-lite-gpu-api-2.14.0.aar",
)
RUNTIME_AAR = RUNTIME_AARS[0]
D8_JAR = "r8-8.7.18.jar"
FRAMEWORK_JAR = "android-all-15-robolectric-12650502.jar"


@dataclass(frozen=True)
class Dependencies:
    """Folders with every pinned file, and with the classes of each runtime AAR as a jar."""

    maven: Path
    classes: Path

    def jar(self, name: str) -> Path:
        """A pinned file by its name."""
        return self.maven / name

    @property
    def runtime_classes(self) -> tuple[Path, ...]:
        """The Java classes of the TensorFlow Lite runtime, its API and its GPU delegate."""
        return tuple(self.classes / f"{Path(aar).stem}.jar" for aar in RUNTIME_AARS)

    @property
    def framework(self) -> Path:
        """The classes of Android's framework; they are compiled against, never packed."""
        return self.jar(FRAMEWORK_JAR)

    @property
    def kotlin_compiler(self) -> tuple[Path, ...]:
        """The class path of the Kotlin compiler; `kotlin_library` is what compiled code needs."""
        words = ("kotlin", "annotations-", "trove4j-")
        return tuple(path for path in sorted(self.maven.iterdir()) if path.name.startswith(words))

    @property
    def kotlin_library(self) -> Path:
        """Kotlin's standard library."""
        return next(path for path in self.kotlin_compiler if path.name.startswith("kotlin-stdlib-"))


def pinned_sha256(pins: Path = PINS) -> dict[str, str]:
    """The sha256 that each file must have, by its name."""
    with pins.open("rb") as stream:
        table = tomllib.load(stream)
    return {entry["name"]: entry["sha256"] for entry in table["file"]}


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check(folder: Path, pins: dict[str, str]) -> None:
    """Refuse a folder in which a pinned file is missing or is not the one that was pinned."""
    for name, expected in sorted(pins.items()):
        path = folder / name
        if not path.is_file():
            raise BuildError(f"{path} is missing; remove {folder} and build again to fetch it")
        found = sha256_of(path)
        if found != expected:
            raise BuildError(
                f"{path} is damaged or is not the pinned file: its sha256 is {found}, and "
                f"{PINS.name} says {expected}; remove it and build again to fetch it anew"
            )


def fetch(cache: Path = CACHE) -> Dependencies:
    """All pinned packages below `cache`; what is not there yet, Maven gets (about 290 MB)."""
    maven = cache / "maven"
    pins = pinned_sha256()
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache / "lock"):
        if not all((maven / name).is_file() for name in pins):
            _copy_with_maven(maven)
        check(maven, pins)
        classes = cache / "classes"
        for aar in RUNTIME_AARS:
            _unpack_classes(maven / aar, classes / f"{Path(aar).stem}.jar")
    return Dependencies(maven, classes)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold a lock that other processes wait for."""
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _copy_with_maven(folder: Path) -> None:
    """Let Maven copy the packages that pom.xml names, and what they need, to a folder."""
    maven = find_program("mvn", "maven")
    command = [
        *(maven, "-q", "-B", "-f", JAVA_FOLDER / "pom.xml", "dependency:copy-dependencies"),
        f"-DoutputDirectory={folder}",
    ]
    try:
        run(command)
    except BuildError:
        # A repository that did not answer is remembered as one that has nothing: -U asks again.
        run([*command, "-U"])


def _unpack_classes(aar: Path, jar: Path) -> None:
    """Write the classes.jar of an AAR to a file of its own."""
    with zipfile.ZipFile(aar) as archive:
        data = archive.read("classes.jar")
    zipfile.ZipFile(io.BytesIO(data)).close()
    if jar.is_file() and jar.read_bytes() == data:
        return
    jar.parent.mkdir(exist_ok=True)
    part = jar.with_suffix(".part")
    part.write_bytes(data)
    part.replace(jar)
