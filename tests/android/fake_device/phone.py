"""The control object of one fake phone: what a test sees of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .adb_server import AdbServer
from .faults import Faults
from .profiles import Maker, properties

TESTS = Path(__file__).resolve().parents[2]
ENJARIFY = Path("/usr/lib/python3/dist-packages/enjarify")


def missing() -> str | None:
    """Why a fake phone cannot run here, in one sentence; None if it can."""
    packages = {
        "adb": "adb",
        "mksh": "mksh",
        "toybox": "toybox",
        "enjarify": "enjarify",
        "javac": "openjdk-17-jdk-headless",
        "clang-16": "clang-16",
        "ld.lld-16": "lld-16",
        "aapt2": "aapt",
        "unshare": "util-linux",
        "setpriv": "util-linux",
    }
    absent = sorted({package for tool, package in packages.items() if not shutil.which(tool)})
    if absent:
        return f"The fake phone needs: apt-get install {' '.join(absent)}"
    if not ENJARIFY.is_dir():
        return "The fake phone needs Debian's enjarify for /usr/bin/python3"
    if os.geteuid() != 0:
        return "The fake phone needs root, for mounts and processes of its own"
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False
    )
    if tried.returncode != 0:
        return "The fake phone needs namespaces of its own, and `unshare --mount --pid` fails here"
    return None


class FakePhone:
    """A phone that the real adb sees; everything it measures is simulated.

    Attributes:
        serial: What `adb -s` takes.
        environment: For subprocesses: the private adb server's port, a private home.
        server: The private adb server.
    """

    def __init__(self, process: subprocess.Popen[str], server: AdbServer) -> None:
        self._process, self.server = process, server
        self._speaking = threading.Lock()
        self.serial = f"127.0.0.1:{self._answer()['port']}"

    @property
    def environment(self) -> Mapping[str, str]:
        """For subprocesses that are to see this phone; a copy."""
        return dict(self.server.environment)

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the fake phone's process ended; its stderr tells why")
        return json.loads(line)

    def _ask(self, what: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        with self._speaking:
            self._process.stdin.write(json.dumps({"do": what, "with": arguments}) + "\n")
            self._process.stdin.flush()
            answer = self._answer()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["answer"]

    def connect(self) -> None:
        """Plug the phone in: adb lists it as `device`."""
        self._wait_for("device")

    def _wait_for(self, state: str) -> None:
        found = None
        for _ in range(100):
            found = self.server.devices().get(self.serial)
            if found == state:
                return
            if found is None:
                self.server.adb("connect", self.serial)
            elif found == "offline":
                self.server.adb("disconnect", self.serial)
            time.sleep(0.05)
        raise RuntimeError(f"{self.serial} is {found}, not {state}")

    def unplug(self) -> None:
        """Take the phone off adb's list."""
        self.server.adb("disconnect", self.serial)

    # Faults.

    def fault(self, **faults: Any) -> None:
        """Put faults in force, by the names in `Faults`; they stay until `heal()`."""
        Faults(**faults)
        self._ask("faults", **faults)
        if faults.get("unauthorized"):
            self.server.adb("disconnect", self.serial)
            # Not once: a server that has not let go of the last link yet says "already connected".
            self._wait_for("unauthorized")
        elif faults.get("offline"):
            self.server.adb("disconnect", self.serial)
            self._connect_in_vain()
        elif {"no_shell_v2", "old_protocol"} & faults.keys():
            self.reconnect()

    def _connect_in_vain(self) -> None:
        """`adb connect` waits ten seconds for a phone that says nothing; the list knows at once."""
        for _ in range(5):
            client = subprocess.Popen(
                ["adb", "connect", self.serial],
                env=self.server.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                while client.poll() is None:
                    if self.server.devices().get(self.serial) == "offline":
                        return
                    time.sleep(0.05)
            finally:
                client.kill()
                client.wait()
        raise RuntimeError(f"{self.serial} does not become offline")

    def heal(self) -> None:
        """A healthy phone again, and plugged in."""
        self._ask("faults", **vars(Faults()))
        self.reconnect()

    def reconnect(self) -> None:
        """Unplug and plug in again."""
        self.unplug()
        self.connect()

    def disconnect(self) -> None:
        """Let the cable fall out now."""
        self._ask("disconnect")

    def old_android(self, api_level: int = 23) -> None:
        """A phone before Android 7: no shell v2, CR LF, old packets, no sha256sum."""
        self.set_property("ro.build.version.sdk", str(api_level))
        self.set_property("ro.build.version.release", "6.0.1")
        self.remove_tool("sha256sum")
        self.fault(no_shell_v2=True, old_protocol=True, crlf=True)

    def wrong_abi(self, abis: str = "mips64") -> None:
        """A phone whose processor nobody builds for."""
        first = abis.split(",", maxsplit=1)[0]
        self.set_property("ro.product.cpu.abi", first)
        self.set_property("ro.product.cpu.abilist", abis)
        self.set_property("ro.product.cpu.abilist64", abis)
        self.set_property("ro.product.cpu.abilist32", "")

    def full_disk(self, free_bytes: int = 64 * 1024) -> None:
        """Only so much is left on /data."""
        self._ask("fill_disk", free_bytes=free_bytes)

    def read_only_data(self, *, on: bool = True) -> None:
        """Nothing can be written to /data."""
        self._ask("read_only", on=on)

    def remove_tool(self, name: str) -> None:
        """The phone has no such program, e.g. sha256sum or taskset."""
        self._ask("remove_tool", name=name)

    def set_property(self, key: str, value: str) -> None:
        """Change what getprop answers."""
        self._ask("properties", values={key: value})

    def write(self, path: str, text: str) -> None:
        """Put a file on the phone, past adb."""
        self._ask("write", path=path, text=text)

    # What is on the phone.

    def run(self, command: str) -> tuple[int, str, str]:
        """Run a command as the shell user, past adb: exit code, stdout, stderr."""
        done = self._ask("run", command=command)
        return done["code"], done["stdout"], done["stderr"]

    def snapshot(self) -> dict[str, str]:
        """All that programs can change: files on /data, settings, screen, installed packages."""
        found: dict[str, str] = self._ask("snapshot")
        return found

    def files(self) -> list[str]:
        """The paths of all files and folders below /data/local/tmp."""
        return [path for path in self.snapshot() if path.startswith("/data/local/tmp/")]

    def pushed(self) -> list[str]:
        """The paths that adb pushed to since this was asked for the last time."""
        found: list[str] = self._ask("pushed")
        return found

    def settings(self) -> dict[str, str]:
        """Paths and contents' hashes of settings, screen state, battery overrides, packages."""
        return {k: v for k, v in self.snapshot().items() if not k.startswith("/data/")}

    def processes(self) -> list[str]:
        """The command lines of all that runs on the phone."""
        found: list[str] = self._ask("processes")
        return found

    def wait_until_idle(self, timeout_s: float = 10) -> list[str]:
        """Wait for the phone's processes to end; what still runs then is returned."""
        deadline = time.monotonic() + timeout_s
        while (running := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return running


@contextmanager
def fake_phone(
    server: AdbServer,
    *,
    cache: Path,
    desktop: Path,
    maker: Maker = "google",
    api_level: int = 34,
    data_bytes: int = 1 << 30,
) -> Iterator[FakePhone]:
    """A phone that is plugged into the private server as long as the block lasts.

    Args:
        server: The private adb server.
        cache: Where converted dex files are kept; by sha256.
        desktop: A folder of desktop libraries, each named by the SONAME of the phone's.
        maker: Decides over the form of `dumpsys` texts.
        api_level: Android's API level.
        data_bytes: The size of /data.
    """
    cache.mkdir(parents=True, exist_ok=True)
    cache.chmod(0o1777)
    java = shutil.which("javac")
    assert java is not None
    with tempfile.TemporaryDirectory(prefix="fake-phone-") as folder:
        settings = Path(folder) / "settings.json"
        (Path(folder) / "root").mkdir()
        values = {
            "root": str(Path(folder) / "root"),
            "data_bytes": data_bytes,
            "java_home": str(Path(java).resolve().parents[1]),
            "desktop": str(desktop),
            "cache": str(cache),
            "properties": properties(maker, api_level),
            "port": 0,
        }
        settings.write_text(json.dumps(values))
        command: Sequence[str] = [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL"),
            *(sys.executable, "-m", "android.fake_device", str(settings)),
        ]
        process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            phone = FakePhone(process, server)
            phone.connect()
            yield phone
            server.adb("disconnect", phone.serial)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
