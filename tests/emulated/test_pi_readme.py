"""The README's way to a Raspberry Pi, walked on the emulated one."""

from __future__ import annotations

from pathlib import Path

import pytest
from readme import README

from .machine import Machine
from .pi_readme import run_all

pytestmark = [pytest.mark.xdist_group("machine"), pytest.mark.timeout(1800)]


def test_the_way_to_a_pi(prepared_pi: Machine, digits_models: Path, tmp_path: Path) -> None:
    blocks = run_all(README.read_text("utf-8"), prepared_pi, digits_models, tmp_path)
    for command, done in (pair for block in blocks for pair in block):
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    said = "".join(done.stdout for block in blocks for _, done in block)
    assert "QEMU's virt board" in said  # the doctor knows what it looks at
    assert "verdict: pass" in said
    assert "simulated" in said
    assert "is active" in said
    assert '"label": "7"' in said
