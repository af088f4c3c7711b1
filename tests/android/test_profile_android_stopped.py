"""`profile --device android` stopped, crashed or cut off: the phone is left as it was found."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import small_models
from edge_deploy_android.adb import Adb, AdbDevice
from edge_deploy_android.leaving import ROOT as REMOTE
from edge_deploy_android.leaving import Leaving
from edge_deploy_android.measuring import AndroidOptions
from edge_deploy_runner.errors import DeviceError

from .fake_device.phone import FakePhone
from .phone_runs import LONG, measure, started, wait_for, wait_until_clean

pytestmark = pytest.mark.usefixtures("no_phone_is_chosen")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_on_either_side_when_another_program_stops_us(
    phone: FakePhone, model: Path, tmp_path: Path, how: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    child = started(phone, model)
    wait_for(child, "Sustained load")
    assert list(temporary.glob("edge-deploy-*"))
    child.send_signal(how)
    child.wait(120)
    assert child.returncode == 128 + how
    assert not list(temporary.glob("edge-deploy-*"))
    wait_until_clean(phone)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("mode", ["shell", "app"])
def test_nothing_is_left_when_we_are_stopped(
    phone: FakePhone, model: Path, how: signal.Signals, mode: str
) -> None:
    child = started(phone, model, "--mode", mode)
    wait_for(child, "Sustained load")
    assert [path for path in phone.files() if path.startswith(REMOTE)]
    child.send_signal(how)
    child.wait(120)
    assert child.returncode == (130 if how == signal.SIGINT else -9)
    wait_until_clean(phone)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_settings_are_put_back_when_we_are_stopped(
    phone: FakePhone, model: Path, how: signal.Signals
) -> None:
    before = phone.settings()
    child = started(phone, model, "--meter", "phone", sustained="0")
    wait_for(child, "Reading the phone's power")
    deadline = time.monotonic() + 90
    while phone.settings() == before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert phone.settings() != before
    child.send_signal(how)
    child.wait(120)
    wait_until_clean(phone)
    assert phone.settings() == before


def test_nothing_is_left_when_we_are_killed_while_pushing(phone: FakePhone, model: Path) -> None:
    phone.fault(bytes_per_s=1e6)
    child = started(phone, model)
    wait_for(child, "Pushing libtensorflowlite_jni.so")
    while not any("libtensorflowlite_jni" in path for path in phone.files()):
        assert child.poll() is None
        time.sleep(0.05)
    child.kill()
    child.wait(120)
    phone.fault()
    wait_until_clean(phone)


def test_the_cable_falls_out_while_it_runs(phone: FakePhone, model: Path) -> None:
    phone.fault(disconnect_after_run_s=2.0, gone_after_disconnect=True)
    with pytest.raises(DeviceError, match=r"lost while measuring|went offline") as raised:
        measure(model, spec=LONG)
    assert "\n" not in str(raised.value)
    wait_until_clean(phone)
    phone.heal()
    assert measure(model)["latencies_ns"]


def test_the_cable_falls_out_while_it_pushes(phone: FakePhone, model: Path) -> None:
    phone.fault(disconnect_after_pushed_bytes=1_000_000, gone_after_disconnect=True)
    with pytest.raises(DeviceError, match=r"while pushing libtensorflowlite_jni.so") as caught:
        measure(model)
    assert "pushed" not in str(caught.value)
    assert "tmp/" not in str(caught.value)
    wait_until_clean(phone)
    phone.heal()


def test_a_crash_of_the_runtime(phone: FakePhone, model: Path) -> None:
    phone.fault(crash_signal=11, crash_after_s=0.5)
    with pytest.raises(DeviceError, match=r"crashed on .* \(signal 11, SIGSEGV\)"):
        measure(model, spec=LONG)
    phone.fault(crash_signal=9, crash_after_s=0.5)
    with pytest.raises(DeviceError, match=r"was killed .*memory"):
        measure(model, spec=LONG)


def test_a_crash_while_operators_are_timed_costs_the_operators(
    phone: FakePhone, tmp_path: Path
) -> None:
    many = tmp_path / "many.tflite"  # two seconds of operators
    many.write_bytes(small_models.float_model(16, layers=120))

    def crash(stage: str, done: int, total: int) -> None:
        if stage == "timing operators":
            phone.run(f"kill -11 $(cat {REMOTE}/run-*/harness.pid)")

    found = measure(many, operators=True, on_progress=crash)
    assert len(found["latencies_ns"]) >= 20
    assert found["operators"] == []
    assert "crashed" in found["operators_note"]


def test_a_cable_that_falls_out_while_power_is_read_costs_the_energy_alone(
    phone: FakePhone, model: Path
) -> None:
    def pull(stage: str, _done: int, _total: int) -> None:
        if stage == "reading the phone's power":
            phone.fault(gone_after_disconnect=True)
            phone.disconnect()

    found = measure(model, android=AndroidOptions(energy=True, window_s=1.0), on_progress=pull)
    assert len(found["latencies_ns"]) >= 20
    assert found["energy"]["evidence"] == "unknown"
    assert "reading the phone's power broke off: " in found["energy"]["reason"]
    assert found["energy"]["reason"] in found["warnings"]
    assert any("goes with the next run" in text for text in found["warnings"])
    wait_until_clean(phone)
    phone.heal()


def test_a_run_whose_keeper_is_gone_is_cleared_away(phone: FakePhone, model: Path) -> None:
    # As after a phone that was switched off in the middle.
    phone.run(
        f"mkdir -p {REMOTE}/run-dead {REMOTE}/files; echo 999999 > {REMOTE}/run-dead/keeper.pid; "
        f"echo x > {REMOTE}/files/old"
    )
    measure(model)


def test_a_keepers_number_is_another_programs_after_a_restart(phone: FakePhone) -> None:
    def pretend(boot_id: str) -> None:
        phone.run(
            f"mkdir -p {REMOTE}/run-old; sleep 60 >/dev/null 2>&1 </dev/null & "
            f"echo $! > {REMOTE}/run-old/keeper.pid; {boot_id} > {REMOTE}/run-old/boot_id"
        )

    def runs() -> int:
        return sum(path.count("/") == 5 and "/run-" in path for path in phone.files())

    device = AdbDevice(Adb(), phone.serial)
    pretend("cat /proc/sys/kernel/random/boot_id")
    with Leaving(device):
        assert runs() == 2
    phone.run(f"kill $(cat {REMOTE}/run-old/keeper.pid)")
    pretend("echo 11111111-2222-3333-4444-555555555555")
    number = phone.run(f"cat {REMOTE}/run-old/keeper.pid")[1].strip()
    with Leaving(device):
        assert runs() == 1
    phone.run(f"kill {number}")


def test_the_next_run_undoes_what_a_keeper_could_not(phone: FakePhone, model: Path) -> None:
    before = phone.settings()
    child = started(phone, model, "--meter", "phone", sustained="0")
    wait_for(child, "Reading the phone's power")
    # As when adb's daemon is restarted, with all that it has started.
    phone.run(f"kill -9 $(cat {REMOTE}/run-*/keeper.pid)")
    child.kill()
    child.wait(120)
    assert phone.settings() != before
    assert any("/run-" in path for path in phone.files())
    measure(model)
    assert phone.settings() == before


def test_a_harness_that_has_ended_is_not_stopped_by_its_number(
    phone: FakePhone, model: Path
) -> None:
    # By then the number may be that of another process.
    left: list[str] = []

    def look(stage: str, _done: int, _total: int) -> None:
        if stage == "measuring the runtime alone":
            left.extend(path.rsplit("/", 1)[-1] for path in phone.files())

    measure(model, on_progress=look)
    assert "keeper.pid" in left
    assert "harness.pid" not in left


def test_a_phone_that_is_lost_as_it_cleans_up(
    phone: FakePhone, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_deploy_android.leaving._LEAVE_LIMIT_S", 0.0)
    with pytest.raises(DeviceError, match=r"while cleaning up after the run.*with the next run"):
        measure(model)
    wait_until_clean(phone)
