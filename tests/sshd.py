"""A throw-away sshd on this machine: its own host key, user key, config, known hosts and home.

It is a real OpenSSH server and the client is the system's real `ssh`; a script of that name, first
on the PATH, gives it the config of the test instead of the user's.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

_SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
_SSH = shutil.which("ssh")


@dataclass
class Sshd:
    """A server that may be stopped and started again; `home` is $HOME of what runs on it."""

    folder: Path
    port: int
    home: Path
    settings: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What `--device` takes."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}"

    @property
    def bin(self) -> Path:
        """The folder with the `ssh` that uses this server's config; put it first on PATH."""
        return self.folder / "bin"

    @property
    def config(self) -> Path:
        """The config of the client; a test may write to it."""
        return self.folder / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        """The client's known hosts; a test may write to it."""
        return self.folder / "known_hosts"

    def client_environment(self) -> dict[str, str]:
        """This process's environment with our `ssh` first on the PATH."""
        return {**os.environ, "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}"}

    def start(self) -> None:
        """Start the server and wait until it answers."""
        lines = [f"{key} {value}" for key, value in self.settings.items()]
        inside = {"HOME": str(self.home), **self.environment}
        lines.append("SetEnv " + " ".join(f'"{key}={value}"' for key, value in inside.items()))
        (self.folder / "sshd_config").write_text("\n".join(lines) + "\n")
        assert _SSHD is not None
        with (self.folder / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [_SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < deadline:
            if self._greets():
                return
            time.sleep(0.05)
        raise RuntimeError(f"sshd did not start: {(self.folder / 'sshd.log').read_text()[-2000:]}")

    def _greets(self) -> bool:
        """Whether it serves already: one that accepts and has no word for a client does not."""
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as line,
        ):
            return line.recv(4) == b"SSH-"
        return False

    def stop(self) -> None:
        """Stop the server and cut its connections."""
        self.cut()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def connections(self) -> list[psutil.Process]:
        """The server's processes, one or more for each open connection."""
        if self.process is None:
            return []
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.name().startswith("sshd"):
                    found.append(child)
        return found

    def cut(self) -> None:
        """Kill every open connection at the server's end, as when the device loses its power."""
        for process in self.connections():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def new_host_key(self) -> None:
        """Give the server another host key than the client knows; start it anew yourself."""
        key = self.folder / "host_key"
        key.unlink()
        _make_key(key)


def held_port() -> socket.socket:
    """A port of this computer that nobody else is given while the socket is open.

    It is bound and does not listen; a server that sets SO_REUSEADDR may listen there all the same.
    """
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.bind(("127.0.0.1", 0))
    return place


@contextlib.contextmanager
def running_sshd(
    folder: Path,
    *,
    settings: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Sshd]:
    """A server whose files lie in `folder`; `settings` go to its sshd_config.

    `environment` is that of what runs on it; python3 is this interpreter, unless PATH says else.
    """
    if _SSHD is None or _SSH is None:
        from conftest import skip_or_fail

        skip_or_fail("emulated", "openssh-server and openssh-client are not installed")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "home"
    home.mkdir(exist_ok=True)
    _make_key(folder / "host_key")
    _make_key(folder / "user_key")
    place = held_port()
    port = int(place.getsockname()[1])
    known_hosts, config = folder / "known_hosts", folder / "ssh_config"
    kind, key = (folder / "host_key.pub").read_text().split()[:2]
    known_hosts.write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    config.write_text(
        f"UserKnownHostsFile {known_hosts}\nGlobalKnownHostsFile none\n"
        f"IdentityFile {folder / 'user_key'}\nIdentitiesOnly yes\nIdentityAgent none\n"
    )
    script = folder / "bin" / "ssh"
    script.parent.mkdir(exist_ok=True)
    script.write_text(f'#!/bin/sh\nexec {_SSH} -F {config} "$@"\n')
    script.chmod(0o755)
    python = folder / "device" / "python3"
    python.parent.mkdir(exist_ok=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    server = Sshd(
        folder,
        port,
        home,
        {
            "Port": str(port),
            "ListenAddress": "127.0.0.1",
            "HostKey": str(folder / "host_key"),
            "AuthorizedKeysFile": str(folder / "user_key.pub"),
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PermitRootLogin": "yes",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            **(settings or {}),
        },
        {"PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin", **(environment or {})},
    )
    try:
        server.start()
        yield server
    finally:
        server.stop()
        place.close()


@pytest.fixture(name="server")
def sshd_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """A server for one test, whose `ssh` this process finds first.

    `from sshd import sshd_server  # noqa: F401`, and name the argument `server`.
    """
    with running_sshd(tmp_path / "sshd") as server:
        monkeypatch.setenv("PATH", server.client_environment()["PATH"])
        yield server


def _make_key(path: Path) -> None:
    path.with_suffix(".pub").unlink(missing_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "edge-deploy tests", "-f", str(path)],
        check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
