"""`profile --device android` on a fake phone through the real adb: what goes wrong.

For each fault: the sentence, the exit code, and the phone as it was found.
"""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import edge_deploy
from small_models import int8_model

from .fake_device.phone import FakePhone

DEVICE_ERROR = 5
ROOT = "/data/local/tmp/edge-deploy"
SHORT = ("--no-operators", "--runs", "20", "--seconds", "0.2")
Completed = subprocess.CompletedProcess[str]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small int8 model."""
    (tmp_path / "small.tflite").write_bytes(int8_model())
    return tmp_path / "small.tflite"


def profile(
    model: Path,
    environment: Mapping[str, str],
    *options: str | Path,
    device: str = "android",
) -> Completed:
    """The real command line; short, without the table of operators."""
    return edge_deploy(
        "profile", model, "--device", device, *SHORT, *options, env=dict(environment)
    )


@contextmanager
def left_as_found(*phones: FakePhone) -> Iterator[None]:
    """Assert that in the end all files, settings, packages and processes are as before."""
    before = [phone.snapshot() for phone in phones]
    yield
    for phone, found in zip(phones, before, strict=True):
        assert phone.wait_until_idle() == []
        assert phone.snapshot() == found


def assert_refused(done: Completed, *words: str, code: int = DEVICE_ERROR) -> None:
    """One sentence with these words, the exit code, and nothing on stdout."""
    assert done.returncode == code, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert [word for word in words if word not in last] == [], last
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_two_phones_need_a_serial_and_the_other_one_is_not_touched(
    two_phones: tuple[FakePhone, FakePhone], model: Path
) -> None:
    first, second = two_phones
    with left_as_found(first, second):
        done = profile(model, first.environment)
        assert_refused(done, "2 phones", first.serial, second.serial, "android:SERIAL")
        done = profile(model, first.environment, device=f"android:{second.serial}")
        assert done.returncode == 0, done.stderr
    assert "SM-S911B" in done.stdout
    assert first.pushed() == []
    unknown = profile(model, first.environment, device="android:nothing")
    assert_refused(unknown, "nothing", first.serial)


def test_what_others_left_on_the_phone_stays(fake_phone: FakePhone, model: Path) -> None:
    fake_phone.write("/data/local/tmp/mine.txt", "mine")
    fake_phone.write(f"{ROOT}-notes/mine.txt", "mine")
    with left_as_found(fake_phone):
        assert profile(model, fake_phone.environment).returncode == 0


# The connection.


def test_no_adb_and_one_that_is_too_old(fake_phone: FakePhone, model: Path, tmp_path: Path) -> None:
    environment = dict(fake_phone.environment)
    nowhere = {**environment, "PATH": str(tmp_path), "ANDROID_HOME": ""}
    assert_refused(profile(model, nowhere), "adb", "platform-tools")
    old = tmp_path / "adb"
    old.write_text("#!/bin/sh\necho Android Debug Bridge version 1.0.32\n")
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    done = profile(model, {**environment, "EDGE_DEPLOY_ADB": str(old)})
    assert_refused(done, "1.0.32", "1.0.41")


def test_no_phone_offline_and_unauthorized(fake_phone: FakePhone, model: Path) -> None:
    with left_as_found(fake_phone):
        fake_phone.fault(unauthorized=True)
        assert_refused(profile(model, fake_phone.environment), "does not trust", "prompt")
        fake_phone.heal()
        fake_phone.fault(offline=True)
        assert_refused(profile(model, fake_phone.environment), "offline")
        fake_phone.heal()
        fake_phone.unplug()
        assert_refused(profile(model, fake_phone.environment), "no phone is connected")


@pytest.mark.parametrize("gone", [True, False])
def test_the_cable_falls_out_during_a_push(fake_phone: FakePhone, model: Path, gone: bool) -> None:
    with left_as_found(fake_phone):
        fake_phone.fault(disconnect_after_pushed_bytes=2_000_000, gone_after_disconnect=gone)
        done = profile(model, fake_phone.environment)
        assert_refused(done, "connection", "lost while pushing", "cable")


@pytest.mark.parametrize(("mode", "gone"), [("shell", True), ("shell", False), ("app", True)])
def test_the_cable_falls_out_during_a_run(
    fake_phone: FakePhone, model: Path, mode: str, gone: bool
) -> None:
    with left_as_found(fake_phone):
        fake_phone.fault(disconnect_after_run_s=0.3, gone_after_disconnect=gone)
        done = profile(model, fake_phone.environment, "--sustained", "30", "--mode", mode)
        assert_refused(done, "connection", "lost while measuring", "cable")


def test_a_slow_link_only_takes_longer(fake_phone: FakePhone, model: Path) -> None:
    with left_as_found(fake_phone):
        fake_phone.fault(bytes_per_s=2e6)
        done = profile(model, fake_phone.environment)
    assert done.returncode == 0, done.stderr


# The phone itself.


def test_a_phone_that_is_too_old(fake_phone: FakePhone, model: Path) -> None:
    fake_phone.set_property("ro.build.version.sdk", "25")
    with left_as_found(fake_phone):
        assert_refused(profile(model, fake_phone.environment), "API 25", "Android 8.0")
        fake_phone.old_android()
        assert_refused(profile(model, fake_phone.environment), "too old", "Android 8.0")


def test_a_processor_that_nobody_builds_for(fake_phone: FakePhone, model: Path) -> None:
    fake_phone.wrong_abi("mips64")
    with left_as_found(fake_phone):
        assert_refused(profile(model, fake_phone.environment), "mips64", "arm64-v8a")


def test_a_phone_without_sha256sum(fake_phone: FakePhone, model: Path) -> None:
    fake_phone.remove_tool("sha256sum")
    with left_as_found(fake_phone):
        assert_refused(profile(model, fake_phone.environment), "sha256sum")


def test_cores_cannot_be_chosen_without_taskset(fake_phone: FakePhone, model: Path) -> None:
    with left_as_found(fake_phone):
        done = profile(model, fake_phone.environment, "--cpus", "0", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["device"]["cpu_list"] == [0]
        fake_phone.remove_tool("taskset")
        assert_refused(profile(model, fake_phone.environment, "--cpus", "0"), "taskset")


@pytest.mark.parametrize("free_bytes", [0, 100_000, 3_000_000])
def test_a_full_disk(fake_phone: FakePhone, model: Path, free_bytes: int) -> None:
    with left_as_found(fake_phone):
        fake_phone.full_disk(free_bytes)
        assert_refused(profile(model, fake_phone.environment), "full", "free some space")


def test_a_disk_that_is_read_only(fake_phone: FakePhone, model: Path) -> None:
    with left_as_found(fake_phone):
        fake_phone.read_only_data()
        assert_refused(profile(model, fake_phone.environment), "Read-only file system")


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGSEGV, "crashed"), (signal.SIGKILL, "was killed")]
)
def test_the_harness_dies_of_a_signal(
    fake_phone: FakePhone, model: Path, number: signal.Signals, words: str
) -> None:
    with left_as_found(fake_phone):
        fake_phone.fault(crash_signal=number, crash_after_s=0.3)
        done = profile(model, fake_phone.environment, "--sustained", "30")
        assert_refused(done, words, number.name, "small.tflite")


def test_the_app_crashes(fake_phone: FakePhone, model: Path) -> None:
    with left_as_found(fake_phone):
        fake_phone.fault(crash_signal=signal.SIGSEGV, crash_after_s=0.3)
        done = profile(model, fake_phone.environment, "--sustained", "30", "--mode", "app")
        assert_refused(done, "app broke off", "Process crashed")


def test_apps_cannot_be_installed_or_started(fake_phone: FakePhone, model: Path) -> None:
    with left_as_found(fake_phone):
        fake_phone.fault(pm_fails="INSTALL_FAILED_USER_RESTRICTED: Install canceled by user")
        done = profile(model, fake_phone.environment, "--mode", "app")
        assert_refused(done, "does not let adb install apps", "--mode shell")
        fake_phone.heal()
        fake_phone.fault(am_fails="Error: Activity manager is gone")
        done = profile(model, fake_phone.environment, "--mode", "app")
        assert_refused(done, "app broke off")


def test_a_phone_without_services_and_with_a_wrong_clock_is_measured(
    fake_phone: FakePhone, model: Path
) -> None:
    services = ("battery", "thermalservice", "power", "powerstats", "batterystats")
    fake_phone.fault(no_services=services, clock_offset_s=-1e9)
    with left_as_found(fake_phone):
        done = profile(model, fake_phone.environment)
    assert done.returncode == 0, done.stderr


def test_a_throttled_phone_is_told(fake_phone: FakePhone, model: Path) -> None:
    fake_phone.fault(hot=True)
    with left_as_found(fake_phone):
        done = profile(model, fake_phone.environment)
    assert done.returncode == 0, done.stderr
    assert "thermal" in done.stderr.lower() or "hot" in done.stderr.lower()


def test_a_delegate_that_the_runtime_has_not(fake_phone: FakePhone, model: Path) -> None:
    with left_as_found(fake_phone):
        done = profile(model, fake_phone.environment, "--delegate", "nnapi")
        assert_refused(done, "tensorflow-lite-2.16.1.aar", "has no NNAPI", "another --delegate")


# The end of the host.


def test_nothing_stays_when_the_host_is_terminated(fake_phone: FakePhone, model: Path) -> None:
    command = [sys.executable, "-m", "edge_deploy", "profile", model, "--device", "android"]
    with left_as_found(fake_phone):
        host = subprocess.Popen(
            [*command, "--seconds", "60", "--no-operators"],
            env=fake_phone.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not [line for line in fake_phone.processes() if line.startswith("/fake/java")]:
            assert host.poll() is None
            time.sleep(0.05)
        time.sleep(0.5)
        host.terminate()
        _, said = host.communicate(timeout=60)
        assert host.returncode == 128 + signal.SIGTERM
        assert "Traceback" not in said
