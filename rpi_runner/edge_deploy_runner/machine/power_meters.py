"""Meters that say how much power the board draws, and a series of their readings.

A meter is named by the user, never guessed: asking an unknown chip on an I2C bus can upset it.
Reading costs time of its own, so energy is measured in a run apart from the timed one.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Protocol

from edge_deploy_runner.errors import DeviceError, UsageError

from . import vcgencmd

METERS = ("pmic", "ina219", "ina226", "pisugar")
# Reading a Pi 5's power chip 50 times a second was seen to slow inference sixfold [published].
PMIC_SHORTEST_INTERVAL_S = 0.1
DEFAULT_SHUNT_OHMS = 0.1
DEFAULT_I2C_BUS = 1
INA_ADDRESSES = range(0x40, 0x50)
INA226_MANUFACTURER = 0x5449
PISUGAR_PORT = 8423

_I2C_SLAVE = 0x0703
_CONFIGURATION, _SHUNT, _BUS, _MANUFACTURER = 0x00, 0x01, 0x02, 0xFE


@dataclass(frozen=True)
class PowerReading:
    """One reading, at `seconds` of a monotonic clock. What a meter does not measure is None.

    `rail_sum_w` is what a Pi 5's power chip adds up to before the correction in `watts`.
    """

    seconds: float
    watts: float | None
    volts: float | None = None
    amperes: float | None = None
    rail_sum_w: float | None = None
    battery_percent: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


class Meter(Protocol):
    """Something that can be read; `source` says what it is and what it takes for granted.

    `evidence` is "measured", or "predicted" where its watts are worked out by somebody's fit.
    """

    source: str
    evidence: str
    shortest_interval_s: float

    def read(self) -> PowerReading:
        """One reading; raises `DeviceError` where there is none."""
        ...


class PmicMeter:
    """The power chip of a Pi 5, through its firmware."""

    shortest_interval_s = PMIC_SHORTEST_INTERVAL_S
    evidence = "predicted"
    source = (
        "Pi 5 power chip: sum of its rails * "
        f"{vcgencmd.PMIC_FACTOR} + {vcgencmd.PMIC_OFFSET_W} W (one author's fit)"
    )

    def read(self) -> PowerReading:
        """Watts of the whole board by the fit, and the sum of the rails as it was read."""
        answer = vcgencmd.ask("pmic_read_adc")
        if answer is None:
            raise DeviceError("vcgencmd is not installed; the power chip needs Raspberry Pi OS")
        rails = vcgencmd.parse_pmic(answer.text)
        if not rails:
            why = f" ({answer.error})" if answer.error else ""
            raise DeviceError(
                f"vcgencmd pmic_read_adc names no rails{why}; only a Raspberry Pi 5 has the chip"
            )
        total = vcgencmd.rail_sum_w(rails)
        return PowerReading(time.monotonic(), vcgencmd.estimated_board_w(total), rail_sum_w=total)


class WordBus(Protocol):
    """What an I2C bus does for a meter: read one 16-bit register, most significant byte first."""

    def read_word(self, address: int, register: int) -> int:
        """The register's value, 0 to 65535."""
        ...


class I2cBus:
    """`/dev/i2c-N`, through the kernel; the only thing ever written is a register's number."""

    def __init__(self, path: str) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            raise DeviceError(
                f"{path} does not exist; switch I2C on with `sudo raspi-config nonint do_i2c 0`"
            ) from None
        except OSError as error:
            raise DeviceError(
                f"cannot open {path}: {error.strerror}; run `sudo usermod -aG i2c $USER` and log "
                "in anew"
            ) from error
        self._path = path

    def read_word(self, address: int, register: int) -> int:
        """The register's value; raises `DeviceError` where no chip answers."""
        import fcntl

        try:
            fcntl.ioctl(self._descriptor, _I2C_SLAVE, address)
            os.write(self._descriptor, bytes([register]))
            data = os.read(self._descriptor, 2)
        except OSError as error:
            raise DeviceError(
                f"no chip answers at {address:#04x} on {self._path} ({error.strerror}); check the "
                f"wiring and the address with `i2cdetect -y {self._path.rpartition('-')[2]}`"
            ) from error
        return int.from_bytes(data, "big")

    def close(self) -> None:
        """Let go of the bus."""
        os.close(self._descriptor)


