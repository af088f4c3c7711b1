"""A Gradle module with a model and its classifier as source, for an app that wants to read it."""

from __future__ import annotations

from collections.abc import Mapping

from edge_deploy_android.archives.aligned_zip import ZipEntry, zip_bytes

from .content import LibraryContent, fill
from .wrapper import wrapper_sources


def module_files(content: LibraryContent, folder: str) -> dict[str, bytes]:
    """The files of a module by their path in its folder, of which the name is given."""
    words = {**content.words(), "FOLDER": folder}
    sources = wrapper_sources(content.package, content.name)
    texts = {
        "build.gradle.kts": fill("build.gradle.kts", words),
        "consumer-rules.pro": sources.proguard,
        "README.md": fill("README-module.md", words),
        "src/main/AndroidManifest.xml": "<manifest />\n",
        **{f"src/main/java/{path}": text for path, text in sources.java.items()},
        **{f"src/main/kotlin/{path}": text for path, text in sources.kotlin.items()},
        **{f"src/androidTest/java/{path}": text for path, text in sources.tests.items()},
    }
    assets = f"src/main/assets/{content.asset_folder}"
    return {
        **{path: text.encode() for path, text in texts.items()},
        **{f"{assets}/{key}": data for key, data in content.assets.items()},
    }


def pack_module(folder: str, files: Mapping[str, bytes]) -> bytes:
    """A zip that unpacks to the module's folder."""
    return zip_bytes(
        ZipEntry(f"{folder}/{name}", files[name], stored=True) for name in sorted(files)
    )
