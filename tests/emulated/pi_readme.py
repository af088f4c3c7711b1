"""The README's Raspberry Pi examples on the emulated Pi.

`cd tests && python -m emulated.pi_readme MODELS`, a folder with the digits model's recipes.

It writes their output anew. Blocks of the kind `shell-session` hold commands, each with what it
printed; `raspberrypi.local` is the emulated machine, by an ssh config as a user could write it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from readme import README, prepare, tidy

from .machine import Machine, running
from .machine_image import machine_image

_BLOCK = re.compile(r"```shell-session\n(.*?)```\n", re.DOTALL)
_HOST = "raspberrypi.local"


def commands(text: str) -> list[list[str]]:
    """The commands of each block, in order."""
    return [
        [line[2:] for line in block.splitlines() if line.startswith("$ ")]
        for block in _BLOCK.findall(text)
    ]


def with_alias(machine: Machine, folder: Path) -> dict[str, str]:
    """An environment whose `ssh` and `scp` know the machine as `raspberrypi.local`."""
    config = folder / "ssh_config"
    alias = f"Host {_HOST}\n  HostName 127.0.0.1\n  Port {machine.port}\nHost *\n"
    config.write_text(alias + (machine.folder / "ssh_config").read_text())
    binary = folder / "bin"
    binary.mkdir()
    for name in ("ssh", "scp"):
        found = shutil.which(name)
        assert found is not None
        (binary / name).write_text(f'#!/bin/sh\nexec {found} -F {config} "$@"\n')
        (binary / name).chmod(0o755)
    places = [str(binary), str(Path(sys.executable).parent), os.environ["PATH"]]
    return {**os.environ, "PATH": os.pathsep.join(places)}


def run_all(
    text: str, machine: Machine, models: Path, folder: Path
) -> list[list[tuple[str, subprocess.CompletedProcess[str]]]]:
    """Run the commands of all blocks in `folder`, where `out` holds the models."""
    prepare(folder)
    shutil.copytree(models, folder / "out")
    environment = with_alias(machine, folder)
    return [
        [
            (
                command,
                subprocess.run(
                    ["bash", "-c", f"set -o pipefail; {command}"],
                    cwd=folder, env=environment, capture_output=True, text=True, check=False,
                ),
            )
            for command in block
        ]
        for block in commands(text)
    ]  # fmt: skip


def main() -> None:
    """Write the README with fresh output; the first argument is a folder with the models."""
    text = README.read_text("utf-8")
    with (
        tempfile.TemporaryDirectory() as name,
        tempfile.TemporaryDirectory() as place,
        running(Machine(machine_image(), Path(place))) as machine,
    ):
        done = iter(run_all(text, machine, Path(sys.argv[1]), Path(name)))

        def fresh(_: re.Match[str]) -> str:
            lines = []
            for command, result in next(done):
                if result.returncode != 0:
                    sys.exit(f"{command}\nended with {result.returncode}: {result.stderr}")
                lines += [f"$ {command}", *tidy(result.stdout).splitlines()]
            return "```shell-session\n" + "\n".join(lines) + "\n```\n"

        README.write_text(_BLOCK.sub(fresh, text), "utf-8")


if __name__ == "__main__":
    main()
