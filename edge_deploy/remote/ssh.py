"""A device reached over ssh: run a command, push a file. The only module that runs ssh.

The system's own `ssh` connects, with the user's config, keys and host-key checking as they are; it
never asks anything (BatchMode). One connection is shared by all commands (ControlMaster), through
a socket in a private folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import secrets
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from edge_deploy_runner.errors import BadInputError, DeviceError
from edge_deploy_runner.marked_command import stop
from edge_deploy_runner.progress import Progress, silent

from .scripts import FILE_DIFFERS, FILE_IS_SHORT, LOOK_FOR_FILE, TAKE_FILE
from .ssh_errors import explain_connection, is_full_disk
from .ssh_session import Completed, SshSession, marked
from .target import SshTarget, parse_target

__all__ = ["Completed", "SshDevice", "SshTarget", "parse_target"]

CONNECT_LIMIT_S = 15
# From the TCP connection to a shell: a Pi Zero's login takes seconds.
LOGIN_LIMIT_S = 60.0
_ALIVE_INTERVAL_S = 5
_ALIVE_COUNT = 4
_CHUNK = 1 << 18
_PUSH_ATTEMPTS = 2
# A socket's path has at most 103 bytes on macOS, and ssh appends 17 to it while it makes one.
_LONGEST_SOCKET = 80


class SshDevice:
    """One connection to a device, as a context manager; leaving it closes the connection.

    Every method raises `DeviceError` where the connection fails or is lost.
    """

    def __init__(self, target: SshTarget) -> None:
        self.target = target
        self._folder: str | None = None
        self._master: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._is_shared = os.name != "nt"

    def __enter__(self) -> SshDevice:
        """Connect; the error says what keeps this computer from it."""
        if shutil.which("ssh") is None:
            raise DeviceError(
                "there is no ssh on this computer; install the OpenSSH client (Debian: sudo apt "
                "install openssh-client)"
            )
        try:
            if self._is_shared:
                self._connect()
            else:
                self.shell(":", timeout_s=LOGIN_LIMIT_S)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """End the shared connection and remove its socket; safe to call twice."""
        if self._master is not None:
            assert self._master.stdin is not None
            with contextlib.suppress(OSError):
                self._master.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._master.wait(0.5)
            stop(self._master)
            self._master = None
        if self._log is not None:
            self._log.close()
            self._log = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        timeout_s: float | None = None,
        hold_stdin: bool = False,
        on_stderr: Callable[[str], None] | None = None,
        what: str = "",
    ) -> Completed:
        """Run a program on the device with exactly these arguments.

        `stdin` may come in pieces. `hold_stdin` keeps it open until the program ends, so that one
        that watches it notices when we are gone; `on_stderr` gets each line of its errors as it
        comes. An exit code other than 0 is a result, not an error. `what` is for error sentences.
        """
        return self.shell(
            shlex.join(argv), stdin=stdin, timeout_s=timeout_s, hold_stdin=hold_stdin,
            on_stderr=on_stderr, what=what or f"running {Path(argv[0]).name}",
        )  # fmt: skip

    def shell(
        self,
        command: str,
        *,
        stdin: bytes | Iterable[bytes] = b"",
        timeout_s: float | None = None,
        hold_stdin: bool = False,
        on_stderr: Callable[[str], None] | None = None,
        what: str = "running a command",
    ) -> Completed:
        """Run a line of POSIX shell on the device; see `run`. `what` is for error sentences."""
        session = self._start(command, what, on_stderr)
        try:
            session.feed(stdin, hold_stdin)
            return session.completed(timeout_s)
        finally:
            session.end()

    def push(
        self,
        source: Path,
        destination: str,
        on_progress: Progress = silent,
        sha256: str | None = None,
    ) -> str:
        """Copy a file to the device and return its absolute path there.

        `destination` may begin with "~/". A file that is there already, by its sha256, stays; one
        that a broken connection left half-way goes on where it ended. It takes its name only once
        its sha256 was verified on the device; where the caller knows that, it is not worked out
        again. Raises `BadInputError` for the source, and `DeviceError` also where the device's disk
        is full.
        """
        try:
            size = source.stat().st_size
            sha256 = sha256 or _file_sha256(source)
        except OSError as error:
            raise BadInputError(f"{source} cannot be read: {error.strerror or error}") from error
        stage = f"pushing {source.name}"
        for attempt in range(_PUSH_ATTEMPTS):
            arguments = [destination, sha256, str(size)]
            path, offset = self._look(arguments, source.name)
            if offset is None:
                on_progress(stage, size, size)
                return path
            done = self._send(source, [*arguments, str(offset)], offset, size, on_progress, stage)
            if done.returncode == 0:
                return path
            if (
                done.returncode not in (FILE_IS_SHORT, FILE_DIFFERS)
                or attempt + 1 == _PUSH_ATTEMPTS
            ):
                break
        if is_full_disk(done.stderr):
            raise DeviceError(
                f"the disk of {self.target.login} is full: {source.name} ({size / 1e6:.1f} MB) did "
                "not fit; free some space on it and run the command again"
            )
        if done.returncode in (FILE_IS_SHORT, FILE_DIFFERS):
            raise DeviceError(
                f"{source.name} arrived on {self.target.login} damaged twice; check its disk"
            )
        raise DeviceError(
            f"{source.name} cannot be written on {self.target.login}: {_last_line(done.stderr)}"
        )

    def _look(self, arguments: list[str], name: str) -> tuple[str, int | None]:
        """The absolute path, and where to go on; None where the file is there."""
        found = self.run(
            ["sh", "-c", LOOK_FOR_FILE, "look", *arguments],
            timeout_s=300, what=f"looking for {name}",
        )  # fmt: skip
        words = found.stdout.decode("utf-8", "surrogateescape").rstrip("\n").splitlines()
        answer = words[-1] if words else ""
        if found.returncode == 0 and answer.startswith("have "):
            return answer.removeprefix("have "), None
        fields = answer.split(" ", 3)
        if found.returncode != 0 or len(fields) != 4:
            if is_full_disk(found.stderr):
                raise DeviceError(f"the disk of {self.target.login} is full; free some space on it")
            raise DeviceError(
                f"{name} cannot be written on {self.target.login}: {_last_line(found.stderr)}"
            )
        offset, free_kb = int(fields[1]), int(fields[2])
        missing = int(arguments[2]) - offset
        if 0 <= free_kb < missing / 1024:
            raise DeviceError(
                f"the disk of {self.target.login} is full: {name} needs {missing / 1e6:.1f} MB and "
                f"{free_kb * 1024 / 1e6:.1f} MB are free; free some space on it"
            )
        return fields[3], offset

    def _send(
        self, source: Path, arguments: list[str], offset: int, size: int, on_progress: Progress,
        stage: str,
    ) -> Completed:  # fmt: skip
        command = shlex.join(["sh", "-c", TAKE_FILE, "take", *arguments])
        session = self._start(command, f"pushing {source.name}")
        try:
            with source.open("rb") as file:
                file.seek(offset)
                sent = offset
                on_progress(stage, sent, size)
                while data := file.read(_CHUNK):
                    if not session.write(data):
                        break
                    sent += len(data)
                    on_progress(stage, sent, size)
            session.close_input()
            return session.completed(600.0)
        finally:
            session.end()

    def _connect(self) -> None:
        parent = tempfile.gettempdir()
        if len(os.fsencode(parent)) + 20 > _LONGEST_SOCKET:
            parent = "/tmp"
        self._folder = tempfile.mkdtemp(prefix="ed-", dir=parent)
        self._log = (Path(self._folder) / "log").open("w+b")
        marker = f"edge-deploy-{secrets.token_hex(8)}"
        # Not -N: this remote cat ends with our end of its input, and the connection with it, so
        # that nothing stays behind even where we are killed.
        self._master = subprocess.Popen(
            self._arguments("yes", f"sh -c 'echo {marker}; exec cat >/dev/null'"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=_environment(),
            start_new_session=True,
        )
        lines: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=_collect, args=(self._master.stdout, lines), daemon=True).start()
        deadline = time.monotonic() + LOGIN_LIMIT_S
        while True:
            try:
                line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise DeviceError(
                    f"{self.target.login} gave no shell within {LOGIN_LIMIT_S:.0f} s; see what it "
                    f"does by hand: {self.target.command('ssh')}"
                ) from None
            if line is None:
                self._master.wait()
                self._log.seek(0)
                said = self._log.read().decode("utf-8", "replace")
                raise DeviceError(explain_connection(said, self.target))
            if line.strip() == marker.encode():
                return

    def _start(
        self, command: str, what: str, on_stderr: Callable[[str], None] | None = None
    ) -> SshSession:
        marker = f"edge-deploy-{secrets.token_hex(8)}"
        child = subprocess.Popen(
            self._arguments("no", f"sh -c {shlex.quote(marked(command, marker))}"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )
        return SshSession(child, marker, self.target, what, on_stderr, connects=not self._is_shared)

    def _arguments(self, master: str, command: str) -> list[str]:
        """The command line of ssh; what it says here wins over the user's config."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": str(CONNECT_LIMIT_S),
            "ServerAliveInterval": str(_ALIVE_INTERVAL_S),
            "ServerAliveCountMax": str(_ALIVE_COUNT),
            "LogLevel": "INFO",
            "RequestTTY": "no",
            "RemoteCommand": "none",
            "ClearAllForwardings": "yes",
        }
        if self._is_shared:
            options |= {
                "ControlMaster": master,
                "ControlPath": '"{}/s"'.format(str(self._folder).replace("%", "%%")),
                "ControlPersist": "no",
            }
            if master == "no":
                # Where the shared connection is gone, ssh would make one of its own and might run
                # a command a second time.
                options["ProxyCommand"] = "false"
        found = ["ssh"]
        for key, value in options.items():
            found += ["-o", f"{key}={value}"]
        if self.target.port is not None:
            found += ["-p", str(self.target.port)]
        if self.target.user is not None:
            found += ["-l", self.target.user]
        return [*found, "--", self.target.host, command]


def _environment() -> dict[str, str]:
    # A jump host's own ssh is not in batch mode: no window may ask for its password either.
    return {**os.environ, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}


def _collect(stream: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "it gives no reason"
