"""The energy of a phone whose simulated battery empties under load, over the real adb."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import small_models
from edge_deploy_android.adb import Adb, AdbDevice
from edge_deploy_android.leaving import Leaving
from edge_deploy_android.power import Window, WindowPlan, measure_power
from edge_deploy_android.telemetry import read_telemetry

from edge_deploy.energy import counted_energy

from .fake_device.phone import FakePhone


@pytest.fixture
def device(fake_phone: FakePhone, monkeypatch: pytest.MonkeyPatch) -> AdbDevice:
    for name, value in fake_phone.environment.items():
        monkeypatch.setenv(name, value)
    return AdbDevice(Adb(), fake_phone.serial)


def uptime_s(device: AdbDevice) -> float:
    return float(device.run(["cat", "/proc/uptime"]).text.split()[0])


def test_idle_and_load_on_a_phone(fake_phone: FakePhone, device: AdbDevice) -> None:
    fake_phone.write("/fake/state/kept/wakefulness", "Asleep\n")
    before = fake_phone.snapshot()

    def run_windows(plan: Sequence[WindowPlan]) -> Sequence[Window]:
        assert (
            device.run(["settings", "get", "system", "screen_off_timeout"]).text.strip() != "null"
        )
        done = []
        for window in plan:
            begin_s = uptime_s(device)
            if window.kind == "load":
                device.shell(f"timeout {window.seconds} sh -c 'while :; do :; done'")
            else:
                time.sleep(window.seconds)
            runs = 100 if window.kind == "load" else 0
            done.append(Window(window.kind, begin_s, uptime_s(device), runs))
        return done

    with Leaving(device) as leaving:
        log = measure_power(
            device, run_windows, folder=leaving.run, evidence="simulated", pairs=3, window_s=5.0,
            on_undo=lambda argv: leaving.undo(shlex.join(argv)),
        )  # fmt: skip
    assert log.reason == ""
    assert log.evidence == "simulated"
    assert "3 power rails" in log.meter
    assert "read every 0.25 s, 3 idle and load windows of 5 s in turn" in log.meter
    idle_uj = sum(idle.energy_uj for idle, _ in log.counter)
    assert 0 < idle_uj < sum(load.energy_uj for _, load in log.counter)
    found = counted_energy(list(log.counter), log.meter, log.resolution_uj, log.evidence)
    assert found.evidence in ("simulated", "unknown")  # other tests may take the processor
    assert fake_phone.wait_until_idle() == []
    assert fake_phone.snapshot() == before


def test_a_look_at_a_phone(fake_phone: FakePhone, device: AdbDevice) -> None:
    look = read_telemetry(lambda argv: device.run(argv).text)
    found = look.to_telemetry()
    assert (found.thermal_status, found.battery_percent, found.battery_celsius) == (0, 80.0, 29.5)
    assert (found.charging, look.screen_on) == (False, True)
    assert found.temperatures_celsius
    assert "MID (cpu)" not in found.temperatures_celsius
    assert found.governor
    assert found.max_frequency_mhz
    assert found.memory_available_bytes
    fake_phone.fault(charging=True, hot=True)
    _wait(lambda: "Charging" in fake_phone.run("cat /sys/class/power_supply/battery/status")[1])
    hot = read_telemetry(lambda argv: device.run(argv).text)
    assert hot.to_telemetry().thermal_status == 3
    assert hot.battery is not None
    assert hot.battery.plugged == ("USB",)
    fake_phone.fault(no_services=("battery", "thermalservice", "power"))
    silent = read_telemetry(lambda argv: device.run(argv).text)
    assert (silent.battery, silent.thermal, silent.screen_on) == (None, None, None)
    assert silent.cores


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_screen_is_put_back_when_we_are_stopped(
    fake_phone: FakePhone, tmp_path: Path, how: signal.Signals
) -> None:
    fake_phone.run("input keyevent 223; settings put system screen_brightness_mode 1")
    before = fake_phone.snapshot()
    model = tmp_path / "model.tflite"
    model.write_bytes(small_models.int8_model())
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "edge_deploy", "profile", str(model), "--device", "android"),
            *("--meter", "phone", "--runs", "20", "--seconds", "0.1", "--no-operators"),
        ],
        env={**os.environ, **fake_phone.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(lambda: any("sampler" in words for words in fake_phone.processes()))
        changed = {path for path, what in fake_phone.snapshot().items() if before.get(path) != what}
        assert {path.rsplit("/", 1)[-1] for path in changed if path.startswith("/fake")} == {
            "wakefulness", "screen_off_timeout", "screen_brightness_mode",
        }  # fmt: skip
        child.send_signal(how)
        assert child.wait(120) == (130 if how == signal.SIGINT else -9)
    finally:
        child.kill()
        child.wait()
    _wait(lambda: fake_phone.snapshot() == before)
    assert fake_phone.wait_until_idle() == []


def _wait(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
