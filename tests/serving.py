"""A service as its tests see it: `python -m edge_deploy_runner serve` in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_models_photo import write_photo

RUNNER = [sys.executable, "-m", "edge_deploy_runner", "serve", "--config"]
PATIENCE_S = 60.0


class Running:
    """A service at work in a folder, with what systemd would hear."""

    def __init__(
        self, folder: Path, watchdog_s: float | None = None, before: str = "", **options: Any
    ) -> None:
        self.folder = folder
        self.heard: list[str] = []
        self.link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = f"\0edge-deploy-{os.getpid()}-{id(self)}"
        self.link.bind(address)
        self.link.setblocking(False)
        self.out = (folder / "out.jsonl").open("wb")
        self.err = (folder / "err.txt").open("wb")
        environment = {**os.environ, "NOTIFY_SOCKET": "@" + address[1:]}
        if watchdog_s:
            environment["WATCHDOG_USEC"] = str(round(watchdog_s * 1e6))
        command = [*RUNNER, str(folder / "service.toml")]
        if before:  # code that runs first in the same process
            script = (
                f"import sys\n{before}\nfrom edge_deploy_runner.__main__ import main\n"
                f"sys.exit(main(sys.argv[1:]))"
            )
            command = [sys.executable, "-c", script, *command[3:]]
        self.process = subprocess.Popen(
            command, stdout=self.out, stderr=self.err, env=environment, cwd=folder, **options
        )

    def listen(self) -> list[str]:
        """Every line that systemd has heard so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.heard.extend(self.link.recv(4096).decode().split("\n"))
        return self.heard

    def lines(self, event: str = "") -> list[dict[str, Any]]:
        """What the service has printed, of one event or all."""
        text = (self.folder / "out.jsonl").read_text("utf-8")
        records = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
        return [record for record in records if event in ("", record["event"])]

    def words(self) -> str:
        """What it has said on stderr."""
        return (self.folder / "err.txt").read_text("utf-8")

    def status(self) -> dict[str, Any]:
        """Its status file."""
        record: dict[str, Any] = json.loads((self.folder / "state" / "status.json").read_text())
        return record

    def wait(self, condition: Callable[[], object], what: str = "it") -> None:
        """Wait for something to become true; fails with the service's words."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if self.process.poll() is not None and not condition():
                pytest.fail(f"the service ended with {self.process.returncode}: {self.words()}")
            assert time.monotonic() < deadline, f"{what} did not happen: {self.words()}"
            time.sleep(0.02)

    def ready(self) -> Running:
        """Wait until it says that it is."""
        self.wait(lambda: "READY=1" in self.listen(), "READY")
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; gives the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for item in (self.link, self.out, self.err):
            item.close()


def config(source: str = "watch:in", extra: str = "") -> str:
    return (
        f'model = "colors.tflite"\nsource = "{source}"\nstate_folder = "state"\n{extra}\n'
        '[[sink]]\ntype = "jsonl"\n'
    )


def put(folder: Path, color: str, name: str) -> None:
    """A photo that appears whole, as `mv` into the folder makes it."""
    made = write_photo(folder / "made", color, name)
    made.rename(folder / "in" / name)


def label(record: dict[str, Any]) -> str:
    text: str = record["top"][0]["label"]
    return text
