"""The project's own command line with the emulated machine as its device."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from conftest import edge_deploy

from .machine import Machine

NAME = "digits"
UNIT = f"edge-deploy-{NAME}.service"
FOLDER = f"/opt/edge-deploy/{NAME}"
STATE = f"/var/lib/edge-deploy/{NAME}"
LOGS = f"/var/log/edge-deploy/{NAME}"


def on(machine: Machine, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command here, with the machine as its device."""
    return edge_deploy(*arguments, "--device", machine.target(), env=machine.environment())


def start_install(machine: Machine, bundle: Path) -> subprocess.Popen[str]:
    """Begin to install a bundle, to be disturbed; what it says comes through its stderr."""
    command = [sys.executable, "-m", "edge_deploy", "install", str(bundle)]
    return subprocess.Popen(
        [*command, "--device", machine.target()],
        env=machine.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def installed(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The report of an install that did what it was asked."""
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def error_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a command that was refused."""
    assert "Traceback" not in done.stderr
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    return sentence


def current(machine: Machine) -> str:
    """The version that the machine would start now."""
    return machine.text(f"basename $(readlink {FOLDER}/current)")


def unit_value(machine: Machine, name: str) -> str:
    """One property of the service, as systemd has it."""
    return machine.text(f"systemctl show {UNIT} --property {name} --value")


def wait_for_service(machine: Machine) -> None:
    """Until the service says that it is ready; it has failed where systemd gave up."""
    failed = f"systemctl is-failed {UNIT} && exit 1"
    machine.run(f"until systemctl is-active {UNIT}; do {failed}; sleep 0.5; done")


def answer(machine: Machine, photo: Path, name: str) -> dict[str, Any]:
    """What the running service answers to a photo that is put into its folder."""
    machine.run(f"cat > {STATE}/incoming/{name}", stdin=photo.read_bytes())
    wanted = f'"event": "answer", "input": "{STATE}/incoming/{name}"'
    found = machine.text(
        f"until grep '{wanted}' {LOGS}/answers.jsonl 2>/dev/null; do sleep 0.3; done"
    )
    line: dict[str, Any] = json.loads(found.splitlines()[0])
    return line
