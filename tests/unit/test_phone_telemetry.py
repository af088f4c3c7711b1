"""What phones print of themselves, and what is made of it; nothing here raises."""

from __future__ import annotations

import random

import pytest
from edge_deploy_android.telemetry import (
    LOOK_ARGV,
    AndroidTelemetry,
    clusters,
    parse_battery,
    parse_cores,
    parse_look,
    parse_memory,
    parse_powerstats,
    parse_thermal_service,
    parse_thermal_zones,
    phone_caveats,
    read_telemetry,
)
from edge_deploy_android.telemetry.battery import parse_property
from edge_deploy_android.telemetry.looking import parse_screen
from edge_deploy_android.telemetry.processors import Memory, far_apart, governors
from phone_outputs import OUTPUTS, said

NO_SERVICE = "Can't find service: battery\n"


def test_a_battery_that_discharges() -> None:
    found = parse_battery(said("battery_pixel"))
    assert found is not None
    assert (found.percent, found.status, found.plugged, found.charging) == (
        64.0, "discharging", (), False,
    )  # fmt: skip
    assert (found.charge_counter, found.voltage, found.temperature_celsius) == (
        2_871_000, 3912, 28.7,
    )  # fmt: skip
    assert (found.current_now, found.present, found.faked) == (None, True, False)


def test_a_battery_on_usb() -> None:
    found = parse_battery(said("battery_android8"))
    assert found is not None
    assert (found.status, found.plugged, found.charging) == ("charging", ("USB",), True)


def test_full_and_unplugged_is_not_charging() -> None:
    text = said("battery_pixel")
    assert "  status: 3\n" in text
    found = parse_battery(text.replace("  status: 3\n", "  status: 5\n"))
    assert found is not None
    assert (found.status, found.plugged, found.charging) == ("full", (), False)
    plugged = parse_battery(said("battery_android8").replace("  status: 2\n", "  status: 5\n"))
    assert plugged is not None
    assert (plugged.status, plugged.charging) == ("full", True)


def test_the_first_of_two_lines_with_one_name_counts() -> None:
    found = parse_battery(said("battery_samsung"))
    assert found is not None
    assert (found.charge_counter, found.current_now, found.level) == (0, 321, 83)
    assert found.plugged == ()


def test_zeros_and_values_that_somebody_set() -> None:
    zero, faked = parse_battery(said("battery_zero")), parse_battery(said("battery_faked"))
    assert zero is not None
    assert (zero.charge_counter, zero.temperature_celsius) == (0, None)
    assert faked is not None
    assert faked.faked
    assert faked.plugged == ()


@pytest.mark.parametrize("name", ["battery_pixel", "battery_samsung", "battery_android8"])
def test_other_line_ends_change_nothing(name: str) -> None:
    text = said(name)
    assert parse_battery(text.replace("\n", "\r\n")) == parse_battery(text)
    assert parse_battery("DUMP OF SERVICE battery:\n" + text + "\n\n") == parse_battery(text)


@pytest.mark.parametrize(
    "text",
    ["", NO_SERVICE, "level: 80\n", "Current Battery Service state:\n", "状态: 3\n",
     "Current Battery Service state:\n  level:\n  status: x\n"],
)  # fmt: skip
def test_no_battery_service(text: str) -> None:
    assert parse_battery(text) is None


def test_values_that_cannot_be() -> None:
    text = said("battery_pixel").replace("scale: 100", "scale: 0")
    found = parse_battery(text.replace("temperature: 287", "temperature: -2740"))
    assert found is not None
    assert (found.percent, found.temperature_celsius) == (None, None)
    above = parse_battery(said("battery_pixel").replace("level: 64", "level: 640"))
    assert above is not None
    assert above.percent is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-412000\n", -412_000),
        ("  35 \r\n", 35),
        ("0", 0),
        ("-9223372036854775808\n", None),
        ("-2147483648", None),
        ("Unknown get option: current_now\n", None),
        ("", None),
        ("1\n2\n", None),
        ("1.5", None),
    ],
)
def test_one_property(text: str, value: int | None) -> None:
    assert parse_property(text) == value


def test_what_the_hardware_says_wins_over_what_is_cached() -> None:
    found = parse_thermal_service(said("thermal_cached"))
    assert found is not None
    assert (found.status, found.cached) == (0, False)
    assert found.by_name() == {"AP (cpu)": 28.4, "BAT (battery)": 26.1, "SKIN (skin)": 27.3}


