"""The doctor's round: this computer, and a device; each lack with what mends it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deploy_android.target import parse_target as parse_android_target
from edge_deploy_runner.doctor.examining import Examination, attempt, examine
from edge_deploy_runner.doctor.finding import Finding, ok, problem, warning
from edge_deploy_runner.doctor.hardware import is_pi
from edge_deploy_runner.errors import DeviceError, EdgeDeployError, UsageError
from edge_deploy_runner.progress import Progress, silent

from . import diagnosis_computer as computer
from .bundles.wheels import WheelPlatform
from .diagnosis_errors import finding_and_mend
from .diagnosis_phone import examine_phone
from .remote.ssh import SshDevice
from .remote.target import SshTarget, parse_target

# The device's own checks end by themselves long before.
_DEVICE_LIMIT_S = 300.0
_CLOCK_TOLERANCE_S = 120
# Where our runner cannot be installed, it is unpacked for this one look and removed again.
_LOOK_ONCE = """
import io, shutil, subprocess, sys, tarfile, tempfile
folder = tempfile.mkdtemp(prefix="edge-deploy-doctor-")
try:
    with tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read())) as archive:
        archive.extractall(folder)
    command = [sys.executable, "-m", "edge_deploy_runner", "doctor", "--json"]
    sys.exit(subprocess.call(command, cwd=folder, stdin=subprocess.DEVNULL))
finally:
    shutil.rmtree(folder, ignore_errors=True)
"""


@dataclass(frozen=True)
class DeviceExamination:
    """What the doctor found on a device. `document` is its own JSON, None where it has none."""

    url: str
    findings: tuple[Finding, ...]
    document: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        document = self.document or {}
        return {
            "url": self.url,
            "version": document.get("version"),
            "time": document.get("time"),
            "machine": document.get("machine"),
            "telemetry": document.get("telemetry"),
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(frozen=True)
class Diagnosis:
    """Findings about this computer, and about the device where one was named."""

    examination: Examination
    findings: tuple[Finding, ...]
    device: DeviceExamination | None = None

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """Those of this computer, then those of the device."""
        return (*self.findings, *(self.device.findings if self.device else ()))

    @property
    def passed(self) -> bool:
        """Whether there is no problem anywhere; warnings pass."""
        return all(finding.status != "problem" for finding in self.all_findings)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        document = self.examination.to_json()
        document["findings"] = [finding.to_json() for finding in self.findings]
        del document["passed"]
        return {
            "passed": self.passed,
            "computer": document,
            "device": self.device.to_json() if self.device else None,
        }


def diagnose(
    device: str | None = None,
    target: str | None = None,
    *,
    wheels: Path | None = None,
    on_progress: Progress = silent,
) -> Diagnosis:
    """Examine this computer and, with `device`, that device.

    `device` is "ssh://USER@HOST[:PORT]" or "android[:SERIAL]".

    `target` names what a bundle is to be built for, such as "rpi-bookworm". A device is given what
    `profile` would give it, the runner and, where it has none, the runtime, whose wheels may lie in
    the folder `wheels`. Raises `UsageError` for
    a device or target that is none, and `DeviceError` where a device cannot be reached over ssh;
    that of a phone is a finding.
    """
    phone = None
    if device is not None and device.partition(":")[0] == "android":
        phone = parse_android_target(device)
    address = None if device is None or phone else _ssh_target(device)
    platform = None if target is None else computer.target_platform(target)
    on_progress("examining this computer", 0, 0)
    here = examine(device=False)
    if is_pi(here.machine):
        here = examine()
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("convert", computer.check_convert_extra),
        ("ssh", computer.check_ssh),
        ("adb", computer.check_adb),
        ("pip", computer.check_pip),
        ("cache", computer.check_cache),
    ]
    if target is not None:
        checks.append(("target", lambda: computer.check_target(target)))
    findings = (*here.findings, *(attempt(name, check) for name, check in checks))
    if phone is not None:
        on_progress("examining the phone", 0, 0)
        try:
            url, about = examine_phone(phone)
        except DeviceError as error:
            url, about = phone.url, (_phone_obstacle(error, phone.url),)
        return Diagnosis(here, findings, DeviceExamination(url, about))
    if address is None:
        return Diagnosis(here, findings)
    return Diagnosis(here, findings, _examine_device(address, platform, wheels, on_progress))


def _ssh_target(device: str) -> SshTarget:
    if not device.startswith("ssh://"):
        raise UsageError(
            f"doctor examines a device over ssh or a phone, not {device!r}; use ssh://USER@HOST or "
            "android[:SERIAL]"
        )
    return parse_target(device)


def _examine_device(
    address: SshTarget,
    platform: WheelPlatform | None,
    wheels: Path | None,
    on_progress: Progress,
) -> DeviceExamination:
    try:
        # It needs numpy, whose lack here must stay a finding.
        from .remote.runner import RemoteRunner
    except ImportError as error:
        raise DeviceError(
            f"{address.login} cannot be examined, since this computer's numpy cannot be imported "
            f"({error}); mend that first: edge-deploy doctor"
        ) from error
    with SshDevice(address) as device:
        runner = RemoteRunner(device, wheels)
        obstacle: Finding | None = None
        try:
            runner.prepare(on_progress)
            on_progress("examining the device", 0, 0)
            document = runner.run_json(["doctor", "--json"], timeout_s=_DEVICE_LIMIT_S)
            findings = device_findings(document)
        except EdgeDeployError as error:
            # Raises by itself where the connection is what is lost.
            alone = _look_once(device)
            obstacle = _obstacle(error, address)
            document, findings = alone or {}, device_findings(alone) if alone else ()
    extra = [obstacle] if obstacle else []
    if not obstacle and runner.origin == "pushed":
        packages = ", ".join(f"{name} {version}" for name, version in runner.packages.items())
        extra.append(ok("serving", f"the runtime was brought from this computer: {packages}"))
    if "time" in document:
        extra.append(check_clocks(float(document["time"]), time.time(), address))
    if platform is not None and document:
        extra.append(check_fit(document, platform))
    return DeviceExamination(address.url, (*findings, *extra), document or None)


def _obstacle(error: EdgeDeployError, address: SshTarget) -> Finding:
    """Why the device cannot be served."""
    return problem("serving", *finding_and_mend(str(error), _look_again(address.url)))


def _phone_obstacle(error: DeviceError, url: str) -> Finding:
    """Why a phone cannot be looked at."""
    return problem("phone", *finding_and_mend(str(error), _look_again(url)))


def _look_again(url: str) -> str:
    return f"edge-deploy doctor --device {url}, once that is mended"


def _look_once(device: SshDevice) -> dict[str, Any] | None:
    """The doctor's JSON from a runner that is unpacked for it alone; None where it cannot run."""
    from .remote.runner import runner_archive

    done = device.run(
        ["python3", "-c", _LOOK_ONCE], stdin=runner_archive(), timeout_s=_DEVICE_LIMIT_S
    )
    try:
        document = json.loads(done.stdout)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def device_findings(document: Mapping[str, Any]) -> tuple[Finding, ...]:
    """The findings in the JSON of a device's doctor; raises `DeviceError` for another document."""
    try:
        found = tuple(
            Finding(str(f["name"]), f["status"], str(f["text"]), str(f["mend"]))
            for f in document["findings"]
        )
    except (KeyError, TypeError) as error:
        raise DeviceError(
            f"the device's doctor gave no findings that can be read: {error}"
        ) from None
    if any(finding.status not in ("ok", "warning", "problem") for finding in found):
        raise DeviceError("the device's doctor gave a status that is none; is its runner ours?")
    return found


