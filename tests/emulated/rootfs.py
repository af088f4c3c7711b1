"""Userlands like a Raspberry Pi's, from Debian's archive: unpacked, never booted or chrooted into.

Each is made once per machine, in `.cache/emulated` of the repository, and shared by all of
pytest's workers.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "emulated"
# What a bundle may count on: the system's Python, and what the runtime's library links to.
PACKAGES = ("python3", "libpython3-stdlib", "libgomp1", "libstdc++6", "ca-certificates")
# PyPI has neither for 32-bit ARM.
_ARMHF_PACKAGES = ("python3-numpy", "python3-pil")
# Raise it when the same packages are to give other files.
_LAYOUT = 3


class MissingError(Exception):
    """What this machine lacks for a test under emulation, as one sentence."""


@dataclass(frozen=True)
class Userland:
    """A Debian suite for one architecture; `extra` packages beside those a bundle counts on."""

    suite: str
    architecture: str
    extra: tuple[str, ...] = ()

    @property
    def packages(self) -> tuple[str, ...]:
        """All packages that are asked for; what they depend on comes with them."""
        own = _ARMHF_PACKAGES if self.architecture == "armhf" else ()
        return (*PACKAGES, *own, *self.extra)

    @property
    def name(self) -> str:
        """The suite and architecture, such as "bookworm-arm64"."""
        return f"{self.suite}-{self.architecture}"


BOOKWORM = Userland("bookworm", "arm64")
TRIXIE = Userland("trixie", "arm64")
BOOKWORM_ARMHF = Userland("bookworm", "armhf")


def require_programs(**packages: str) -> None:
    """Raise `MissingError` for programs that are not there; given as program="its package".

    An underscore stands for a hyphen.
    """
    names = {name.replace("_", "-"): package for name, package in packages.items()}
    missing = {name: package for name, package in names.items() if not shutil.which(name)}
    if missing:
        raise MissingError(
            f"{', '.join(missing)} not found; apt-get install --no-install-recommends "
            f"{' '.join(sorted(set(missing.values())))}"
        )


def cached(name: str, recipe: str, build: Callable[[Path], None]) -> Path:
    """The folder that `build(folder)` fills, made once for all that has this name and recipe.

    `recipe`: everything that decides what comes out. A build that is killed or fails leaves
    nothing that a later one would take for whole.
    """
    key = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    folder = CACHE / f"{name}-{key}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}-{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel lets go of it when this process ends
        if not folder.is_dir():
            scratch = CACHE / f"{name}-{key}-making"
            shutil.rmtree(scratch, ignore_errors=True)
            made = scratch / "made"
            made.mkdir(parents=True)
            build(made)
            made.rename(folder)
            scratch.rmdir()
    return folder


def rootfs(userland: Userland) -> Path:
    """The folder with this userland; raises `MissingError` where it cannot be made."""
    require_programs(mmdebstrap="mmdebstrap", tar="tar")
    recipe = f"{_LAYOUT} {userland!r} {userland.packages}"
    return cached(userland.name, recipe, lambda folder: _unpack(userland, folder))


def _unpack(userland: Userland, folder: Path) -> None:
    # By way of a tar file: without root, mmdebstrap's folders belong to a user of its own.
    archive = folder.with_suffix(".tar")
    command = [
        *("mmdebstrap", "--quiet", "--variant=extract", f"--arch={userland.architecture}"),
        *(f"--include={','.join(userland.packages)}", userland.suite, str(archive)),
    ]
    if os.geteuid() != 0:  # nothing is run in it, so that nobody has to be root
        command.insert(1, "--mode=chrootless")
    if source := host_mirror():
        command.append(f"deb {source} {userland.suite} main")
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        said = [line for line in made.stderr.splitlines() if line.strip()] or ["it said nothing"]
        raise MissingError(
            f"mmdebstrap could not fetch {userland.name} from Debian's archive: {said[-1]}"
        )
    subprocess.run(
        ["tar", "-x", "--no-same-owner", "--exclude=./dev/*", "-f", archive, "-C", folder],
        check=True,
    )
    archive.unlink()
    finish(folder)


def finish(folder: Path) -> None:
    """Make the links that no package brings: their scripts or the machine's set-up make them."""
    for name in ("bin", "sbin", "lib"):
        if not (folder / name).exists():
            (folder / name).symlink_to(f"usr/{name}")
    for name in ("blas", "lapack"):
        for library in folder.glob(f"usr/lib/*/{name}/lib{name}.so.3"):
            (library.parent.parent / library.name).symlink_to(f"{name}/{library.name}")


def host_mirror() -> str:
    """The address that this machine's own apt takes Debian from; "" where it is no Debian."""
    listed = subprocess.run(
        [
            *("apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(LABEL)"),
            "Created-By: Packages",
        ],
        capture_output=True,
        text=True,
        check=False,
    ) if shutil.which("apt-get") else None  # fmt: skip
    for line in listed.stdout.splitlines() if listed else ():
        address, *about = line.split(" ")
        if about == ["Debian", "Debian"]:
            return address
    return ""