def test_a_hot_phone_and_readings_that_are_no_heat() -> None:
    found = parse_thermal_service(said("thermal_hot").replace("\n", "\r\n"))
    assert found is not None
    assert found.status == 3
    assert set(found.by_name()) == {
        "VIRTUAL-SKIN (skin)", "BIG (cpu)", "G3D (gpu)", "TPU (tpu)", "battery (battery)",
    }  # fmt: skip


def test_cached_values_where_there_are_no_others() -> None:
    found = parse_thermal_service(said("thermal_no_hardware"))
    assert found is not None
    assert (found.status, found.cached, found.by_name()) == (2, True, {"skin (skin)": 37.0})


@pytest.mark.parametrize("text", ["", "Can't find service: thermalservice\n", "\x00\xff"])
def test_no_thermal_service(text: str) -> None:
    assert parse_thermal_service(text) is None


def test_thermal_zones_in_the_units_of_their_kernels() -> None:
    text = (
        "thermal_zone0 cpu-0-0 41200\r\nthermal_zone1 battery 305\nthermal_zone2 old 37\n"
        "thermal_zone3 pm8150 tz 0\nthermal_zone4 broken -273000\nthermal_zone5 none\njunk 1 2\n"
        "thermal_zone6 bms -12000\nthermal_zone7 big 999999999\n"
    )
    assert parse_thermal_zones(text) == {
        "thermal_zone0 (cpu-0-0)": 41.2,
        "thermal_zone1 (battery)": 30.5,
        "thermal_zone2 (old)": 37.0,
        "thermal_zone6 (bms)": -12.0,
    }


def test_clusters_by_clock_and_by_capacity() -> None:
    found = clusters(said("cores_1_3_4"))
    assert found.groups == ((0, 1, 2, 3), (4, 5, 6), (7,))
    assert (found.big, found.little) == ((4, 5, 6, 7), (0, 1, 2, 3))
    alike_clocks = clusters(said("cores_4_4"))
    assert (alike_clocks.big, alike_clocks.little) == ((4, 5), (0, 1))


def test_clusters_of_cores_that_are_alike_or_silent() -> None:
    alike = clusters("cpu0/cpufreq/cpuinfo_max_freq=1500000\ncpu1/cpufreq/cpuinfo_max_freq=1500000")
    assert (alike.groups, alike.big, alike.little) == (((0, 1),), (0, 1), ())
    nothing = clusters("ls: /sys: Permission denied\n")
    assert (nothing.groups, nothing.big, nothing.little) == ((), (), ())


def test_governors_and_clocks() -> None:
    cores = parse_cores(said("cores_1_3_4").replace("\n", "\r\n"))
    assert governors(cores) == "walt"
    assert cores[7].limit_khz == 2_457_600
    ratio = far_apart(cores)
    assert ratio == pytest.approx(2995.2 / 1804.8)
    assert far_apart(()) is None


def test_memory() -> None:
    text = "MemTotal:        7654321 kB\r\nMemFree: 12 kB\r\nMemAvailable:    3000000 kB\r\n"
    assert parse_memory(text) == Memory(7_654_321 * 1024, 3_000_000 * 1024)
    assert parse_memory("") == Memory()


def test_rails_of_several_androids() -> None:
    found = parse_powerstats(said("rails_hal2"))
    assert found is not None
    assert len(found.energy_uj) == 6  # the meter's, not the consumers'
    assert found.energy_uj["[S2M_VDD_CPUCL2]:CPU(BIG)"] == 310_210_250
    assert found.total_uj == 2_542_666_600
    delta = parse_powerstats(said("rails_hal2_delta").replace("\n", "\r\n"))
    assert delta is not None
    assert delta.total_uj == 1_010_310_750
    old = parse_powerstats(said("rails_hal1"))
    assert old is not None
    assert old.energy_uj == {"CPU C1S_VDD_CPU0": 10_240_000, "Wifi PPVAR_WLAN": 2_048_500}
    kernel = parse_powerstats(said("rails_kernel"))
    assert kernel is not None
    assert kernel.energy_uj["S2M_VDD_CPUCL2"] == 30_203_502


