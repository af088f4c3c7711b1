"""An AAR: the archive in which an Android app takes in a library, written without Android's tools.

Nothing in it is compressed, so that it does not depend on a zlib; the app's own build packs it
anew anyway. The model begins at a multiple of 16 KB.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge_deploy_android.archives.aligned_zip import PAGE_BYTES, ZipEntry, zip_bytes

from .content import LibraryContent, fill, kotlin_text
from .wrapper import classes_jar, wrapper_sources

METADATA = "META-INF/com/android/build/gradle/aar-metadata.properties"
# What Android's build passes over: for people.
_ASIDE = "edge-deploy"
_FIRST = ("AndroidManifest.xml", "classes.jar", "R.txt", "proguard.txt")


def aar_files(content: LibraryContent, file_name: str) -> dict[str, bytes]:
    """The files of an AAR by their path in it; its README calls it by its own name."""
    words = {**content.words(), "FILE": file_name, "KOTLIN_FILE": kotlin_text(file_name)}
    sources = wrapper_sources(content.package, content.name)
    return {
        "AndroidManifest.xml": fill("AndroidManifest.xml", words).encode(),
        "classes.jar": classes_jar(content.package, content.name),
        "R.txt": b"",
        "proguard.txt": sources.proguard.encode(),
        METADATA: fill("aar-metadata.properties", words).encode(),
        "README.md": fill("README-aar.md", words).encode(),
        **{f"assets/{content.asset_folder}/{key}": data for key, data in content.assets.items()},
        f"{_ASIDE}/sources.jar": _stored_jar(sources.java),
        **{f"{_ASIDE}/androidTest/{key}": text.encode() for key, text in sources.tests.items()},
    }


def pack_aar(files: Mapping[str, bytes]) -> bytes:
    """The AAR of these files; the order is that of Android's own, and then of the names."""
    rest = sorted(name for name in files if name not in _FIRST)
    return zip_bytes(
        ZipEntry(name, files[name], stored=True, align=PAGE_BYTES if _is_mapped(name) else 4)
        for name in (*(name for name in _FIRST if name in files), *rest)
    )


def _stored_jar(texts: Mapping[str, str]) -> bytes:
    return zip_bytes(ZipEntry(key, text.encode(), stored=True) for key, text in texts.items())


def _is_mapped(name: str) -> bool:
    return name.endswith(".tflite")
