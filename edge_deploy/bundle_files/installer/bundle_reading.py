"""Reading a bundle, archive or unpacked: only what its manifest says is believed."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import re
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from .refusal import DAMAGED, NO_BUNDLE, Refusal

FORMAT, FORMAT_VERSION = "edge-deploy bundle", 1
MANIFEST, MANIFEST_SUM = "manifest.json", "manifest.sha256"
LARGEST_MANIFEST = 16 << 20
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
SHA256_PATTERN = re.compile(r"[0-9a-f]{64}")
CHUNK = 1 << 20

Entry = tuple[str, IO[bytes]]
Write = Callable[[str, int], contextlib.AbstractContextManager[IO[bytes]]]


def check_name(name: str) -> str:
    """A path in a bundle, if it stays in its folder."""
    parts = name.split("/")
    bad = not name or name.startswith("/") or "\\" in name or "\0" in name or len(name) > 500
    if bad or any(part in ("", ".", "..") for part in parts):
        raise Refusal(DAMAGED, f"the bundle holds the path {name!r}, which leaves its folder")
    return name


def read_manifest(data: bytes, sums: bytes) -> dict[str, Any]:
    """The manifest, whole and well-formed; raises `Refusal`."""
    words = sums.decode("ascii", "replace").split()
    if not words or words[0] != hashlib.sha256(data).hexdigest():
        raise Refusal(DAMAGED, f"{MANIFEST} is damaged (another sha256); copy the bundle again")
    try:
        manifest: dict[str, Any] = json.loads(data.decode("utf-8"))
        if manifest["format"] != FORMAT:
            raise ValueError("it is no bundle's")
        if manifest["version"] != FORMAT_VERSION:
            raise ValueError(f"version {manifest['version']!r} is not {FORMAT_VERSION}")
        if not NAME_PATTERN.fullmatch(manifest["name"]):
            raise ValueError("its name is no file name")
        if not re.fullmatch(r"[0-9a-f]{12}", manifest["id"]):
            raise ValueError("its id is malformed")
        target = manifest["target"]
        if not all(isinstance(target[key], str) for key in ("name", "machine", "python", "glibc")):
            raise ValueError("its target is malformed")
        for name, record in manifest["files"].items():
            check_name(name)
            if name in (MANIFEST, MANIFEST_SUM):
                raise ValueError("it lists itself")
            whole = isinstance(record["size_bytes"], int) and record["size_bytes"] >= 0
            if not whole or not SHA256_PATTERN.fullmatch(record["sha256"]):
                raise ValueError(f"its record of {name} is malformed")
            if record["mode"] not in (0o644, 0o755):
                raise ValueError(f"its mode of {name} is neither 644 nor 755")
        for package in manifest["system_packages"]:
            module, name, below = (package[key] for key in ("module", "package", "below"))
            whole = isinstance(name, str) and (below is None or isinstance(below, int))
            if not whole or not module.isidentifier():
                raise ValueError("its system packages are malformed")
        if not SHA256_PATTERN.fullmatch(manifest["model"]["sha256"]):
            raise ValueError("its model is malformed")
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Refusal(DAMAGED, f"{MANIFEST} makes no sense: {error}") from error
    return manifest


class Bundle:
    """An opened bundle: its manifest, and `entries()` once, every file in it with its content."""

    def __init__(
        self, manifest: dict[str, Any], raw: dict[str, bytes], rest: Iterator[Entry]
    ) -> None:
        self.manifest = manifest
        self.raw = raw
        self._rest = rest

    def entries(self) -> Iterator[Entry]:
        """Name and readable content of each file; raises `Refusal` for what does not belong."""
        return self._rest


@contextlib.contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """A bundle from its archive or its unpacked folder; raises `Refusal`."""
    if path.is_dir():
        yield _open_folder(path)
        return
    try:
        with gzip.open(path) as zipped, tarfile.open(fileobj=zipped, mode="r|") as archive:
            yield _open_archive(archive, zipped, path.name)
    except FileNotFoundError:
        raise Refusal(NO_BUNDLE, f"there is no bundle at {path}; check the path") from None
    except PermissionError:
        raise Refusal(NO_BUNDLE, f"{path} may not be read; check its permissions") from None
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError) as error:
        raise Refusal(
            DAMAGED, f"{path.name} is damaged or cut short ({error}); copy the bundle again"
        ) from error


def _open_archive(archive: tarfile.TarFile, zipped: gzip.GzipFile, label: str) -> Bundle:
    members = _archive_entries(archive, zipped)
    raw: dict[str, bytes] = {}
    for wanted in (MANIFEST, MANIFEST_SUM):  # they come first
        name, content = next(members, ("", None))
        if name != wanted or content is None:
            raise Refusal(DAMAGED, f"{label} is no edge-deploy bundle: it has no {wanted}")
        raw[wanted] = content.read(LARGEST_MANIFEST)
    return Bundle(read_manifest(raw[MANIFEST], raw[MANIFEST_SUM]), raw, members)


def _archive_entries(archive: tarfile.TarFile, zipped: gzip.GzipFile) -> Iterator[Entry]:
    top = ""
    for member in archive:
        first, _, name = member.name.partition("/")
        top = top or first
        if first != top or not name:
            raise Refusal(DAMAGED, f"the bundle holds {member.name!r} outside its folder")
        check_name(name)
        content = archive.extractfile(member) if member.isreg() else None
        if content is None:
            raise Refusal(DAMAGED, f"the bundle holds {name!r}, which is no plain file")
        yield name, content
    # Only reading on to the very end proves the checksum.
    while zipped.read(CHUNK):
        pass


def _open_folder(folder: Path) -> Bundle:
    try:
        raw = {name: (folder / name).read_bytes() for name in (MANIFEST, MANIFEST_SUM)}
    except OSError as error:
        raise Refusal(
            NO_BUNDLE, f"{folder} is no unpacked bundle ({error.strerror}: {error.filename})"
        ) from error
    return Bundle(read_manifest(raw[MANIFEST], raw[MANIFEST_SUM]), raw, _folder_entries(folder))


def _folder_entries(folder: Path) -> Iterator[Entry]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in [*folders, *sorted(names)]:
            path = Path(place, name)
            mode = path.lstat().st_mode
            inside = path.relative_to(folder).as_posix()
            if stat.S_ISDIR(mode):
                continue
            if not stat.S_ISREG(mode):
                raise Refusal(DAMAGED, f"the bundle holds {inside!r}, which is no plain file")
            if inside not in (MANIFEST, MANIFEST_SUM):
                with open(path, "rb") as content:
                    yield inside, content


def take(bundle: Bundle, write: Write) -> None:
    """Hold every file against the manifest while it is written; raises `Refusal`."""
    wanted = dict(bundle.manifest["files"])
    for name, content in bundle.entries():
        record = wanted.pop(name, None)
        if record is None:
            what = "twice" if name in bundle.manifest["files"] else "and its manifest does not"
            raise Refusal(DAMAGED, f"the bundle holds {name!r} {what}; it was tampered with")
        digest, size = hashlib.sha256(), 0
        with write(name, record["mode"]) as output:
            while size <= record["size_bytes"]:
                data = content.read(CHUNK)
                if not data:
                    break
                size += len(data)
                digest.update(data)
                output.write(data)
        if size != record["size_bytes"] or digest.hexdigest() != record["sha256"]:
            raise Refusal(DAMAGED, f"{name} in the bundle is damaged; copy the bundle again")
    if wanted:
        raise Refusal(DAMAGED, f"{min(wanted)} is missing from the bundle; copy it again")


def check_bundle(path: Path) -> dict[str, Any]:
    """Read a whole bundle and hold it against its manifest, which is returned."""

    @contextlib.contextmanager
    def nowhere(_name: str, _mode: int) -> Iterator[IO[bytes]]:
        with open(os.devnull, "wb") as output:
            yield output

    with open_bundle(path) as bundle:
        take(bundle, nowhere)
    return bundle.manifest
