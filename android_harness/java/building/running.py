"""Running the programs that a build needs, with no trace of who runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .errors import BuildError, MissingToolError

_LAST_LINES = 12


def find_program(name: str, package: str) -> Path:
    """Where a program is on PATH; `package` is the apt package that has it."""
    found = shutil.which(name)
    if found is None:
        raise MissingToolError(f"{name} is not installed; install it: apt-get install {package}")
    return Path(found)


def run(argv: Sequence[str | Path], *, folder: Path | None = None) -> str:
    """Run a program in a neutral locale and time zone; returns what it printed on both channels."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    # Options of the user's own would change what is built, and print a line about themselves.
    for name in ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVAC_OPTIONS"):
        environment.pop(name, None)
    command = [os.fspath(argument) for argument in argv]
    result = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
    )  # fmt: skip
    if result.returncode != 0:
        words = "\n".join(result.stdout.strip().splitlines()[-_LAST_LINES:])
        program = Path(command[0]).name
        raise BuildError(f"{program} ended with exit code {result.returncode}:\n{words}")
    return result.stdout
