"""The fake phone's process: adbd over TCP, and a control channel of JSON lines on stdin and stdout.

Started as `unshare --mount --pid --fork python -m android.fake_device SETTINGS`. When stdin ends
the process ends, and with it its process namespace: nothing that ran on the phone lives on.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from . import phone_root
from .battery import Battery
from .faults import Faults
from .shell_service import shell
from .sync_service import SHELL_USER, sync
from .wire import Link, LinkLostError, Stream

PATH = "/product/bin:/apex/com.android.runtime/bin:/system/bin:/system/xbin:/vendor/bin"
ENVIRONMENT = {
    "PATH": PATH,
    "HOME": "/",
    "USER": "shell",
    "LOGNAME": "shell",
    "SHELL": "/bin/sh",
    "HOSTNAME": "shiba",
    "TMPDIR": "/data/local/tmp",
    "TERM": "dumb",
    "ANDROID_ROOT": "/system",
    "ANDROID_DATA": "/data",
    "EXTERNAL_STORAGE": "/sdcard",
}
# The shell user has no rights of root but mounting, which app_process needs (see system/).
_AS_SHELL = (
    *("/usr/bin/setpriv", f"--reuid={SHELL_USER}", f"--regid={SHELL_USER}", "--clear-groups"),
    *("--inh-caps=-all,+sys_admin", "--ambient-caps=+sys_admin", "--bounding-set=-all,+sys_admin"),
)


class Phone:
    """One fake phone over a root that lies in this process's own namespaces."""

    def __init__(self, root: Path, properties: dict[str, str], port: int) -> None:
        self.root, self.properties = root, properties
        self.state = root / "fake/state"
        self.faults = Faults()
        self.links: list[Link] = []
        self.away = False
        self.battery = Battery(self.state, root / "proc", root / "sys")
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self._pushed = 0
        self._pushed_paths: list[str] = []
        self.write_state()

    def write_state(self) -> None:
        """Tell the scripts on the phone what they answer with."""
        lines = [f"[{key}]: [{value}]" for key, value in sorted(self.properties.items())]
        _write(self.state / "properties", "\n".join(lines) + "\n")
        _write(self.state / "faults.json", json.dumps(asdict(self.faults)))
        self.battery.faults = self.faults

    def serve(self) -> None:
        """Take connections of adb's server, for ever."""
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.away:
                connection.close()
                continue
            threading.Thread(target=self._connected, args=(connection,)).start()

    def _connected(self, connection: socket.socket) -> None:
        link = Link(connection, old=self.faults.old_protocol)
        self.links.append(link)
        if self.faults.offline:
            return
        link.bytes_per_s = self.faults.bytes_per_s
        try:
            link.serve(self._banner, self._service, ask=self.faults.unauthorized)
        except LinkLostError:
            pass
        finally:
            self.links.remove(link)
            link.close()

    def _banner(self) -> bytes:
        fields = "".join(
            f"{key}={self.properties[key]};"
            for key in ("ro.product.name", "ro.product.model", "ro.product.device")
        )
        if self.faults.no_shell_v2:
            return f"device::{fields}".encode()
        return f"device::{fields}features=shell_v2,cmd,stat_v2,ls_v2,fixed_push_mkdir".encode()

    def _service(self, stream: Stream) -> None:
        name = stream.name.partition(":")[0].split(",")[0]
        if name in {"shell", "exec"}:
            shell(stream, self.command, crlf=self.faults.crlf)
        elif name == "sync":
            sync(stream, self.root, self._hear_push)
        else:
            stream.close()

    def command(self, text: str) -> list[str]:
        """The argument vector that runs a command as the phone's shell user."""
        variables = [f"{key}={value}" for key, value in ENVIRONMENT.items()]
        run = ["/system/bin/sh", "-c", text] if text else ["/system/bin/sh", "-"]
        return [
            *("/usr/sbin/chroot", str(self.root), *_AS_SHELL),
            *("/usr/bin/env", "-i", *variables, *run),
        ]

    def _hear_push(self, path: str, size: int) -> None:
        if path:
            self._pushed_paths.append(path)
        self._pushed += size
        limit = self.faults.disconnect_after_pushed_bytes
        if limit is not None and self._pushed >= limit:
            self.disconnect()

    def watch_runs(self) -> None:
        """Pull the cable when a run has lasted as long as the fault says."""
        marker = self.state / "run_started"
        while True:
            time.sleep(0.02)
            limit = self.faults.disconnect_after_run_s
            if limit is None:
                continue
            try:
                began = marker.stat().st_mtime
            except FileNotFoundError:
                continue
            if time.time() - began >= limit:
                marker.unlink(missing_ok=True)
                self.disconnect()

    def disconnect(self) -> None:
        """The cable falls out; with `gone_after_disconnect` it stays out."""
        self.away = self.faults.gone_after_disconnect
        self._pushed = 0
        for link in list(self.links):
            link.close()

    # What the control channel asks for.

    def set_faults(self, **changes: Any) -> None:
        before = self.faults
        self.faults = replace(self.faults, **changes)
        self._pushed = 0
        self.away = False
        (self.state / "run_started").unlink(missing_ok=True)
        self.write_state()
        for link in self.links:
            link.bytes_per_s = self.faults.bytes_per_s
        handshake = ("offline", "unauthorized", "no_shell_v2", "old_protocol")
        if any(getattr(before, name) != getattr(self.faults, name) for name in handshake):
            for link in list(self.links):
                link.close()

    def set_properties(self, values: dict[str, str]) -> None:
        self.properties.update(values)
        self.write_state()

    def run(self, command: str) -> dict[str, Any]:
        done = subprocess.run(
            self.command(command), capture_output=True, stdin=subprocess.DEVNULL, check=False
        )
        return {
            "code": done.returncode,
            "stdout": done.stdout.decode(errors="replace"),
            "stderr": done.stderr.decode(errors="replace"),
        }

    def fill_disk(self, free_bytes: int) -> None:
        status = os.statvfs(self.root / "data")
        used = (status.f_blocks - status.f_bfree) * status.f_frsize
        subprocess.run(
            [
                "/usr/bin/mount",
                "-o",
                f"remount,size={max(used + free_bytes, 4096)}",
                self.root / "data",
            ],
            check=True,
        )

    def read_only(self, *, on: bool) -> None:
        option = "remount,ro" if on else "remount,rw"
        subprocess.run(["/usr/bin/mount", "-o", option, self.root / "data"], check=True)

    def pushed(self) -> list[str]:
        paths, self._pushed_paths = self._pushed_paths, []
        return paths

    def remove_tool(self, name: str) -> None:
        (self.root / "system/bin" / name).unlink(missing_ok=True)

    def write(self, path: str, text: str) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        for part in (file, *file.parents):
            if part == self.root / "data/local/tmp" or not part.is_relative_to(
                self.root / "data/local/tmp"
            ):
                break
            os.chown(part, SHELL_USER, SHELL_USER)

    def processes(self) -> list[str]:
        """The command lines of everything that runs on the phone."""
        found = []
        for folder in (self.root / "proc").iterdir():
            if folder.name.isdigit() and int(folder.name) > 2:
                try:
                    words = (folder / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if words != [b""]:
                    found.append(b" ".join(words).decode(errors="replace").strip())
        return found


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.chmod(0o666)
    part.replace(path)


def _start_reaping() -> None:
    """Go on in a child; this process, the namespace's first, buries the dead."""
    child = os.fork()
    if not child:
        return
    while True:
        try:
            gone, _ = os.wait()
        except ChildProcessError:
            os._exit(0)
        if gone == child:
            os._exit(0)


def main() -> None:
    """Run one phone as the JSON file in the first argument says."""
    settings = json.loads(Path(sys.argv[1]).read_text())
    _start_reaping()
    root = phone_root.build(
        Path(settings["root"]),
        settings["data_bytes"],
        Path(settings["java_home"]),
        Path(settings["desktop"]),
        Path(settings["cache"]),
    )
    phone = Phone(root, settings["properties"], settings["port"])
    for thread in (phone.serve, phone.watch_runs, phone.battery.run):
        threading.Thread(target=thread, daemon=True).start()
    _answer(phone)
    os._exit(0)


def _answer(phone: Phone) -> None:
    actions: dict[str, Callable[..., Any]] = {
        "faults": phone.set_faults,
        "properties": phone.set_properties,
        "run": phone.run,
        "snapshot": lambda: phone_root.snapshot(phone.root),
        "fill_disk": phone.fill_disk,
        "read_only": phone.read_only,
        "remove_tool": phone.remove_tool,
        "disconnect": phone.disconnect,
        "processes": phone.processes,
        "write": phone.write,
        "pushed": phone.pushed,
    }
    print(json.dumps({"port": phone.port}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"answer": actions[asked["do"]](**asked["with"])}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
