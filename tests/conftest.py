"""Fixtures that several test folders share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ROOT / "assets"
SHARED_MODELS = ROOT.parent / "shared" / "models"

# Under nohup, or started with `&`, they are ignored, and children inherit that: they would not be
# stopped as tests expect.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
# pytest-xdist gives its workers 80 columns; without a terminal there are as many as ever.
os.environ.pop("COLUMNS", None)
# A developer's own device files stay out.
os.environ["EDGE_DEPLOY_DEVICES"] = str(ROOT / "no devices of one's own")


def required(suite: str) -> bool:
    """Whether EDGE_DEPLOY_REQUIRE turns this suite's skips into failures."""
    return suite in os.environ.get("EDGE_DEPLOY_REQUIRE", "").split(",")


def skip_or_fail(suite: str, reason: str) -> None:
    """Skip the running test, or fail it where its suite is required."""
    __tracebackhide__ = True
    if required(suite):
        pytest.fail(f"{reason} (EDGE_DEPLOY_REQUIRE names {suite!r})")
    skipped = pytest.skip.Exception(reason)
    # Its suite was named and is not required; the test's folder does not matter.
    skipped.is_spared = True  # type: ignore[attr-defined]
    raise skipped


# Folders of suites; whatever else there is belongs to the pipeline.
_SUITES = ("android", "emulated", "hardware")


def _suite_of(node: pytest.Item | pytest.Collector) -> str:
    if node.get_closest_marker("needs_shared"):
        return "shared"
    folder = node.path.relative_to(ROOT / "tests").parts[:1]
    return folder[0] if folder and folder[0] in _SUITES else "pipeline"


def _fail_if_required(report: pytest.TestReport | pytest.CollectReport, suite: str) -> None:
    if required(suite):
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{reason} (EDGE_DEPLOY_REQUIRE names {suite!r})"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Whatever skips a test, it fails where EDGE_DEPLOY_REQUIRE names its suite."""
    report = yield
    spared = call.excinfo is not None and hasattr(call.excinfo.value, "is_spared")
    if report.skipped and not hasattr(report, "wasxfail") and not spared:
        _fail_if_required(report, _suite_of(item))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A file that skips as a whole, as `pytest.importorskip` has it, fails in the same way."""
    report = yield
    if report.skipped:
        _fail_if_required(report, _suite_of(collector))
    return report


def pytest_runtest_setup(item: pytest.Item) -> None:
    """The project's neighbour, which a clone need not have, is a suite of its own: "shared"."""
    if item.get_closest_marker("needs_shared") and not SHARED_MODELS.is_dir():
        skip_or_fail("shared", "the shared models are not beside the project")


def edge_deploy(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the real command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "edge_deploy", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )


def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all of pytest-xdist's workers share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


def _once(folder: Path, command: list[str]) -> Path:
    """Run a command that fills a folder and ends with a file `done` in it; once for all workers."""
    try:
        folder.mkdir()
    except FileExistsError:
        for _ in range(3000):
            if (folder / "done").exists() or (folder / "failed").exists():
                break
            time.sleep(0.1)
    else:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            (folder / "failed").write_text(result.stderr[-4000:])
        else:
            (folder / "done").touch()
    if (folder / "failed").exists():
        pytest.fail(f"{' '.join(command)} failed:\n{(folder / 'failed').read_text()}")
    return folder


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model in every source format (see make_sources.py)."""
    folder = _shared(tmp_path_factory) / "sources"
    return _once(folder, [sys.executable, str(ROOT / "tests" / "make_sources.py"), str(folder)])


@pytest.fixture(scope="session")
def digits_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample digits network in all eight recipes."""
    folder = _shared(tmp_path_factory) / "digits"
    command = [
        *(sys.executable, "-m", "edge_deploy", "convert"),
        str(ASSETS / "digits_mobilenet_v2.keras"),
        *("-o", str(folder), "-r", "all", "--preprocess", "mobilenet"),
        *("--calibration", str(ASSETS / "digits_calibration.npz")),
        *("--labels", str(ASSETS / "digits_labels.txt")),
    ]
    return _once(folder, command)
