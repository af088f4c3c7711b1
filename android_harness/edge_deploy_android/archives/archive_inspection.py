"""What was found in an archive: the value that `inspect_archive` returns."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .bundle_files import BundleConfig
from .duplicates import Classes, Duplicate
from .finding import Finding
from .manifest import Manifest
from .models import PackedModel
from .native_libraries import NativeLibrary


@dataclass(frozen=True)
class Resources:
    """`resources.arsc` of an APK: whether it is stored, and the alignment of its data's offset."""

    stored: bool
    alignment: int


@dataclass(frozen=True)
class ArchiveInspection:
    """All that was found in an archive; offsets and sizes in bytes.

    `kind` is "apk", "aab" or "aar", by content. `signatures` names the schemes that are there;
    none was verified. `findings` come worst first.
    """

    path: str
    kind: str
    size_bytes: int
    sha256: str
    entries: int
    manifest: Manifest
    signatures: tuple[str, ...]
    bundle_config: BundleConfig | None
    resources: Resources | None
    models: tuple[PackedModel, ...]
    libraries: tuple[NativeLibrary, ...]
    classes: Classes
    duplicates: tuple[Duplicate, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def breaks(self) -> bool:
        """Whether a finding is a problem: the app would break on a device of Android 15."""
        return any(finding.status == "problem" for finding in self.findings)

    @property
    def abis(self) -> tuple[str, ...]:
        """The ABIs that there are libraries for, sorted."""
        return tuple(sorted({library.abi for library in self.libraries}))

    @property
    def page_16k(self) -> bool | None:
        """Whether every 64-bit library can be mapped on 16 KB pages; None where there is none."""
        mattering = [library for library in self.libraries if library.matters]
        if not mattering:
            return None
        return not any(library.fault or library.page_16k_fault for library in mattering)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "path": self.path,
            "kind": self.kind,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "entries": self.entries,
            "breaks": self.breaks,
            "manifest": asdict(self.manifest),
            "signatures": {"schemes": list(self.signatures), "verified": False},
            "models": [asdict(model) for model in self.models],
            "abis": list(self.abis),
            "page_16k": self.page_16k,
            "libraries": [_library_json(library) for library in self.libraries],
            "classes": self.classes.count,
            "duplicates": [asdict(duplicate) for duplicate in self.duplicates],
            "findings": [asdict(finding) for finding in self.findings],
        }


def _library_json(library: NativeLibrary) -> dict[str, Any]:
    elf = library.elf
    return {
        "path": library.path,
        "abi": library.abi,
        "size_bytes": library.size_bytes,
        "sha256": library.sha256,
        "stored": library.stored,
        "offset": library.offset,
        "alignment": library.alignment,
        "machine": elf.machine if elf else None,
        "bits": elf.bits if elf else None,
        "load_alignments": list(elf.load_alignments) if elf else [],
        "page_16k": not library.page_16k_fault if elf else None,
        "page_16k_matters": library.matters,
        "needed": list(elf.needed) if elf else [],
        "soname": elf.soname if elf else None,
        "runtime": asdict(library.runtime) if library.runtime else None,
        "fault": library.fault,
    }
