"""A killed or interrupted conversion leaves no process, no temporary file and no half output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ASSETS

pytestmark = [
    pytest.mark.xdist_group("tensorflow"),
    pytest.mark.skipif(os.name == "nt", reason="conversions are not supported on Windows"),
]


def _start(tmp_path: Path) -> subprocess.Popen[bytes]:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "edge_deploy", "convert"),
            str(ASSETS / "digits_mobilenet_v2.keras"),
            *("-o", str(tmp_path / "out"), "-r", "all", "--preprocess", "mobilenet"),
            *("--calibration", str(ASSETS / "digits_calibration.npz")),
        ],
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        # A shell that runs the tests in the background has it ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


def _children(parent: int) -> list[int]:
    """Front ends whose work folder belongs to `parent`."""
    found = []
    for status in Path("/proc").glob("[0-9]*/environ"):
        try:
            text = status.read_bytes()
        except OSError:
            continue
        if f"edge-deploy-convert-{parent}-".encode() in text:
            found.append(int(status.parent.name))
    return found


def _wait(until, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not (found := until()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(found)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the children in /proc")
@pytest.mark.parametrize("delay", [0.3, 2.5])
def test_killed_in_the_middle(tmp_path: Path, delay: float) -> None:
    process = _start(tmp_path)
    assert _wait(lambda: _children(process.pid), 90), "no front end began"
    time.sleep(delay)
    process.kill()
    process.wait()
    assert _wait(lambda: not _children(process.pid)), "the front end outlived its parent"
    assert _wait(lambda: not list((tmp_path / "tmp").iterdir())), "temporary files are left"
    leftovers = [p for p in (tmp_path / "out").iterdir() if p.suffix == ".tflite"]
    for path in leftovers:  # what was finished before the kill is whole
        assert path.read_bytes()[4:8] == b"TFL3"


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the children in /proc")
def test_interrupted_by_the_user(tmp_path: Path) -> None:
    process = _start(tmp_path)
    assert _wait(lambda: _children(process.pid), 90), "no front end began"
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert b"Traceback" not in stderr
    assert not _children(process.pid)
    assert _wait(lambda: not list((tmp_path / "tmp").iterdir()))


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the children in /proc")
@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_stopped_by_another_program(tmp_path: Path, how: signal.Signals, code: int) -> None:
    process = _start(tmp_path)
    assert _wait(lambda: _children(process.pid), 90), "no front end began"
    time.sleep(1)
    process.send_signal(how)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == code
    assert b"Traceback" not in stderr
    assert not _children(process.pid)
    assert _wait(lambda: not list((tmp_path / "tmp").iterdir()))


def _ended(program: str) -> tuple[int, bytes]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    return done.returncode, done.stdout


_MAIN = """
import os, signal, sys, edge_deploy.cli as c, edge_deploy.cli.devices as d
sys.argv = ["edge-deploy", "devices"]
def body(**_):
    %s
d.command.callback = body
c.main()
"""


def test_a_signal_that_is_ignored_stays_so() -> None:
    code = "os.kill(os.getpid(), signal.SIGHUP); print('went on')"
    program = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + _MAIN % code
    assert _ended(program) == (0, b"went on\n")


def test_cleaning_up_is_not_stopped_by_a_second_signal() -> None:
    code = (
        "try: os.kill(os.getpid(), signal.SIGHUP)\n"
        "    finally: os.kill(os.getpid(), signal.SIGTERM); print('cleaned up')"
    )
    assert _ended(_MAIN % code) == (129, b"cleaned up\n")


def test_a_forked_child_dies_of_the_signal_and_cleans_up_nothing() -> None:
    code = (
        "child = os.fork()\n"
        "    if child == 0:\n"
        "        try: os.kill(os.getpid(), signal.SIGTERM)\n"
        "        finally: print('not ours', flush=True)\n"
        "    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert _ended(_MAIN % code) == (0, b"-15\n")


def test_a_later_run_clears_what_a_dead_one_left(tmp_path: Path) -> None:
    from edge_deploy_converters.frontend import clear_stale_work
    from edge_deploy_runner.output import check_folder

    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    part = tmp_path / f".edge-deploy-{dead.pid}-x.part"
    mine = tmp_path / f".edge-deploy-{os.getpid()}-x.part"
    part.touch()
    mine.touch()
    check_folder(tmp_path)
    assert not part.exists()
    assert mine.exists()
    import tempfile

    stale = Path(tempfile.gettempdir()) / f"edge-deploy-convert-{dead.pid}-test"
    stale.mkdir()
    clear_stale_work()
    assert not stale.exists()
