"""Phones over adb: list them, run a command, copy files. The only module that runs adb.

The system's own `adb` is used as it is configured (its server, keys and port). A command's exit
code comes as a marked last line of its stderr, so that a lost connection, which adb reports in a
different way in every version, is known by the line that never came; see `shell_session.py`.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from edge_deploy_runner.errors import DeviceError

from .adb_executable import HOW_TO_INSTALL, find_adb
from .adb_text import (
    OLDEST_VERSION,
    ListedDevice,
    explain_failure,
    explain_state,
    is_full_disk,
    last_words,
    lines_of,
    parse_devices,
    parse_version,
)
from .shell_session import Completed, ShellSession, marked
from .target import AndroidTarget

__all__ = ["Adb", "AdbDevice", "Completed", "ListedDevice", "ShellSession"]

# The first call starts adb's server, which looks for phones.
_SERVER_LIMIT_S = 30.0
_COMMAND_LIMIT_S = 60.0
# What a phone is for a second after adb's server has started, or the cable was plugged in.
_SETTLING = ("offline", "authorizing", "connecting")
_SETTLING_LIMIT_S = 3.0
_SETTLING_STEP_S = 0.25
_INSTALL_LIMIT_S = 180.0
# A slow link still moves some 100 kB a second.
_SLOWEST_BYTES_S = 100_000


class Adb:
    """The adb program of this computer.

    It is looked for in `executable`, $EDGE_DEPLOY_ADB, $ANDROID_HOME/platform-tools and the PATH,
    in this order. Raises `DeviceError` where there is none, or one that is too old.
    """

    def __init__(self, executable: str | os.PathLike[str] | None = None) -> None:
        self.executable = find_adb(executable)
        said = self.call(["version"], "asking adb for its version")
        version = parse_version(said.stdout.decode("utf-8", "replace"))
        if version is None:
            words = last_words(said.text) or last_words(said.stderr)
            raise DeviceError(
                f"{self.executable} does not work as adb (it prints {words!r}); {HOW_TO_INSTALL}"
            )
        self.version = ".".join(map(str, version))
        if version < OLDEST_VERSION:
            oldest = ".".join(map(str, OLDEST_VERSION))
            raise DeviceError(
                f"{self.executable} is adb {self.version}, and {oldest} or later is needed; "
                f"{HOW_TO_INSTALL}"
            )

    def server_is_running(self) -> bool:
        """Whether adb's server runs; any other question to adb would start it."""
        words = re.findall(r"\d+", os.environ.get("ADB_SERVER_SOCKET", ""))
        port = int(words[-1]) if words else int(os.environ.get("ANDROID_ADB_SERVER_PORT") or 5037)
        try:
            with socket.create_connection(("localhost", port), timeout=1):
                return True
        except (OSError, OverflowError):
            return False

    def devices(self) -> tuple[ListedDevice, ...]:
        """Every phone and emulator that adb knows, in whatever state; starts adb's server."""
        done = self.call(["devices", "-l"], "listing the phones", _SERVER_LIMIT_S)
        if done.returncode != 0:
            raise DeviceError(explain_failure(done.stderr, "the phone", "listing the phones"))
        return parse_devices(done.stdout.decode("utf-8", "replace"))

    def choose(self, target: AndroidTarget) -> AdbDevice:
        """The phone of the target, else of $ANDROID_SERIAL, else the only one there is.

        Raises `DeviceError` with what to do where it is not there or cannot be used.
        """
        deadline = time.monotonic() + _SETTLING_LIMIT_S
        while (found := self._chosen(target)).state in _SETTLING:
            if time.monotonic() >= deadline:
                break
            time.sleep(_SETTLING_STEP_S)
        if found.state != "device":
            raise DeviceError(explain_state(found))
        device = AdbDevice(self, found.serial)
        device.check_shell()
        return device

    def _chosen(self, target: AndroidTarget) -> ListedDevice:
        listed = self.devices()
        serial = target.serial or os.environ.get("ANDROID_SERIAL")
        if serial:
            chosen = [device for device in listed if device.serial == serial]
            if not chosen:
                others = ", ".join(device.words() for device in listed)
                raise DeviceError(
                    f"no phone with the serial {serial!r} is connected; "
                    + (f"there is {others}" if others else _how_to_connect())
                )
        elif not listed:
            raise DeviceError(f"no phone is connected; {_how_to_connect()}")
        elif len(listed) > 1:
            raise DeviceError(
                f"{len(listed)} phones are connected; choose one with --device android:SERIAL: "
                + ", ".join(device.words() for device in listed)
            )
        else:
            chosen = list(listed)
        return chosen[0]

    def call(
        self, arguments: Sequence[str], what: str, timeout_s: float = _COMMAND_LIMIT_S
    ) -> Completed:
        """Run adb itself; an exit code other than 0 is a result."""
        try:
            done = subprocess.run(
                [self.executable, *arguments],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False,
                start_new_session=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise DeviceError(
                f"adb took longer than {timeout_s:.0f} s while {what} and was stopped; unplug the "
                "phone and plug it in again, or run `adb kill-server`"
            ) from None
        except OSError as error:
            raise DeviceError(
                f"{self.executable} cannot be run ({error.strerror or error}); {HOW_TO_INSTALL}"
            ) from error
        return Completed(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))

    def start(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        """Run adb itself and go on, with pipes to and from it."""
        try:
            return subprocess.Popen(
                [self.executable, *arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                # Ctrl-C is ours to answer: what runs on the phone ends when we let go of it.
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise DeviceError(
                f"{self.executable} cannot be run ({error.strerror or error}); {HOW_TO_INSTALL}"
            ) from error


class AdbDevice:
    """One phone: run commands on it, copy files to and from it.

    Every method raises `DeviceError` where the connection fails or is lost.
    """

    def __init__(self, adb: Adb, serial: str) -> None:
        self.adb = adb
        self.serial = serial

    def check_shell(self) -> None:
        """Raise `DeviceError` for a phone whose shell gives no exit codes (before Android 7)."""
        what = "asking for its features"
        done = self.adb.call(["-s", self.serial, "features"], what)
        if done.returncode != 0:
            raise DeviceError(explain_failure(done.stderr, self.serial, what))
        if "shell_v2" not in done.text.split():
            raise DeviceError(
                f"{self.serial} is too old: its adb has no shell with exit codes (shell_v2); use "
                "a phone with Android 8.0 or later"
            )

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float | None = _COMMAND_LIMIT_S,
        on_stderr: Callable[[str], None] | None = None,
        hold_stdin: bool = False,
    ) -> Completed:
        """Run a program on the phone with exactly these arguments.

        `hold_stdin` keeps its stdin open until it ends, so that one that watches it notices when
        we are gone; `on_stderr` gets each line of its errors as it comes. `timeout_s` None waits
        for ever. An exit code other than 0 is a result, not an error.
        """
        return self.shell(
            shlex.join(argv), stdin=stdin, timeout_s=timeout_s, on_stderr=on_stderr,
            hold_stdin=hold_stdin, what=f"running {argv[0].rsplit('/', 1)[-1]}",
        )  # fmt: skip

    def shell(
        self,
        command: str,
        *,
        stdin: bytes = b"",
        timeout_s: float | None = _COMMAND_LIMIT_S,
        on_stderr: Callable[[str], None] | None = None,
        hold_stdin: bool = False,
        what: str = "running a command",
    ) -> Completed:
        """Run lines of the phone's shell; see `run`. `what` is for error sentences."""
        with self.open_shell(command, what, on_stderr) as session:
            session.write(stdin)
            if not hold_stdin:
                session.close_input()
            return session.completed(timeout_s)

    @contextlib.contextmanager
    def open_shell(
        self, command: str, what: str, on_stderr: Callable[[str], None] | None = None,
        on_stdout: Callable[[str], None] | None = None,
    ) -> Iterator[ShellSession]:  # fmt: skip
        """Start lines of the phone's shell and talk to them; leaving lets go of them."""
        marker = f"edge-deploy-{secrets.token_hex(8)}"
        child = self.adb.start(["-s", self.serial, "shell", "-T", marked(command, marker)])
        session = ShellSession(child, marker, self.serial, what, on_stderr, on_stdout)
        try:
            yield session
        finally:
            session.end()

    def push(self, path: Path, remote: str, name: str = "") -> None:
        """Copy a file to the phone; `name` is what sentences call it."""
        name = name or path.name
        what = f"pushing {name}"
        limit_s = _COMMAND_LIMIT_S + path.stat().st_size / _SLOWEST_BYTES_S
        done = self._copy(["push", str(path.absolute()), remote], what, limit_s)
        if done.returncode == 0:
            return
        said = f"{done.stderr}\n{done.text}"
        if is_full_disk(said):
            raise DeviceError(
                f"the storage of {self.serial} is full: {name} "
                f"({path.stat().st_size / 1e6:.1f} MB) did not fit; free some space on the phone "
                "and run the command again"
            )
        if match := _remote_refusal(said):
            raise DeviceError(f"{name} cannot be written on {self.serial}: {match}")
        # How much was pushed is no reason, and paths here and there are temporary ones.
        lines = [line for line in lines_of(said) if not re.search(r"files? pushed", line)]
        said = "\n".join(lines).replace(str(path.absolute()), name).replace(f" to '{remote}'", "")
        raise DeviceError(explain_failure(said, self.serial, what))

    def pull(self, remote: str, path: Path, what: str = "fetching the result") -> None:
        """Copy a file from the phone."""
        done = self._copy(["pull", remote, str(path.absolute())], what, _INSTALL_LIMIT_S)
        if done.returncode != 0:
            raise DeviceError(explain_failure(f"{done.stderr}\n{done.text}", self.serial, what))

    def install(self, apk: Path) -> None:
        """Install an app, as `adb install -t` does; the error says what the phone objects to."""
        what = f"installing {apk.name}"
        done = self._copy(["install", "-t", str(apk.absolute())], what, _INSTALL_LIMIT_S)
        said = f"{done.stderr}\n{done.text}"
        if done.returncode == 0 and "Failure" not in said:
            return
        if is_full_disk(said):
            raise DeviceError(f"the storage of {self.serial} is full; free some space on the phone")
        if "USER_RESTRICTED" in said:
            raise DeviceError(
                f"{self.serial} does not let adb install apps; allow it in its developer options "
                '("Install via USB"), or measure with --mode shell'
            )
        raise DeviceError(
            f"{self.serial} did not install {apk.name}: {last_words(said)}; measure with "
            "--mode shell instead"
        )

    def uninstall(self, package: str) -> bool:
        """Remove an app; whether it was there."""
        what = f"removing {package}"
        done = self._copy(["uninstall", package], what, _INSTALL_LIMIT_S)
        return done.returncode == 0 and "Success" in done.text

    def _copy(self, arguments: list[str], what: str, limit_s: float) -> Completed:
        return self.adb.call(["-s", self.serial, *arguments], what, limit_s)


def _how_to_connect() -> str:
    return (
        "plug one in by USB with USB debugging on (Settings, About phone, tap Build number seven "
        "times; then Developer options), and look at `adb devices`"
    )


def _remote_refusal(said: str) -> str:
    for line in lines_of(said):
        _, found, reason = line.partition("remote ")
        if found and any(
            word in reason for word in ("Permission denied", "Read-only", "couldn't create")
        ):
            return last_words(reason)
    return ""
