"""`profile --device android` against the harness's own time: what push, start and pull cost.

The phone is the tests' fake one, on this machine, through a real adb: its times are simulated.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from unittest import mock

from edge_deploy_android.measuring import AndroidOptions
from edge_deploy_runner.bench.run_spec import RunSpec

from edge_deploy.profiling import profile

from .measuring import ROOT, Row, interleaved, left_out, medians, say
from .subjects import Subjects

sys.path.insert(0, str(ROOT / "tests"))
from android.fake_device.adb_server import adb_server
from android.fake_device.desktop import desktop_libraries
from android.fake_device.phone import fake_phone, missing

_MOST_SECONDS = 5.0
_SPEC = RunSpec(min_runs=20, min_seconds=0.5, max_seconds=5.0)
_WHAT = "fake phone, nothing there yet - here"


def adb_rows(subjects: Subjects) -> list[Row]:
    """Seconds that adb, pushing all files, starting the harness and fetching the answer add."""
    reason = missing()
    if reason:
        return [left_out("profile over adb", _WHAT, reason)]
    rows = []
    with _phone(subjects.folder / "phone"):
        for subject in subjects.both:
            say(f"profile over adb, {subject.name}")
            model = subjects.model(subject, "int8")
            # The fake phone turns each dex file into class files once, which no phone does.
            profile(model, device="android", spec=_SPEC)
            pairs = interleaved(
                lambda m=model: _profile(m, "android"),
                lambda m=model: _profile(m, "local"),
                3 if subjects.quick else 9,
            )
            values = tuple(first - second for first, second in pairs)
            rows.append(
                Row(
                    f"profile over adb, {subject.name} int8",
                    _WHAT,
                    values,
                    f"<= {_MOST_SECONDS:g}s",
                    median(values) <= _MOST_SECONDS,
                    "s",
                    medians(pairs),
                )
            )
    return rows


@contextmanager
def _phone(folder: Path) -> Iterator[None]:
    home, desktop = folder / "home", folder / "desktop"
    home.mkdir(parents=True)
    desktop.mkdir()
    desktop_libraries(desktop)
    with adb_server(home) as server, fake_phone(
        server, cache=folder / "cache", desktop=desktop
    ) as phone, mock.patch.dict("os.environ", dict(phone.environment)):  # fmt: skip
        yield


def _profile(model: Path, device: str) -> float:
    options = AndroidOptions() if device == "android" else None
    begun = time.perf_counter()
    profile(model, device=device, spec=_SPEC, android=options)
    return time.perf_counter() - begun