def signed(word: int) -> int:
    """A 16-bit register as a number with a sign (two's complement)."""
    return word - 0x10000 if word & 0x8000 else word


def ina219_shunt_v(word: int) -> float:
    """Volts across the shunt, 10 µV a step."""
    return signed(word) * 10e-6


def ina219_bus_v(word: int) -> float:
    """Volts at the load, 4 mV a step above the three flag bits."""
    return (word >> 3) * 4e-3


def ina226_shunt_v(word: int) -> float:
    """Volts across the shunt, 2.5 µV a step."""
    return signed(word) * 2.5e-6


def ina226_bus_v(word: int) -> float:
    """Volts at the load, 1.25 mV a step."""
    return (word & 0x7FFF) * 1.25e-3


class InaMeter:
    """An INA219 or INA226 at an I2C address, with the shunt that the user states.

    Nothing is configured or calibrated: power is bus voltage * shunt voltage / shunt resistance,
    in the mode that the chip is in. Raises `DeviceError` where the chip contradicts its name.
    """

    shortest_interval_s = 0.01
    evidence = "measured"

    def __init__(
        self, kind: str, bus: WordBus, address: int, shunt_ohms: float = DEFAULT_SHUNT_OHMS
    ) -> None:
        if kind not in ("ina219", "ina226"):
            raise UsageError(f"unknown chip {kind!r}; use ina219 or ina226")
        if address not in INA_ADDRESSES:
            raise UsageError(
                f"an {kind.upper()} has an address from 0x40 to 0x4f, not {address:#x}"
            )
        if not (math.isfinite(shunt_ohms) and shunt_ohms > 0):
            raise UsageError(f"a shunt has more than 0 ohms, not {shunt_ohms:g}")
        self._kind, self._bus, self._address, self._ohms = kind, bus, address, shunt_ohms
        self.source = (
            f"{kind.upper()} at {address:#04x}, shunt of {shunt_ohms:g} ohms as stated "
            f"({self._identify()})"
        )

    def _identify(self) -> str:
        maker = self._bus.read_word(self._address, _MANUFACTURER)
        if self._kind == "ina226":
            if maker != INA226_MANUFACTURER:
                raise DeviceError(
                    f"the chip at {self._address:#04x} gives manufacturer {maker:#06x} and is no "
                    "INA226; name the right one, ina219, or the right address"
                )
            how = "identified by its manufacturer id"
        else:
            # An INA219 has no id; the register is not one of its own.
            if maker == INA226_MANUFACTURER:
                raise DeviceError(
                    f"the chip at {self._address:#04x} says that it is an INA226; name ina226"
                )
            how = "an INA219 by the user's word: the chip has no id"
        mode = self._bus.read_word(self._address, _CONFIGURATION) & 0b111
        if mode != 0b111:
            raise DeviceError(
                f"the {self._kind.upper()} at {self._address:#04x} does not measure shunt and bus "
                f"continuously (mode {mode}); power it off and on, which is its reset"
            )
        return how

    def read(self) -> PowerReading:
        """Watts, volts at the load, and amperes through the shunt."""
        shunt = self._bus.read_word(self._address, _SHUNT)
        bus = self._bus.read_word(self._address, _BUS)
        if self._kind == "ina226":
            amperes, volts = ina226_shunt_v(shunt) / self._ohms, ina226_bus_v(bus)
        else:
            amperes, volts = ina219_shunt_v(shunt) / self._ohms, ina219_bus_v(bus)
        return PowerReading(time.monotonic(), volts * amperes, volts, amperes)


class PiSugarMeter:
    """A PiSugar battery through its own service on this very machine.

    Watts only where the board measures its current (PiSugar 2); else voltage and charge.
    """

    shortest_interval_s = 0.5
    evidence = "measured"
    source = "PiSugar, at the battery (before its 5 V converter)"

    def __init__(self, port: int = PISUGAR_PORT) -> None:
        self._port = port

    def read(self) -> PowerReading:
        """What the service says now."""
        volts = self._number("battery_v")
        if volts is None:
            raise DeviceError("the PiSugar service states no battery voltage; see its web page")
        amperes = self._number("battery_i")
        if amperes is not None and amperes == 0:  # boards that cannot measure it say 0
            amperes = None
        return PowerReading(
            time.monotonic(),
            None if amperes is None else volts * abs(amperes),
            volts,
            amperes,
            battery_percent=self._number("battery"),
        )

    def _number(self, name: str) -> float | None:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=2) as line:
                line.sendall(f"get {name}\n".encode())
                # A line at most; a service that sends for ever is not waited for.
                with line.makefile("rb") as answer:
                    text = answer.readline(200).decode("utf-8", "replace")
        except OSError as error:
            raise DeviceError(
                f"no PiSugar service answers on port {self._port} of this machine ({error}); "
                "start it with `sudo systemctl start pisugar-server`"
            ) from error
        return parse_pisugar(text, name)


