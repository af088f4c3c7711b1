"""The doctor as a user meets it: on this machine, in the runner, and over a real ssh."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, edge_deploy, skip_or_fail
from edge_deploy_runner.doctor import probe
from golden_keys import check_golden
from sshd import Sshd, sshd_server  # noqa: F401 - a fixture

RUNNER = ROOT / "rpi_runner"


def runner(
    *arguments: str, python: str = sys.executable, path: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """The runner's own command line, as on a device."""
    found = f"{path}{os.pathsep}{RUNNER}" if path else str(RUNNER)
    return subprocess.run(
        [python, "-m", "edge_deploy_runner", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env={**os.environ, "PYTHONPATH": found, **environment},
    )


def by_name(findings: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {finding["name"]: finding for finding in findings}


def bare_python() -> str:
    """The interpreter that this environment was made from, without its packages."""
    found: str = getattr(sys, "_base_executable", sys.executable)
    if sys.version_info < (3, 11) and os.name != "nt":  # there it is the environment's own
        found = f"{sys.base_prefix}/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    return found


def test_this_computer() -> None:
    ended = edge_deploy("doctor", "--json", "--target", "rpi-trixie")
    document = json.loads(ended.stdout)
    assert ended.returncode == (0 if document["passed"] else 1)
    found = by_name(document["computer"]["findings"])
    for name in ("python", "libc", "numpy", "pillow", "runtime", "inference", "pip", "target"):
        assert found[name]["status"] == "ok", found[name]
    assert found["convert"]["status"] == "ok"
    assert "tensorflow" in found["convert"]["text"]
    document["computer"]["telemetry"]["temperatures_celsius"] = None
    check_golden("doctor_keys.json", document)


def test_the_words_for_a_reader() -> None:
    ended = edge_deploy("doctor")
    lines = ended.stdout.splitlines()
    assert lines[0] == "This computer"
    assert lines[-1].endswith(("warnings", "warning"))
    for line in lines[1:-2]:
        assert line.startswith(("ok ", "!  ", "x  ", "   ")), line
    for mark, mend in itertools.pairwise(lines):
        if mark.startswith(("!  ", "x  ")):
            assert mend.strip().startswith("mend: "), mark


def test_the_doctor_imports_nothing_heavy() -> None:
    code = (
        "import sys, edge_deploy_runner.commands.doctor, edge_deploy_runner.doctor.examining;"
        "heavy = {'numpy', 'PIL', 'ai_edge_litert', 'tensorflow'} & set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_the_computers_doctor_imports_nothing_heavy() -> None:
    code = (
        "import sys, edge_deploy.cli; edge_deploy.cli.run(['doctor', '--json']);"
        "heavy = {'numpy', 'tensorflow', 'ai_edge_litert', 'litert_quantizer'} & set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_the_runner_without_any_package() -> None:
    ended = runner("doctor", "--json", python=bare_python())
    document = json.loads(ended.stdout)
    check_golden("doctor_device_keys.json", {**document, "telemetry": None})
    found = by_name(document["findings"])
    if "cannot be imported" not in found["numpy"]["text"]:
        skip_or_fail("emulated", "the interpreter under this environment has packages of its own")
    assert ended.returncode == 1, ended.stderr
    assert found["runtime"]["status"] == found["inference"]["status"] == "problem"
    assert found["pillow"]["status"] == "warning"
    assert "ai-edge-litert==" in found["runtime"]["mend"]


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_a_numpy_that_crashes_the_interpreter_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text(
        f"import os, signal\nos.kill(os.getpid(), {int(signal.SIGILL)})\n"
    )
    ended = runner("doctor", path=str(tmp_path))
    assert ended.returncode == 1
    assert "importing numpy was killed by an illegal instruction (SIGILL)" in ended.stdout
    assert "Traceback" not in ended.stderr


def test_a_runtime_that_was_built_for_another_numpy(tmp_path: Path) -> None:
    for name, line in (
        ("ai_edge_litert", "raise ImportError('no such thing')"),
        ("tflite_runtime", "raise SystemError('initialization of _wrapper raised')"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        (tmp_path / name / "interpreter.py").write_text(line)
    ended = runner("doctor", path=str(tmp_path))
    assert ended.returncode == 1
    assert "tflite_runtime was built for numpy 1 and cannot be loaded with numpy" in ended.stdout
    assert "mend: python3 -m pip install 'numpy<2'" in ended.stdout


def test_a_runtime_that_hangs_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = probe.run_probe(limit_s=1.0)
    assert (found.ending, found.reached) == ("gave no answer within 1 s", "numpy")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize(
    ("body", "ending"),
    [("", ""), ("os.kill(os.getpid(), 11)", "crashed with signal 11 (SIGSEGV)"),
     ("time.sleep(600)", "gave no answer within 1 s")],
)  # fmt: skip
def test_where_no_second_program_can_be_started_the_probe_forks(
    tmp_path: Path, body: str, ending: str
) -> None:
    # A file that the kernel cannot start, as any foreign program is under QEMU's user mode.
    foreign = tmp_path / "python3"
    foreign.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(100))
    foreign.chmod(0o755)
    (tmp_path / "PIL").mkdir()
    (tmp_path / "PIL" / "__init__.py").write_text(f"import os, time\n{body}\n__version__ = '1'\n")
    (tmp_path / "PIL" / "Image.py").write_text("")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.executable = {str(foreign)!r}\n"
        "from edge_deploy_runner.doctor.probe import run_probe\n"
        f"found = run_probe({1.0 if '600' in body else 120.0})\n"
        "print(found.ending)\nprint(*found.stages)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=True,
        env={**os.environ, "PYTHONPATH": str(RUNNER)},
    )  # fmt: skip
    said, stages = ended.stdout.splitlines()
    assert said == ending
    assert stages.split() == (["numpy"] if ending else list(probe.STAGES))


def test_telemetry_for_humans_and_machines() -> None:
    ended = runner("telemetry", "--watch", "0.2", "--interval", "0.1", "--json")
    assert ended.returncode == 0, ended.stderr
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert 2 <= len(lines) <= 3
    assert [line["power"] for line in lines] == [None] * len(lines)
    assert lines[0]["seconds"] == 0
    assert lines[-1]["telemetry"]["others_cpu_share"] is not None
    spoken = runner("telemetry")
    assert spoken.returncode == 0
    assert spoken.stdout.startswith("    0.0 s  ")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--interval", "0"), 2, "use 0.05 s or more"),
        (("--watch", "-1"), 2, "is no time in seconds"),
        (("--power", "ina219", "--i2c-bus", "77"), 5, "/dev/i2c-77 does not exist"),
        (("--power", "ina219", "--address", "0x20"), 5, "does not exist"),
        (("--power", "geiger"), 2, "invalid choice"),
    ],
)
def test_telemetry_that_cannot_be(arguments: tuple[str, ...], code: int, words: str) -> None:
    ended = runner("telemetry", *arguments)
    assert ended.returncode == code
    assert words in ended.stderr
    assert ended.stdout == ""


def test_a_device_over_ssh(server: Sshd) -> None:
    environment = server.client_environment()
    ended = edge_deploy("doctor", "--device", server.url, "--json", env=environment)
    assert ended.stdout, ended.stderr
    document = json.loads(ended.stdout)
    assert document["device"]["url"] == server.url
    found = by_name(document["device"]["findings"])
    assert found["inference"]["status"] == "ok"
    assert found["clocks"]["status"] == "ok"
    assert {"camera", "buses", "systemd", "memory-controller"} <= set(found)
    assert document["device"]["machine"] == document["computer"]["machine"]
    assert ended.returncode == (0 if document["passed"] else 1)


def test_a_device_that_cannot_be_served_is_examined_all_the_same(
    server: Sshd, tmp_path: Path
) -> None:
    # No packages on the device, and none can be fetched for it.
    server.stop()
    (server.folder / "device" / "python3").write_text(f'#!/bin/sh\nexec {bare_python()} "$@"\n')
    server.start()
    environment = {
        **server.client_environment(),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
        "PIP_CONFIG_FILE": os.devnull,
    }
    ended = edge_deploy(
        "doctor", "--device", server.url, "--target", "rpi-bookworm", env=environment
    )
    if "cannot be imported" not in ended.stdout:
        skip_or_fail("emulated", "the interpreter under this environment has packages of its own")
    assert ended.returncode == 1
    device = ended.stdout.split(server.url, 1)[1]
    assert "\nx  serving " in device
    assert "\nx  runtime " in device
    assert "\nok python " in device
    assert "\nx  target " in device  # this is no Raspberry Pi
    assert not list((server.home / ".cache").rglob("edge-deploy-doctor-*"))
    assert "Traceback" not in ended.stderr


def test_a_device_that_is_not_there(server: Sshd) -> None:
    server.stop()
    ended = edge_deploy("doctor", "--device", server.url, env=server.client_environment())
    assert ended.returncode == 5
    assert "nothing listens on its ssh port" in ended.stderr
    assert ended.stdout == ""
