"""A latency gate that passes at one limit and fails at another, every time.

The machine's clock goes on with its instructions, so that its milliseconds repeat however busy this
computer is. They are the milliseconds of no board.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import edge_deploy

from .machine import Machine

pytestmark = pytest.mark.xdist_group("machine")

# Far wider than what two runs differ by, far closer than a real clock under load could tell.
MARGIN = 0.03


def profile(machine: Machine, model: Path, out: Path, *options: str | Path) -> int:
    arguments = ("--runs", "30", "--seconds", "0.2", "--no-operators", "-o", out, *options)
    done = edge_deploy(
        *("profile", model, "--device", machine.target(), *arguments), env=machine.environment()
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode


def gate(folder: Path, limit_ms: float) -> Path:
    path = folder / f"{limit_ms:.6f}.toml"
    path.write_text(
        f'allow = ["simulated"]\n[limits]\nlatency_p50 = "{limit_ms:.6f} ms"\n'
        f'latency_p90 = "{limit_ms:.6f} ms"\n[optimize]\nmetric = "size"\n'
    )
    return path


def test_the_gate_holds_at_three_per_cent(
    counted_pi: Machine, digits_models: Path, tmp_path: Path
) -> None:
    model = digits_models / "digits_mobilenet_v2_int8.tflite"
    files = [tmp_path / "first.json", tmp_path / "second.json"]
    assert profile(counted_pi, model, files[0]) == 0
    first = json.loads(files[0].read_text())
    p50, p90 = first["latency_ms"]["p50"], first["latency_ms"]["p90"]
    assert first["evidence"] == "simulated"
    assert p90 < p50 * (1 + MARGIN / 2)

    # Another run, judged by limits that lie just above and just below the first one's.
    above, below = gate(tmp_path, p50 * (1 + MARGIN)), gate(tmp_path, p50 * (1 - MARGIN))
    assert profile(counted_pi, model, files[1], "--budget", above) == 0
    again = json.loads(files[1].read_text())["latency_ms"]["p50"]
    judged = edge_deploy("judge", files[1], "--budget", below, "--json")
    assert judged.returncode == 1, judged.stderr
    checks = json.loads(judged.stdout)["checks"]
    assert [check["status"] for check in checks] == ["fail", "fail"]
    spread = max(p50, again) / min(p50, again) - 1
    print(f"simulated p50 {p50:.4f} and {again:.4f} ms, spread {spread:.4%}; p90 {p90:.4f} ms")
    assert spread < MARGIN / 10
