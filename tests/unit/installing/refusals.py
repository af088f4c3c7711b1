"""What the installer's tests look for after a run of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from small_bundle import (
    run_installer,
)


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> str:
    """The one sentence of a refusal."""
    assert done.returncode == code, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    for word in words:
        assert word in line
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return line


def listed(prefix: Path, folder: Path) -> dict[str, object]:
    record: dict[str, object] = json.loads(
        run_installer(folder, "--list", "--json", "--prefix", prefix).stdout
    )
    return record


def left_over(prefix: Path) -> list[Path]:
    return list(prefix.rglob(".partial-*"))
