"""The runtime's libraries that go to the phone: the pinned ones, or those the user names.

What a library is, its own exported names tell, never the name of its file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_deploy_runner.errors import BadInputError, DeviceError, UsageError

from .archives.elf import is_elf, read_elf
from .archives.native_libraries import LARGEST_LIBRARY
from .archives.zip_reader import open_archive
from .built_files import RUNTIME_AAR, built_file
from .pushing import LocalFile

# What a library exports tells which it is.
_KINDS = (
    ("gpu", b"Java_org_tensorflow_lite_gpu_GpuDelegate"),
    ("tflite", b"Java_org_tensorflow_lite_NativeInterpreterWrapper"),
    ("litert", b"LiteRtCreateEnvironment"),
)
_LOAD_NAMES = {
    "tflite": "libtensorflowlite_jni.so",
    "litert": "libLiteRt.so",
    "gpu": "libtensorflowlite_gpu_jni.so",
}
_SHIM = "libedge_deploy_litert.so"
_NO_GPU_LIBRARY = (
    "the GPU delegate is a library of its own, which edge-deploy does not bring; give --runtime "
    "tensorflow-lite-gpu-2.16.1.aar (from Maven Central, org.tensorflow:tensorflow-lite-gpu)"
)


@dataclass(frozen=True)
class Library:
    """One library. `kind` is "tflite", "litert" or "gpu"; `source` the file that it came from."""

    kind: str
    file: LocalFile
    source: str

    @property
    def load_name(self) -> str:
        """The name by which Java classes look for it, whatever its file is called."""
        return _LOAD_NAMES[self.kind]


@dataclass(frozen=True)
class RuntimeFiles:
    """What runs the model on the phone. `shim` is ours and goes with LiteRT's C library."""

    library: Library
    shim: LocalFile | None
    gpu: Library | None

    @property
    def kind(self) -> str:
        """ "tflite" (org.tensorflow.lite.Interpreter) or "litert" (the LiteRT C API)."""
        return self.library.kind

    def files(self) -> tuple[LocalFile, ...]:
        """All that must be on the phone."""
        found = [self.library.file]
        found += [self.shim] if self.shim else []
        found += [self.gpu.file] if self.gpu else []
        return tuple(found)

    def to_json(self) -> dict[str, str]:
        """Which libraries these were, for the "runtime" of a measurement."""
        found = {
            "origin": "pushed",
            "file": self.library.file.name,
            "sha256": self.library.file.sha256,
            "source": self.library.source,
        }
        if self.gpu is not None:
            found["gpu_file"] = self.gpu.file.name
            found["gpu_sha256"] = self.gpu.file.sha256
            found["gpu_source"] = self.gpu.source
        return found


def check_given(given: Sequence[Path], *, gpu: bool = False) -> None:
    """What can be told before a phone is looked for.

    Raises `BadInputError` for a --runtime that is no library, and `UsageError` where the GPU is
    asked for and there is none at all.
    """
    if gpu and not given:
        raise UsageError(_NO_GPU_LIBRARY)
    for path in given:
        list(_read(path, None))


def runtime_files(
    given: Sequence[Path], abi: str, folder: Path, *, desktop_too: bool = False, gpu: bool = False
) -> RuntimeFiles:
    """The libraries for an ABI, unpacked into `folder`.

    `given` are .so and .aar files; what they lack comes from the pinned AAR. `desktop_too` takes
    libraries for desktop Linux as well, which only an emulated phone may run. `gpu` says that the
    GPU is asked for. Raises `BadInputError` for files that are no runtime, or none for this ABI.
    """
    found: dict[str, Library] = {}
    for path in given:
        usable = []
        for library in _read(path, abi, folder, desktop_too=desktop_too):
            usable.append(library.kind)
            if library.kind in found:
                raise UsageError(
                    f"{path.name} and {found[library.kind].source} both bring the library "
                    f"{library.file.name}; give one"
                )
            found[library.kind] = library
        if not usable:
            raise BadInputError(
                f"{path} holds no TFLite or LiteRT runtime for {abi}; name libtensorflowlite_jni.so"
                ", libLiteRt.so, or an AAR that has one of them for that ABI"
            )
    if "tflite" in found and "litert" in found:
        raise UsageError(
            f"{found['tflite'].source} and {found['litert'].source} are two runtimes "
            "(org.tensorflow.lite and LiteRT's C library); give one"
        )
    if "tflite" not in found and "litert" not in found:
        aar = built_file(RUNTIME_AAR).path
        found |= {library.kind: library for library in _read(aar, abi, folder)}
    library = found.get("tflite") or found["litert"]
    gpu_library = found.get("gpu")
    if gpu and library.kind == "tflite" and gpu_library is None:
        raise UsageError(_NO_GPU_LIBRARY)
    shim = built_file(f"jni/{abi}/{_SHIM}") if library.kind == "litert" else None
    return RuntimeFiles(library, shim, gpu_library)


