"""The service that a bundle installs, under a real systemd."""

from __future__ import annotations

from pathlib import Path

import pytest

from .device_commands import (
    FOLDER,
    STATE,
    UNIT,
    answer,
    current,
    unit_value,
    wait_for_service,
)
from .machine import Machine

pytestmark = pytest.mark.xdist_group("machine")


def test_the_service_is_up_again_after_a_reboot(installed_pi: Machine, photo: Path) -> None:
    before = current(installed_pi)
    installed_pi.reboot()
    wait_for_service(installed_pi)
    assert current(installed_pi) == before
    assert answer(installed_pi, photo, "after.png")["top"][0]["label"] == "9"


def test_the_service_is_shut_in(installed_pi: Machine) -> None:
    for name, value in {
        "Type": "notify",
        "ProtectSystem": "strict",
        "PrivateNetwork": "yes",
        "NoNewPrivileges": "yes",
        "DynamicUser": "yes",
        "UnitFileState": "enabled",
    }.items():
        assert unit_value(installed_pi, name) == value, name
    process = unit_value(installed_pi, "MainPID")
    assert unit_value(installed_pi, "WatchdogUSec") == "1min"
    assert "frames" in unit_value(installed_pi, "StatusText")
    status = installed_pi.text(f"cat /proc/{process}/status")
    assert "Uid:\t0" not in status
    assert "CapEff:\t0000000000000000" in status
    links = installed_pi.text(f"nsenter --target {process} --net ip -brief link").splitlines()
    assert [line.split()[0] for line in links] == ["lo"]
    # What it sees of the disk: its own folders may be written, nothing else.
    inside = f"nsenter --target {process} --mount"
    assert "Read-only" in failure(installed_pi, f"{inside} touch {FOLDER}/mark")
    assert "Read-only" in failure(installed_pi, f"{inside} touch /etc/mark")
    installed_pi.run(f"{inside} touch {STATE}/mark && rm {STATE}/mark")


def failure(machine: Machine, command: str) -> str:
    done = machine.run(command, check=False)
    assert done.returncode != 0
    return done.stderr.decode()


def test_systemd_starts_a_service_that_hangs_afresh(installed_pi: Machine, photo: Path) -> None:
    folder = f"/etc/systemd/system/{UNIT}.d"
    installed_pi.run(
        f"mkdir {folder} && printf '[Service]\\nWatchdogSec=20\\n' > {folder}/soon.conf && "
        f"systemctl daemon-reload && systemctl restart {UNIT}"
    )
    process = unit_value(installed_pi, "MainPID")
    installed_pi.run(f"kill -STOP {process}")
    restarts = f"systemctl show {UNIT} --property NRestarts --value"
    installed_pi.run(f"until test $({restarts}) -gt 0; do sleep 0.5; done")
    assert "Watchdog timeout" in installed_pi.text(f"journalctl --unit {UNIT} --no-pager")
    wait_for_service(installed_pi)
    assert unit_value(installed_pi, "MainPID") != process
    assert answer(installed_pi, photo, "again.png")["top"][0]["label"] == "9"


def test_the_process_keeps_its_memory_limit_where_the_kernel_does_not(
    installed_pi: Machine,
) -> None:
    config = f"{FOLDER}/service.toml"
    folder = f"/etc/systemd/system/{UNIT}.d"
    # The unit's own limit is far too small as well, and the kernel lets it pass.
    installed_pi.run(
        f"printf '\\n[limits]\\nmemory = \"20 MB\"\\n' >> {config} && mkdir {folder} && "
        f"printf '[Service]\\nMemoryMax=10M\\n' > {folder}/memory.conf && "
        "systemctl daemon-reload"
    )
    installed_pi.run(f"systemctl restart {UNIT}", check=False)
    said = installed_pi.text(
        f"until journalctl --unit {UNIT} --no-pager | grep 'above its limit'; do sleep 0.5; done"
    )
    assert "above its limit of 20 MB" in said
    assert "oom" not in installed_pi.text("dmesg").lower()
