"""An emulated arm64 machine like a Raspberry Pi Zero 2 W: boot it, talk to it, pull its plug.

QEMU translates every instruction, so its milliseconds and watts are those of no board. What is real
is the arm64 code that runs, Debian's kernel and systemd, the size of the memory and of the disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from edge_deploy_runner.process import die_with_parent
from sshd import held_port

from edge_deploy.remote.runner import RemoteRunner
from edge_deploy.remote.ssh import SshDevice, parse_target

from .machine_image import MachineImage

# `cgroup_disable=memory` is what Raspberry Pi OS boots with.
KERNEL_ARGUMENTS = "console=ttyAMA0 cgroup_disable=memory net.ifnames=0 systemd.show_status=1"
BOOT_LIMIT_S = 240.0  # many times what a quiet machine takes; only a machine that hangs meets it
FRESH, PREPARED, INSTALLED = "fresh", "prepared", "installed"

_CACHE = "$(echo ~/.cache/edge-deploy/runner-*):$(echo ~/.cache/edge-deploy/site-*)"
_PYTHON = f"PYTHONPATH={_CACHE} python3"


class MachineError(AssertionError):
    """The machine did not do what was asked; the text ends with its console."""


@dataclass
class Machine:
    """One emulated board. `folder` is its own; the image is shared and never written to."""

    image: MachineImage
    folder: Path
    memory_mb: int = 512
    cores: int = 2
    # One core, and a clock that goes on by 1 ns with every instruction: time repeats.
    counted: bool = False
    processor: str = "cortex-a53"
    port: int = 0
    boot_s: float = 0.0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _place: socket.socket | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.port:
            self._place = held_port()
            self.port = int(self._place.getsockname()[1])
        if not self.disk.exists():
            self.new_disk()
        self._write_ssh()

    @property
    def disk(self) -> Path:
        """What this machine has written over the image's disk."""
        return self.folder / "disk.qcow2"

    @property
    def console(self) -> Path:
        """Everything the kernel and systemd have said since the last start."""
        return self.folder / "console.log"

    def give_up_port(self) -> None:
        """Let others have the port on this computer; the machine is not started again."""
        if self._place is not None:
            self._place.close()

    def new_disk(self) -> None:
        """Forget everything that was ever written."""
        backing = ("-b", str(self.image.disk), "-F", "raw")
        create = ["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(self.disk)]
        subprocess.run(create, check=True)

    def target(self, user: str = "pi") -> str:
        """What `--device` takes."""
        return f"ssh://{user}@127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """This process's environment, with an `ssh` that holds this machine's keys."""
        return {**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}

    def _write_ssh(self) -> None:
        # The system's ssh, asked for its user's keys and known hosts in a file of ours: ssh looks
        # for ~ in the list of users, so that no variable of the environment moves it.
        known = self.folder / "known_hosts"
        known.write_text(f"[127.0.0.1]:{self.port} {self.image.host_key}\n")
        config = self.folder / "ssh_config"
        config.write_text(
            f"UserKnownHostsFile {known}\nIdentityFile {self.image.user_key}\n"
            "IdentitiesOnly yes\nStrictHostKeyChecking yes\nBatchMode yes\n"
        )
        binary = self.folder / "bin" / "ssh"
        binary.parent.mkdir(exist_ok=True)
        binary.write_text(f'#!/bin/sh\nexec {_system_ssh()} -F {config} "$@"\n')
        binary.chmod(0o755)

    def _command(self) -> list[str]:
        network = f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22"
        drive = f"file={self.disk},if=none,id=d0,format=qcow2"
        pace = ["-icount", "shift=0"] if self.counted else []
        cores = 1 if self.counted else self.cores
        # QEMU keeps the disk's tables in its own memory until the guest flushes: killing it loses
        # what a card without power loses, and no more.
        return [
            *("qemu-system-aarch64", "-M", "virt", "-cpu", self.processor, "-smp", str(cores)),
            *("-m", str(self.memory_mb), *pace),
            *("-accel", "tcg" if self.counted else "tcg,thread=multi"),
            *("-kernel", str(self.image.kernel), "-initrd", str(self.image.initrd)),
            *("-append", KERNEL_ARGUMENTS, "-display", "none", "-monitor", "none"),
            *("-serial", f"file:{self.console}"),
            *("-netdev", network, "-device", "virtio-net-pci,netdev=n0,romfile="),
            *("-drive", drive, "-device", "virtio-blk-pci,drive=d0,romfile="),
            *("-qmp", f"unix:{self.folder / 'qmp'},server=on,wait=off"),
        ]

    def start(self) -> None:
        """Boot, and wait until it answers over ssh."""
        if self._process is not None:
            raise RuntimeError("this machine runs already")
        self.console.unlink(missing_ok=True)
        began = time.monotonic()
        with (self.folder / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it is one system call
            )
        self.wait_until_up()
        self.boot_s = time.monotonic() - began

    def wait_until_up(self, unlike: str = "") -> None:
        """Wait until systemd has started everything; `unlike`: a boot_id that is over by then."""
        end = time.monotonic() + BOOT_LIMIT_S
        ask = "cat /proc/sys/kernel/random/boot_id; systemctl is-system-running --wait"
        said = "nothing answers"
        while True:
            if _greets(self.port):
                answer = self._ssh(ask, user="root")
                boot, _, state = answer.stdout.decode().strip().partition("\n")
                if state in ("running", "degraded") and boot != unlike:
                    return
                said = (answer.stdout + answer.stderr).decode()
            if self._process is None or self._process.poll() is not None:
                raise MachineError(self._story("QEMU ended"))
            if time.monotonic() > end or "Kernel panic" in self._said():
                raise MachineError(self._story(f"it is not up: {said}"))
            time.sleep(0.3)

    def _ssh(
        self, command: str, *, user: str, stdin: bytes = b"", limit_s: float = 60
    ) -> subprocess.CompletedProcess[bytes]:
        argv = [str(self.folder / "bin" / "ssh"), "-p", str(self.port), "-o", "ConnectTimeout=20"]
        argv += ["-o", "ControlMaster=auto", "-o", f"ControlPath={self.folder}/%r"]
        argv += ["-o", "ControlPersist=5", f"{user}@127.0.0.1", command]
        try:
            return subprocess.run(
                argv, input=stdin, capture_output=True, check=False, timeout=limit_s
            )
        except subprocess.TimeoutExpired as late:
            said = late.stderr or b""
            return subprocess.CompletedProcess(argv, 255, late.stdout or b"", said + b" (no end)")

    def run(
        self,
        command: str,
        *,
        user: str = "root",
        stdin: bytes = b"",
        check: bool = True,
        limit_s: float = 300,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a shell command there; one that fails is a `MachineError` unless `check` is off."""
        done = self._ssh(command, user=user, stdin=stdin, limit_s=limit_s)
        if check and done.returncode:
            said = (done.stdout + done.stderr).decode(errors="replace")
            raise MachineError(self._story(f"{command!r} gave {done.returncode}: {said[-3000:]}"))
        return done

    def text(self, command: str, *, user: str = "root") -> str:
        """What a command prints there, stripped."""
        return self.run(command, user=user).stdout.decode().strip()

    def prepare(self) -> None:
        """Push the runner and the runtime, as any command that is given this device does."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", self.environment()["PATH"])
            with SshDevice(parse_target(self.target())) as device:
                RemoteRunner(device).prepare()

    def python(self, arguments: str, *, stdin: bytes = b"", check: bool = True) -> str:
        """Run Python as the user pi with our runner and its runtime; what it printed, stripped."""
        done = self.run(f"{_PYTHON} {arguments}", user="pi", stdin=stdin, check=check)
        return (done.stdout + (b"" if check else done.stderr)).decode().strip()

    def start_python(self, arguments: str, name: str) -> None:
        """The same, without waiting: ~/NAME.out and .err get what it says, .code how it ended."""
        self.run(
            f"touch {name}.out; (({_PYTHON} {arguments} > {name}.out 2> {name}.err < /dev/null; "
            f"echo $? > {name}.code) > /dev/null 2>&1 &)",
            user="pi",
        )

    def boot_id(self) -> str:
        """What no two boots share."""
        return self.text("cat /proc/sys/kernel/random/boot_id")

    def reboot(self) -> None:
        """The proper way: systemd stops everything, and it starts again."""
        before = self.boot_id()
        self.run("systemctl reboot", check=False)
        self._forget_connections()
        self.wait_until_up(unlike=before)

    def pull_the_plug(self) -> None:
        """End it at once, as a cut of its power would; `start` boots what its disk then holds."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._forget_connections()

    def save(self, name: str = FRESH) -> None:
        """Keep memory and disk as they are now, for `restore`."""
        self._forget_connections()
        self.run("sync; true")
        self._forget_connections()
        self._monitor(f"savevm {name}")

    def restore(self, name: str = FRESH) -> None:
        """Put memory and disk back as `save` found them, and set the clock."""
        self._forget_connections()
        self._monitor(f"loadvm {name}")
        self.run(f"date -s @{time.time():.0f}")

    def _forget_connections(self) -> None:
        for user in ("root", "pi"):
            if (self.folder / user).exists():
                command = [self.folder / "bin" / "ssh", "-o", f"ControlPath={self.folder}/%r"]
                command += ["-O", "exit", "-p", str(self.port), f"{user}@127.0.0.1"]
                subprocess.run(command, capture_output=True, check=False)
                (self.folder / user).unlink(missing_ok=True)

    def _monitor(self, command: str) -> None:
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(120)
            door.connect(str(self.folder / "qmp"))
            lines = door.makefile("rwb", buffering=0)

            def ask(request: dict[str, object]) -> str:
                lines.write(json.dumps(request).encode() + b"\n")
                while True:
                    answer = json.loads(lines.readline())
                    if "return" in answer:
                        return str(answer["return"])
                    if "error" in answer:
                        raise MachineError(self._story(f"{command}: {answer['error']}"))

            lines.readline()  # the greeting
            ask({"execute": "qmp_capabilities"})
            arguments = {"command-line": command}
            if said := ask({"execute": "human-monitor-command", "arguments": arguments}):
                raise MachineError(self._story(f"{command}: {said}"))

    def _said(self) -> str:
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def _story(self, problem: str) -> str:
        qemu = (self.folder / "qemu.log").read_text(errors="replace")
        console = "\n".join(self._said().splitlines()[-60:])
        return f"{problem}\n--- qemu\n{qemu}\n--- the machine's console\n{console}"


@contextlib.contextmanager
def running(machine: Machine) -> Iterator[Machine]:
    """A machine that is up, and is gone at the end."""
    try:
        machine.start()
        yield machine
    finally:
        machine.pull_the_plug()
        machine.give_up_port()


def _greets(port: int) -> bool:
    """Whether an ssh server speaks there; QEMU itself takes connections before the guest does."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as door:
            return door.recv(4) == b"SSH-"
    except OSError:
        return False


def _system_ssh() -> str:
    found = shutil.which("ssh")
    if found is None:
        raise FileNotFoundError("ssh")
    return found
