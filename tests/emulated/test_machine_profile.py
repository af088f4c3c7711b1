"""`edge-deploy profile` and `doctor` on a small arm64 machine with no runtime and no network."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import edge_deploy

from .device_commands import error_sentence, on
from .machine import Machine

pytestmark = pytest.mark.xdist_group("machine")

EMULATOR = "QEMU's virt board"
# What the runtime's wheels take, packed, and what a second run may need: what ssh says.
PACKED_RUNTIME_BYTES = 15e6
LITTLE_BYTES = 300e3


def received_bytes(machine: Machine) -> int:
    return int(machine.text("cat /sys/class/net/eth0/statistics/rx_bytes"))


def budget(folder: Path, **limits: str) -> Path:
    path = folder / "budget.toml"
    lines = [f'{name} = "{limit}"\n' for name, limit in limits.items()]
    path.write_text(
        f'allow = ["simulated"]\n[limits]\n{"".join(lines)}[optimize]\nmetric = "size"\n'
    )
    return path


def verdict(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["verdict"]
    return found


def test_a_machine_with_nothing_is_profiled_and_gets_the_runtime_once(
    pi: Machine, digits_models: Path, tmp_path: Path
) -> None:
    model = digits_models / "digits_mobilenet_v2_int8.tflite"
    limits = budget(tmp_path, size="900 kB", latency_p90="60 s", peak_memory="30 MB")
    before = received_bytes(pi)
    options = ("--runs", "10", "--no-operators", "--json")
    first = on(pi, "profile", model, *options, "--budget", limits)
    assert first.returncode == 0, first.stderr
    between = received_bytes(pi)
    found = json.loads(first.stdout)
    assert between - before > PACKED_RUNTIME_BYTES
    assert found["runtime"]["origin"] == "pushed"
    assert found["evidence"] == "simulated"
    assert found["device"]["emulator"] == EMULATOR
    assert found["device"]["cpu_model"] == "Cortex-A53"
    assert any("emulated" in warning for warning in found["warnings"])
    judged = verdict(first)
    assert judged["status"] == "pass"
    evidence = {check["metric"]: check["evidence"] for check in judged["checks"]}
    assert evidence == {
        "size": "measured",
        "latency_p90": "simulated",
        "peak_memory": "simulated",
    }
    # 512 MB are enough for the runtime and the model, and the figure is a believable one.
    assert 0.2e6 < found["peak_memory_bytes"] < 30e6
    assert 20e6 < found["memory"]["total_bytes"] < 200e6

    second = on(pi, "profile", model, *options)
    assert second.returncode == 0, second.stderr
    assert received_bytes(pi) - between < LITTLE_BYTES
    assert "Pushing the runner" not in second.stderr


def test_gates_fail_where_limits_are_tight_and_where_simulated_figures_are_not_allowed(
    prepared_pi: Machine, digits_models: Path, tmp_path: Path
) -> None:
    model, out = digits_models / "digits_mobilenet_v2_float32.tflite", tmp_path / "measured.json"
    limits = budget(tmp_path, size="900 kB", peak_memory="500 kB", latency_p90="60 s")
    options = ("--runs", "60", "--no-operators", "--json", "-o", out, "--budget", limits)
    done = on(prepared_pi, "profile", model, *options)
    assert done.returncode == 1, done.stderr
    status = {check["metric"]: check["status"] for check in verdict(done)["checks"]}
    assert status == {"size": "fail", "peak_memory": "fail", "latency_p90": "pass"}

    limits.write_text(limits.read_text().replace('"simulated"', ""))
    strict = edge_deploy("judge", out, "--budget", limits, "--json")
    assert strict.returncode == 1, strict.stderr
    status = {check["metric"]: check["status"] for check in json.loads(strict.stdout)["checks"]}
    assert status == {"size": "fail", "peak_memory": "unmeasured", "latency_p90": "unmeasured"}


def test_doctor_names_the_emulator(prepared_pi: Machine) -> None:
    done = on(prepared_pi, "doctor", "--json")
    document = json.loads(done.stdout)
    findings = {finding["name"]: finding for finding in document["device"]["findings"]}
    assert EMULATOR in findings["emulator"]["text"]
    assert findings["emulator"]["status"] == "warning"
    assert findings["inference"]["status"] == "ok"
    assert "memory" in findings["memory-controller"]["text"]
    assert findings["memory-controller"]["status"] == "warning"
    problems = [name for name, finding in findings.items() if finding["status"] == "problem"]
    assert not problems
    here = [
        finding for finding in document["computer"]["findings"] if finding["status"] == "problem"
    ]
    assert done.returncode == (1 if here else 0)


def test_a_disk_without_room_for_the_runtime_is_one_sentence(
    pi: Machine, digits_models: Path
) -> None:
    pi.run("fallocate -l $(($(df --output=avail -B1 / | tail -1) - 30000000)) /filler")
    model = digits_models / "digits_mobilenet_v2_int8.tflite"
    done = on(pi, "profile", model, "--no-operators")
    assert done.returncode == 5
    assert "full" in error_sentence(done)
    # Nothing half-unpacked keeps what little room there was.
    assert pi.text("ls -d /home/pi/.cache/edge-deploy/site-*/ 2>/dev/null || true") == ""
    assert int(pi.text("df --output=avail -BM / | tail -1").rstrip("M")) > 5
