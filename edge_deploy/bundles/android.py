"""Bundles for Android apps: a model with a classifier that answers as `edge-deploy run` does."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from edge_deploy_android.library.aar import aar_files, pack_aar
from edge_deploy_android.library.content import LITERT, MIN_SDK, LibraryContent
from edge_deploy_android.library.gradle_module import module_files, pack_module
from edge_deploy_android.library.java_packages import check_package, default_package
from edge_deploy_runner.contract import Preprocessing
from edge_deploy_runner.errors import OutputError
from edge_deploy_runner.output import check_free, write_bytes
from edge_deploy_runner.progress import Progress
from edge_deploy_runner.tflite.model_file import ModelFile
from edge_deploy_runner.version import VERSION

from edge_deploy.budget import Budget
from edge_deploy.bundle_files.installer.bundle_reading import FORMAT, FORMAT_VERSION, MANIFEST

from .android_assets import check_graph, complete, make_assets
from .bundle_record import Bundle
from .folder_output import check_free_folder, is_folder, names_folder, write_folder
from .packed_model import check_same_answers, merged_contract, open_source, with_contract
from .targets import LibraryTarget
from .verdicts import GateError, architecture_doubts, limit_of, read_verdict

_ARCHITECTURES = ("aarch64", "armv7l", "armv8l")
_NO_PHONES = ("local", "ssh://", "raspberry-pi")
# From here on Google Play delivers a model better beside the app than in it.
_LARGE_BYTES = 100_000_000
_PROJECT = re.compile(r"\w([\w.-]*[\w-])?")
_MULTIPLYING = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")


def bundle_for_android(
    model: str | os.PathLike[str],
    target: LibraryTarget,
    output: str | os.PathLike[str],
    *,
    name: str | None,
    package: str | None,
    verdict: str | os.PathLike[str] | None,
    budget: Budget | None,
    preprocessing: Preprocessing | None,
    labels: tuple[str, ...] | None,
    override: bool,
    force: bool,
    on_progress: Progress,
) -> Bundle:
    """Build a library for an app; parameters and errors as `bundling.bundle` has."""
    source = open_source(model, name)
    package = check_package(package) if package is not None else default_package(source.name)
    path = _output_path(output, target, source.name, force)
    summary = read_verdict(verdict, source.file) if verdict is not None else None
    largest = limit_of(budget, "size")
    if largest is not None and len(source.file.data) > largest:
        raise GateError(
            f"{source.file.name} has {len(source.file.data)} bytes, and the budget allows "
            f"{largest}; no bundle was built"
        )
    check_graph(source.file)
    contract = merged_contract(source.file, preprocessing, labels, override)
    complete(contract, source.file.name)
    stored = with_contract(source.file, contract, override)
    on_progress("golden outputs", 0, 0)
    assets = make_assets(stored, contract, source.name)
    check_same_answers(source.file, stored)

    on_progress("packing", 0, 0)
    content = LibraryContent(source.name, package, assets.files)
    is_aar, is_zip = target.name == "android-aar", path.suffix == ".zip"
    folder = path.stem if is_zip else path.name
    files = aar_files(content, path.name) if is_aar else module_files(content, folder)
    model_path = next(name for name in files if name.endswith(f"/{source.name}.tflite"))
    warnings = (*assets.warnings, *_slowness(stored), *_size(stored), *_doubts(summary))
    manifest = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "name": source.name,
        "id": _content_id(files),
        "target": {
            "name": target.name,
            "system": target.system,
            "package": package,
            "min_sdk": MIN_SDK,
        },
        "model": {
            "file": model_path,
            "sha256": stored.sha256,
            "size_bytes": len(stored.data),
            "source_sha256": source.file.sha256,
            "recipe": source.recipe,
            "arithmetic": assets.arithmetic,
        },
        "wrapper": {"version": VERSION, "dependencies": [LITERT]},
        "warnings": list(warnings),
        "gated": summary is not None,
        "verdict": summary,
        "limits": {"size_bytes": largest},
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
            for name, data in sorted(files.items())
        },
    }
    text = (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()
    whole = {**files, MANIFEST: text}
    unpacked_bytes = sum(len(data) for data in whole.values())
    if not is_aar and not is_zip:
        write_folder(path, whole, force, MANIFEST)
        sha256, size_bytes = hashlib.sha256(text).hexdigest(), unpacked_bytes
    else:
        data = pack_aar(whole) if is_aar else pack_module(folder, whole)
        write_bytes(path, data, force)
        sha256, size_bytes = hashlib.sha256(data).hexdigest(), len(data)
    return Bundle(path, sha256, size_bytes, unpacked_bytes, manifest, warnings)


def _output_path(
    output: str | os.PathLike[str], target: LibraryTarget, name: str, force: bool
) -> Path:
    path = Path(output)
    if target.name == "android-aar":
        if names_folder(output):
            path = path / f"{name}.aar"
        if path.suffix != ".aar":
            raise OutputError(
                f"an AAR's name must end in .aar; write it to {path}.aar, or into a folder, which "
                "ends in a slash where it is not there yet"
            )
        return check_free(path, force)
    if path.suffix == ".aar" and not is_folder(path):
        raise OutputError(
            f"{path} would be a module with an AAR's name; an AAR is --target android-aar"
        )
    is_zip = path.suffix == ".zip" and not is_folder(path)
    if is_folder(path) and not (path / MANIFEST).is_file():
        path = path / f"{name}-{target.name}"
    if path.name in ("", ".."):  # a module that one stands in
        path = path.resolve()
    _check_project(path.stem if is_zip else path.name)
    return check_free(path, force) if is_zip else check_free_folder(path, force, MANIFEST)


def _check_project(folder: str) -> None:
    """Raise `OutputError` for a folder that cannot stand in Gradle's `include(":...")`."""
    if not _PROJECT.fullmatch(folder):
        raise OutputError(
            f"a module in a folder {folder!r} cannot be named in Gradle's include(); use letters, "
            "digits, dot, dash and underscore, such as my-module"
        )


