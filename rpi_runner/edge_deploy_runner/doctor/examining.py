"""What a machine has and lacks for running models, each lack with the line that mends it.

It needs the standard library alone: numpy and the runtime are tried in a child.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deploy_runner.machine import environment, telemetry
from edge_deploy_runner.machine.environment import Environment
from edge_deploy_runner.machine.telemetry import Telemetry
from edge_deploy_runner.version import VERSION

from . import hardware, software
from .finding import Finding, Status
from .probe import Probe, run_probe

__all__ = ["Examination", "Finding", "Status", "examine", "render"]

_ROOT = Path("/")
_MARKS = {"ok": "ok", "warning": "!", "problem": "x"}


@dataclass(frozen=True)
class Examination:
    """All findings about one machine. `time` is its clock, in seconds since 1970."""

    machine: Environment
    telemetry: Telemetry
    findings: tuple[Finding, ...]
    time: float
    version: str = VERSION

    @property
    def passed(self) -> bool:
        """Whether there is no problem; warnings pass."""
        return all(finding.status != "problem" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "version": self.version,
            "passed": self.passed,
            "time": round(self.time),
            "machine": self.machine.to_json(),
            "telemetry": self.telemetry.to_json(),
            "findings": [finding.to_json() for finding in self.findings],
        }


def examine(
    root: Path = _ROOT,
    *,
    machine: str | None = None,
    device: bool = True,
    probe: Callable[[], Probe] = run_probe,
) -> Examination:
    """Look at everything once; never raises, and every program that it starts has a time limit.

    `root` holds the /proc, /sys and /dev to look at, and `machine` stands for what uname says;
    they are for looking at copies of other machines. `device` False leaves out what matters only
    where a model is deployed. `probe` tries the runtime.
    """
    here = environment.describe(root, machine)
    look = telemetry.sample(root)
    tried = probe()
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("board", lambda: hardware.check_board(here)),
        ("emulator", lambda: hardware.check_emulator(here)),
        ("architecture", lambda: software.check_architecture(here)),
        ("cpu", lambda: hardware.check_cpu(here)),
        ("python", lambda: software.check_python(here)),
        ("libc", lambda: software.check_libc(here)),
        ("wheels", lambda: software.check_wheels(here)),
        ("numpy", lambda: software.check_numpy(tried)),
        ("pillow", lambda: software.check_pillow(tried)),
        ("runtime", lambda: software.check_runtime(here, tried)),
        ("inference", lambda: software.check_inference(here, tried)),
        ("governor", lambda: hardware.check_governor(look)),
        (
            "throttling",
            lambda: hardware.check_throttling(here, look, hardware.firmware_error(root)),
        ),
        ("temperature", lambda: hardware.check_temperature(look)),
        ("load", lambda: hardware.check_load(here, look)),
        ("storage", lambda: hardware.check_storage(_home(root))),
        ("memory", lambda: hardware.check_memory(root)),
        ("clock", lambda: hardware.check_clock(root)),
    ]
    if device:
        checks += [
            ("memory-controller", lambda: hardware.check_memory_controller(root)),
            ("camera", lambda: hardware.check_camera(root)),
            ("buses", lambda: hardware.check_buses(root)),
            ("systemd", lambda: hardware.check_systemd(root)),
        ]
    findings = tuple(attempt(name, check) for name, check in checks)
    return Examination(here, look, findings, time.time())


def attempt(name: str, check: Callable[[], Finding]) -> Finding:
    """A check's finding; a warning where the machine is so odd that the check itself fails."""
    try:
        return check()
    except Exception as error:
        return Finding(
            name,
            "warning",
            f"could not be checked: {type(error).__name__}: {error}",
            "report this line as a bug in edge-deploy",
        )


def render(findings: Sequence[Finding]) -> str:
    """The findings as lines for a reader: a mark, a name, what was found; below it what mends it.

    A mending line is never broken, so that it can be pasted.
    """
    width = max((len(finding.name) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{_MARKS[finding.status]:<2} {finding.name:<{width}}  {finding.text}")
        if finding.mend:
            lines.append(f"{'':<{width + 5}}mend: {finding.mend}")
    return "\n".join(lines)


def summary(findings: Sequence[Finding]) -> str:
    """One line: how many problems and warnings there are."""
    problems = sum(finding.status == "problem" for finding in findings)
    warnings = sum(finding.status == "warning" for finding in findings)
    return f"{_count(problems, 'problem')}, {_count(warnings, 'warning')}"


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def _home(root: Path) -> Path:
    try:
        return Path.home() if root == _ROOT else root
    except RuntimeError:  # a user without a home
        return root
