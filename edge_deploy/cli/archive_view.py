"""How `inspect` shows an APK, AAB or AAR: what breaks first, then what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .rendering import human_size, table_console
from .sheet import Row, print_sheet

if TYPE_CHECKING:
    from edge_deploy_android.archives.archive_inspection import ArchiveInspection
    from edge_deploy_android.archives.models import PackedModel
    from edge_deploy_android.archives.native_libraries import NativeLibrary

_MOST_LINES = 12
_COLORS = {"problem": "red", "warning": "yellow", "ok": "green"}


def show_archive(found: ArchiveInspection) -> None:
    """Print an inspection for a reader."""
    lines: list[Row] = []

    def row(name: str, value: str, style: str = "bold") -> None:
        lines.append(Row(name, _printable(value), style=style))

    def rows(name: str, values: Sequence[str]) -> None:
        for number, value in enumerate(values[:_MOST_LINES] or ["none"]):
            row("" if number else name, value)
        if len(values) > _MOST_LINES:
            row("", f"and {len(values) - _MOST_LINES} more (see --json)")

    row(found.kind.upper(), f"{found.path}, {human_size(found.size_bytes)}")
    row("verdict", _verdict(found))
    for finding in found.findings:
        row(finding.status, finding.text, _COLORS[finding.status])
        if finding.mend:
            row("", f"-> {finding.mend}")
    row("package", _package(found))
    if found.kind != "aar":
        schemes = ", ".join(found.signatures)
        row("signatures", f"{schemes} (there; not verified)" if schemes else "none")
    rows("models", [_model(model) for model in found.models])
    rows("libraries", _libraries(found.libraries))
    row("classes", f"{found.classes.count:,}")
    row("sha256", found.sha256)
    print_sheet(table_console(), lines)


def _verdict(found: ArchiveInspection) -> str:
    subject = "an app with it" if found.kind == "aar" else "it"
    if found.breaks:
        return f"{subject} would break on Android 15 or later"
    return f"nothing found that would break {subject} on Android 15 or later"


def _package(found: ArchiveInspection) -> str:
    manifest = found.manifest
    pieces = [manifest.package or "without a name"]
    if manifest.version_name or manifest.version_code is not None:
        pieces.append(f"version {manifest.version_name or '?'} ({manifest.version_code})")
    pieces.append(f"minSdk {_or_none(manifest.min_sdk)}")
    if found.kind != "aar":
        pieces.append(f"targetSdk {_or_none(manifest.target_sdk)}")
        extract = {True: "true", False: "false", None: "not given"}[manifest.extract_native_libs]
        pieces.append(f"extractNativeLibs {extract}")
    return ", ".join(pieces)


def _or_none(value: object) -> str:
    return "not given" if value is None else str(value)


def _model(model: PackedModel) -> str:
    place = f"stored, aligned to {model.alignment}" if model.stored else "compressed"
    contract = "contract" if model.preprocessing or model.contract_file else "no contract"
    labels = f"{model.labels} labels" if model.labels else "labels" if model.labels_file else ""
    ends = f"{', '.join(model.inputs)} -> {', '.join(model.outputs)}" if model.inputs else ""
    said = [human_size(model.size_bytes), place, contract, labels or "no labels", ends]
    return f"{model.path}: {', '.join(piece for piece in said if piece)}"


def _libraries(libraries: Sequence[NativeLibrary]) -> list[str]:
    """One line a name: what it is, and the alignment of its segments for each ABI."""
    by_name: dict[str, list[NativeLibrary]] = {}
    for library in libraries:
        by_name.setdefault(library.name, []).append(library)
    lines = []
    for name, those in by_name.items():
        runtime = next((library.runtime for library in those if library.runtime), None)
        title = f" ({runtime.name} {runtime.version or ''}".rstrip() + ")" if runtime else ""
        lines.append(f"{name}{title}: {', '.join(map(_abi, _first_64(those)))}")
    return lines


def _first_64(libraries: Sequence[NativeLibrary]) -> list[NativeLibrary]:
    return sorted(libraries, key=lambda library: not library.matters)


def _abi(library: NativeLibrary) -> str:
    if library.elf is None:
        return f"{library.abi} damaged"
    alignment = min(library.elf.load_alignments)
    page = f"{alignment // 1024} KB" if alignment >= 1024 else f"{alignment} B"
    return f"{library.abi} {page}{'' if library.matters else ' (32-bit)'}"


def _printable(text: str) -> str:
    """Names come from a file of unknown origin: no control codes reach the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
