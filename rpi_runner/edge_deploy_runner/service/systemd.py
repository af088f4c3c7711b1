"""Talk to systemd: ready, status, watchdog, stopping; with the standard library.

Protocol: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class ServiceManager:
    """The manager that NOTIFY_SOCKET names; without one everything here does nothing.

    `watchdog_s` is how long it waits for a sign of life before it ends us; None if it does not.
    """

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        self.address = address
        self.watchdog_s = watchdog_s if address else None

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, pid: int | None = None
    ) -> ServiceManager:
        """The manager that started us, from NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID."""
        environment = os.environ if environment is None else environment
        address = environment.get("NOTIFY_SOCKET") or None
        microseconds = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID")
        ours = not meant or meant == str(os.getpid() if pid is None else pid)
        valid = microseconds.isdecimal() and int(microseconds) > 0 and ours
        return cls(address, int(microseconds) / 1e6 if valid else None)

    def ready(self, status: str = "") -> None:
        """Say that the service works now."""
        self.send("READY=1", *([_status(status)] if status else []))

    def status(self, text: str) -> None:
        """The line that `systemctl status` shows."""
        self.send(_status(text))

    def alive(self) -> None:
        """Feed the watchdog."""
        self.send("WATCHDOG=1")

    def reloading(self) -> None:
        """Say that the configuration is being read again; `ready` ends that."""
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.send("RELOADING=1", f"MONOTONIC_USEC={now_us}")

    def stopping(self) -> None:
        """Say that the service is about to end."""
        self.send("STOPPING=1")

    def send(self, *lines: str) -> None:
        """Send one message; a manager that is gone is no reason to end."""
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.settimeout(1.0)
            link.connect(address)
            link.send("\n".join(lines).encode("utf-8"))


def _status(text: str) -> str:
    """A status of one line: a line break would begin another message."""
    return "STATUS=" + " ".join(text.splitlines())
