"""What a library for an app is made of, whichever form it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

LITERT_VERSION = "1.4.0"
LITERT = f"com.google.ai.edge.litert:litert:{LITERT_VERSION}"
LITERT_GPU = f"com.google.ai.edge.litert:litert-gpu:{LITERT_VERSION}"
LITERT_GPU_API = f"com.google.ai.edge.litert:litert-gpu-api:{LITERT_VERSION}"
# Android 8.0: the oldest that this is made for.
MIN_SDK = 26
COMPILE_SDK = 35


@dataclass(frozen=True)
class LibraryContent:
    """One model's library: `assets` are files by their name in `assets/edge-deploy/NAME/`.

    `package` is the Java package of its classes, and its Android namespace.
    """

    name: str
    package: str
    assets: Mapping[str, bytes]

    @property
    def asset_folder(self) -> str:
        """The folder of its files among an app's assets."""
        return f"edge-deploy/{self.name}"

    def words(self) -> dict[str, str]:
        """What the templates' placeholders stand for."""
        return {
            "NAME": self.name,
            "PACKAGE": self.package,
            "PACKAGE_PATH": self.package.replace(".", "/"),
            "ASSETS": self.asset_folder,
            "LITERT": LITERT,
            "LITERT_VERSION": LITERT_VERSION,
            "LITERT_GPU": LITERT_GPU,
            "LITERT_GPU_API": LITERT_GPU_API,
            "MIN_SDK": str(MIN_SDK),
            "COMPILE_SDK": str(COMPILE_SDK),
        }


def kotlin_text(text: str) -> str:
    """Text as it stands between the quotes of a Kotlin string."""
    return re.sub(r'([\\"$])', r"\\\1", text)


def fill(template: str, words: Mapping[str, str]) -> str:
    """A template of this package with `@WORD@` replaced; raises `KeyError` for one left over."""
    text = (resources.files(__package__) / "templates" / template).read_text("utf-8")
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    left = re.findall(r"@[A-Z_]+@", text)
    if left:
        raise KeyError(f"{template} has placeholders that nothing fills: {left}")
    return text
