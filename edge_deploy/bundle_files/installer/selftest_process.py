"""A version's runner in a process of its own: above all its self-test."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .refusal import DAMAGED, Refusal, say

SELFTEST_SECONDS = 900
CHUNK = 1 << 16


@dataclass(frozen=True)
class Done:
    """How a runner ended: what it printed, its last line on stderr, its exit code, or signal."""

    said: bytes
    complaint: str
    code: int | None
    killed_by: str


def selftest(folder: Path) -> dict[str, Any]:
    """Run a version's self-test in a process of its own; raises `Refusal` where it fails."""
    try:
        done = run_runner(folder, ["selftest", str(folder), "--json"], SELFTEST_SECONDS)
    except TimeoutError:
        raise Refusal(DAMAGED, f"the self-test gave no answer in {SELFTEST_SECONDS} s") from None
    try:
        report: dict[str, Any] = json.loads(done.said)
        failed = [check["name"] for check in report["checks"] if not check["passed"]]
    except (ValueError, KeyError, TypeError):
        report, failed = {}, []
    if done.code == 0 and report and not failed:
        say(f"self-test: all {len(report['checks'])} answers agree")
        return report
    if done.killed_by:
        why = f"it was killed by {done.killed_by}"
    elif failed:
        why = f"wrong: {', '.join(failed)}"
    else:
        why = done.complaint or "it said nothing"
    raise Refusal(
        DAMAGED,
        f"the self-test failed on this device ({why}); nothing was changed, and what ran before "
        "still runs",
    )


def run_runner(folder: Path, arguments: list[str], seconds: float) -> Done:
    """Run a version's runner in a process of its own; raises `TimeoutError`."""
    with tempfile.TemporaryFile(dir=folder) as errors:
        said, status = _run(folder, arguments, errors, seconds)
        errors.seek(0)
        complaints = errors.read().decode("utf-8", "replace").splitlines()
    lines = [line for line in complaints if line.strip()]
    return Done(
        said,
        lines[-1].replace("Error: ", "", 1) if lines else "",
        os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "",
    )


def _run(
    folder: Path, arguments: list[str], errors: IO[bytes], seconds: float
) -> tuple[bytes, int]:  # fmt: skip
    """What the runner prints, and how it ended."""
    reading, output = os.pipe()
    child = os.fork()
    if child == 0:
        _become_runner(folder, arguments, output, errors.fileno())
    os.close(output)
    try:
        said = _read_until(reading, time.monotonic() + seconds)
        if said is None:
            raise TimeoutError
        _, status = os.waitpid(child, 0)
        child = 0
        return said, status
    finally:
        os.close(reading)
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _become_runner(folder: Path, arguments: list[str], output: int, errors: int) -> None:
    """Become the runner: forked, not started, so that it needs no program but this one."""
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
        sys.stderr = open(2, "w", 1, encoding="utf-8", closefd=False)  # noqa: SIM115
        from edge_deploy_runner.__main__ import main as runner

        code = runner(arguments)
        sys.stdout.flush()
    except BaseException as error:
        say(f"the runner cannot be started: {type(error).__name__}: {error}")
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
