"""The runner on a device reached over ssh: what the device is, what it lacks, and what we push.

Everything of ours lies in `~/.cache/edge-deploy` there: `runner-<digest16>` (the very files that
this computer has), `site-<sha16>` (the runtime's wheels, where the device has none of its own) and
`models/<sha256>.tflite`.
"""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from edge_deploy_runner import errors
from edge_deploy_runner.bench.measuring import Measured, Request
from edge_deploy_runner.bench.operators import OperatorModel
from edge_deploy_runner.bench.protocol import read_answer, request_json
from edge_deploy_runner.errors import DeviceError, EdgeDeployError
from edge_deploy_runner.progress import Progress, silent
from edge_deploy_runner.version import package_digest, package_files

from edge_deploy.bundles.wheels import WheelPlatform, site_archive

from .scripts import INSTALL_RUNNER, PROBE, UNPACK_SITE
from .ssh import SshDevice
from .ssh_errors import is_full_disk

OLDEST_PYTHON = (3, 10)
# Runners of other versions that stay on the device: of other computers that use it.
KEPT_RUNNERS = 3
# Runtimes besides the one in use; each takes some 90 MB.
KEPT_SITES = 1
_MODELS_KEPT = 8
_PROBE_LIMIT_S = 120.0
_RUNTIMES = {"ai-edge-litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}
_RESULTS = (0, 1)  # done, and a gate or a finding that is a result as well


@dataclass(frozen=True)
class Probe:
    """What a device is. `runtime` is its own (name, version), None where it has none that works.

    `digest` is that of our runner there, None where it is not there.
    """

    python: tuple[int, int, int]
    machine: str
    bits: int
    libc: str
    system: str
    cache: str
    runtime: tuple[str, str] | None
    runtime_error: str
    numpy: str | None
    pillow: str | None
    digest: str | None
    sites: tuple[str, ...]

    @property
    def wheel_machine(self) -> str:
        """The machine as wheels name it: a 32-bit system on a 64-bit kernel is armv7l."""
        if self.bits == 32 and self.machine in ("aarch64", "armv8l", "armv7l"):
            return "armv7l"
        return {"arm64": "aarch64", "AMD64": "x86_64"}.get(self.machine, self.machine)


def parse_probe(document: Mapping[str, Any], runner: str) -> Probe:
    """The probe's JSON; `runner` names the folder of our own runner."""
    runtime = document["runtime"]
    major, minor, micro = document["python"]
    return Probe(
        python=(int(major), int(minor), int(micro)),
        machine=str(document["machine"]),
        bits=int(document["bits"]),
        libc=str(document["libc"][0]),
        system=str(document["system"]),
        cache=str(document["cache"]),
        runtime=None if runtime is None else (str(runtime[0]), str(runtime[1])),
        runtime_error=str(document["runtime_error"]),
        numpy=document["numpy"],
        pillow=document["pillow"],
        digest=document["digests"].get(runner),
        sites=tuple(document["sites"]),
    )


def obstacle(probe: Probe) -> str | None:
    """Why the device cannot run a model, in words that follow its name; None where it can."""
    python = ".".join(map(str, probe.python))
    broken = f" (its own runtime fails: {probe.runtime_error})" if probe.runtime_error else ""
    if probe.machine == "armv6l" and probe.runtime is None:
        return (
            "is an ARMv6 board (Pi 1, Pi Zero, Zero W), for which no TFLite runtime exists; use a "
            f"Pi Zero 2 W, 3 or later{broken}"
        )
    if probe.python[:2] < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return (
            f"has Python {python}, and the runner needs {oldest} or later; install Raspberry Pi OS "
            "bookworm or newer"
        )
    if probe.runtime is not None and probe.numpy is not None:
        return None
    if probe.system != "Linux":
        return (
            f"runs {probe.system} and has no TFLite runtime; install ai-edge-litert and numpy "
            f"there{broken}"
        )
    if probe.libc != "glibc":
        return (
            "has another C library than glibc (musl, as in Alpine), for which the TFLite runtime "
            f"has no wheels; use Raspberry Pi OS or Debian{broken}"
        )
    if probe.wheel_machine == "armv7l":
        if probe.python[:2] != (3, 11):
            return (
                f"runs a 32-bit system with Python {python}; the only 32-bit runtime is for Python "
                f"3.11 (bookworm): install the 64-bit Raspberry Pi OS{broken}"
            )
        if probe.numpy is None or int(probe.numpy.split(".")[0]) >= 2:
            has = f"numpy {probe.numpy}" if probe.numpy else "no numpy"
            return (
                f"runs a 32-bit system and has {has}, where the 32-bit runtime needs numpy 1; run "
                "`sudo apt install python3-numpy python3-pil` on it, or install the 64-bit "
                "Raspberry Pi OS"
            )
        return None
    if probe.wheel_machine not in ("aarch64", "x86_64") or probe.bits == 32:
        return f"is a {probe.machine} machine, for which the TFLite runtime has no wheels{broken}"
    return None


class RemoteRunner:
    """Our runner on a device: `prepare` first, then run its commands.

    `origin` says whose runtime runs the model: "device" or "pushed"; `packages` what was pushed.
    """

    def __init__(self, device: SshDevice, wheels: Path | None = None) -> None:
        self.device = device
        self.origin = ""
        self.packages: dict[str, str] = {}
        self._wheels = wheels
        self._probe: Probe | None = None
        self._site: str | None = None

    @property
    def probe(self) -> Probe:
        """What `prepare` found."""
        assert self._probe is not None, "prepare() comes first"
        return self._probe

    @property
    def folder(self) -> str:
        """Where our runner lies on the device."""
        return f"{self.probe.cache}/{_runner_name()}"

    def prepare(self, on_progress: Progress = silent) -> Probe:
        """Look at the device, and put there what it lacks.

        Raises `DeviceError` with the reason where it cannot run a model.
        """
        on_progress("looking at the device", 0, 0)
        self._probe = probe = look(self.device)
        login = self.device.target.login
        reason = obstacle(probe)
        if reason is not None:
            raise DeviceError(f"{login} {reason}")
        if probe.digest != package_digest():
            on_progress("pushing the runner", 0, 0)
            self._python(
                INSTALL_RUNNER.replace("KEPT", str(KEPT_RUNNERS)),
                [probe.cache, _runner_name(), package_digest()],
                runner_archive(),
                "pushing the runner",
            )
        if probe.runtime is not None and probe.numpy is not None:
            self.origin = "device"
        else:
            self._push_site(probe, on_progress)
            self.origin = "pushed"
        return probe

    def push_model(self, path: Path, sha256: str, on_progress: Progress = silent) -> str:
        """Put a model there by its hash and return its path; models long unused are removed."""
        models = f"{self.probe.cache}/models"
        found = self.device.push(path, f"{models}/{sha256}.tflite", on_progress, sha256)
        # Never the one just pushed, even where the board's clock says that it is the oldest.
        script = (
            'cd "$1" && touch -- "$2" && ls -t | grep -vxF -- "$2" | '
            f"tail -n +{_MODELS_KEPT} | xargs rm -f --"
        )
        self.device.run(
            ["sh", "-c", script, "sh", models, f"{sha256}.tflite"],
            timeout_s=60, what="removing models long unused",
        )  # fmt: skip
        return found

    def bench(
        self,
        request: Request,
        operators: Iterable[OperatorModel],
        on_progress: Progress = silent,
    ) -> Measured:
        """Measure once on the device: one request goes there, one JSON document comes back.

        `request.model` is a path there. The runner there ends with our connection.
        """
        settings = {"ends_with_stdin": True, "progress": True}
        lines = chain(
            [{**request_json(request), **settings}], (operator.to_json() for operator in operators)
        )

        def report(line: str) -> None:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                words = json.loads(line)
                on_progress(str(words["stage"]), int(words["done"]), int(words["total"]))

        document = self.run_json(
            ["bench", "--request", "-"],
            stdin=(json.dumps(line).encode() + b"\n" for line in lines),
            hold_stdin=True,
            on_stderr=report,
        )
        measured = read_answer(document, f"the answer of {self.device.target.login}")
        packages = ", ".join(f"{name} {version}" for name, version in self.packages.items())
        runtime = {**measured.measurement.runtime, "origin": self.origin}
        if packages:
            runtime["packages"] = packages
        return replace(measured, measurement=replace(measured.measurement, runtime=runtime))

    def run_json(
        self,
        arguments: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        hold_stdin: bool = False,
        timeout_s: float | None = None,
        on_stderr: Callable[[str], None] | None = None,
    ) -> dict[str, Any]:
        """Run `edge_deploy_runner ARGUMENTS` there and return the JSON object that it prints.

        An error of the runner is raised as the same class with the device's name in front; exit
        code 1 is a result.
        """
        python_path = self.folder if self._site is None else f"{self.folder}:{self._site}"
        # From its own folder: a user's numpy.py at home is not imported.
        command = (
            f"cd {shlex.quote(self.folder)} && PYTHONPATH={shlex.quote(python_path)} exec "
            + shlex.join(["python3", "-m", "edge_deploy_runner", *arguments])
        )
        done = self.device.shell(
            command, stdin=stdin, hold_stdin=hold_stdin, timeout_s=timeout_s,
            on_stderr=on_stderr, what=f"running {arguments[0]}",
        )  # fmt: skip
        if done.returncode not in _RESULTS:
            raise self._error(arguments[0], done.returncode, done.stderr)
        try:
            document = json.loads(done.stdout)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise DeviceError(
                f"{arguments[0]} on {self.device.target.login} gave no answer that can be read: "
                f"{done.stdout[-200:].decode('utf-8', 'replace')!r} {_last(done.stderr)}"
            )
        return document

    def _push_site(self, probe: Probe, on_progress: Progress) -> None:
        platform = WheelPlatform(python=probe.python[:2], machine=probe.wheel_machine)
        archive = site_archive(platform, wheels=self._wheels, on_progress=on_progress)
        self.packages = dict(archive.packages)
        name = f"site-{archive.sha256[:16]}"
        self._site = f"{probe.cache}/{name}"
        if name in probe.sites:
            if self._imports(archive.packages):
                return
            # Damaged, by a power cut or a worn card: its place is needed for a whole one.
            self.device.run(["rm", "-rf", "--", self._site], timeout_s=120)
        path = self.device.push(archive.path, f"{self._site}.tar.gz", on_progress, archive.sha256)
        on_progress("unpacking the runtime there", 0, 0)
        self._python(
            UNPACK_SITE.replace("KEPT", str(KEPT_SITES)),
            [probe.cache, name, path, str(archive.installed_bytes)],
            b"",
            "unpacking the runtime",
        )

    def _imports(self, packages: Iterable[str]) -> bool:
        """Whether the runtime that was pushed before can still be imported there."""
        modules = ["numpy", "PIL"]
        modules += [f"{_RUNTIMES[name]}.interpreter" for name in packages if name in _RUNTIMES]
        done = self.device.run(
            ["sh", "-c", 'cd / && PYTHONPATH="$1" exec python3 -c "$2"', "sh", self._site or "",
             f"import {', '.join(modules)}"],
            timeout_s=_PROBE_LIMIT_S, what="looking at the runtime",
        )  # fmt: skip
        return done.returncode == 0

    def _python(self, script: str, arguments: Sequence[str], stdin: bytes, what: str) -> None:
        login = self.device.target.login
        done = self.device.run(
            ["python3", "-c", script, *arguments], stdin=stdin, timeout_s=900, what=what
        )
        if done.returncode == 0:
            return
        if is_full_disk(done.stderr):
            raise DeviceError(
                f"the disk of {login} is full ({what}): {_last(done.stderr)}; free some space on it"
            )
        raise DeviceError(f"{what} failed on {login}: {_last(done.stderr)}")

    def _error(self, command: str, code: int, stderr: str) -> EdgeDeployError:
        login = self.device.target.login
        said = [line for line in stderr.splitlines() if line.startswith("Error: ")]
        if not said:
            if code == EdgeDeployError.exit_code:  # a traceback, and our request to report it
                stderr = "\n".join(stderr.strip().splitlines()[:-1])
            signal = f" (signal {code - 128})" if 128 < code < 192 else ""
            return DeviceError(
                f"{command} on {login} ended with code {code}{signal}: {_last(stderr)}"
            )
        kinds = {
            kind.exit_code: kind
            for kind in vars(errors).values()
            if isinstance(kind, type)
            and issubclass(kind, EdgeDeployError)
            and kind.__base__ is EdgeDeployError
        }
        return kinds.get(code, DeviceError)(f"{login}: {said[-1].removeprefix('Error: ')}")


def look(device: SshDevice) -> Probe:
    """Ask a device what it is, with its own `python3` and nothing of ours."""
    login = device.target.login
    script = PROBE.replace("WANTED", _runner_name())
    done = device.shell(
        "command -v python3 >/dev/null 2>&1 || exit 127; exec python3 -",
        stdin=script.encode(), timeout_s=_PROBE_LIMIT_S, what="looking at the device",
    )  # fmt: skip
    if done.returncode == 127:
        raise DeviceError(f"{login} has no python3; run `sudo apt install python3` on it")
    document = None
    lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
    with contextlib.suppress(ValueError):
        document = json.loads(lines[-1]) if lines else None
    if done.returncode != 0 or not isinstance(document, dict):
        raise DeviceError(
            f"python3 on {login} does not work (code {done.returncode}): {_last(done.stderr)}"
        )
    return parse_probe(document, _runner_name())


def runner_archive() -> bytes:
    """The runner's source files as a tar.gz, the same bytes for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=6) as archive:
        for name, path in package_files().items():
            data = path.read_bytes()
            member = tarfile.TarInfo(f"edge_deploy_runner/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _runner_name() -> str:
    return f"runner-{package_digest()[:16]}"


def _last(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else "it gives no reason"