def test_rails_get_coarser_the_longer_a_phone_runs() -> None:
    fresh = parse_powerstats(said("rails_hal1"))
    long = parse_powerstats(said("rails_hal1").replace("10240.00", "98765432.00"))
    assert fresh is not None
    assert long is not None
    # 98 GuWs in a 32-bit float: neighbours are 8,192 uWs apart.
    assert fresh.resolution_uj < 20
    assert long.resolution_uj > 8192


@pytest.mark.parametrize(
    "text",
    ["", "Can't find service: x", said("powerstats_service"), said("batterystats"),
     said("batterystats_checkin"),
     said("rails_hal2").replace("energy meter", "energy consumers"),
     "============= PowerStats HAL 2.0 energy meter ==============\n  [A]:B   0.00 mWs\n"],
)  # fmt: skip
def test_no_rails(text: str) -> None:
    assert parse_powerstats(text) is None


def look_text(battery: str = "battery_pixel", thermal: str = "thermal_cached") -> str:
    return "\n".join(
        [
            "#edge-deploy battery", said(battery), "#edge-deploy thermalservice", said(thermal),
            "#edge-deploy cores", said("cores_1_3_4"),
            "#edge-deploy zones", "thermal_zone0 cpu 40000",
            "#edge-deploy memory", "MemTotal: 2048 kB", "MemAvailable: 1024 kB",
            "#edge-deploy load", "1.25 1.0 0.9 2/900 4711",
            "#edge-deploy saver", "1",
            "#edge-deploy power", "  mWakefulness=Asleep", "#edge-deploy end", "",
        ]
    )  # fmt: skip


def test_a_whole_look_in_the_runners_words() -> None:
    asked = []

    def run(argv: object) -> str:
        asked.append(argv)
        return look_text().replace("\n", "\r\n")

    found = read_telemetry(run).to_telemetry(0.25)
    assert asked == [LOOK_ARGV]
    assert (found.governor, found.frequency_mhz, found.max_frequency_mhz) == (
        "walt", 2457.6, 2995.2,
    )  # fmt: skip
    assert found.temperatures_celsius == {
        "thermal_zone0 (cpu)": 40.0, "AP (cpu)": 28.4, "BAT (battery)": 26.1, "SKIN (skin)": 27.3,
    }  # fmt: skip
    assert (found.thermal_status, found.battery_celsius, found.battery_percent) == (0, 28.7, 64.0)
    assert (found.charging, found.low_power_mode, found.load_average) == (False, True, 1.25)
    assert (found.others_cpu_share, found.memory_available_bytes) == (0.25, 1024 * 1024)


def test_a_phone_that_says_nothing() -> None:
    for text in ("", "#edge-deploy battery\n" + NO_SERVICE, "sh: syntax error\n"):
        assert parse_look(text) == AndroidTelemetry()
        assert set(parse_look(text).to_telemetry().to_json().values()) == {None}


@pytest.mark.parametrize(
    ("text", "on"),
    [("  mWakefulness=Awake\n", True), ("mWakefulness=Dozing", False),
     ("Display Power: state=ON", True), ("Display Power: state=OFF\r\n", False), ("", None)],
)  # fmt: skip
def test_the_screen(text: str, on: bool | None) -> None:
    assert parse_screen(text) is on


def test_caveats_of_a_phone() -> None:
    words = "\n".join(phone_caveats(parse_look(look_text("battery_android8", "thermal_hot"))))
    for part in ("screen is off", "1.7 times", "clock of core 7 is limited"):
        assert part in words
    pinned = phone_caveats(parse_look(look_text("battery_pixel")), pinned=True)
    assert not any("scheduler" in text for text in pinned)
    low = look_text().replace("level: 64", "level: 9")
    assert any("down to 9%" in text for text in phone_caveats(parse_look(low)))
    assert phone_caveats(AndroidTelemetry()) == ("the phone does not show its clocks to adb",)


def test_garbage_never_raises() -> None:
    seed = random.Random(4)
    texts = [path.read_text() for path in sorted(OUTPUTS.glob("*.txt"))] + [look_text()]
    for _ in range(300):
        text = list(seed.choice(texts))
        for _ in range(seed.randrange(1, 30)):
            text[seed.randrange(len(text))] = seed.choice("\x00\r\n:={}()[]-0.é９ x")
        broken = "".join(text)[: seed.randrange(1, len(text))]
        parse_battery(broken)
        parse_thermal_service(broken)
        parse_powerstats(broken)
        parse_look(broken)
        clusters(broken)
        parse_thermal_zones(broken)
