"""A real phone: `EDGE_DEPLOY_ANDROID=SERIAL make test`, or this file alone.

Nothing stays on it: what the tests push lies in /data/local/tmp/edge-deploy until they end, and the
app that one of them installs is removed again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import edge_deploy
from edge_deploy_android.adb import Adb, AdbDevice
from edge_deploy_android.built_files import HARNESS_PACKAGE
from edge_deploy_android.leaving import ROOT
from edge_deploy_android.target import AndroidTarget

from .answers import answer

SERIAL = os.environ.get("EDGE_DEPLOY_ANDROID", "")
TARGET = f"android:{SERIAL}"

pytestmark = pytest.mark.skipif(
    not SERIAL, reason="EDGE_DEPLOY_ANDROID names no phone (a serial of `adb devices`)"
)


@pytest.fixture(autouse=True)
def phone() -> Iterator[AdbDevice]:
    """The phone, which is left as it was found."""
    device = Adb().choose(AndroidTarget(SERIAL))
    before = _state(device)
    yield device
    assert _state(device) == before


def _state(device: AdbDevice) -> tuple[str, str, str]:
    settings = " ".join(
        device.run(["settings", "get", "system", name]).text.strip()
        for name in ("screen_off_timeout", "screen_brightness_mode")
    )
    return (
        device.run(["sh", "-c", f"find {ROOT} 2>/dev/null | sort"]).text,
        device.run(["pm", "list", "packages", HARNESS_PACKAGE]).text,
        settings,
    )


def test_the_phone_is_measured(int8: Path) -> None:
    found = answer("profile", int8, "--device", TARGET, "--runs", "300", "--sustained", "10")
    emulated = found["device"]["emulated"]
    assert found["evidence"] == ("simulated" if emulated else "measured")
    assert found["device"]["target"] == TARGET
    assert found["device"]["abi"] in ("arm64-v8a", "armeabi-v7a", "x86_64")
    assert found["latency_ms"]["p99"] is not None
    assert found["runtime"]["origin"] == "pushed"
    assert found["peak_memory_bytes"] is not None
    assert found["delegate"]["used"] in ("XNNPACK", "unknown")
    assert len(found["operators"]) > 10
    assert found["telemetry"]["before"]["battery_percent"] is not None
    assert found["sustained"]["seconds"] >= 10


def test_as_an_app(int8: Path) -> None:
    found = answer("profile", int8, "--device", TARGET, "--mode", "app", "--no-operators")
    assert found["device"]["mode"] == "app"
    assert found["latency_ms"]["p50"] > 0


def test_cores_and_threads(int8: Path) -> None:
    found = answer(
        "profile", int8, "--device", TARGET, "--cpus", "0", "--threads", "1", "--no-operators"
    )
    assert found["device"]["cpu_list"] == [0]
    found = answer("profile", int8, "--device", TARGET, "--threads", "sweep", "--no-operators")
    assert len(found["sweep"]) > 1


def test_no_delegate(int8: Path) -> None:
    found = answer("profile", int8, "--device", TARGET, "--delegate", "none", "--no-operators")
    assert found["delegate"]["used"] == "none"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_we_are_stopped(
    phone: AdbDevice, int8: Path, how: signal.Signals
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "edge_deploy", "profile", str(int8), "--device", TARGET,
         "--sustained", "60", "--no-operators"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert child.stderr is not None
    for line in child.stderr:
        if b"Sustained load" in line:
            break
    child.send_signal(how)
    child.wait(30)
    deadline = time.monotonic() + 30
    while phone.run(["ls", ROOT]).returncode == 0 and time.monotonic() < deadline:
        time.sleep(0.5)
    assert phone.run(["ls", ROOT]).returncode != 0


def test_doctor_looks_at_the_phone() -> None:
    done = edge_deploy("doctor", "--device", TARGET, "--json")
    assert done.returncode in (0, 1), done.stderr
    assert json.loads(done.stdout)["device"]["findings"]
