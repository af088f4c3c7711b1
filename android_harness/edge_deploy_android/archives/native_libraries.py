"""Shared libraries inside an archive: which there are, and what a device would make of them."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from edge_deploy_runner.errors import BadInputError

from .elf import ABIS_64_BIT, PAGE_16K, Elf, read_elf
from .zip_reader import Archive, Entry, open_archive

LARGEST_LIBRARY = 256 * 2**20
# What file names say of a runtime: the names that its publisher gave them.
_RUNTIMES = (
    (r"libtensorflowlite_gpu_jni\.so", "TensorFlow Lite GPU delegate"),
    (r"libtensorflowlite_flex(_jni)?\.so", "TensorFlow Lite Flex delegate"),
    (r"libtensorflowlite(_jni|_c|_jni_stable)?\.so", "TensorFlow Lite"),
    (r"libtflite(_.+)?\.so", "TensorFlow Lite"),
    (r"libLiteRt\.so", "LiteRT"),
    (r"liblitert_jni\.so", "LiteRT (Java)"),
    (r"libLiteRt.+\.so", "LiteRT accelerator"),
    (r"libtask_.+_jni\.so", "TFLite Task Library"),
    (r"libmediapipe_.+\.so", "MediaPipe"),
    (r"libedge_deploy_litert\.so", "edge-deploy's bridge to LiteRT"),
)
_VERSION = re.compile(rb"\0(\d{1,3}\.\d{1,3}\.\d{1,3}(?:[-+][\w.]{1,30})?)\0")
_PLACE = re.compile(r"(?:[^/]+/)??(?:lib|jni)/([^/]+)/([^/]+\.so)")


@dataclass(frozen=True)
class Runtime:
    """A runtime recognised by the name of its file; the version where its bytes tell one."""

    name: str
    version: str | None


@dataclass(frozen=True)
class NativeLibrary:
    """A shared library in an archive.

    `page_16k_fault` is why it cannot be mapped where pages have 16 KB. `matters` is whether such
    devices run it at all: they run 64-bit code alone. `offset` is where its data begin in the
    archive, and `alignment` the largest power of two that divides it. `elf` is None where `fault`
    says why it could not be read.
    """

    path: str
    abi: str
    name: str
    size_bytes: int
    sha256: str
    stored: bool
    offset: int
    alignment: int
    elf: Elf | None
    fault: str | None
    runtime: Runtime | None

    @property
    def matters(self) -> bool:
        """Whether a device with pages of 16 KB would load it."""
        return self.abi in ABIS_64_BIT

    @property
    def page_16k_fault(self) -> str | None:
        """Why a device with pages of 16 KB cannot map it; None where it can, or is not known."""
        return self.elf.unaligned(PAGE_16K) if self.elf else None


def find_libraries(archive: Archive) -> list[tuple[str, Entry]]:
    """The libraries in `lib/ABI/`, `jni/ABI/` or `MODULE/lib/ABI/`, each with its ABI."""
    found = []
    for entry in archive.entries:
        place = _PLACE.fullmatch(entry.name)
        if place:
            found.append((place[1], entry))
    return found


def describe_library(archive: Archive, abi: str, entry: Entry) -> NativeLibrary:
    """Read one library; `BadInputError` where the archive itself is damaged there."""
    name = entry.name.rpartition("/")[2]
    data = b""
    if entry.size_bytes > LARGEST_LIBRARY:
        fault: str | None = "it is larger than the 256 MiB that are looked into"
        elf = None
        digest = hashlib.sha256()
        for piece in archive.chunks(entry):
            digest.update(piece)
        sha256 = digest.hexdigest()
    else:
        data = archive.read(entry, LARGEST_LIBRARY)
        sha256 = hashlib.sha256(data).hexdigest()
        elf, fault = None, None
        try:
            elf = read_elf(data, entry.name)
        except BadInputError as error:
            fault = str(error)
    return NativeLibrary(
        path=entry.name,
        abi=abi,
        name=name,
        size_bytes=entry.size_bytes,
        sha256=sha256,
        stored=entry.stored,
        offset=entry.data_offset,
        alignment=entry.alignment,
        elf=elf,
        fault=fault,
        runtime=_runtime(name, data),
    )


def _runtime(name: str, data: bytes) -> Runtime | None:
    for pattern, title in _RUNTIMES:
        if re.fullmatch(pattern, name):
            return Runtime(title, version_in(data))
    return None


def version_in(data: bytes | Path) -> str | None:
    """The version in a library's bytes, such as `2.16.1`; None where it has none, or several."""
    versions = set(_VERSION.findall(data.read_bytes() if isinstance(data, Path) else data))
    return versions.pop().decode() if len(versions) == 1 else None


def read_aar_library(path: str | os.PathLike[str], abi: str, name: str) -> bytes:
    """The library `name` for an ABI out of an AAR (or APK): `libtensorflowlite_jni.so`, say.

    Raises `BadInputError` where it is not there (with the ABIs that are), is damaged, or is a
    library for another ABI.
    """
    with open_archive(path) as archive:
        for folder in ("jni", "lib"):
            entry = archive.by_name.get(f"{folder}/{abi}/{name}")
            if entry is not None:
                data = archive.read(entry, LARGEST_LIBRARY)
                elf = read_elf(data, f"{entry.name} in {Path(path).name}")
                if elf.abi != abi:
                    raise BadInputError(
                        f"{entry.name} in {path} is a library for {elf.abi or elf.machine}, not "
                        f"for {abi}; take the archive from its publisher again"
                    )
                return data
        there = sorted(
            abi_there
            for abi_there, entry in find_libraries(archive)
            if entry.name.rpartition("/")[2] == name
        )
    what = f"it has it for {', '.join(there)}" if there else "nor for any other ABI"
    raise BadInputError(f"{path} has no {name} for {abi} ({what}); name an AAR that has it")
