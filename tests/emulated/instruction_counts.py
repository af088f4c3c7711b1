"""Instructions that arm64 cores execute, counted exactly by a TCG plugin under QEMU's user mode.

A figure to hold against itself, build by build. It is no time: cores differ in how many
instructions they finish at once.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from .rootfs import BOOKWORM, MissingError, Userland, cached, require_programs
from .user_mode import Core, EmulatedPython, qemu_version

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "tcg_plugin" / "instructions.c"
RUNS = 3


@lru_cache
def plugin() -> Path:
    """The plugin, compiled; raises `MissingError` without a compiler or a QEMU it fits."""
    require_programs(gcc="gcc", qemu_aarch64="qemu-user")
    version = qemu_version()
    if not (5, 2) <= tuple(int(part) for part in version.split(".")[:2]) < (9, 0):
        raise MissingError(f"the plugin fits QEMU 5.2 to 8.2, and this is {version}")

    def build(folder: Path) -> None:
        flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden"]
        subprocess.run(["gcc", *flags, SOURCE, "-o", folder / "instructions.so"], check=True)

    return cached("tcg-plugin", SOURCE.read_text("utf-8"), build) / "instructions.so"


def count(
    core: Core, arguments: Sequence[str | Path], userland: Userland = BOOKWORM
) -> dict[str, int]:
    """What the plugin wrote for a run of the arm64 Python; the first count of an event stays.

    Raises `RuntimeError` with what the program said where it fails.
    """
    machine = EmulatedPython(userland, core)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "counts"
        done = machine.run(arguments, variables={"QEMU_PLUGIN": f"{plugin()},out={out}"})
        if done.returncode:
            raise RuntimeError(f"it ended with {done.returncode}: {done.stderr[-2000:]}")
        found: dict[str, int] = {}
        for line in out.read_text().splitlines():
            event, number = line.split()
            found.setdefault(event, int(number))
    return found


def per_inference(core: Core, models: Mapping[str, Path], runs: int = RUNS) -> dict[str, float]:
    """Million instructions an inference, by the models' names; one thread, default kernels."""
    marks = count(core, [HERE / "counted_inference.py", str(runs), *models.values()])
    million = {}
    for number, name in enumerate(models):
        before, begun, ended = (marks[str(3 * number + step)] for step in range(3))
        million[name] = (ended - begun - (begun - before)) / runs / 1e6
    return million


def until_answer(
    core: Core, arguments: Sequence[str | Path], userland: Userland = BOOKWORM
) -> float:
    """Million instructions from a program's start to its first write to standard output.

    It is run twice: the first run leaves the bytecode that an installed program has.
    """
    count(core, arguments, userland)
    return count(core, arguments, userland)["stdout"] / 1e6
