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
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from edge_deploy_runner.errors import BadInputError, DeviceError
from edge_deploy_runner.progress import Progress, silent

from .scripts import FILE_DIFFERS, FILE_IS_SHORT, LOOK_FOR_FILE, TAKE_FILE
from .ssh_errors import explain_connection, explain_loss, is_full_disk
from .target import SshTarget, parse_target

__all__ = ["Completed", "SshDevice", "SshTarget", "parse_target"]

CONNECT_LIMIT_S = 15
# From the TCP connection to a shell: a Pi Zero's login takes seconds.
LOGIN_LIMIT_S = 60.0
_ALIVE_INTERVAL_S = 5
_ALIVE_COUNT = 4
_CHUNK = 1 << 18
_PUSH_ATTEMPTS = 2
# What is left to read once ssh has ended, whose shared connection may hold its output open.
_READING_LIMIT_S = 5.0
_READING_STEP_S = 0.1
# A socket's path has at most 103 bytes on macOS, and ssh appends 17 to it while it makes one.
_LONGEST_SOCKET = 80


@dataclass(frozen=True)
class Completed:
    """What a remote command left: its own exit code (128 + N for signal N) and its output."""

    returncode: int
    stdout: bytes
    stderr: str


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
            _stop(self._master)
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
        session = _Session(self, command, on_stderr)
        try:
            session.feed(stdin, hold_stdin)
            return session.completed(timeout_s, what)
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
        session = _Session(self, command, None)
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
            return session.completed(600.0, f"pushing {source.name}")
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


class _Session:
    """One command on the device. Its own exit code comes as a last line of its stderr.

    So 255 of the command is never mistaken for ssh's own, and a lost connection is known by the
    line that never came.
    """

    def __init__(
        self, device: SshDevice, command: str, on_stderr: Callable[[str], None] | None
    ) -> None:
        self._device = device
        self._marker = f"edge-deploy-{secrets.token_hex(8)}"
        self._on_stderr = on_stderr
        self._is_telling = False
        self._stdout: list[bytes] = []
        self._stderr: list[str] = []
        self._code: int | None = None
        # Before the first marker comes what a shell's start-up files print.
        script = f"echo {self._marker}; ( {command}\n); printf '\\n{self._marker} %d\\n' \"$?\" >&2"
        self._child = subprocess.Popen(
            device._arguments("no", f"sh -c {shlex.quote(script)}"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )
        self._threads = [
            threading.Thread(target=self._read_output, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _read_output(self) -> None:
        assert self._child.stdout is not None
        while data := self._child.stdout.read1(_CHUNK):  # type: ignore[attr-defined]
            self._stdout.append(data)

    def _read_errors(self) -> None:
        assert self._child.stderr is not None
        for raw in self._child.stderr:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            if line.startswith(f"{self._marker} "):
                self._code = int(line.split()[1])
                continue
            self._stderr.append(line)
            if self._on_stderr is not None and line:
                self._is_telling = True
                self._on_stderr(line)
                self._is_telling = False

    def _read_to_the_end(self) -> None:
        """Wait for what ssh left to read, and for whoever listens to it, however slow."""
        until = time.monotonic() + _READING_LIMIT_S
        for thread in self._threads:
            while thread.is_alive() and time.monotonic() < until:
                thread.join(_READING_STEP_S)
                if self._is_telling:
                    until = time.monotonic() + _READING_LIMIT_S

    def write(self, data: bytes) -> bool:
        """Pass some input on; False where nobody reads it any more."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(data)
            self._child.stdin.flush()
        except (OSError, ValueError):  # gone, or closed by us meanwhile
            return False
        return True

    def feed(self, data: bytes | Iterable[bytes], hold: bool) -> None:
        """Pass all input on from a thread of its own; `hold` leaves it open."""

        def write() -> None:
            for piece in [data] if isinstance(data, bytes) else data:
                if not self.write(piece):
                    break
            if not hold:
                self.close_input()

        threading.Thread(target=write, daemon=True).start()

    def close_input(self) -> None:
        """Tell the command that there is no more input."""
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):
            self._child.stdin.close()

    def completed(self, timeout_s: float | None, what: str) -> Completed:
        """Wait for the command's end; raises `DeviceError` where the connection ended first."""
        target = self._device.target
        try:
            self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise DeviceError(
                f"{target.login} took longer than {timeout_s:.0f} s while {what} and was left; "
                "see what keeps it busy"
            ) from None
        self._read_to_the_end()
        # The line that carries the code begins with a newline of its own.
        if self._stderr and not self._stderr[-1]:
            self._stderr.pop()
        said = "\n".join(self._stderr)
        if self._code is None:
            if not self._device._is_shared and self._child.returncode == 255:
                raise DeviceError(explain_connection(said, target))
            raise DeviceError(explain_loss(said, target, what))
        _, _, output = b"".join(self._stdout).partition(f"{self._marker}\n".encode())
        return Completed(self._code, output, said)

    def end(self) -> None:
        """Let go of the command; a program that watches its input ends with it."""
        self.close_input()
        _stop(self._child)
        for thread, stream in zip(self._threads, (self._child.stdout, self._child.stderr),
                                  strict=True):  # fmt: skip
            # The shared connection holds the other ends for as long as a program that does not
            # watch its input goes on; closing would wait for it.
            thread.join(1)
            if not thread.is_alive():
                assert stream is not None
                stream.close()


def _environment() -> dict[str, str]:
    # A jump host's own ssh is not in batch mode: no window may ask for its password either.
    return {**os.environ, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(3)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


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
