"""The version of edge-deploy, and the digest of the runner's own files.

Both ends of a connection compare the digest: a laptop talks only to the very runner that it has.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

VERSION = "0.4.0"


def package_files() -> dict[str, Path]:
    """The runner's source files by their path in the package, with forward slashes, sorted."""
    folder = Path(__file__).parent
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.py")}
    return dict(sorted(found.items()))


@lru_cache(maxsize=1)
def package_digest() -> str:
    """The sha256, in hex, over the names and bytes of the runner's source files."""
    import hashlib

    digest = hashlib.sha256()
    for name, path in package_files().items():
        data = path.read_bytes()
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()
