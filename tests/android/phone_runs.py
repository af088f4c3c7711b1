"""Measuring on a fake phone: short runs, runs to be stopped in the middle, pushes counted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edge_deploy_android.adb import AdbDevice
from edge_deploy_runner.bench.run_spec import RunSpec

from edge_deploy.profiling import profile

from .fake_device.phone import FakePhone

SPEC = RunSpec(min_runs=20, min_seconds=0.1, max_seconds=5.0)
# Runs of microseconds end after 20 000, however many seconds are asked for.
LONG = replace(SPEC, sustained_seconds=60.0)


def measure(model: Path, **options: Any) -> dict[str, Any]:
    """The JSON of a short measurement; `android` are `AndroidOptions`."""
    settings: dict[str, Any] = {"spec": SPEC, "operators": False, "device": "android", **options}
    return profile(model, **settings).to_json()


def command(model: Path, *arguments: str) -> list[str]:
    """The command line of a profile on the phone."""
    return [
        *(sys.executable, "-m", "edge_deploy", "profile", str(model)),
        *("--device", "android", *arguments),
    ]


def changes(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str | None, ...]]:
    """What two looks at files or settings differ in: what each saw, by its path."""
    return {
        path: (before.get(path), after.get(path))
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path)
    }


class Pushes:
    """Counts what is pushed by name, and may do something after each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.after: Callable[[AdbDevice, str, str], None] = lambda *_: None
        original = AdbDevice.push

        def push(device: AdbDevice, path: Path, remote: str, name: str = "") -> None:
            self.names.append(name)
            original(device, path, remote, name)
            self.after(device, remote, name)

        monkeypatch.setattr(AdbDevice, "push", push)

    def of_files(self) -> list[str]:
        """Without the requests, which are new each time."""
        return [name for name in self.names if name != "the request"]


def started(
    phone: FakePhone, model: Path, *arguments: str, sustained: str = "60"
) -> subprocess.Popen[bytes]:
    """A measurement that goes on by itself, its words piped."""
    return subprocess.Popen(
        command(model, "--no-operators", "--sustained", sustained, *arguments),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, **phone.environment},
    )  # fmt: skip


def wait_for(child: subprocess.Popen[bytes], words: str) -> None:
    """Return as soon as it says so."""
    assert child.stderr is not None
    for line in child.stderr:
        if words.encode() in line:
            return
    pytest.fail(f"it ended before it said {words!r}")


def wait_until_clean(phone: FakePhone) -> None:
    """Return as soon as nothing of ours runs or lies on the phone; fail where that takes 30 s."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not phone.processes() and not phone.files():
            return
        time.sleep(0.2)
    pytest.fail(f"left on the phone: {phone.processes()} {phone.files()}")
