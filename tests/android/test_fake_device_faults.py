"""Faults of the fake phone, asked for one by one, seen through the real adb client."""

from __future__ import annotations

import os
import time
from pathlib import Path

from .fake_device.phone import FakePhone
from .hello_program import shell


def test_states_that_adb_lists(two_phones: tuple[FakePhone, FakePhone]) -> None:
    first, second = two_phones
    first.fault(unauthorized=True)
    second.fault(offline=True)
    states = first.server.devices()
    assert (states[first.serial], states[second.serial]) == ("unauthorized", "offline")
    first.heal()
    second.heal()
    states = first.server.devices()
    assert (states[first.serial], states[second.serial]) == ("device", "device")


def test_a_cable_that_falls_out_during_a_push(fake_phone: FakePhone, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(20_000_000))
    fake_phone.fault(disconnect_after_pushed_bytes=5_000_000, gone_after_disconnect=True)
    done = fake_phone.server.adb("push", str(tmp_path / "large"), "/data/local/tmp/large")
    assert done.returncode != 0
    assert fake_phone.wait_until_idle() == []
    # The daemon notices the lost link, and removes what it had, a moment after adb does.
    deadline = time.monotonic() + 60
    while fake_phone.files() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert fake_phone.files() == []
    fake_phone.heal()
    assert shell(fake_phone, "echo again").stdout == b"again\n"


def test_a_cable_that_falls_out_during_a_run(fake_phone: FakePhone, hello_jar: Path) -> None:
    fake_phone.server.adb("push", str(hello_jar), "/data/local/tmp/hello.jar")
    fake_phone.fault(disconnect_after_run_s=0.2)
    run = "CLASSPATH=/data/local/tmp/hello.jar exec app_process / dev.edgedeploy.fake.Hello"
    done = shell(fake_phone, f"{run} 600000")
    # This adb ends with 0 where the link is lost: an exit code alone proves nothing.
    assert done.returncode != 3
    assert fake_phone.wait_until_idle() == []


def test_a_full_and_a_read_only_disk(fake_phone: FakePhone, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1_000_000))
    fake_phone.full_disk(free_bytes=100_000)
    adb = fake_phone.server.adb
    done = adb("push", str(tmp_path / "file"), "/data/local/tmp/file")
    assert done.returncode == 1
    assert "No space left on device" in done.stderr + done.stdout
    assert b"No space left" in shell(fake_phone, "yes > /data/local/tmp/y").stderr
    fake_phone.run("rm /data/local/tmp/y")
    fake_phone.full_disk(free_bytes=10_000_000)
    assert adb("push", str(tmp_path / "file"), "/data/local/tmp/file").returncode == 0
    fake_phone.read_only_data()
    done = adb("push", str(tmp_path / "file"), "/data/local/tmp/other")
    assert "Read-only file system" in done.stderr + done.stdout


def test_a_phone_before_android_7(fake_phone: FakePhone, tmp_path: Path) -> None:
    fake_phone.old_android()
    done = shell(fake_phone, "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout) == (0, b"out\r\nerr\r\n")
    assert "shell_v2" not in fake_phone.server.adb("features").stdout
    (tmp_path / "file").write_bytes(os.urandom(100_000))
    assert fake_phone.server.adb("push", str(tmp_path), "/data/local/tmp/f").returncode == 0
    assert b"not found" in shell(fake_phone, "sha256sum /system/bin/sh").stdout


def test_a_slow_link_and_a_wrong_clock(fake_phone: FakePhone, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(300_000))
    fake_phone.fault(bytes_per_s=200_000, clock_offset_s=-86400 * 3650)
    begin = time.monotonic()
    fake_phone.server.adb("push", str(tmp_path / "file"), "/data/local/tmp/file")
    assert time.monotonic() - begin > 1.4
    assert int(shell(fake_phone, "date +%Y").stdout) < time.gmtime().tm_year - 8
