"""The doctor's findings on boards that are trees of files, and on machines that are odd."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edge_deploy_runner.doctor import examining as doctor
from edge_deploy_runner.doctor import hardware as doctor_hardware
from edge_deploy_runner.doctor import software as doctor_software
from edge_deploy_runner.doctor.finding import Finding
from edge_deploy_runner.doctor.probe import Probe
from edge_deploy_runner.doctor.probe_model import EXPECTED, MODEL
from edge_deploy_runner.machine import telemetry
from edge_deploy_runner.machine.environment import Environment, describe
from edge_deploy_runner.machine.telemetry import Telemetry
from make_probe_model import probe_model
from pi_roots import BOARDS, PI_4B, PI_4B_32_BIT, PI_5, ZERO_2_W, ZERO_W, Pi, put, write_pi

from edge_deploy.bundles.wheels import pinned_wheels

RIGHT = {"answer": list(EXPECTED)}
HEALTHY = Probe(
    {
        "numpy": {"version": "1.26.4"},
        "pillow": {"version": "11.0.0"},
        "ai_edge_litert": {"version": "2.3.0"},
        "tflite_runtime": {"error": "ModuleNotFoundError: No module named 'tflite_runtime'"},
        "xnnpack": RIGHT,
        "reference": RIGHT,
    }
)
MACHINE = Environment(
    os="Debian GNU/Linux 12 (bookworm)",
    kernel="6.12.25+rpt-rpi-v8",
    machine="aarch64",
    cpu_model="Cortex-A72",
    cores=4,
    ram_bytes=4 * 10**9,
    python="3.11.2",
    board="Raspberry Pi 4 Model B Rev 1.4",
    cpu_features=("asimd",),
    libc="glibc 2.36",
)


def findings(root: Path, pi: Pi, probe: Probe = HEALTHY) -> dict[str, Finding]:
    examination = doctor.examine(root, machine=pi.machine, probe=lambda: probe)
    return {finding.name: finding for finding in examination.findings}


@pytest.mark.parametrize("pi", BOARDS, ids=lambda pi: pi.name)
def test_every_board_is_examined_to_the_end(tmp_path: Path, pi: Pi) -> None:
    found = findings(write_pi(tmp_path, pi), pi)
    assert pi.model in found["board"].text
    assert pi.core in found["cpu"].text
    assert found["emulator"].status == "ok"
    assert found["temperature"].text == "48.9 °C at thermal_zone0 (cpu-thermal)"
    assert found["governor"].status == "warning"
    assert found["memory-controller"].status == "warning"
    assert "MemoryMax does nothing" in found["memory-controller"].text
    assert found["camera"].text.startswith("none")  # codecs are no cameras
    assert found["throttling"].text.startswith("the supply voltage is enough")
    for finding in found.values():
        assert bool(finding.mend) == (finding.status != "ok"), finding
        assert "\n" not in finding.text + finding.mend
        assert "could not be checked" not in finding.text, finding
    problems = [finding.name for finding in found.values() if finding.status == "problem"]
    assert problems == (["architecture", "cpu", "wheels"] if pi is ZERO_W else [])


def test_armv6_is_told_why(tmp_path: Path) -> None:
    found = findings(write_pi(tmp_path, ZERO_W), ZERO_W)
    assert "ARMv6 (armv6l) cannot be served: no TFLite runtime has wheels" in (
        found["architecture"].text
    )
    assert "NEON" in found["architecture"].text
    assert "Zero 2 W" in found["architecture"].mend


def test_32_bit_is_told_why() -> None:
    small = replace(MACHINE, userland_bits=32)
    finding = doctor_software.check_architecture(small)
    assert finding.status == "warning"
    assert finding.text.startswith("32-bit ARM (armv7l, under a 64-bit kernel)")
    for words in ("tflite-runtime 2.14.0", "numpy below 2", "Python 3.11 or older", "bookworm"):
        assert words in finding.text
    assert "64-bit Raspberry Pi OS" in finding.mend
    old = replace(small, machine="armv7l", cpu_model="Cortex-A7")
    assert "64-bit" not in doctor_software.check_architecture(old).mend
    assert doctor_software.check_wheels(small, (3, 11)).status == "ok"
    assert doctor_software.check_wheels(small, (3, 13)).status == "problem"


def test_other_machines_have_no_runtime() -> None:
    assert doctor_software.check_architecture(replace(MACHINE, machine="riscv64")).status == (
        "problem"
    )
    assert doctor_software.check_wheels(replace(MACHINE, machine="riscv64")).status == "problem"


@pytest.mark.parametrize(
    ("version", "status"),
    [((3, 9, 2), "problem"), ((3, 10, 0), "ok"), ((3, 13, 5), "ok"), ((3, 14, 0), "problem")],
)
def test_pythons(version: tuple[int, int, int], status: str) -> None:
    finding = doctor_software.check_python(MACHINE, version)
    assert finding.status == status
    if finding.mend:
        assert finding.mend.startswith("flash Raspberry Pi OS bookworm")
        elsewhere = replace(MACHINE, board=None, machine="x86_64")
        assert "venv" in doctor_software.check_python(elsewhere, version).mend


@pytest.mark.parametrize(
    ("libc", "status"),
    [("glibc 2.36", "ok"), ("glibc 2.24", "problem"), ("musl", "problem"), (None, "ok")],
)
def test_libcs(libc: str | None, status: str) -> None:
    assert doctor_software.check_libc(replace(MACHINE, libc=libc)).status == status


def test_the_table_of_wheels_is_that_of_the_pins() -> None:
    pinned = {
        (pin.platform.machine, pin.platform.python, pin.package, pin.version)
        for pin in pinned_wheels()
        if pin.platform and pin.package in ("ai-edge-litert", "tflite-runtime")
    }
    table = {
        (machine, python, wheels.package, wheels.version)
        for machine, wheels in doctor_software.WHEELS.items()
        for python in wheels.pythons
    }
    assert table == pinned


def stages(**changes: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    merged = {**HEALTHY.stages, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def test_numpy_that_is_missing_or_crashes() -> None:
    missing = Probe(stages(numpy={"error": "ModuleNotFoundError: No module named 'numpy'"}))
    assert "cannot be imported: ModuleNotFoundError" in doctor_software.check_numpy(missing).text
    crashed = Probe({}, "was killed by an illegal instruction (SIGILL)")
    finding = doctor_software.check_numpy(crashed)
    assert finding.text == "importing numpy was killed by an illegal instruction (SIGILL)"


def test_a_runtime_for_another_numpy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tflite_runtime").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    clash = Probe(
        stages(
            numpy={"version": "2.1.0"},
            ai_edge_litert={"error": "ModuleNotFoundError: none"},
            tflite_runtime={"error": "SystemError: initialization failed"},
        )
    )
    finding = doctor_software.check_runtime(MACHINE, clash)
    assert (finding.status, finding.mend) == ("problem", "python3 -m pip install 'numpy<2'")
    assert "built for numpy 1 and cannot be loaded with numpy 2.1.0" in finding.text


def test_no_runtime_at_all() -> None:
    none = Probe(stages(ai_edge_litert={"error": "A: x"}, tflite_runtime={"error": "B: y"}))
    finding = doctor_software.check_runtime(MACHINE, none)
    assert finding.text == "no TFLite runtime can be imported (A: x; B: y)"
    assert "ai-edge-litert==2.3.0" in finding.mend
    assert doctor_software.check_inference(MACHINE, none).status == "problem"


def test_a_runtime_that_crashes_is_a_finding() -> None:
    crash = Probe(stages(xnnpack=None, reference=None), "crashed with signal 11 (SIGSEGV)")
    finding = doctor_software.check_inference(MACHINE, crash)
    assert finding.status == "problem"
    assert finding.text == (
        "one tiny inference with xnnpack kernels crashed with signal 11 (SIGSEGV)"
    )


def test_a_wrong_answer_is_a_problem() -> None:
    near = Probe(stages(xnnpack={"answer": [value + 1 for value in EXPECTED]}))
    assert doctor_software.check_inference(MACHINE, near).status == "ok"
    for answer in ([*EXPECTED[:-1], EXPECTED[-1] + 2], list(EXPECTED[:-1])):
        wrong = Probe(stages(xnnpack={"answer": answer}))
        assert "gave wrong numbers" in doctor_software.check_inference(MACHINE, wrong).text


def test_the_probes_model_is_the_one_that_is_made() -> None:
    assert probe_model() == MODEL


@pytest.mark.parametrize(
    ("bits", "status", "words"),
    [
        (0x0, "ok", "none since boot"),
        (0x50005, "problem", "now: under-voltage, throttled (0x50005)"),
        (0x50000, "warning", "since boot: under-voltage, throttled (0x50000)"),
        (0x80008, "problem", "soft temperature limit"),
    ],
)
def test_throttling(bits: int, status: str, words: str) -> None:
    finding = doctor_hardware.check_throttling(MACHINE, Telemetry(throttled=bits))
    assert finding.status == status
    assert words in finding.text
    assert ("power supply" in finding.mend) == bool(bits & 0x10001)


def test_throttling_that_nobody_tells() -> None:
    check = doctor_hardware.check_throttling
    assert check(replace(MACHINE, board=None), Telemetry()).status == "ok"
    assert check(MACHINE, Telemetry()).mend == "sudo apt install raspi-utils"
    assert "usermod -aG video" in check(MACHINE, Telemetry(), "VCHI initialization failed").mend
    assert check(MACHINE, Telemetry(under_voltage=True)).status == "problem"


@pytest.mark.parametrize(
    ("celsius", "status"), [(48.0, "ok"), (70.0, "warning"), (82.5, "problem")]
)
def test_heat(celsius: float, status: str) -> None:
    look = Telemetry(temperatures_celsius={"cpu": celsius, "ambient": 20.0})
    assert doctor_hardware.check_temperature(look).status == status


def test_clocks_of_the_cpu() -> None:
    check = doctor_hardware.check_governor
    assert check(Telemetry(governor="performance", max_frequency_mhz=1500)).status == "ok"
    capped = Telemetry(governor="performance", max_frequency_mhz=1500, limit_frequency_mhz=600)
    assert check(capped).text == "the clock is limited to 600 of 1500 MHz"
    assert "echo 1500000 | sudo tee" in check(capped).mend


def test_dot_products_are_told(tmp_path: Path) -> None:
    assert "no dot products" in findings(write_pi(tmp_path / "4", PI_4B), PI_4B)["cpu"].text
    assert "no dot products" not in findings(write_pi(tmp_path / "5", PI_5), PI_5)["cpu"].text


def test_a_small_board_without_swap(tmp_path: Path) -> None:
    root = write_pi(tmp_path, ZERO_2_W)
    put(root, "proc/meminfo", "MemTotal: 426000 kB\nMemAvailable: 300000 kB\nSwapTotal: 0 kB\n")
    assert doctor_hardware.check_memory(root).status == "warning"
    put(root, "proc/meminfo", "MemTotal: 426000 kB\nMemAvailable: 60000 kB\nSwapTotal: 9 kB\n")
    assert "61 MB free" in doctor_hardware.check_memory(root).text


def test_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, status in ((50e6, "problem"), (200e6, "warning"), (5e9, "ok")):
        usage = type("Usage", (), {"free": int(free)})
        monkeypatch.setattr(doctor_hardware.shutil, "disk_usage", lambda _, usage=usage: usage)
        assert doctor_hardware.check_storage(tmp_path / "not" / "made").status == status


def _may(_: str, mode: int) -> bool:
    return bool(mode)


def _may_not(_: str, mode: int) -> bool:
    return False


def test_cameras(tmp_path: Path) -> None:
    root = write_pi(tmp_path, PI_4B)
    put(root, "dev/video0", "")
    put(root, "sys/class/video4linux/video0/name", "HD Webcam C270\n")
    check = doctor_hardware.check_camera
    assert check(root, _may).text == "/dev/video0 (HD Webcam C270)"
    assert "usermod -aG video" in check(root, _may_not).mend
    put(root, "sys/class/video4linux/video0/name", "unicam-image\n")
    assert "python3-picamera2" in check(root, _may).mend
    (root / "usr/lib/python3/dist-packages/picamera2").mkdir(parents=True)
    assert "--system-site-packages" in check(root, _may).mend


def test_buses(tmp_path: Path) -> None:
    root = write_pi(tmp_path, PI_4B)
    put(root, "dev/i2c-1", "")
    check = doctor_hardware.check_buses
    assert check(root, _may).text == "gpio and i2c can be used"
    assert check(root, _may_not).mend == "sudo usermod -aG gpio,i2c $USER, and log in anew"
    assert check(tmp_path / "bare", _may).status == "ok"


def test_the_date(tmp_path: Path) -> None:
    root = write_pi(tmp_path, PI_4B)
    assert doctor_hardware.check_clock(root).status == "ok"
    lost = doctor_hardware.check_clock(root, 3600.0)
    assert (lost.status, lost.text[:21]) == ("problem", "it says 1970-01-01 01")
    (root / "run/systemd/timesync/synchronized").unlink()
    assert doctor_hardware.check_clock(root).status == "warning"


def test_an_empty_machine_and_one_full_of_nonsense(tmp_path: Path) -> None:
    for pi in BOARDS:
        root = write_pi(tmp_path / "odd" / pi.name, pi)
        for path in sorted(root.rglob("*")):
            if path.is_file():
                path.write_bytes(b"\xff\x00: 99999999999999999999 \n-")
        found = doctor.examine(
            root, machine=pi.machine, probe=lambda: Probe({}, "ended with code 3")
        )
        assert not found.passed
        assert not [f for f in found.findings if "could not be checked" in f.text]
    (tmp_path / "empty").mkdir()
    empty = doctor.examine(tmp_path / "empty", probe=lambda: HEALTHY)
    assert not [f for f in empty.findings if "could not be checked" in f.text]


def test_a_check_that_breaks_is_a_warning() -> None:
    def broken() -> Finding:
        raise ZeroDivisionError("odd")

    finding = doctor.attempt("odd", broken)
    assert (finding.status, finding.text) == (
        "warning",
        "could not be checked: ZeroDivisionError: odd",
    )


def test_emulators_are_labelled(tmp_path: Path) -> None:
    root = write_pi(tmp_path, PI_4B)
    put(root, "proc/sys/kernel/arch", "x86_64")
    assert findings(root, PI_4B)["emulator"].status == "warning"
    put(root, "proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu avx2\n")
    found = findings(root, PI_4B_32_BIT)
    assert found["cpu"].status == "ok"
    assert found["cpu"].text.startswith("unknown: the emulator shows that of its host")


def test_rendering_keeps_what_mends_on_one_line() -> None:
    long = "echo " + "x" * 300
    text = doctor.render([
        Finding("python", "ok", "Python 3.11.2"),
        Finding("governor", "warning", "ondemand", long),
        Finding("runtime", "problem", "none", "install one"),
    ])  # fmt: skip
    assert text.splitlines() == [
        "ok python    Python 3.11.2",
        "!  governor  ondemand",
        f"             mend: {long}",
        "x  runtime   none",
        "             mend: install one",
    ]
    assert doctor.summary([Finding("a", "problem", "", "m")]) == "1 problem, no warnings"


def test_looking_at_this_machine_asks_its_own_firmware(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "bin/vcgencmd", "#!/bin/sh\necho 'VCHI initialization failed'; exit 255\n")
    (tmp_path / "bin/vcgencmd").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    assert doctor_hardware.firmware_error(Path("/")) == "VCHI initialization failed"
    assert doctor_hardware.firmware_error(tmp_path) == ""
    assert telemetry.read_throttled(tmp_path) is None


def test_the_installing_line_is_for_this_machine() -> None:
    line = doctor_software.install_line(replace(MACHINE, userland_bits=32))
    if sys.version_info[:2] == (3, 11):
        assert "tflite-runtime==2.14.0 'numpy<2' pillow" in line
    else:
        assert line == "flash Raspberry Pi OS bookworm (32-bit), whose Python is 3.11"
    here = doctor_software.install_line(replace(describe(), machine="x86_64"))
    assert here.startswith((sys.executable, "python3 -m venv"))
    assert "Pi 3 or newer" in doctor_software.install_line(replace(MACHINE, machine="armv6l"))
