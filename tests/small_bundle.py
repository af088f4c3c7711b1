"""A bundle for this very machine: a tiny model, the real runner and installer, few packages.

The self-test finds numpy, Pillow and the runtime where this interpreter has them, so that no
wheels are needed.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from small_models_photo import write_model

from edge_deploy.bundles.bundling import Bundle, bundle
from edge_deploy.bundles.reproducible_tar import Entry, write_tar_gz
from edge_deploy.bundles.targets import BundleTarget
from edge_deploy.bundles.wheels import SiteArchive, WheelPlatform

HERE = BundleTarget(
    "this-machine",
    "this machine",
    WheelPlatform((sys.version_info.major, sys.version_info.minor), platform.machine()),
)
Member = tuple[tarfile.TarInfo, bytes]


def small_site(folder: Path, size_bytes: int = 100_000, files: int = 5) -> SiteArchive:
    """An archive of packages that nothing imports."""
    path = folder / "site.tar.gz"
    block = bytes(range(256)) * (size_bytes // files // 256 + 1)
    entries = [Entry(f"ballast/part{i}.bin", bytes([i % 256]) + block) for i in range(files)]
    with path.open("wb") as stream:
        write_tar_gz(stream, entries)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return SiteArchive(path, sha256, {"ballast": "1"}, sum(len(e.data) for e in entries))


def small_bundle(folder: Path, name: str = "colors", **options: Any) -> Bundle:
    """Build a bundle `NAME-this-machine.tar.gz` in a folder; `options` are those of `bundle`."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"target": HERE, "force": True, **options}
    if "site" not in settings:
        settings["site"] = small_site(folder)
    target = settings.pop("target")
    model = settings.pop("model", None) or write_model(folder, f"{name}.tflite")
    return bundle(model, target, folder, name=name, **settings)


def unpacked(made: Bundle, folder: Path) -> Path:
    """The bundle's folder as `tar` unpacks it."""
    with tarfile.open(made.path) as archive:
        archive.extractall(folder, filter="data")
    return folder / f"{made.name}-{made.manifest['target']['name']}"


def run_installer(
    folder: Path, *arguments: str | Path, **options: Any
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run an unpacked bundle's install.py as a user does, without touching systemd."""
    return subprocess.run(
        installer_command(folder, *arguments),
        capture_output=True, text=True, check=False, **options,
    )  # fmt: skip


def installer_command(folder: Path, *arguments: str | Path) -> list[str]:
    """The command line of `run_installer`."""
    return [sys.executable, str(folder / "install.py"), *map(str, arguments), "--no-service"]


def answers(prefix: Path, name: str = "colors") -> bool:
    """Whether the installed model passes its self-test through `current`."""
    folder = prefix / name / "current"
    done = subprocess.run(
        [sys.executable, str(folder / "bin" / "edge-deploy-runner"), "selftest", str(folder)],
        capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode == 0


def changed(made: Bundle, output: Path, change: Callable[[list[Member]], list[Member]]) -> Path:
    """The bundle with its members changed, and everything around them whole."""
    with tarfile.open(made.path) as archive:
        members = []
        for info in archive:
            content = archive.extractfile(info)
            members.append((info, content.read() if content else b""))
    with gzip.open(output, "wb", 1) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for info, data in change(members):
            info.size = len(data) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(data))
    return output


def with_manifest(made: Bundle, output: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """The bundle with another manifest, whose own sha256 is right: a lie, not damage."""

    def change(members: list[Member]) -> list[Member]:
        manifest = json.loads(members[0][1])
        edit(manifest)
        text = json.dumps(manifest).encode()
        sums = f"{hashlib.sha256(text).hexdigest()}  manifest.json\n".encode()
        return [(members[0][0], text), (members[1][0], sums), *members[2:]]

    return changed(made, output, change)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started, as a power cut does."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
