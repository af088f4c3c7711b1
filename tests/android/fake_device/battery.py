"""The fake phone's battery: counters that move with time and with the processors' load."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from .faults import Faults

VOLTAGE_V = 3.85
IDLE_W = 0.8
CORE_W = 2.0
INTERVAL_S = 0.25


class Battery:
    """Adds up the energy that a phone with this load would take; `run` never ends."""

    def __init__(self, state: Path, proc: Path, sys: Path) -> None:
        self.file, self.proc = state / "battery.json", proc
        self.supply = sys / "class/power_supply/battery"
        self.faults = Faults()
        self.energy_j = 0.0
        self.charge_uah = 3_600_000.0
        self.power_w = IDLE_W
        self._ticks: dict[str, int] = {}
        self._save()

    def run(self) -> None:
        """Sample the phone's processes for ever."""
        per_second = os.sysconf("SC_CLK_TCK")
        before = time.monotonic()
        self._busy_ticks()
        while True:
            time.sleep(INTERVAL_S)
            now = time.monotonic()
            elapsed, before = now - before, now
            cores = min(self._busy_ticks() / per_second / elapsed, os.cpu_count() or 1)
            if not self.faults.counters_still:
                self.power_w = IDLE_W + CORE_W * cores
                self.energy_j += self.power_w * elapsed
                sign = 1 if self.faults.charging else -1
                self.charge_uah += sign * self.power_w / VOLTAGE_V * 1e6 * elapsed / 3600
            self._save()

    def _busy_ticks(self) -> int:
        now: dict[str, int] = {}
        for folder in self.proc.iterdir():
            name = folder.name
            if name.isdigit() and int(name) > 2:
                try:
                    words = (folder / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                now[name] = int(words[11]) + int(words[12])
        busy = sum(max(0, ticks - self._ticks.get(name, 0)) for name, ticks in now.items())
        self._ticks = now
        return busy

    def _save(self) -> None:
        zero = self.faults.counters_zero
        current_ua = self.power_w / VOLTAGE_V * 1e6 * (1 if self.faults.charging else -1)
        values = {
            "charge_uah": 0 if zero else int(self.charge_uah),
            "current_ua": 0 if zero else int(current_ua),
            "voltage_mv": int(VOLTAGE_V * 1000),
            "energy_uj": 0 if zero else int(self.energy_j * 1e6),
            "level": 80,
            "temperature_decidegrees": 295,
            "charging": self.faults.charging,
        }
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(values))
        part.chmod(0o644)
        part.replace(self.file)
        (self.supply / "current_now").write_text(f"{values['current_ua']}\n")
        (self.supply / "charge_counter").write_text(f"{values['charge_uah']}\n")
        status = "Charging" if self.faults.charging else "Discharging"
        (self.supply / "status").write_text(f"{status}\n")