def check_pages(runtime: RuntimeFiles, page_bytes: int | None, serial: str) -> None:
    """Raise `DeviceError` for libraries that a phone with pages of this size cannot load.

    None, a phone that does not tell, passes.
    """
    for file in runtime.files() if page_bytes else ():
        fault = read_elf(file.path, file.name).unaligned(page_bytes or 0)
        if fault is not None:
            raise DeviceError(
                f"{serial} has memory pages of {page_bytes} bytes, on which {file.name} cannot be "
                f"loaded ({fault}); give --runtime with a library that is aligned to them, such "
                "as the AAR of com.google.ai.edge.litert:litert:1.4.0 (Google's Maven repository)"
            )


def _read(
    path: Path, abi: str | None, folder: Path | None = None, *, desktop_too: bool = False
) -> Iterator[Library]:
    """The runtime libraries in a file; with `abi` None all that it has, and none is written."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise BadInputError(
            f"--runtime {path} cannot be read: {error.strerror or error}; name a .so or .aar file"
        ) from error
    if is_elf(start):
        data = path.read_bytes()
        kind = _kind(data)
        if kind is None:
            raise BadInputError(
                f"{path} is no TFLite or LiteRT runtime; name libtensorflowlite_jni.so, "
                "libLiteRt.so, or an AAR that has one of them"
            )
        _check(data, path.name, abi, desktop_too)
        if folder is not None:
            yield Library(kind, _written(data, path.name, folder), path.name)
        return
    if start[:2] != b"PK":
        raise BadInputError(f"--runtime {path} is neither a shared library nor an AAR; name one")
    with open_archive(path) as archive:
        wanted = [
            entry for entry in archive.entries
            if entry.name.endswith(".so") and entry.name.startswith(("jni/", "lib/"))
            and (abi is None or entry.name.split("/")[1] == abi)
        ]  # fmt: skip
        if not wanted and abi is None:
            raise BadInputError(
                f"{path} holds no native libraries; name an AAR with a runtime in its jni folder"
            )
        for entry in wanted if folder is not None else ():
            data = archive.read(entry, LARGEST_LIBRARY)
            kind = _kind(data)
            if kind is None:
                continue
            _check(data, f"{entry.name} in {path.name}", abi, desktop_too)
            assert folder is not None
            yield Library(kind, _written(data, Path(entry.name).name, folder), path.name)


def _kind(data: bytes) -> str | None:
    return next((kind for kind, symbol in _KINDS if symbol in data), None)


def _check(data: bytes, name: str, abi: str | None, desktop_too: bool) -> None:
    elf = read_elf(data, name)
    if abi is None:
        return
    if elf.abi != abi:
        raise BadInputError(
            f"{name} is a library for {elf.abi or elf.machine}, and the phone runs {abi}; give "
            "one for that ABI"
        )
    if elf.needs_glibc and not desktop_too:
        raise BadInputError(
            f"{name} was built for desktop Linux, which no phone can load; give one for Android"
        )


def _written(data: bytes, name: str, folder: Path) -> LocalFile:
    sha256 = hashlib.sha256(data).hexdigest()
    path = folder / f"{sha256}.so"
    path.write_bytes(data)
    return LocalFile(path, sha256, name)
