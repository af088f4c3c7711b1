"""A private server of the unmodified adb: a port, a home and keys of its own, no USB."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sshd import held_port

# The server gets a /dev without USB, so that it takes no real phone away from the user's own.
_HIDE_USB = 'if [ -d /dev/bus/usb ]; then mount -t tmpfs none /dev/bus/usb; fi; exec "$@"'


class AdbServer:
    """How to reach the private server."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ANDROID_")}
        #: For every subprocess that is to talk to the fake phones.
        self.environment: Mapping[str, str] = {
            **kept,
            "HOME": str(folder),
            "ANDROID_ADB_SERVER_PORT": str(port),
            # No search for emulators: those are the user's.
            "ADB_LOCAL_TRANSPORT_MAX_PORT": "5553",
            "ANDROID_EMULATOR_HOME": str(folder),
        }

    def adb(self, *arguments: str, timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
        """Run the real client against the private server."""
        return subprocess.run(
            ["adb", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )

    def devices(self) -> dict[str, str]:
        """The states of all serials that the server knows."""
        lines = self.adb("devices").stdout.splitlines()[1:]
        return dict(line.split("\t") for line in lines if "\t" in line)


@contextmanager
def adb_server(folder: Path) -> Iterator[AdbServer]:
    """A server that lives as long as the block, and dies with this process however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    adb = shutil.which("adb")
    assert adb is not None
    place = held_port()
    server = AdbServer(folder, int(place.getsockname()[1]))
    log = (folder / "adb.log").open("wb")
    process = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount"),
            *("sh", "-c", _HIDE_USB, "sh"),
            *(adb, "-L", f"tcp:localhost:{server.port}", "server", "nodaemon"),
        ],
        env=server.environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        _wait_for_port(server.port, process)
        yield server
    finally:
        process.kill()
        process.wait()
        log.close()
        # A client that found no server would have started one of its own.
        if _answers(server.port):
            server.adb("kill-server")
        place.close()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if _answers(port):
            return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError("the private adb server did not start")
