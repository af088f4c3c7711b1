"""What edge-deploy brings to a phone: the files in `built/`, each checked against SHA256SUMS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from edge_deploy_runner.errors import BundleError

from .adb_text import parse_sha256sums
from .pushing import LocalFile

FOLDER = Path(__file__).parent / "built"
RUNTIME_AAR = "tensorflow-lite-2.16.1.aar"
RUNTIME_VERSION = "2.16.1"
HARNESS_PACKAGE = "dev.edgedeploy.harness"
_MEND = "install edge-deploy again (from its sources: make android)"


@dataclass(frozen=True)
class Build:
    """The version of the harness, and the digest of what it was built from."""

    version: str
    digest: str


def build() -> Build:
    """Which harness this is; raises `BundleError` where the package is incomplete."""
    path = built_file("BUILD.json").path
    try:
        document = json.loads(path.read_bytes())
        return Build(str(document["version"]), str(document["digest"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path} is damaged ({error}); {_MEND}") from error


def built_file(name: str) -> LocalFile:
    """One built file, such as "jni/arm64-v8a/libedge_deploy_litert.so", with its sha256 checked.

    Raises `BundleError` where it is missing or not the file that was built.
    """
    folder = FOLDER
    path = folder / name
    sums = _sums(folder)
    if name not in sums or not path.is_file():
        raise BundleError(f"edge-deploy's own {name} is missing at {folder}; {_MEND}")
    found = LocalFile.open(path, name)
    if found.sha256 != sums[name]:
        raise BundleError(
            f"{path} is not the file that was built (sha256 {found.sha256[:16]} instead of "
            f"{sums[name][:16]}); {_MEND}"
        )
    return found


def _sums(folder: Path) -> dict[str, str]:
    path = folder / "SHA256SUMS"
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise BundleError(
            f"edge-deploy's Android harness is missing ({path}: {error.strerror}); {_MEND}"
        ) from error
    return {name.removeprefix("./"): digest for name, digest in parse_sha256sums(text).items()}
