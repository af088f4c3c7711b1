"""What a bundle weighs, and how long its installer takes on an emulated device."""

from __future__ import annotations

import tarfile
import tempfile
import time
from pathlib import Path

from edge_deploy.bundles.bundling import Bundle, bundle
from tests.emulated.rootfs import BOOKWORM, BOOKWORM_ARMHF, TRIXIE, MissingError
from tests.emulated.user_mode import A7, A53, A76, EmulatedPython

from .measuring import Row, left_out, say
from .subjects import Subjects

_LARGEST_MB, _LARGEST_INSTALLED_MB, _LONGEST_S = 35.0, 85.0, 10.0
_MACHINES = {
    "rpi-bookworm": EmulatedPython(BOOKWORM, A53),
    "rpi-trixie": EmulatedPython(TRIXIE, A76),
    "rpi-bookworm-armv7": EmulatedPython(BOOKWORM_ARMHF, A7),
}


def install_rows(subjects: Subjects) -> list[Row]:
    """Bundles of the sample model for all targets; its own size is left out."""
    model = subjects.model(subjects.digits, "int8")
    rows = []
    for target, machine in _MACHINES.items():
        say(f"bundle for {target}")
        with tempfile.TemporaryDirectory(dir=subjects.folder) as folder:
            made = bundle(model, target, Path(folder), name="digits")
            size = made.manifest["model"]["size_bytes"]
            rows += [
                _row(f"bundle, {target}", "MB without the model",
                     [(made.size_bytes - size) / 1e6], _LARGEST_MB, " MB"),
                _row(f"installed, {target}", "MB without the model",
                     [(made.installed_bytes - size) / 1e6], _LARGEST_INSTALLED_MB, " MB"),
            ]  # fmt: skip
            name, what = f"install, {target}", f"seconds, {machine.core.name}, user mode"
            try:
                seconds = _install(machine, made, Path(folder), 1 if subjects.quick else 3)
            except MissingError as error:
                rows.append(left_out(name, what, str(error)))
                continue
            rows.append(_row(name, what, seconds, _LONGEST_S, " s"))
    return rows


def _row(name: str, what: str, values: list[float], limit: float, unit: str) -> Row:
    middle = sorted(values)[len(values) // 2]
    return Row(name, what, tuple(values), f"<= {limit:g}", middle <= limit, unit=unit)


def _install(machine: EmulatedPython, made: Bundle, folder: Path, times: int) -> list[float]:
    """The installer with its self-test, each time to a new place."""
    with tarfile.open(made.path) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    machine.interpreter()  # made before the clock runs
    seconds = []
    for number in range(times):
        command = [unpacked / "install.py", "--prefix", folder / str(number), "--no-service"]
        begun = time.perf_counter()
        done = machine.run(command, site=False)
        seconds.append(time.perf_counter() - begun)
        if done.returncode:
            raise SystemExit(f"the installer ended with {done.returncode}: {done.stderr[-2000:]}")
    return seconds
