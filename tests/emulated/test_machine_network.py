"""The emulated machine is what its tests take it for: a small Debian under systemd, cut off."""

from __future__ import annotations

import socket
import threading

import pytest

from .machine import Machine

pytestmark = pytest.mark.xdist_group("machine")

# Every way out that a program would try: an address, QEMU's gateway to this computer, a name.
TRY = """
import socket
for address in ADDRESSES:
    try:
        socket.create_connection(address, timeout=5).close()
        print("reached", address)
    except OSError as error:
        print("no way:", type(error).__name__, error)
try:
    print("reached", socket.getaddrinfo("deb.debian.org", 80))
except OSError as error:
    print("no name:", error)
"""


def test_the_machine_is_small_and_runs_systemd(pi: Machine) -> None:
    assert pi.text("uname -m") == "aarch64"
    assert pi.text("ps -o comm= -p 1") == "systemd"
    assert pi.text("systemctl --failed --plain --no-legend") == ""
    memory_kb = int(pi.text("awk '/MemTotal/ {print $2}' /proc/meminfo"))
    assert 400_000 < memory_kb < 512_000
    # As on Raspberry Pi OS: MemoryMax= would do nothing.
    assert "memory" not in pi.text("cat /sys/fs/cgroup/cgroup.controllers").split()
    assert pi.text("python3 -c 'import sys; print(sys.version_info[:2])'", user="pi") == "(3, 11)"


def test_nothing_leaves_the_machine(pi: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        arrived: list[object] = []

        def listen() -> None:
            try:
                arrived.append(server.accept())
            except OSError:
                return

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        # The gateway is how a guest reaches this computer's own loopback, were it let.
        addresses = [("10.0.2.2", server.getsockname()[1]), ("151.101.2.132", 80)]
        said = pi.run(
            "python3 -", stdin=TRY.replace("ADDRESSES", repr(addresses)).encode()
        ).stdout.decode()
    listener.join(5)
    assert said.count("no way:") == 2, said
    assert said.count("no name:") == 1, said
    assert not arrived


def test_a_restored_machine_has_forgotten_what_was_written(pi: Machine) -> None:
    pi.run("echo mark > /etc/mark && sync")
    pi.restore()
    assert pi.text("ls /etc/mark || true") == ""
