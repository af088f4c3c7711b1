"""Power meters: register arithmetic against the data sheets, and real sockets and threads."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from edge_deploy_runner.errors import DeviceError, UsageError
from edge_deploy_runner.machine import power_meters, vcgencmd
from edge_deploy_runner.machine.power_meters import (
    I2cBus,
    InaMeter,
    PiSugarMeter,
    PmicMeter,
    PowerReading,
    PowerRecorder,
    PowerWindow,
    alternate,
    open_meter,
)
from pi_roots import put

# The published form of the answer, with figures of our own.
PMIC = """\
 3V7_WL_SW_A current(0)=0.10000000A
   3V3_SYS_A current(1)=0.20000000A
  VDD_CORE_A current(7)=2.00000000A
   3V3_DAC_A current(17)=0.00000000A
      HDMI_A current(22)=0.02000000A
 3V7_WL_SW_V volt(8)=3.70000000V
   3V3_SYS_V volt(9)=3.30000000V
  VDD_CORE_V volt(15)=0.90000000V
   3V3_DAC_V volt(20)=3.31000000V
      HDMI_V volt(23)=5.00000000V
     EXT5V_V volt(24)=5.10000000V
      BATT_V volt(25)=0.00000000V
"""


class Bus:
    """A bus with chips on it: registers by address. Only a Pi has a real one."""

    def __init__(self, chips: dict[int, dict[int, int]]) -> None:
        self.chips = chips

    def read_word(self, address: int, register: int) -> int:
        if address not in self.chips:
            raise DeviceError(f"no chip answers at {address:#04x}")
        return self.chips[address].get(register, 0xFFFF)


def test_rails_are_paired_by_name() -> None:
    rails = vcgencmd.parse_pmic(PMIC)
    assert [rail.name for rail in rails] == ["3V7_WL_SW", "3V3_SYS", "VDD_CORE", "3V3_DAC", "HDMI"]
    # 0.37 + 0.66 + 1.8 + 0 + 0.1
    assert vcgencmd.rail_sum_w(rails) == pytest.approx(2.93)
    assert vcgencmd.estimated_board_w(2.93) == pytest.approx(2.93 * 1.1451 + 0.5879)


@pytest.mark.parametrize(
    "text", ["", "garbage", "VDD_CORE_A current(7)=1.0A", "EXT5V_V volt(24)=5V"]
)
def test_no_rails(text: str) -> None:
    assert vcgencmd.parse_pmic(text) == ()


def _vcgencmd(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    put(folder, "bin/vcgencmd", f"#!/bin/sh\n{body}\n")
    (folder / "bin/vcgencmd").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"), prepend=":")


def test_the_pmic_gives_both_the_sum_and_the_estimate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "answer", PMIC)
    _vcgencmd(tmp_path, monkeypatch, f"cat {tmp_path / 'answer'}")
    reading = PmicMeter().read()
    assert reading.rail_sum_w == pytest.approx(2.93)
    assert reading.watts == pytest.approx(3.943043)
    assert "one author's fit" in PmicMeter.source


def test_a_board_without_pmic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _vcgencmd(tmp_path, monkeypatch, "echo 'error=1 error_msg=\"Command not registered\"'")
    with pytest.raises(DeviceError, match=r"Command not registered.*only a Raspberry Pi 5"):
        open_meter("pmic")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match="vcgencmd is not installed"):
        open_meter("pmic")


# Texas Instruments, INA219 data sheet: 20 mV across 2 mOhm at 11.98 V, which is 10 A.
INA219 = {0x00: 0x399F, 0x01: 0x07D0, 0x02: 0x5D98, 0xFE: 0x0000}
# INA226 data sheet: the same load.
INA226 = {0x00: 0x4127, 0x01: 0x1F40, 0x02: 0x2570, 0xFE: 0x5449, 0xFF: 0x2260}


@pytest.mark.parametrize(("kind", "chip"), [("ina219", INA219), ("ina226", INA226)])
def test_the_data_sheets_load(kind: str, chip: dict[int, int]) -> None:
    reading = InaMeter(kind, Bus({0x40: chip}), 0x40, 0.002).read()
    assert reading.volts == pytest.approx(11.98)
    assert reading.amperes == pytest.approx(10.0)
    assert reading.watts == pytest.approx(119.8)


def test_registers_at_their_ends() -> None:
    # Full scale of the INA219 at 320 mV, and its negative; 32 V on the bus.
    assert power_meters.ina219_shunt_v(0x7D00) == pytest.approx(0.320)
    assert power_meters.ina219_shunt_v(0x8300) == pytest.approx(-0.320)
    assert power_meters.ina219_bus_v(0xFA00) == pytest.approx(32.0)
    assert power_meters.ina219_bus_v(0x5D98 | 0b011) == pytest.approx(11.98)  # flags do not count
    # Full scale of the INA226: 81.92 mV and 40.96 V, one step short.
    assert power_meters.ina226_shunt_v(0x7FFF) == pytest.approx(0.08192, abs=3e-6)
    assert power_meters.ina226_shunt_v(0x8000) == pytest.approx(-0.08192)
    assert power_meters.ina226_bus_v(0x7FFF) == pytest.approx(40.95875)


def test_the_source_says_how_the_chip_is_known() -> None:
    bus = Bus({0x40: INA219, 0x41: INA226})
    assert InaMeter("ina219", bus, 0x40).source == (
        "INA219 at 0x40, shunt of 0.1 ohms as stated (an INA219 by the user's word: the chip has "
        "no id)"
    )
    assert "identified by its manufacturer id" in InaMeter("ina226", bus, 0x41).source


@pytest.mark.parametrize(
    ("kind", "address", "chip", "words"),
    [
        ("ina226", 0x40, INA219, "manufacturer 0x0000 and is no INA226"),
        ("ina219", 0x40, INA226, "says that it is an INA226; name ina226"),
        (
            "ina226",
            0x40,
            INA226 | {0x00: 0x4120},
            r"not measure shunt and bus continuously \(mode 0",
        ),
        ("ina219", 0x43, INA219, "no chip answers at 0x43"),
    ],
)
def test_a_chip_that_contradicts_its_name(
    kind: str, address: int, chip: dict[int, int], words: str
) -> None:
    with pytest.raises(DeviceError, match=words):
        InaMeter(kind, Bus({0x40: chip}), address)


@pytest.mark.parametrize(
    ("kind", "address", "ohms"),
    [
        ("ina260", 0x40, 0.1),
        ("ina219", 0x20, 0.1),
        ("ina219", 0x40, 0.0),
        ("ina219", 0x40, float("nan")),
    ],
)
def test_settings_that_are_none(kind: str, address: int, ohms: float) -> None:
    with pytest.raises(UsageError):
        InaMeter(kind, Bus({0x40: INA219}), address, ohms)


def test_a_bus_that_is_not_there() -> None:
    with pytest.raises(DeviceError, match="/dev/i2c-99 does not exist; switch I2C on"):
        open_meter("ina219", bus=99)


def test_a_bus_on_which_nothing_answers(tmp_path: Path) -> None:
    # A plain file takes no address, as a bus does not for a chip that is claimed by a driver.
    put(tmp_path, "i2c-7", "")
    bus = I2cBus(str(tmp_path / "i2c-7"))
    with pytest.raises(DeviceError, match=r"no chip answers at 0x41 on .*`i2cdetect -y 7`"):
        InaMeter("ina219", bus, 0x41)
    bus.close()


def test_an_unknown_meter() -> None:
    with pytest.raises(UsageError, match="pmic, ina219, ina226, pisugar"):
        open_meter("multimeter")


class PiSugar:
    """A service that answers as PiSugar's does, on a port of its own."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.server.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self.server.accept()
            except OSError:
                return
            with line:
                asked = line.recv(100).decode().strip()
                line.sendall(self.answers.get(asked, "Invalid request.\n").encode())


