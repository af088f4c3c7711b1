"""Two sides of a ratio, run in turn, and what a process tree took at most."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
BENCH = Path(__file__).resolve().parent
SHARED_MODELS = ROOT.parent / "shared" / "models"
# Of this interpreter's own environment, without following its link out of it.
SCRIPTS = Path(sys.executable).parent
_SAMPLING_S = 0.05
_MOST_OUTPUT = 2000
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


@dataclass(frozen=True)
class Row:
    """One line of the table. `values`: what each pair of runs gave, raw."""

    name: str
    what: str
    values: tuple[float, ...]
    bound: str
    inside: bool | None
    unit: str = "x"
    note: str = ""

    @property
    def middle(self) -> float:
        """The median of the values."""
        return median(self.values)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "what": self.what,
            "median": self.middle if self.values else None,
            "values": list(self.values),
            "unit": self.unit,
            "bound": self.bound,
            "inside": self.inside,
            "note": self.note,
        }


def at_most(
    name: str, what: str, values: Sequence[float], limit: float, note: str = ""
) -> Row:  # fmt: skip
    """A ratio whose median must not be larger than `limit`."""
    return Row(name, what, tuple(values), f"<= {limit:g}", median(values) <= limit, note=note)


def left_out(name: str, what: str, reason: str) -> Row:
    """A row that could not be measured here."""
    return Row(name, what, (), "", None, note=f"left out: {reason}")


def say(text: str) -> None:
    """Progress, on stderr."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def interleaved(
    a: Callable[[], float], b: Callable[[], float], pairs: int, what: str = ""
) -> list[tuple[float, float]]:
    """`pairs` pairs of figures; which side goes first alternates."""
    found = []
    for number in range(pairs):
        if number % 2 == 0:
            first = a()
            second = b()
        else:
            second = b()
            first = a()
        found.append((first, second))
        if what:
            say(f"{what}, pair {number + 1} of {pairs}: {first:.3f} / {second:.3f}")
    return found


def ratios(pairs: Sequence[tuple[float, float]]) -> list[float]:
    """The first figure of each pair over the second."""
    return [first / second for first, second in pairs]


def medians(pairs: Sequence[tuple[float, float]], unit: str = "s", digits: int = 2) -> str:
    """Both sides' medians, for the note."""
    first, second = (median(side) for side in zip(*pairs, strict=True))
    return f"{first:.{digits}f} / {second:.{digits}f} {unit}"


def quiet_environment() -> dict[str, str]:
    """The environment of both sides: the same switches for TensorFlow, and no accelerator.

    Modules may be kept as bytecode, as those of an installed package are.
    """
    kept = {name: value for name, value in os.environ.items() if name != _NO_BYTECODE}
    return {
        **kept,
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "CUDA_VISIBLE_DEVICES": "-1",
    }


def seconds_of(command: Sequence[str | Path]) -> float:
    """The wall time of a command; a failure ends the bench with what it said."""
    begun = time.perf_counter()
    child = subprocess.run(
        [str(part) for part in command],
        env=quiet_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    seconds = time.perf_counter() - begun
    if child.returncode:
        raise SystemExit(_failure(command, child.returncode, child.stderr))
    return seconds


@dataclass(frozen=True)
class Peak:
    """Peak memory of a process tree in bytes.

    `pss`: a page that several processes share is counted once; but where a stranger shares it too
    (another TensorFlow on the machine), a part of it is not counted at all. `rss`: strangers have
    no part in it, but what is shared inside the tree counts twice. `largest`: the largest process
    alone, resident set.
    """

    pss: int
    rss: int
    largest: int


def peak_of(command: Sequence[str | Path]) -> Peak:
    """The peak memory of a command and all its children, sampled some 20 times a second.

    What lies between two samples is missed, on both sides alike.
    """
    child = subprocess.Popen(
        [str(part) for part in command],
        env=quiet_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert child.stderr is not None
    os.set_blocking(child.stderr.fileno(), False)
    root = psutil.Process(child.pid)
    pss = rss = largest = 0
    said = b""
    while child.poll() is None:
        begun = time.perf_counter()
        sizes = [_sizes(process) for process in _family(root)]
        pss = max(pss, sum(size for size, _ in sizes))
        rss = max(rss, sum(size for _, size in sizes))
        largest = max([largest, *(size for _, size in sizes)])
        said = (said + (child.stderr.read() or b""))[-_MOST_OUTPUT:]
        time.sleep(max(0.0, _SAMPLING_S - (time.perf_counter() - begun)))
    if child.returncode:
        raise SystemExit(_failure(command, child.returncode, said))
    return Peak(pss, rss, largest)


def _family(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def _sizes(process: psutil.Process) -> tuple[int, int]:
    """PSS and RSS."""
    try:
        found = process.memory_full_info()
        return int(found.pss), int(found.rss)
    except (psutil.Error, AttributeError):  # it has ended, or this system has no PSS
        return 0, 0


def _failure(command: Sequence[str | Path], code: int, said: bytes) -> str:
    words = said[-_MOST_OUTPUT:].decode("utf-8", "replace")
    return f"{' '.join(map(str, command))} ended with {code}:\n{words}"
