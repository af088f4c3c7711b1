"""Programs in a network namespace without an uplink, and what they tried to reach from there.

Two witnesses: strace, which sees every system call on a socket, and the namespace's own counters.
Only the loopback interface exists, and it is up, so that nothing fails for want of it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .rootfs import MissingError, require_programs

# A call on a socket of a family that leaves the machine. AF_UNIX may be used: systemd's
# notifications go there.
_SOCKET = re.compile(r"\b(socket|socketpair|connect|bind|sendto|sendmsg|sendmmsg)\(")
_FAMILY = re.compile(r"\b(AF_[A-Z0-9]+)\b")
_HARMLESS = ("AF_UNIX", "AF_LOCAL", "AF_UNSPEC")
_COUNTED = ("OutRequests", "OutNoRoutes", "ActiveOpens", "OutDatagrams", "OutSegs", "InErrors")


@dataclass(frozen=True)
class OfflineRun:
    """How a program ended, and all that reached for a network.

    `calls`: system calls as strace wrote them; `counters`: those of the namespace that moved.
    """

    returncode: int
    stdout: str
    stderr: str
    calls: tuple[str, ...]
    counters: dict[str, int]


def run_offline(
    command: Sequence[str | Path], environment: Mapping[str, str], cwd: Path | None = None
) -> OfflineRun:
    """Run a command with no network; raises `MissingError` where that cannot be had."""
    namespace = _namespace()
    with tempfile.TemporaryDirectory() as folder:
        trace, counters = Path(folder) / "trace", Path(folder) / "counters"
        done = subprocess.run(
            [
                *namespace, *(sys.executable, "-m", "emulated.offline", str(counters)),
                *("strace", "-f", "--seccomp-bpf", "-qq", "-s", "80", "-e", "trace=network"),
                *("-o", str(trace)),
                *("env", "-i", *(f"{name}={value}" for name, value in environment.items())),
                *map(str, command),
            ],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
            cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if not counters.exists():
            raise RuntimeError(f"{command[0]} was not run: {done.stderr[-2000:]}")
        return OfflineRun(
            done.returncode,
            done.stdout,
            done.stderr,
            network_calls(trace.read_text("utf-8", "replace")),
            json.loads(counters.read_text()),
        )


@lru_cache
def _namespace() -> tuple[str, ...]:
    require_programs(unshare="util-linux", strace="strace")
    command = ("unshare", "-n") if os.geteuid() == 0 else ("unshare", "-r", "-n")
    for tried in ([*command, "true"], ["strace", "-qq", "-o", os.devnull, "true"]):
        done = subprocess.run(tried, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MissingError(f"{tried[0]} is not allowed here: {done.stderr.strip()}")
    return command


def network_calls(trace: str) -> tuple[str, ...]:
    """Lines of strace's in which a socket of another family than AF_UNIX is made or used."""
    found = []
    for line in trace.splitlines():
        if _SOCKET.search(line):
            families = set(_FAMILY.findall(line)) - set(_HARMLESS)
            if families:
                found.append(line)
    return tuple(found)


def _inside(counters: str, command: list[str]) -> int:
    """Runs in the namespace: loopback up, the command, and what the counters say after it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        set_flags, up, running = 0x8914, 0x1, 0x40
        fcntl.ioctl(control, set_flags, struct.pack("16sH14x", b"lo", up | running))
    before = _read_counters()
    code = subprocess.run(command, check=False).returncode
    after = _read_counters()
    moved = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    Path(counters).write_text(json.dumps(moved))
    return code


def _read_counters() -> dict[str, int]:
    found = {}
    for line in Path("/proc/self/net/dev").read_text().splitlines()[2:]:
        name, _, values = line.partition(":")
        columns = values.split()
        found[f"{name.strip()} received"] = int(columns[1])
        found[f"{name.strip()} sent"] = int(columns[9])
    rows = [line.split() for line in Path("/proc/self/net/snmp").read_text().splitlines()]
    for names, numbers in zip(rows[::2], rows[1::2], strict=True):
        for name, number in zip(names[1:], numbers[1:], strict=True):
            if name in _COUNTED:
                found[f"{names[0]}{name}"] = int(number)
    six = Path("/proc/self/net/snmp6")
    for line in six.read_text().splitlines() if six.exists() else ():
        name, number = line.split()
        if name.endswith(_COUNTED):
            found[name] = int(number)
    return found


if __name__ == "__main__":
    sys.exit(_inside(sys.argv[1], sys.argv[2:]))
