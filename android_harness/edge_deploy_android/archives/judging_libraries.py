"""The rules for shared libraries: pages of 16 KB, ABIs, and how an archive must hold them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from .bundle_files import BundleConfig
from .elf import ABIS_64_BIT, PAGE_16K
from .finding import Finding
from .manifest import Manifest
from .native_libraries import NativeLibrary

_PAGE_4K = 4096
_NDK = "take a newer release of it, or rebuild it with NDK r28 (-Wl,-z,max-page-size=16384)"
_LITERT = "depend on com.google.ai.edge.litert:litert:1.4.0 in place of org.tensorflow:{}"
_AGP = "build with the Android Gradle plugin 8.5.1 or later, or run zipalign -P 16 4 before signing"


def judge_libraries(
    kind: str,
    manifest: Manifest,
    config: BundleConfig | None,
    libraries: Sequence[NativeLibrary],
) -> Iterator[Finding]:
    """What is wrong with the libraries of an archive of a kind."""
    yield from _pages(kind, libraries)
    yield from _damaged(libraries)
    if kind == "apk":
        yield from _in_apk(manifest, libraries)
    if kind == "aab":
        yield from _in_bundle(config, libraries)
    if kind == "aar" and libraries:
        yield Finding(
            "ok", "how an AAR packs its libraries is lost when an app is packaged: inspect its APK"
        )
    yield from _abis(kind, libraries)


def _pages(kind: str, libraries: Sequence[NativeLibrary]) -> Iterator[Finding]:
    whose = "an app with it" if kind == "aar" else "the app"
    by_fault: dict[tuple[str, str], list[NativeLibrary]] = defaultdict(list)
    for library in libraries:
        if library.matters and library.page_16k_fault:
            by_fault[library.name, library.page_16k_fault].append(library)
    for (name, fault), those in by_fault.items():
        yield Finding(
            "problem",
            f"{name} ({_abi_list(those)}) cannot be mapped on 16 KB pages: {fault}; {whose} "
            "crashes there when it loads it",
            _page_mend(those[0]),
        )
    good = [lib for lib in libraries if lib.matters and lib.elf and not lib.page_16k_fault]
    for library in good:
        lost = library.elf.relro_overlap(PAGE_16K) if library.elf else 0
        if lost > 0:
            yield Finding(
                "warning",
                f"{library.path}: {lost} bytes of its data share a 16 KB page with its RELRO and "
                "become read-only there",
                _NDK,
            )
    if good and not by_fault:
        number = f"{len(good)} 64-bit librar{'y' if len(good) == 1 else 'ies'}"
        yield Finding("ok", f"{number} aligned for 16 KB pages")


def _page_mend(library: NativeLibrary) -> str:
    if library.runtime and library.runtime.name == "TensorFlow Lite":
        return _LITERT.format("tensorflow-lite")
    if library.runtime and "GPU" in library.runtime.name:
        return _LITERT.format("tensorflow-lite-gpu").replace(":litert:1.4.0", ":litert-gpu:1.4.0")
    return _NDK


def _damaged(libraries: Sequence[NativeLibrary]) -> Iterator[Finding]:
    for library in libraries:
        elf = library.elf
        if elf is None:
            yield Finding(
                "problem", f"{library.path} cannot be loaded: {_own_fault(library)}",
                "build or copy it again",
            )  # fmt: skip
        elif elf.abi != library.abi and (library.abi, elf.abi) != ("armeabi", "armeabi-v7a"):
            yield Finding(
                "problem",
                f"{library.path} is a library for {elf.abi or elf.machine}, not {library.abi}",
                "put it into the folder of its ABI",
            )
        elif elf.needs_glibc:
            yield Finding(
                "problem",
                f"{library.path} was built for desktop Linux (it needs libc.so.6), no device "
                "loads it",
                "build it with the NDK",
            )


def _own_fault(library: NativeLibrary) -> str:
    """What is wrong with a library, without its path and advice, which the finding has already."""
    fault = (library.fault or "").partition("; ")[0]
    return re.sub(rf"^{re.escape(library.path)} (is a damaged library: )?", "", fault)


def _in_apk(manifest: Manifest, libraries: Sequence[NativeLibrary]) -> Iterator[Finding]:
    """Uncompressed libraries are mapped out of the APK only where they are not extracted."""
    if manifest.extract_native_libs is not False:  # Android extracts where nothing is said
        if libraries:
            yield Finding(
                "ok", "libraries are extracted when it is installed: their place in the zip is free"
            )
        return
    compressed = [library for library in libraries if not library.stored]
    if compressed:
        yield Finding(
            "problem",
            f"{_paths(compressed)} compressed, but extractNativeLibs is false: it does not install",
            'store them (useLegacyPackaging = false), or set android:extractNativeLibs="true"',
        )

    def off(page: int, matters: Callable[[NativeLibrary], bool]) -> list[NativeLibrary]:
        return [lib for lib in libraries if lib.stored and matters(lib) and lib.alignment < page]

    far = off(_PAGE_4K, lambda library: True)
    if far:
        yield Finding(
            "problem",
            f"{_paths(far)} stored, but not at a multiple of 4096 bytes: it does not install",
            _AGP,
        )
    near = [library for library in off(PAGE_16K, lambda lib: lib.matters) if library not in far]
    if near:
        yield Finding(
            "problem",
            f"{_paths(near)} stored, but not at a multiple of 16384 bytes: cannot be mapped on "
            "16 KB pages",
            _AGP,
        )
    if libraries and not (compressed or far or near):
        yield Finding("ok", "libraries are stored at multiples of 16 KB where that matters")


def _in_bundle(
    config: BundleConfig | None, libraries: Sequence[NativeLibrary]
) -> Iterator[Finding]:
    if not any(library.matters for library in libraries):
        return
    if config is None:
        yield Finding(
            "warning", "has no BundleConfig.pb: how its APKs will be packed is not known",
            "build it with the Android Gradle plugin or bundletool",
        )  # fmt: skip
    elif config.uncompressed_libraries and (config.library_alignment or _PAGE_4K) < PAGE_16K:
        yield Finding(
            "problem",
            "its BundleConfig.pb places libraries at 4 KB in the APKs made of it: they cannot be "
            "mapped on 16 KB pages",
            "build with the Android Gradle plugin 8.5.1 or later",
        )


def _abis(kind: str, libraries: Sequence[NativeLibrary]) -> Iterator[Finding]:
    abis = {library.abi for library in libraries}
    if not abis:
        return
    mend = "build for arm64-v8a as well"
    if not abis & set(ABIS_64_BIT):
        said = ", ".join(sorted(abis))
        status = "warning" if kind == "aar" else "problem"
        yield Finding(
            status, f"has libraries for {said} alone: devices without 32-bit code (Pixel 7 and "
            "later) do not install it", mend,
        )  # fmt: skip
    elif "arm64-v8a" not in abis:
        yield Finding("warning", "has no library for arm64-v8a, which most phones run", mend)
    names = {abi: {lib.name for lib in libraries if lib.abi == abi} for abi in abis}
    for library in {lib.name: lib for lib in libraries if lib.runtime}.values():
        missing = sorted(abi for abi in abis if library.name not in names[abi])
        if missing:
            yield Finding(
                "warning" if kind == "aar" else "problem",
                f"{library.name} is missing for {', '.join(missing)}, where other libraries are: "
                "such a device cannot load the runtime",
                "leave these ABIs out (ndk.abiFilters), or add the library for them",
            )


def _abi_list(libraries: Sequence[NativeLibrary]) -> str:
    return ", ".join(library.abi for library in libraries)


def _paths(libraries: Sequence[NativeLibrary]) -> str:
    if len(libraries) == 1:
        return f"{libraries[0].path} is"
    more = f" and {len(libraries) - 1} more" if len(libraries) > 1 else ""
    return f"{libraries[0].path}{more} are"
