"""The self-test of a version, in a process of its own."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from .refusal import DAMAGED, Refusal, say

SELFTEST_SECONDS = 900
CHUNK = 1 << 16


def selftest(folder: Path) -> dict[str, Any]:
    """Run a version's self-test in a process of its own; raises `Refusal` where it fails."""
    with tempfile.TemporaryFile(dir=folder) as errors:
        said, status = _run(folder, errors)
        errors.seek(0)
        complaints = errors.read().decode("utf-8", "replace").splitlines()
    try:
        report: dict[str, Any] = json.loads(said)
        failed = [check["name"] for check in report["checks"] if not check["passed"]]
    except (ValueError, KeyError, TypeError):
        report, failed = {}, []
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0 and report and not failed:
        say(f"self-test: all {len(report['checks'])} answers agree")
        return report
    if os.WIFSIGNALED(status):
        why = f"it was killed by {signal.Signals(os.WTERMSIG(status)).name}"
    elif failed:
        why = f"wrong: {', '.join(failed)}"
    else:
        lines = [line for line in complaints if line.strip()]
        why = lines[-1].replace("Error: ", "", 1) if lines else "it said nothing"
    raise Refusal(
        DAMAGED,
        f"the self-test failed on this device ({why}); nothing was changed, and what ran before "
        "still runs",
    )


def _run(folder: Path, errors: IO[bytes]) -> tuple[bytes, int]:
    """What the self-test prints, and how it ended."""
    reading, output = os.pipe()
    child = os.fork()
    if child == 0:
        _become_selftest(folder, output, errors.fileno())
    os.close(output)
    try:
        said = _read_until(reading, time.monotonic() + SELFTEST_SECONDS)
        if said is None:
            raise Refusal(DAMAGED, f"the self-test gave no answer in {SELFTEST_SECONDS} s")
        _, status = os.waitpid(child, 0)
        child = 0
        return said, status
    finally:
        os.close(reading)
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _become_selftest(folder: Path, output: int, errors: int) -> None:
    """Become the self-test: forked, not started, so that it needs no program but this one."""
    code = 70
    try:
        os.dup2(output, 1)
        os.dup2(errors, 2)
        os.closerange(3, 1024)  # the lock as well: it is the installer's alone
        paths = [str(folder / "runner"), str(folder / "site")]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
        os.environ["PYTHONNOUSERSITE"] = "1"
        sys.path[:0] = paths
        # The modules are compiled here, once; the service may not write into its folder.
        sys.dont_write_bytecode = False
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        from edge_deploy_runner.__main__ import main as runner

        code = runner(["selftest", str(folder), "--json"])
        sys.stdout.flush()
    except BaseException as error:
        say(f"the self-test cannot run: {type(error).__name__}: {error}")
    finally:
        os._exit(code)


def _read_until(descriptor: int, deadline: float) -> bytes | None:
    """All that comes through a pipe; None where it is not closed in time."""
    said = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return None
        data = os.read(descriptor, CHUNK)
        if not data:
            return said
        said += data
