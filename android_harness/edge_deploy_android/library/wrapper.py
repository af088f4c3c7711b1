"""The classifier that goes into an app: compiled or as source, moved to a package of its own."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from edge_deploy_runner.errors import BundleError

from edge_deploy_android.archives.aligned_zip import ZipEntry, zip_bytes
from edge_deploy_android.built_files import built_file

from .class_relocation import relocate_class, relocate_path, relocate_source, string_constants
from .java_packages import WRAPPER_PACKAGE

# What `ModelName.get()` returns until a model's own name is put in.
MODEL_NAME = "edge_deploy_model_name"
CLASSES, SOURCES = "wrapper.jar", "wrapper-sources.zip"
_SOURCE_SUFFIXES = (".java", ".kt")


@dataclass(frozen=True)
class WrapperSources:
    """Sources by their path below `java/`, `kotlin/` and `androidTest/`, and ProGuard's rules."""

    java: dict[str, str]
    kotlin: dict[str, str]
    tests: dict[str, str]
    proguard: str


def classes_jar(package: str, name: str) -> bytes:
    """The compiled wrapper in `package`, for the assets of the model `name`.

    Nothing in it is compressed, so that it is the same with every zlib.
    """
    entries, named = [], 0
    for path, data in sorted(_read_built(CLASSES).items()):
        if not path.endswith(".class"):
            continue  # the manifest of the jar: an AAR needs none
        if MODEL_NAME in string_constants(data):
            named += 1
        moved = relocate_class(data, WRAPPER_PACKAGE, package, {MODEL_NAME: name})
        entries.append(ZipEntry(relocate_path(path, WRAPPER_PACKAGE, package), moved, stored=True))
    if named != 1:
        raise BundleError(
            f"{CLASSES} in this installation names its model {named} times instead of once; "
            "install edge-deploy again"
        )
    return zip_bytes(entries)


def wrapper_sources(package: str, name: str) -> WrapperSources:
    """The wrapper's sources in `package`, for the assets of the model `name`."""
    found: dict[str, dict[str, str]] = {"java": {}, "kotlin": {}, "androidTest": {}}
    proguard = ""
    for path, data in sorted(_read_built(SOURCES).items()):
        text = relocate_source(data.decode("utf-8"), WRAPPER_PACKAGE, package)
        folder, _, rest = path.partition("/")
        if path == "proguard.txt":
            proguard = text
        elif folder in found and rest.endswith(_SOURCE_SUFFIXES):
            place = f"{_package_of(text, path).replace('.', '/')}/{PurePosixPath(rest).name}"
            found[folder][place] = text.replace(f'"{MODEL_NAME}"', f'"{name}"')
    if not all(found.values()) or not proguard:
        raise BundleError(
            f"{SOURCES} in this installation is incomplete; install edge-deploy again"
        )
    return WrapperSources(found["java"], found["kotlin"], found["androidTest"], proguard)


def _package_of(source: str, path: str) -> str:
    found = re.search(r"^package ([\w.]+);?$", source, re.MULTILINE)
    if found is None:
        raise BundleError(f"{path} in this installation names no package; install it again")
    return found[1]


@lru_cache(maxsize=2)
def _read_built(name: str) -> dict[str, bytes]:
    """The files of an archive that this package carries."""
    path = built_file(name).path
    with zipfile.ZipFile(path) as archive:  # whole: its sha256 is the one that was built
        infos = [info for info in archive.infolist() if not info.is_dir()]
        return {info.filename: archive.read(info) for info in infos}
