"""Telemetry and the environment, read from trees of files like those of real machines."""

from __future__ import annotations

from pathlib import Path

import pytest
from edge_deploy_runner.machine import telemetry, vcgencmd
from edge_deploy_runner.machine.telemetry import CpuTimes
from pi_roots import BOARDS, PI_4B, Pi, put, write_pi


def test_an_empty_machine_is_all_none(tmp_path: Path) -> None:
    found = telemetry.sample(tmp_path)
    assert found.governor is None
    assert found.temperatures_celsius is None
    assert found.energy_uj is None
    assert telemetry.cpu_times(tmp_path) is None


def test_a_pi(tmp_path: Path) -> None:
    for cpu in range(4):
        folder = f"sys/devices/system/cpu/cpu{cpu}/cpufreq"
        put(tmp_path, f"{folder}/scaling_governor", "ondemand\n")
        put(tmp_path, f"{folder}/scaling_cur_freq", f"{600000 + cpu}\n")
        put(tmp_path, f"{folder}/cpuinfo_max_freq", "1500000\n")
    put(tmp_path, "sys/class/thermal/thermal_zone0/temp", "48850\n")
    put(tmp_path, "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
    put(tmp_path, "proc/loadavg", "0.52 0.40 0.31 1/123 4567\n")
    found = telemetry.sample(tmp_path, others_cpu_share=0.25)
    assert found.governor == "ondemand"
    assert found.frequency_mhz == pytest.approx(600.003)
    assert found.max_frequency_mhz == 1500
    assert found.temperatures_celsius == {"thermal_zone0 (cpu-thermal)": 48.85}
    assert found.load_average == 0.52
    assert found.others_cpu_share == 0.25


def test_governors_that_differ_are_both_named(tmp_path: Path) -> None:
    for cpu, name in enumerate(("performance", "powersave")):
        put(tmp_path, f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor", name)
    assert telemetry.sample(tmp_path).governor == "performance+powersave"


def test_a_laptop_on_battery(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/power_supply/AC/type", "Mains")
    put(tmp_path, "sys/class/power_supply/BAT0/type", "Battery")
    put(tmp_path, "sys/class/power_supply/BAT0/capacity", "83")
    put(tmp_path, "sys/class/power_supply/BAT0/status", "Discharging")
    put(tmp_path, "sys/class/powercap/intel-rapl:0/energy_uj", "123456")
    found = telemetry.sample(tmp_path)
    assert (found.battery_percent, found.on_battery, found.energy_uj) == (83.0, True, 123456)


@pytest.mark.parametrize("text", ["", "garbage", "-", "12.5.1", "\x00\xff"])
def test_unreadable_values_are_none(tmp_path: Path, text: str) -> None:
    put(tmp_path, "sys/class/thermal/thermal_zone0/temp", text)
    put(tmp_path, "proc/loadavg", text)
    put(tmp_path, "proc/stat", text)
    put(tmp_path, "sys/class/powercap/intel-rapl:0/energy_uj", text)
    found = telemetry.sample(tmp_path)
    assert (found.temperatures_celsius, found.energy_uj) == (None, None)
    assert telemetry.cpu_times(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("throttled=0x0\n", 0),
        ("throttled=0x50005\n", 0x50005),
        ("throttled=0xE0008", 0xE0008),
        ("VCHI initialization failed", None),
        ("throttled=", None),
        ("", None),
    ],
)
def test_throttled_of_vcgencmd(text: str, bits: int | None) -> None:
    assert vcgencmd.parse_throttled(text) == bits


@pytest.mark.parametrize(
    ("text", "bits"), [("0", 0), ("80008\n", 0x80008), ("0x50005", 0x50005), ("none", None)]
)
def test_throttled_of_the_kernel(text: str, bits: int | None) -> None:
    assert telemetry.parse_sysfs_throttled(text) == bits


def test_throttling_in_words() -> None:
    assert telemetry.throttling_words(0x50005) == ("under-voltage", "throttled")
    assert telemetry.throttling_words(0x50000) == ()
    assert telemetry.throttled_since_boot_words(0x50000) == ("under-voltage", "throttled")
    assert telemetry.throttled_since_boot_words(0x8) == ()


def test_other_answers_of_vcgencmd() -> None:
    assert vcgencmd.parse_clock_mhz("frequency(48)=1500398464") == pytest.approx(1500.398464)
    assert vcgencmd.parse_clock_mhz("frequency(0)=2400033792") == pytest.approx(2400.033792)  # Pi 5
    assert vcgencmd.parse_clock_mhz("frequency(0)=0") is None
    assert vcgencmd.parse_volts("volt=0.8563V") == 0.8563
    assert vcgencmd.parse_volts("volt=V") is None


def test_throttling_without_vcgencmd_comes_from_the_kernel(tmp_path: Path) -> None:
    put(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", "80008\n")
    found = telemetry.sample(tmp_path)
    assert (found.throttled, found.under_voltage) == (0x80008, False)


@pytest.mark.parametrize(("alarm", "weak"), [("1", True), ("0", False), ("?", None)])
def test_under_voltage_of_the_kernel_alone(tmp_path: Path, alarm: str, weak: bool | None) -> None:
    put(tmp_path, "sys/class/hwmon/hwmon0/name", "cpu_thermal")
    put(tmp_path, "sys/class/hwmon/hwmon0/in0_lcrit_alarm", "1")
    put(tmp_path, "sys/class/hwmon/hwmon1/name", "rpi_volt")
    put(tmp_path, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", alarm)
    assert telemetry.sample(tmp_path).under_voltage is weak


def _vcgencmd(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """A program of that name on the PATH: the boundary to the firmware, which only a Pi has."""
    put(folder, "bin/vcgencmd", f"#!/bin/sh\n{body}\n")
    (folder / "bin/vcgencmd").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"), prepend=":")


def test_the_firmware_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _vcgencmd(
        tmp_path,
        monkeypatch,
        "case $1-$2 in get_throttled-) echo throttled=0x50005;; measure_clock-arm) "
        "echo 'frequency(48)=600117184';; measure_volts-core) echo volt=0.8500V;; *) exit 9;; esac",
    )
    found = telemetry.sample()
    assert (found.throttled, found.under_voltage) == (0x50005, True)
    assert found.arm_clock_mhz == pytest.approx(600.117184)
    assert found.core_volts == 0.85


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("echo 'VCHI initialization failed'; exit 255", "VCHI initialization failed"),
        ("echo 'Can not open device file: /dev/vcio' >&2; exit 1", "Can not open device file"),
        ("echo 'error=1 error_msg=\"Command not registered\"'", "Command not registered"),
        ("exit 0", "it said nothing"),
    ],
)
def test_a_firmware_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, error: str
) -> None:
    _vcgencmd(tmp_path, monkeypatch, body)
    answer = vcgencmd.ask("get_throttled")
    assert answer is not None
    assert answer.text == ""
    assert error in answer.error
    assert telemetry.sample().throttled is None


def test_a_firmware_that_hangs_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _vcgencmd(tmp_path, monkeypatch, "exec sleep 60")
    monkeypatch.setattr(vcgencmd, "_LIMIT_S", 0.1)
    assert vcgencmd.ask("get_throttled") == vcgencmd.Answer("", "it gave no answer within 0.1 s")


@pytest.mark.parametrize("pi", BOARDS, ids=lambda pi: pi.name)
def test_boards(tmp_path: Path, pi: Pi) -> None:
    found = telemetry.sample(write_pi(tmp_path, pi))
    assert found.governor == "ondemand"
    assert (found.lowest_frequency_mhz, found.limit_frequency_mhz) == (600, pi.max_khz / 1000)
    assert found.temperatures_celsius == {"thermal_zone0 (cpu-thermal)": 48.85}
    assert found.under_voltage is False
    # The firmware of the machine that runs this test is not asked about another's files.
    assert (found.arm_clock_mhz, found.core_volts, found.throttled) == (None, None, None)


def test_watching_sees_a_change(tmp_path: Path) -> None:
    root = write_pi(tmp_path, PI_4B)

    def sleep(seconds: float) -> None:
        assert seconds <= 0.01
        put(root, "sys/class/thermal/thermal_zone0/temp", "61000\n")
        put(root, "proc/stat", "cpu  140 0 50 9060 10 0 5 0 0 0\n")

    looks = list(telemetry.watch(0.015, 0.01, root, sleep))
    assert len(looks) == 2
    heat = [list((look.telemetry.temperatures_celsius or {}).values()) for look in looks]
    assert heat == [[48.85], [61.0]]
    assert looks[0].telemetry.others_cpu_share is None
    assert looks[1].telemetry.others_cpu_share == pytest.approx(0.4, abs=0.05)
    assert set(looks[1].to_json()) == {"seconds", "telemetry"}


def test_watching_for_no_time_is_one_look(tmp_path: Path) -> None:
    assert len(list(telemetry.watch(0.0, 1.0, tmp_path))) == 1


def test_cpu_line() -> None:
    # user nice system idle iowait irq softirq steal guest guest_nice
    assert telemetry.parse_cpu_line("cpu  10 1 5 80 4 1 1 8 3 0\ncpu0 ...") == (26, 110)
    assert telemetry.parse_cpu_line("intr 5 5 5 5 5") is None


def test_others_share_leaves_out_our_own_time() -> None:
    before, after = CpuTimes(100, 1000, 10), CpuTimes(101.5, 1002, 11)
    assert telemetry.others_share(before, after) == pytest.approx(0.25)
    assert telemetry.others_share(before, before) is None
    assert telemetry.others_share(before, CpuTimes(100.5, 1002, 11)) == 0.0
