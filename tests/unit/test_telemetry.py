"""Telemetry and the environment, read from trees of files like those of real machines."""

from __future__ import annotations

from pathlib import Path

import pytest
from edge_deploy_runner import environment, telemetry
from edge_deploy_runner.telemetry import CpuTimes


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


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


def test_throttling() -> None:
    bits = telemetry.parse_throttled("throttled=0x50005\n")
    assert bits == 0x50005
    assert telemetry.throttling_words(0x50005) == ("under-voltage", "throttled")
    assert telemetry.throttling_words(0x50000) == ()
    assert telemetry.parse_throttled("VCHI initialization failed") is None


def test_cpu_line() -> None:
    # user nice system idle iowait irq softirq steal guest guest_nice
    assert telemetry.parse_cpu_line("cpu  10 1 5 80 4 1 1 8 3 0\ncpu0 ...") == (26, 110)
    assert telemetry.parse_cpu_line("intr 5 5 5 5 5") is None


def test_others_share_leaves_out_our_own_time() -> None:
    before, after = CpuTimes(100, 1000, 10), CpuTimes(101.5, 1002, 11)
    assert telemetry.others_share(before, after) == pytest.approx(0.25)
    assert telemetry.others_share(before, before) is None
    assert telemetry.others_share(before, CpuTimes(100.5, 1002, 11)) == 0.0


def test_a_boards_name_has_no_nul(tmp_path: Path) -> None:
    put(tmp_path, "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
    put(tmp_path, "proc/meminfo", "MemTotal:        3884336 kB\n")
    put(tmp_path, "etc/os-release", 'NAME="x"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    found = environment.describe(tmp_path)
    assert found.board == "Raspberry Pi 4 Model B Rev 1.4"
    assert found.ram_bytes == 3884336 * 1024
    assert found.os == "Debian GNU/Linux 12 (bookworm)"


@pytest.mark.parametrize(
    ("machine", "cpuinfo", "tree", "emulated"),
    [
        ("aarch64", "vendor_id : GenuineIntel", "", True),
        ("aarch64", "CPU implementer : 0x41", "linux,dummy-virt", True),
        ("x86_64", "model name : QEMU TCG CPU version 2.5+", "", True),
        ("x86_64", "vendor_id : AuthenticAMD", "None", False),
        ("aarch64", "CPU implementer : 0x41", "Raspberry Pi 5 raspberrypi,5-model-b", False),
    ],
)
def test_emulation(machine: str, cpuinfo: str, tree: str, emulated: bool) -> None:
    assert environment.is_emulated(machine, cpuinfo, tree) is emulated


def test_this_machine_can_be_described() -> None:
    found = environment.describe()
    assert found.cores >= 1
    assert found.python.startswith("3.")
