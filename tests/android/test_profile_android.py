"""`profile --device android`: what it measures, on which cores, and what it pushes."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from edge_deploy_android import built_files
from edge_deploy_android.adb import Adb, AdbDevice
from edge_deploy_android.harness_run import HarnessLines
from edge_deploy_android.leaving import ROOT as REMOTE
from edge_deploy_android.measuring import AndroidOptions
from edge_deploy_runner.errors import DeviceError, UsageError
from edge_deploy_runner.progress import silent
from edge_deploy_runner.tflite.model_file import ModelFile

from .fake_device.phone import FakePhone
from .phone_runs import SPEC, Pushes, command, measure

pytestmark = pytest.mark.usefixtures("no_phone_is_chosen")


def test_a_measurement_is_one_json_document(phone: FakePhone, model: Path) -> None:
    phone.write("/sys/class/power_supply/battery/type", "Battery\n")
    done = subprocess.run(
        command(model, "--runs", "20", "--seconds", "0.1", "--json"),
        capture_output=True, text=True, check=False, env={**os.environ, **phone.environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["evidence"] == "simulated"
    assert found["device"]["id"] == "android"
    assert found["device"]["target"] == f"android:{phone.serial}"
    assert found["device"]["model"] == "Pixel 8"
    assert (found["device"]["abi"], found["device"]["mode"]) == ("x86_64", "shell")
    assert found["runtime"]["origin"] == "pushed"
    assert found["runtime"]["file"] == "libtensorflowlite_jni.so"
    assert found["runtime"]["source"] == built_files.RUNTIME_AAR
    assert len(found["runtime"]["sha256"]) == 64
    assert len(found["latencies_ns"]) >= 20
    assert found["peak_memory_bytes"] is not None
    assert found["memory"]["baseline_bytes"] > 1e6
    assert len(found["operators"]) > 3
    assert any(entry["ms"] for entry in found["operators"])
    assert found["telemetry"]["before"]["battery_percent"] is not None
    assert found["telemetry"]["after"]["thermal_status"] == 0
    assert found["telemetry"]["after"]["on_battery"] is None
    assert not any("runs on battery" in text for text in found["warnings"])
    assert "--meter phone" in found["energy"]["reason"]
    assert any("emulated" in text for text in found["warnings"])


def test_the_table_says_where_and_on_what(phone: FakePhone, model: Path) -> None:
    done = subprocess.run(
        command(model, "--runs", "20", "--seconds", "0.1", "--no-operators", "--cpus", "big"),
        capture_output=True, text=True, check=False,
        env={**os.environ, **phone.environment, "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for words in (
        phone.serial, "Pixel 8", "Android 14 (API 34)", "x86_64", "big core", "shell program",
        "libtensorflowlite_jni.so out of tensorflow-lite-2.16.1.aar (sha256 ", "simulated",
    ):  # fmt: skip
        assert words in done.stdout


def test_cores_threads_and_sustained_load(phone: FakePhone, model: Path) -> None:
    found = measure(
        model, threads="sweep", android=AndroidOptions(cpus="all"),
        spec=replace(SPEC, sustained_seconds=1.5),
    )  # fmt: skip
    assert [point["threads"] for point in found["sweep"]] == list(
        range(1, min(8, found["device"]["cores"]) + 1)
    )
    assert found["device"]["cpus"].startswith("all cores")
    assert found["sustained"]["seconds"] >= 1.5
    assert not any("--cpus" in text for text in found["warnings"])
    with pytest.raises(UsageError, match=r"--cpus 99: .* has the cores 0 to"):
        measure(model, android=AndroidOptions(cpus="99"))


def test_big_cores_are_those_that_run(phone: FakePhone, model: Path) -> None:
    seen: list[str] = []

    def watch(stage: str, done: int, total: int) -> None:
        if stage == "sustained load" and not seen:
            seen.append(
                phone.run("grep Cpus_allowed_list /proc/$(cat "
                          f"{REMOTE}/run-*/harness.pid)/status")[1]
            )  # fmt: skip

    found = measure(
        model, android=AndroidOptions(cpus="big"), spec=replace(SPEC, sustained_seconds=2.0),
        on_progress=watch,
    )  # fmt: skip
    assert seen[0].split()[-1] == ",".join(map(str, found["device"]["cpu_list"]))


@pytest.mark.parametrize("name", ["a 'b\" $(touch x).tflite", "line\nbreak; reboot.tflite", "-rf"])
def test_file_names_reach_no_shell(
    phone: FakePhone, model: Path, tmp_path: Path, name: str
) -> None:
    odd = tmp_path / name
    odd.write_bytes(model.read_bytes())
    assert measure(odd)["model"]["name"] == name


def test_files_are_pushed_once_and_by_hash(
    fake_phone: FakePhone, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in fake_phone.environment.items():
        monkeypatch.setenv(name, value)
    pushes = Pushes(monkeypatch)
    kept = AndroidOptions(keep=True)
    measure(model, android=kept)
    assert len(pushes.of_files()) == 4
    files = fake_phone.files()
    assert not any("/run-" in path for path in files)
    pushes.names.clear()
    measure(model, android=kept)
    assert pushes.of_files() == []
    # Another model of the very same size.
    parsed = ModelFile.open(model)
    weights = max((bytes(parsed.buffer_data(tensor.buffer)) for tensor in parsed.graph.tensors),
                  key=len)  # fmt: skip
    changed = bytes([weights[0] ^ 1]) + weights[1:]
    other = tmp_path / "other.tflite"
    other.write_bytes(parsed.data.replace(weights, changed))
    assert other.stat().st_size == model.stat().st_size
    measure(other, android=kept)
    assert pushes.of_files() == ["other.tflite"]
    # One that was damaged on the phone meanwhile, its size the same.
    pushes.names.clear()
    remote = next(path for path in files if path.endswith(".tflite"))
    text = "x" * model.stat().st_size
    fake_phone.write(remote, text)
    fake_phone.run(f"chmod 666 {remote}")
    measure(model, android=kept)
    assert pushes.of_files() == [model.name]
    measure(model)
    assert not [path for path in fake_phone.files() if path.startswith(REMOTE)]


def test_a_file_that_arrives_damaged_is_pushed_again(
    phone: FakePhone, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushes = Pushes(monkeypatch)

    def damage(device: AdbDevice, remote: str, name: str) -> None:
        if name == model.name and pushes.names.count(name) == 1:
            device.shell(f"printf x >> {remote}")

    pushes.after = damage
    measure(model)
    assert pushes.names.count(model.name) == 2
    pushes.names.clear()
    pushes.after = lambda device, remote, name: (
        None if name == "the request" else device.shell(f"printf x >> {remote}") and None
    )
    with pytest.raises(DeviceError, match=r"arrived damaged on .* 2 times"):
        measure(model)


def test_more_threads_than_cores_are_warned_of(phone: FakePhone, model: Path) -> None:
    found = measure(model, threads=2, android=AndroidOptions(cpus="0"))
    assert any("2 threads share 1 core" in text for text in found["warnings"])
    found = measure(model, threads=1, android=AndroidOptions(cpus="0"))
    assert not any("share" in text for text in found["warnings"])


@pytest.mark.parametrize("fault", ["counters_zero", "counters_still", "charging"])
def test_a_phone_whose_counters_say_nothing(phone: FakePhone, model: Path, fault: str) -> None:
    phone.fault(**{fault: True}, no_services=("powerstats",))
    found = measure(model, android=AndroidOptions(energy=True, window_s=1.0))
    assert found["energy"]["evidence"] == "unknown"
    assert "not measurable" in found["energy"]["reason"]
    assert found["energy"]["mj_per_inference"] is None


def test_a_phone_without_its_services(phone: FakePhone, model: Path) -> None:
    phone.fault(no_services=("battery", "thermalservice", "powerstats", "power"))
    found = measure(model)
    assert found["telemetry"]["before"]["battery_percent"] is None
    assert found["latencies_ns"]


def test_cores_that_the_phone_does_not_give(phone: FakePhone, model: Path) -> None:
    there = os.cpu_count() or 1
    phone.write("/sys/devices/system/cpu/possible", f"0-{there + 1}\n")
    found = measure(model, android=AndroidOptions(cpus=f"0-{there + 1}"))
    assert found["device"]["cpu_list"] == list(range(there))
    assert any(f"asks for cores 0-{there + 1}, and the phone" in text for text in found["warnings"])


def test_of_the_phones_log_only_what_tells_of_delegates_is_read(phone: FakePhone) -> None:
    entry = {"time": 1.0, "pid": 7, "level": "I", "tag": "tflite", "message": "Replacing"}
    noise = {**entry, "tag": "chatty", "message": "noise"}
    phone.write("/fake/state/log", f"{json.dumps(entry)}\n{json.dumps(noise)}\n")
    lines = HarnessLines(AdbDevice(Adb(), phone.serial), silent, None)
    found = lines.output({"pid": 7}).logcat
    assert "Replacing" in found
    assert "noise" not in found


def test_two_at_once(phone: FakePhone, model: Path) -> None:
    children = [
        subprocess.Popen(
            command(model, "--runs", "20", "--seconds", seconds, "--no-operators", "--json"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, **phone.environment},
        )
        for seconds in ("0.1", "3")
    ]  # fmt: skip
    for child in children:
        output, errors = child.communicate(timeout=120)
        assert child.returncode == 0, errors.decode()
        assert json.loads(output)["latencies_ns"]
