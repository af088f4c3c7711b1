"""Putting a bundle on a device: checked here, pushed, and installed by its own installer there."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shlex
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deploy_runner.errors import (
    BadInputError,
    BundleError,
    DeviceError,
    EdgeDeployError,
    OutputError,
    UsageError,
)
from edge_deploy_runner.progress import Progress, silent

from edge_deploy.bundle_files.installer.bundle_reading import check_bundle, open_bundle
from edge_deploy.bundle_files.installer.refusal import Refusal
from edge_deploy.bundle_files.installer.service_unit import service_problem
from edge_deploy.remote.ssh import SshDevice, parse_target

# An SD card takes its time, and so does the self-test of a large model.
_INSTALL_LIMIT_S = 1800.0
_CACHE = ".cache/edge-deploy/bundles"
_OLD_MINUTES = 24 * 60
_ERRORS: dict[int, type[EdgeDeployError]] = {
    2: UsageError, 3: BadInputError, 5: DeviceError, 6: BundleError, 7: OutputError
}  # fmt: skip
_NO_PYTHON = 127
_UNKNOWN_OPTION = 2
_SERVICE_FAILED = 5


@dataclass(frozen=True)
class Installation:
    """What an installer did. `record` is its own report, `device` where it ran."""

    device: str
    record: dict[str, Any]

    @property
    def service_failed(self) -> bool:
        """Whether the version is installed and its service does not run."""
        return service_problem(self.record) is not None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"device": self.device, **self.record}


def install(
    bundle: str | os.PathLike[str],
    device: str,
    *,
    prefix: str | None = None,
    rollback: bool = False,
    with_service: bool = True,
    on_progress: Progress = silent,
) -> Installation:
    """Install a bundle on "ssh://USER@HOST[:PORT]", or on "local", this very machine.

    It is checked here first, and before it is pushed the device is asked whether it can run it. A
    broken connection costs nothing: the next call pushes what is missing. On the device it becomes
    root with `sudo -n`, which never asks for a password; where that is refused it installs for the
    user, without a service. `rollback` goes back to the version before. Raises `BundleError` for a
    damaged bundle or one that fails its self-test there, and `DeviceError`, also for a bundle for
    another device.
    """
    path = Path(bundle)
    on_progress("checking the bundle", 0, 0)
    manifest = _checked(path)
    options = [
        *(["--rollback", "--name", manifest["name"]] if rollback else []),
        *(["--prefix", prefix] if prefix else []),
        *([] if with_service else ["--no-service"]),
        "--json",
    ]
    if device == "local":
        return Installation("local", _install_here(path, options, rollback, on_progress))
    if not device.startswith("ssh://"):
        raise UsageError(f"bundles go to ssh://USER@HOST[:PORT] or local, not to {device!r}")
    with SshDevice(parse_target(device)) as connection:
        record = _install_there(connection, path, options, prefix, rollback, on_progress)
    return Installation(device, record)


def _checked(path: Path) -> dict[str, Any]:
    try:
        if path.is_dir():
            if (path / "build.gradle.kts").is_file():
                raise BadInputError(
                    f"{path} is a Gradle module, which goes into an app's project: add "
                    f'include(":{path.name}") to its settings.gradle.kts'
                )
            raise BadInputError(f"{path} is a folder; name the bundle, a .tar.gz")
        if path.suffix == ".tflite":
            raise BadInputError(
                f"{path} is a model, not a bundle; make one with `edge-deploy bundle {path.name} "
                "--target TARGET`"
            )
        if path.suffix in (".aar", ".apk"):
            raise BadInputError(_not_installed(path))
        return check_bundle(path)
    except Refusal as refusal:
        raise _ERRORS[refusal.code](str(refusal)) from refusal
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror or error}") from error


def _not_installed(path: Path) -> str:
    if path.suffix == ".apk":
        return f"{path} is an app; install it with `adb install {path}`"
    return (
        f"{path} is a library for Android apps, not for a device: copy it to the app's libs/ "
        f'folder and add implementation(files("libs/{path.name}")) to its dependencies'
    )


def _installer_files(path: Path) -> dict[str, bytes]:
    """The installer that the bundle carries and its manifest, by their names in it."""
    with open_bundle(path) as opened:
        found = dict(opened.raw)
        for name, content in opened.entries():
            if name == "install.py" or name.startswith("installer/"):
                found[name] = content.read()
    if "install.py" not in found:
        raise BundleError(f"{path.name} carries no installer; build it again")
    return found


def _install_here(
    path: Path, options: list[str], rollback: bool, on_progress: Progress
) -> dict[str, Any]:
    on_progress("rolling back" if rollback else "installing", 0, 0)
    with tempfile.TemporaryDirectory(prefix="edge-deploy-install-") as folder:
        for name, data in _installer_files(path).items():
            target = Path(folder) / name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(data)
        # The system's Python, not that of our own virtual environment.
        python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
        done = subprocess.run(
            [python, str(Path(folder) / "install.py"), str(path.absolute()), *options],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            check=False,
        )  # fmt: skip
    return _result(done.returncode, done.stdout, done.stderr, "this machine")


def _install_there(
    device: SshDevice, path: Path, options: list[str], prefix: str | None, rollback: bool,
    on_progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    files = _installer_files(path)
    digest = hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()[:16]
    # By its content: an interrupted push goes on, whatever the file is called here.
    sha256 = _sha256(path)
    name = sha256[:32]
    _clear_old(device, name)
    installer = _push_installer(device, files, f"{_CACHE}/installer-{digest}")
    arguments = list(options)
    remote = None
    if not rollback:
        _ask_whether_it_fits(device, installer)
        remote = device.push(path, f"~/{_CACHE}/{name}.tar.gz", on_progress, sha256)
        arguments = [remote, *options]
    on_progress("rolling back" if rollback else "installing and testing on the device", 0, 0)
    become = _become_root(device, prefix)

    def relay(line: str) -> None:
        if line.strip() and not line.startswith("Error: "):
            on_progress(line.strip(), 0, 0)

    done = device.run(
        [*become, "python3", installer, *arguments, "--ends-with-stdin"],
        timeout_s=_INSTALL_LIMIT_S, hold_stdin=True, on_stderr=relay,
    )  # fmt: skip
    if remote is not None:  # also where it was refused; only a lost connection leaves it
        with contextlib.suppress(DeviceError):
            device.run(["rm", "-f", remote])
    return _result(
        done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr, device.target.login
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _ask_whether_it_fits(device: SshDevice, installer: str) -> None:
    """Raise where the device says that it cannot run the bundle whose manifest lies there."""
    done = device.run(["python3", installer, "--fits", "--json"], timeout_s=300)
    if done.returncode == _UNKNOWN_OPTION:  # an older bundle's installer: it asks once it is there
        return
    _result(
        done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr, device.target.login
    )


def _clear_old(device: SshDevice, name: str) -> None:
    """Remove what earlier installs left; not this bundle's, nor what another may be pushing."""
    script = (
        'cd && cd "$1" 2>/dev/null && find . -mindepth 1 -maxdepth 1 ! -name "$2*" '
        f"-mmin +{_OLD_MINUTES} -exec rm -rf {{}} +"
    )
    device.run(["sh", "-c", script, "sh", _CACHE, name], timeout_s=300)


