"""Runs a service as systemd would, for a while: `serve_briefly.py COUNT ANSWERS COMMAND...`.

It is stopped with SIGTERM once the file ANSWERS has COUNT lines. What the service told its manager
goes to standard output, and its exit code is the exit code.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LONGEST_S = 300


def main(count: int, answers: Path, command: list[str]) -> int:
    """Start, wait, stop."""
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        manager.bind(f"{folder}/notify")
        environment = {**os.environ, "NOTIFY_SOCKET": f"{folder}/notify"}
        service = subprocess.Popen(command, env=environment)
        end = time.monotonic() + LONGEST_S
        while service.poll() is None and time.monotonic() < end:
            if answers.exists() and len(answers.read_bytes().splitlines()) >= count:
                break
            time.sleep(0.1)
        service.send_signal(signal.SIGTERM)
        code = service.wait(60)
        manager.setblocking(False)
        while True:
            try:
                print(manager.recv(4096).decode())
            except BlockingIOError:
                return code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