def parse_pisugar(text: str, name: str) -> float | None:
    """The number in `battery_v: 4.01`; None for an error or another name."""
    key, _, value = text.strip().partition(":")
    try:
        number = float(value)
    except ValueError:
        return None
    return number if key == name and math.isfinite(number) else None


def open_meter(
    kind: str,
    *,
    bus: int = DEFAULT_I2C_BUS,
    address: int = 0x40,
    shunt_ohms: float = DEFAULT_SHUNT_OHMS,
) -> Meter:
    """The meter that the user names, proven by one reading; raises `DeviceError` where it is not.

    `bus`, `address` and `shunt_ohms` are for ina219 and ina226.
    """
    meter: Meter
    if kind == "pmic":
        meter = PmicMeter()
    elif kind in ("ina219", "ina226"):
        meter = InaMeter(kind, I2cBus(f"/dev/i2c-{bus}"), address, shunt_ohms)
    elif kind == "pisugar":
        meter = PiSugarMeter()
    else:
        raise UsageError(f"unknown power meter {kind!r}; use one of {', '.join(METERS)}")
    meter.read()
    return meter


@dataclass(frozen=True)
class PowerWindow:
    """Readings over so many seconds, and the inferences that were run in them (0 when idle)."""

    readings: tuple[PowerReading, ...]
    seconds: float
    runs: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "seconds": self.seconds,
            "runs": self.runs,
            "readings": [reading.to_json() for reading in self.readings],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> PowerWindow:
        """The window that `to_json` wrote on the device."""
        readings = tuple(PowerReading(**reading) for reading in document["readings"])
        return cls(readings, float(document["seconds"]), int(document["runs"]))


class PowerRecorder:
    """Readings of a meter in a thread, at an interval, while the block runs.

    A reading that fails is left out; if all fail, `window` raises what the last one met.
    """

    def __init__(self, meter: Meter, interval_s: float) -> None:
        if interval_s < meter.shortest_interval_s:
            raise UsageError(
                f"{meter.source} can be read every {meter.shortest_interval_s:g} s at most"
            )
        self._meter, self._interval_s = meter, interval_s
        self._readings: list[PowerReading] = []
        self._error: DeviceError | None = None
        self._begun = self._ended = time.monotonic()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._collect, daemon=True)

    def _collect(self) -> None:
        due = time.monotonic()
        while True:
            try:
                self._readings.append(self._meter.read())
            except DeviceError as error:
                self._error = error
            due = max(due + self._interval_s, time.monotonic())
            if self._end.wait(max(0.0, due - time.monotonic())):
                return

    def __enter__(self) -> PowerRecorder:
        """Start reading."""
        self._begun = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop reading."""
        self._ended = time.monotonic()
        self._end.set()
        self._thread.join()

    def window(self, runs: int = 0) -> PowerWindow:
        """What was read in the block; raises `DeviceError` where nothing was."""
        if not self._readings:
            raise self._error or DeviceError(f"{self._meter.source} gave no reading")
        return PowerWindow(tuple(self._readings), self._ended - self._begun, runs)


def alternate(
    meter: Meter,
    run_for: Callable[[float], int],
    *,
    pairs: int = 5,
    window_s: float = 2.0,
    interval_s: float = 0.2,
    settle_s: float = 0.5,
) -> list[tuple[PowerWindow, PowerWindow]]:
    """Idle and load windows in turn: `run_for(seconds)` runs inferences and returns how many.

    After each load the machine is left alone for `settle_s`, so that its tail is no idle power.
    """
    found = []
    for _ in range(pairs):
        time.sleep(settle_s)
        with PowerRecorder(meter, interval_s) as log:
            time.sleep(window_s)
        idle = log.window()
        with PowerRecorder(meter, interval_s) as log:
            runs = run_for(window_s)
        found.append((idle, log.window(runs)))
    return found