@pytest.fixture
def pisugar() -> Iterator[PiSugar]:
    service = PiSugar({"get battery_v": "battery_v: 4.0\n", "get battery": "battery: 87.5\n"})
    yield service
    service.server.close()


def test_a_pisugar_that_measures_no_current(pisugar: PiSugar) -> None:
    reading = PiSugarMeter(pisugar.port).read()
    assert (reading.volts, reading.watts, reading.battery_percent) == (4.0, None, 87.5)
    pisugar.answers["get battery_i"] = "battery_i: 0\n"
    assert PiSugarMeter(pisugar.port).read().watts is None


def test_a_pisugar_that_measures_current(pisugar: PiSugar) -> None:
    pisugar.answers["get battery_i"] = "battery_i: -0.5\n"
    assert PiSugarMeter(pisugar.port).read().watts == pytest.approx(2.0)


def test_a_pisugar_that_is_not_there_or_says_nothing(pisugar: PiSugar) -> None:
    pisugar.answers.clear()
    with pytest.raises(DeviceError, match="states no battery voltage"):
        PiSugarMeter(pisugar.port).read()
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = int(unused.getsockname()[1])
    with pytest.raises(DeviceError, match=f"no PiSugar service answers on port {port}"):
        PiSugarMeter(port).read()


@pytest.mark.parametrize(
    ("text", "value"),
    [("battery_v: 4.01\n", 4.01), ("battery_v: nan", None), ("battery: 4", None), ("", None)],
)
def test_pisugars_answers(text: str, value: float | None) -> None:
    assert power_meters.parse_pisugar(text, "battery_v") == value


class Draw:
    """A meter of a board that draws 2 W, and 5 W while it works; every third reading fails."""

    source = "a meter of this test"
    shortest_interval_s = 0.001

    def __init__(self) -> None:
        self.works = False
        self.asked = 0

    def read(self) -> PowerReading:
        self.asked += 1
        if self.asked % 3 == 0:
            raise DeviceError("the bus was busy")
        return PowerReading(time.monotonic(), 5.0 if self.works else 2.0)


def test_idle_and_load_alternate() -> None:
    meter = Draw()

    def work(seconds: float) -> int:
        meter.works = True
        time.sleep(seconds)
        meter.works = False
        return 7

    pairs = alternate(meter, work, pairs=2, window_s=0.1, interval_s=0.005, settle_s=0.0)
    assert len(pairs) == 2
    for idle, load in pairs:
        assert (idle.runs, load.runs) == (0, 7)
        assert {reading.watts for reading in idle.readings} == {2.0}
        assert [r.watts for r in load.readings].count(5.0) >= len(load.readings) - 1
        assert load.seconds >= 0.1
        assert PowerWindow.from_json(load.to_json()) == load


def test_a_meter_that_never_answers_says_why() -> None:
    class Dead(Draw):
        def read(self) -> PowerReading:
            raise DeviceError("the wire is off")

    with PowerRecorder(Dead(), 0.01) as recorder:
        time.sleep(0.02)
    with pytest.raises(DeviceError, match="the wire is off"):
        recorder.window()


def test_the_pmic_is_not_read_too_often() -> None:
    with pytest.raises(UsageError, match=r"can be read every 0\.1 s at most"):
        PowerRecorder(PmicMeter(), 0.02)
