"""What systemd hears, over the sockets that it gives."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from edge_deploy_runner.service.systemd import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def link(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    address = str(tmp_path / "notify")
    if request.param == "abstract":
        address = f"@edge-deploy-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind("\0" + address[1:] if address.startswith("@") else address)
        bound.settimeout(20)
        yield bound, address


def test_messages_arrive(link: tuple[socket.socket, str]) -> None:
    bound, address = link
    manager = ServiceManager.from_environment({"NOTIFY_SOCKET": address})
    manager.ready("two\nlines")
    assert bound.recv(1000) == b"READY=1\nSTATUS=two\nlines".replace(b"\nlines", b" lines")
    manager.ready()
    assert bound.recv(1000) == b"READY=1"
    manager.status("a\nb")
    assert bound.recv(1000) == b"STATUS=a b"
    manager.alive()
    assert bound.recv(1000) == b"WATCHDOG=1"
    manager.stopping()
    assert bound.recv(1000) == b"STOPPING=1"
    manager.reloading()
    first, second = bound.recv(1000).decode().split("\n")
    assert first == "RELOADING=1"
    assert second.startswith("MONOTONIC_USEC=")
    assert second.removeprefix("MONOTONIC_USEC=").isdecimal()


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        ServiceManager.from_environment(environment).ready("x")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),  # meant for our parent
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_says_so(
    environment: dict[str, str], expected: float | None
) -> None:
    given = {"NOTIFY_SOCKET": "@x", **environment}
    assert ServiceManager.from_environment(given, pid=7).watchdog_s == expected
    del given["NOTIFY_SOCKET"]
    assert ServiceManager.from_environment(given, pid=7).watchdog_s is None