def _doubts(verdict: dict[str, Any] | None) -> list[str]:
    """Why a verdict that passed says less than it seems of phones."""
    found = architecture_doubts(verdict, _ARCHITECTURES)
    device = str(verdict["device"] or "") if verdict else ""
    is_unlike = verdict is not None and verdict["architecture"] not in (None, *_ARCHITECTURES)
    if device.startswith(_NO_PHONES) and not is_unlike:  # else it is said already
        found.append(
            f"the verdict is of {device}, which is no phone; profile with --device android and "
            "judge that"
        )
    return found


def _slowness(model: ModelFile) -> list[str]:
    """What is known to be slow on any CPU, by the types that operators compute with."""
    graph, found = model.graph, []
    inputs = [(op.kind, graph.tensor(op.inputs[0]).dtype) for op in graph.operators if op.inputs]
    if any(kind in _MULTIPLYING and dtype == "int16" for kind, dtype in inputs):
        found.append(
            f"{model.name} computes in int16 (recipe int16x8), for which there are no fast "
            "kernels: on a desktop CPU it took some 30 times as long as int8; profile it on a "
            "phone first"
        )
    if any(kind == "HARD_SWISH" and dtype in ("int8", "uint8") for kind, dtype in inputs):
        found.append(
            f"{model.name} has HARD_SWISH in integers, which the fast kernels leave out: on a "
            "desktop CPU an int8 MobileNetV3 took 2.2 times as long as in float; profile both on "
            "a phone"
        )
    return found


def _size(model: ModelFile) -> list[str]:
    if len(model.data) <= _LARGE_BYTES:
        return []
    return [
        f"{model.name} has {len(model.data) / 1e6:.0f} MB: too much for an app's base download; "
        "put its assets into a Play AI pack, or download it at first start"
    ]


def _content_id(files: dict[str, bytes]) -> str:
    """Twelve hex digits that name this content."""
    digest = hashlib.sha256()
    for path, data in sorted(files.items()):
        digest.update(f"{path}\0".encode())
        digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()[:12]
