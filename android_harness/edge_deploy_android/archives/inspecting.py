"""From an APK, AAB or AAR to what it holds, and whether the app would break on Android 15."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from edge_deploy_runner.errors import BadInputError

from .archive_inspection import ArchiveInspection, Resources
from .binary_xml import is_binary_xml
from .bundle_files import BundleConfig, read_bundle_config
from .duplicates import read_classes, same_content
from .judging import judge_archive
from .manifest import LARGEST_MANIFEST, read_manifest
from .models import describe_model, find_models
from .native_libraries import describe_library, find_libraries
from .signing_block import signature_schemes
from .zip_reader import Archive, open_archive

KINDS = ("apk", "aab", "aar")
_LARGEST_CONFIG = 2**20
_BUNDLE_MANIFEST = "base/manifest/AndroidManifest.xml"


def archive_kind(path: str | os.PathLike[str]) -> str | None:
    """ "apk", "aab" or "aar" by content; None where the file is none of them, or no zip."""
    try:
        with open_archive(path) as archive:
            return _kind(archive)
    except BadInputError:
        return None


def inspect_archive(path: str | os.PathLike[str]) -> ArchiveInspection:
    """Read an APK, AAB or AAR and say what is in it; nothing is unpacked or run.

    Raises `BadInputError` where it is none, is damaged, or could be read in two ways.
    """
    with open_archive(path) as archive:
        kind = _kind(archive)
        if kind is None:
            raise BadInputError(
                f"{path} is a zip, but no APK, AAB or AAR: it has no AndroidManifest.xml where one "
                "of them has it; name another file"
            )
        found = _inspect(archive, kind, Path(path))
    return judge_archive(found)


def _kind(archive: Archive) -> str | None:
    names = archive.by_name
    if _BUNDLE_MANIFEST in names:
        return "aab"
    manifest = names.get("AndroidManifest.xml")
    if manifest is None:
        return None
    return "apk" if is_binary_xml(archive.start(manifest, 8)) else "aar"


def _inspect(archive: Archive, kind: str, path: Path) -> ArchiveInspection:
    names = archive.by_name
    entry = names[_BUNDLE_MANIFEST if kind == "aab" else "AndroidManifest.xml"]
    manifest = read_manifest(archive.read(entry, LARGEST_MANIFEST), f"{entry.name} in {path}")
    config = None
    if kind == "aab" and "BundleConfig.pb" in names:
        data = archive.read(names["BundleConfig.pb"], _LARGEST_CONFIG)
        config = read_bundle_config(data, f"BundleConfig.pb in {path}")
    resources = names.get("resources.arsc") if kind == "apk" else None
    models = tuple(
        describe_model(archive, model, _stored_in_app(kind, config, model.name, model.stored))
        for model in find_models(archive)
    )
    libraries = tuple(
        describe_library(archive, abi, library) for abi, library in find_libraries(archive)
    )
    classes = read_classes(archive, kind)
    files = [(model.path, model.size_bytes, model.sha256) for model in models]
    files += [(library.path, library.size_bytes, library.sha256) for library in libraries]
    return ArchiveInspection(
        path=str(path),
        kind=kind,
        size_bytes=archive.size_bytes,
        sha256=_file_sha256(archive),
        entries=len(archive.entries),
        manifest=manifest,
        signatures=signature_schemes(archive),
        bundle_config=config,
        resources=Resources(resources.stored, resources.alignment) if resources else None,
        models=models,
        libraries=libraries,
        classes=classes,
        duplicates=(*classes.duplicates, *same_content(files)),
    )


def _stored_in_app(kind: str, config: BundleConfig | None, path: str, stored: bool) -> bool | None:
    """Whether a file is stored in the installed app; None where somebody else decides that."""
    if kind == "apk":
        return stored
    if kind == "aar" or config is None:
        return None
    return config.stored_globs.match(path.partition("/")[2])


def _file_sha256(archive: Archive) -> str:
    digest = hashlib.sha256()
    for start in range(0, archive.size_bytes, 2**20):
        digest.update(archive.raw(start, 2**20))
    return digest.hexdigest()