def _push_installer(device: SshDevice, files: dict[str, bytes], folder: str) -> str:
    """Unpack the installer in a folder of the device's home; the path of its `install.py`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    script = 'cd && mkdir -p "$1" && cd "$1" && tar -xof - && pwd'
    done = device.run(["sh", "-c", script, "sh", folder], stdin=buffer.getvalue(), timeout_s=300)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise DeviceError(
            f"the installer cannot be unpacked in ~/{folder} on {device.target.login}: "
            f"{lines[-1] if lines else 'it gives no reason'}; free some space there"
        )
    return f"{done.stdout.decode('utf-8', 'surrogateescape').splitlines()[-1]}/install.py"


def _become_root(device: SshDevice, prefix: str | None) -> list[str]:
    """`sudo -n` where root is wanted, not there yet, and to be had without a password."""
    question = 'test "$(id -u)" = 0 && echo root || { sudo -n true 2>/dev/null && echo sudo; }'
    if prefix is not None:
        # A folder of the user's own needs nobody else.
        folder = shlex.quote(prefix)
        question = f"mkdir -p {folder} 2>/dev/null && test -w {folder} && echo own || {question}"
    said = device.run(["sh", "-c", question], timeout_s=60).stdout.decode("utf-8", "replace")
    return ["sudo", "-n"] if said.strip() == "sudo" else []


def _result(code: int, stdout: str, stderr: str, device: str) -> dict[str, Any]:
    # With 5 it reports as well, where all is done and only the service does not run.
    if code == 0 or (code == _SERVICE_FAILED and stdout.strip()):
        try:
            record: dict[str, Any] = json.loads(stdout)
            return record
        except ValueError as error:
            raise DeviceError(f"the installer on {device} answered with no JSON") from error
    lines = [line for line in stderr.splitlines() if line.strip()]
    if code == _NO_PYTHON:
        raise DeviceError(f"{device} has no python3; install it there: sudo apt install python3")
    why = next((line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")), "")
    if not why:
        why = f"the installer ended with {code}: {lines[-1] if lines else 'it said nothing'}"
    raise _ERRORS.get(code, DeviceError)(f"on {device}: {why}")
