"""What a command answers about hardware."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conftest import edge_deploy


def answer(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
    """The JSON that a command prints; its exit code is `code`."""
    done = edge_deploy(*arguments, "--json")
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
