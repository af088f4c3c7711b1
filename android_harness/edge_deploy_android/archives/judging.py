"""The rules: what in an archive would break the app on a device of Android 15 or later.

They hold for devices whose pages have 16 KB as well. Those run 64-bit code alone, so a 32-bit
library need not be aligned for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .archive_inspection import ArchiveInspection
from .finding import Finding, worst_first
from .judging_libraries import judge_libraries
from .models import PackedModel

# From this API level of its target on, Android wants v2 signatures and a mapped resource table.
_TARGET_STRICT = 30
# Android 15 installs no app that targets less.
_LOWEST_TARGET = 24
_NO_COMPRESS = 'set androidResources { noCompress += "tflite" } (aapt2: -0 .tflite) and build again'
_TFLITE_PACKAGE = "org.tensorflow.lite"


def judge_archive(found: ArchiveInspection) -> ArchiveInspection:
    """The inspection with its findings, worst first."""
    findings = [
        *judge_libraries(found.kind, found.manifest, found.bundle_config, found.libraries),
        *_models(found),
        *_duplicates(found),
        *_manifest(found),
        *_runtime_there(found),
    ]
    return replace(found, findings=worst_first(findings))


def _models(found: ArchiveInspection) -> Iterator[Finding]:
    yield from _compressed(found)
    for model in found.models:
        yield from _one_model(found, model)
    kept = [model for model in found.models if model.stored_in_app]
    if kept and len(kept) == len(found.models):
        yield Finding("ok", f"{_count(len(kept), 'model')} stored uncompressed: can be mapped")
    if found.kind == "aar" and found.models:
        yield Finding(
            "ok",
            "alignment and compression in an AAR are lost when an app is packaged: inspect its APK",
        )


def _compressed(found: ArchiveInspection) -> Iterator[Finding]:
    """A compressed file cannot be memory-mapped; outside of assets and res, nobody would try."""
    packed = [model.path for model in found.models if model.stored_in_app is False]
    where = "" if found.kind == "apk" else " in the APKs made of the bundle"
    for status in ("problem", "warning"):
        paths = [path for path in packed if _is_mapped(path) == (status == "problem")]
        if paths:
            names = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
            yield Finding(
                status,
                f"{names} compressed{where}: cannot be memory-mapped, which is how a model is "
                "opened",
                _NO_COMPRESS,
            )


def _is_mapped(path: str) -> bool:
    return bool({"assets", "res"} & set(path.split("/")[:2]))


def _one_model(found: ArchiveInspection, model: PackedModel) -> Iterator[Finding]:
    name = model.path
    if found.kind == "apk" and model.stored and model.alignment < 4:
        yield Finding(
            "warning", f"{name} begins at an odd offset ({model.offset}): slow or refused",
            "run zipalign -P 16 4 before signing",
        )  # fmt: skip
    if model.fault:
        text = f"{name} cannot be opened: {model.fault}"
        broken = model.marked or "LFS" in model.fault
        mend = "put the model in again, as it was converted"
        yield Finding("problem" if broken else "warning", text, mend)
    if model.contract_agrees is False:
        yield Finding(
            "problem", f"{model.contract_file} names another sha256 than {name} has",
            "make the bundle again, and put in both of its files",
        )  # fmt: skip
    flex = any("Flex" in lib.runtime.name for lib in found.libraries if lib.runtime)
    if model.flex_ops and not flex:
        ops = ", ".join(model.flex_ops[:3])
        status = "warning" if found.kind == "aar" else "problem"
        yield Finding(
            status, f"{name} needs TensorFlow operators ({ops}), and no Flex runtime is there",
            "convert without them, or add org.tensorflow:tensorflow-lite-select-tf-ops",
        )  # fmt: skip
    if model.custom_ops:
        ops = ", ".join(model.custom_ops[:3])
        yield Finding(
            "warning", f"{name} needs custom operators ({ops})",
            "make sure that the app's runtime has them, or convert without them",
        )  # fmt: skip


def _duplicates(found: ArchiveInspection) -> Iterator[Finding]:
    if found.classes.skipped:
        names = ", ".join(found.classes.skipped[:3])
        yield Finding("warning", f"{names} of dex version 041: its classes are not looked at")
    for duplicate in found.duplicates:
        where = " and ".join(duplicate.where[:3])
        if duplicate.kind == "content":
            yield Finding(
                "warning", f"the same content is there {duplicate.count} times: {where}",
                "keep one",
            )  # fmt: skip
            continue
        runtime = duplicate.name.startswith(_TFLITE_PACKAGE)
        classes = _count(duplicate.count, "class", "classes")
        text = f"{classes} of {duplicate.name or 'no package'} defined in {where}"
        if found.kind == "aar":
            yield Finding("problem", f"{text}: no app with it builds", "keep one of the jars")
        elif runtime:
            yield Finding(
                "problem",
                f"{text}: tensorflow-lite and litert are both in the app, and one's classes "
                "call the other's library",
                "depend on com.google.ai.edge.litert:litert alone, and exclude "
                "org.tensorflow:tensorflow-lite and tensorflow-lite-api",
            )
        else:
            yield Finding("warning", f"{text}: Android takes the first", "depend on it once")
    if found.kind == "aar" and _TFLITE_PACKAGE in found.classes.packages:
        yield Finding(
            "warning",
            f"defines classes of {_TFLITE_PACKAGE}: an app that has them from tensorflow-lite and "
            "from litert as well does not build",
            "depend on com.google.ai.edge.litert:litert alone, and exclude tensorflow-lite and "
            "tensorflow-lite-api",
        )


def _manifest(found: ArchiveInspection) -> Iterator[Finding]:
    manifest = found.manifest
    if found.kind == "aar":
        return
    target = manifest.target_sdk if manifest.target_sdk is not None else manifest.min_sdk
    target = 1 if target is None else target
    strict = isinstance(target, str) or target >= _TARGET_STRICT
    if isinstance(target, int) and target < _LOWEST_TARGET and not manifest.split:
        yield Finding(
            "problem", f"targets API level {target}: Android 15 installs none below 24",
            "set targetSdk to 35",
        )  # fmt: skip
    if manifest.debuggable:
        yield Finding("warning", "is debuggable", "publish a release build")
    if found.kind == "aab":
        return
    if not found.signatures:
        yield Finding("warning", "is not signed: no device installs it as it is", "sign it")
    elif found.signatures == ("v1",) and strict:
        yield Finding(
            "problem", f"has a v1 signature alone, and an app that targets {target} needs v2",
            "sign it with apksigner",
        )  # fmt: skip
    resources = found.resources
    if resources and strict and (not resources.stored or resources.alignment < 4):
        fault = "compressed" if not resources.stored else "not at a multiple of 4 bytes"
        yield Finding(
            "problem", f"resources.arsc is {fault}: an app that targets {target} does not install",
            "store it, and run zipalign -P 16 4 before signing",
        )  # fmt: skip


def _runtime_there(found: ArchiveInspection) -> Iterator[Finding]:
    if found.kind == "aar" or found.manifest.split:
        return
    titles = {lib.runtime.name for lib in found.libraries if lib.runtime}
    java = _TFLITE_PACKAGE in found.classes.packages
    if found.models and not titles and not java:
        yield Finding(
            "warning", "has a model, and no TFLite runtime that is recognised",
            "add com.google.ai.edge.litert:litert, or see that Google Play services run it",
        )  # fmt: skip
    if "TensorFlow Lite" in titles and any(title.startswith("LiteRT") for title in titles):
        yield Finding(
            "warning", "has both TensorFlow Lite and LiteRT: one runtime would do",
            "depend on one of them",
        )  # fmt: skip


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
