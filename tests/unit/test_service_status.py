"""The status file and the journal."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from edge_deploy_runner.service import status as service_status
from edge_deploy_runner.service.status import Journal, Status, write_status


def test_a_status_says_what_happened(tmp_path: Path) -> None:
    status = Status(state="running", frames=3, dropped=2, errors=1, last_error="bad")
    assert status.p50_ms() is None
    status.latencies_ns.extend([1_000_000, 9_000_000, 2_000_000])
    write_status(tmp_path / "state", status)
    record = json.loads((tmp_path / "state" / "status.json").read_text())
    assert record["format"] == "edge-deploy service status"
    assert (record["frames"], record["dropped"], record["last_error"]) == (3, 2, "bad")
    assert record["latency_ms"] == {"p50": 2.0, "frames": 3}
    assert record["memory_bytes"] > 10_000_000
    assert record["uptime_s"] >= 0
    assert status.words() == "running: 3 frames, 2 dropped, 1 errors, 2.0 ms"
    assert Status().words() == "starting: 0 frames"


def test_a_full_disk_leaves_the_old_status_whole(tmp_path: Path) -> None:
    write_status(tmp_path, Status(frames=1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_status(tmp_path, Status(frames=2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]
    assert json.loads((tmp_path / "status.json").read_text())["frames"] == 1


def test_the_same_sentence_is_told_once_a_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(service_status.time, "monotonic", lambda: now[0])
    journal = Journal()
    for _ in range(100):
        journal.trouble("the camera\nis gone")
    journal.trouble("another")
    assert capsys.readouterr().err == "the camera is gone\nanother\n"
    now[0] += 61
    journal.trouble("the camera\nis gone")
    assert capsys.readouterr().err == "the camera is gone\n"


def test_memory_grows_with_what_is_held() -> None:
    """In a process of its own: a large one gives out again what it had given back."""
    script = (
        "from edge_deploy_runner.service.status import resident_bytes\n"
        "before = resident_bytes()\n"
        "held = bytearray(b'x' * 50_000_000)\n"
        "print(resident_bytes() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert 40_000_000 < int(done.stdout) < 150_000_000