def check_clocks(device_s: float, here_s: float, address: SshTarget) -> Finding:
    """Whether the two clocks agree."""
    apart = device_s - here_s
    if abs(apart) <= _CLOCK_TOLERANCE_S:
        return ok("clocks", "the device's clock and this computer's agree")
    side = "behind" if apart < 0 else "ahead of"
    return warning(
        "clocks", f"the device's clock is {abs(apart) / 60:.0f} minutes {side} this computer's",
        f'{address.command("ssh")} "sudo date -u -s @$(date +%s)"',
    )  # fmt: skip


def check_fit(document: Mapping[str, Any], platform: WheelPlatform) -> Finding:
    """Whether the device runs what the bundle's target is for."""
    machine = document.get("machine") or {}
    python = tuple(int(part) for part in str(machine.get("python", "0.0")).split(".")[:2])
    name = str(machine.get("machine"))
    if machine.get("userland_bits") == 32 and name in ("aarch64", "armv8l"):
        name = "armv7l"
    if (python, name) == (platform.python, platform.machine):
        return ok("target", f"the device runs {platform}, as the target does")
    fitting = [t for t, p in computer.TARGETS.items() if (p.python, p.machine) == (python, name)]
    return problem(
        "target", f"the device runs Python {'.'.join(map(str, python))} on {name}, and the target "
        f"is for {platform}",
        f"build with --target {fitting[0]}" if fitting
        else "flash Raspberry Pi OS bookworm or trixie, 64-bit",
    )  # fmt: skip
