"""What came of building a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Bundle:
    """One bundle that was built. `installed_bytes` is the sum of its files, `gated` whether a
    passing verdict stood behind it. `sha256` is that of the file; of a folder, its manifest's,
    which names that of every file.
    """

    path: Path
    sha256: str
    size_bytes: int
    installed_bytes: int
    manifest: dict[str, Any]
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is installed as."""
        return str(self.manifest["name"])

    @property
    def target(self) -> str:
        """What it was built for, such as "rpi-bookworm"."""
        return str(self.manifest["target"]["name"])

    @property
    def gated(self) -> bool:
        """Whether a passing verdict stood behind it."""
        return bool(self.manifest["gated"])

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; the manifest without its list of files."""
        manifest = {key: value for key, value in self.manifest.items() if key != "files"}
        return {
            "path": str(self.path),
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "installed_bytes": self.installed_bytes,
            "files": len(self.manifest["files"]),
            "manifest": manifest,
            "warnings": list(self.warnings),
        }
