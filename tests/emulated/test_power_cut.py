"""The plug is pulled in the middle of an install, again and again: the machine always serves."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .device_commands import (
    FOLDER,
    answer,
    current,
    installed,
    on,
    start_install,
    wait_for_service,
)
from .machine import Machine

pytestmark = pytest.mark.xdist_group("machine")

SEED = 20
FILES = 400  # fewer than a bundle has


def while_copying(machine: Machine, files: int) -> Callable[[subprocess.Popen[str]], None]:
    """Once that many files of the new version lie on the disk or in the kernel's memory."""

    def wait(_install: subprocess.Popen[str]) -> None:
        count = f"find {FOLDER}/versions -mindepth 2 -not -path '*/0001-*' -type f | wc -l"
        machine.run(f"until test $({count}) -ge {files}; do :; done")

    return wait


def once_it_says(words: str) -> Callable[[subprocess.Popen[str]], None]:
    """As soon as the installer has said these words."""

    def wait(install: subprocess.Popen[str]) -> None:
        assert install.stderr is not None
        said = []
        for line in install.stderr:
            said.append(line)
            if words in line:
                return
        pytest.fail(f"it never said {words!r}: {''.join(said)}")

    return wait


def check_disk(machine: Machine, folder: Path) -> None:
    """What the disk's own repair program says once the journal has been played back."""
    copy = folder / "disk.raw"
    convert = ["qemu-img", "convert", "-O", "raw", str(machine.disk), str(copy)]
    subprocess.run(convert, check=True)
    # Mounting plays the journal back; then not a single repair may be left to do.
    subprocess.run(
        ["e2fsck", "-E", "journal_only", "-y", str(copy)], capture_output=True, check=False
    )
    found = subprocess.run(
        ["e2fsck", "-f", "-n", str(copy)], capture_output=True, text=True, check=False
    )
    copy.unlink()
    assert found.returncode == 0, found.stdout


def test_pulling_the_plug_in_an_install_never_costs_the_service(
    installed_pi: Machine,
    first_install: dict[str, Any],
    bundles: dict[str, Path],
    photo: Path,
    tmp_path: Path,
) -> None:
    machine, old = installed_pi, first_install["version"]
    cuts = [
        while_copying(machine, random.Random(SEED).randint(1, FILES)),
        once_it_says("elf-test"),
    ]
    for number, wait in enumerate(cuts):
        install = start_install(machine, bundles["second"])
        wait(install)
        machine.pull_the_plug()
        said = install.communicate(timeout=120)[1]
        assert install.returncode == 5, said
        assert "Traceback" not in said
        if number == 0:
            check_disk(machine, tmp_path)
        machine.start()
        wait_for_service(machine)
        assert current(machine) == old
    assert answer(machine, photo, "after.png")["top"][0]["label"] == "9"

    # Around the swap either version may be current, but one that is whole.
    install = start_install(machine, bundles["second"])
    once_it_says("tarting edge-deploy")(install)
    machine.pull_the_plug()
    install.communicate(timeout=120)
    machine.start()
    wait_for_service(machine)
    assert current(machine) in machine.text(f"ls {FOLDER}/versions").split()

    done = installed(on(machine, "install", bundles["second"], "--json"))
    assert done["service"]["state"] == "active"
    assert current(machine) == done["version"] != old
    versions = machine.text(f"ls -A {FOLDER}/versions").split()
    assert all(name[0].isdigit() for name in versions), versions
    assert answer(machine, photo, "at-last.png")["top"][0]["label"] == "9"
