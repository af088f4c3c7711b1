"""`profile --device android`, all of it: the real adb, our harness, a fake phone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small_models
from edge_deploy_android import built_files, measuring
from edge_deploy_android.adb import Adb, AdbDevice
from edge_deploy_android.harness_run import HarnessLines
from edge_deploy_android.leaving import ROOT as REMOTE
from edge_deploy_android.leaving import Leaving
from edge_deploy_android.measuring import AndroidOptions
from edge_deploy_android.target import AndroidTarget
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.errors import BadInputError, DeviceError, UsageError
from edge_deploy_runner.progress import silent
from edge_deploy_runner.tflite.model_file import ModelFile

from edge_deploy.diagnosis_phone import check_room
from edge_deploy.profiling import profile

from .fake_device.phone import FakePhone

SPEC = RunSpec(min_runs=20, min_seconds=0.1, max_seconds=5.0)
# Runs of microseconds end after 20 000, however many seconds are asked for.
LONG = replace(SPEC, sustained_seconds=60.0)


@pytest.fixture(autouse=True)
def _no_phone_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EDGE_DEPLOY_ADB", "ANDROID_HOME", "ANDROID_SDK_ROOT", "ANDROID_SERIAL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def phone(fake_phone: FakePhone, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePhone]:
    """A phone that is left as it was found by whatever the test does."""
    for name, value in fake_phone.environment.items():
        monkeypatch.setenv(name, value)
    # Where the app leaves its answer; real phones have it.
    fake_phone.run("mkdir -p /data/media/0/Android/data /data/media/0/Android/media")
    before = fake_phone.snapshot()
    yield fake_phone
    assert fake_phone.wait_until_idle() == []
    assert _changes(before, fake_phone.snapshot()) == {}


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model of four operators."""
    path = tmp_path_factory.mktemp("android-model") / "small one.tflite"
    path.write_bytes(small_models.float_model())
    return path


def measure(model: Path, **options: Any) -> dict[str, Any]:
    """The JSON of a short measurement; `android` are `AndroidOptions`."""
    settings: dict[str, Any] = {"spec": SPEC, "operators": False, "device": "android", **options}
    return profile(model, **settings).to_json()


def command(model: Path, *arguments: str) -> list[str]:
    """The command line of a profile on the phone."""
    return [
        *(sys.executable, "-m", "edge_deploy", "profile", str(model)),
        *("--device", "android", *arguments),
    ]


def _changes(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str | None, ...]]:
    return {
        path: (before.get(path), after.get(path))
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path)
    }


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


class _Pushes:
    """Counts what is pushed by name, and may do something after each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.after: Callable[[AdbDevice, str, str], None] = lambda *_: None
        original = AdbDevice.push

        def push(device: AdbDevice, path: Path, remote: str, name: str = "") -> None:
            self.names.append(name)
            original(device, path, remote, name)
            self.after(device, remote, name)

        monkeypatch.setattr(AdbDevice, "push", push)

    def of_files(self) -> list[str]:
        """Without the requests, which are new each time."""
        return [name for name in self.names if name != "the request"]


def test_files_are_pushed_once_and_by_hash(
    fake_phone: FakePhone, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in fake_phone.environment.items():
        monkeypatch.setenv(name, value)
    pushes = _Pushes(monkeypatch)
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
    pushes = _Pushes(monkeypatch)

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


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_on_either_side_when_another_program_stops_us(
    phone: FakePhone, model: Path, tmp_path: Path, how: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    child = _started(phone, model)
    _wait_for(child, phone, "Sustained load")
    assert list(temporary.glob("edge-deploy-*"))
    child.send_signal(how)
    child.wait(30)
    assert child.returncode == 128 + how
    assert not list(temporary.glob("edge-deploy-*"))
    _wait_until_clean(phone)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("mode", ["shell", "app"])
def test_nothing_is_left_when_we_are_stopped(
    phone: FakePhone, model: Path, how: signal.Signals, mode: str
) -> None:
    child = _started(phone, model, "--mode", mode)
    _wait_for(child, phone, "Sustained load")
    assert [path for path in phone.files() if path.startswith(REMOTE)]
    child.send_signal(how)
    child.wait(30)
    assert child.returncode == (130 if how == signal.SIGINT else -9)
    _wait_until_clean(phone)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_settings_are_put_back_when_we_are_stopped(
    phone: FakePhone, model: Path, how: signal.Signals
) -> None:
    before = phone.settings()
    child = _started(phone, model, "--meter", "phone", sustained="0")
    _wait_for(child, phone, "Reading the phone's power")
    deadline = time.monotonic() + 20
    while phone.settings() == before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert phone.settings() != before
    child.send_signal(how)
    child.wait(30)
    _wait_until_clean(phone)
    assert phone.settings() == before


def test_nothing_is_left_when_we_are_killed_while_pushing(phone: FakePhone, model: Path) -> None:
    phone.fault(bytes_per_s=1e6)
    child = _started(phone, model)
    _wait_for(child, phone, "Pushing libtensorflowlite_jni.so")
    time.sleep(0.5)
    child.kill()
    child.wait(30)
    phone.fault()
    _wait_until_clean(phone)


def test_the_cable_falls_out_while_it_runs(phone: FakePhone, model: Path) -> None:
    phone.fault(disconnect_after_run_s=2.0, gone_after_disconnect=True)
    with pytest.raises(DeviceError, match=r"lost while measuring|went offline") as raised:
        measure(model, spec=LONG)
    assert "\n" not in str(raised.value)
    _wait_until_clean(phone)
    phone.heal()
    assert measure(model)["latencies_ns"]


def test_the_cable_falls_out_while_it_pushes(phone: FakePhone, model: Path) -> None:
    phone.fault(disconnect_after_pushed_bytes=1_000_000, gone_after_disconnect=True)
    with pytest.raises(DeviceError, match=r"while pushing libtensorflowlite_jni.so") as caught:
        measure(model)
    assert "pushed" not in str(caught.value)
    assert "tmp/" not in str(caught.value)
    _wait_until_clean(phone)
    phone.heal()


def _started(
    phone: FakePhone, model: Path, *arguments: str, sustained: str = "60"
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(model, "--no-operators", "--sustained", sustained, *arguments),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, **phone.environment},
    )  # fmt: skip


def _wait_for(child: subprocess.Popen[bytes], phone: FakePhone, words: str) -> None:
    assert child.stderr is not None
    for line in child.stderr:
        if words.encode() in line:
            return
    pytest.fail(f"it ended before it said {words!r}")


def _wait_until_clean(phone: FakePhone) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not phone.processes() and not phone.files():
            return
        time.sleep(0.2)
    pytest.fail(f"left on the phone: {phone.processes()} {phone.files()}")


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


def test_a_full_storage(fake_phone: FakePhone, model: Path, monkeypatch: pytest.MonkeyPatch) -> (
    None
):  # fmt: skip
    for name, value in fake_phone.environment.items():
        monkeypatch.setenv(name, value)
    fake_phone.full_disk(1_000_000)
    with pytest.raises(DeviceError, match=r"storage of .* is full: libtensorflowlite_jni.so"):
        measure(model)
    assert not [path for path in fake_phone.files() if path.startswith(REMOTE)]


def test_doctor_finds_a_storage_on_which_nothing_can_be_measured(
    fake_phone: FakePhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in fake_phone.environment.items():
        monkeypatch.setenv(name, value)
    device = Adb().choose(AndroidTarget())
    assert check_room(device).status != "problem"
    fake_phone.read_only_data()
    found = check_room(device)
    assert (found.status, "cannot be written" in found.text) == ("problem", True)
    fake_phone.read_only_data(on=False)
    fake_phone.full_disk(1_000_000)
    found = check_room(device)
    assert (found.status, "1 MB are free" in found.text) == ("problem", True)


def test_another_phone_than_the_budgets_is_told_before_it_measures(
    phone: FakePhone, model: Path
) -> None:
    stages: list[str] = []
    with pytest.raises(UsageError, match=r"measured on android \(android:.*Google Pixel 8\)"):
        profile(
            model, device="android", for_device="pixel-4",
            on_progress=lambda stage, _done, _total: stages.append(stage),
        )  # fmt: skip
    assert stages == ["looking for the phone"]


def test_more_threads_than_cores_are_warned_of(phone: FakePhone, model: Path) -> None:
    found = measure(model, threads=2, android=AndroidOptions(cpus="0"))
    assert any("2 threads share 1 core" in text for text in found["warnings"])
    found = measure(model, threads=1, android=AndroidOptions(cpus="0"))
    assert not any("share" in text for text in found["warnings"])


def test_a_storage_that_cannot_be_written(
    fake_phone: FakePhone, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in fake_phone.environment.items():
        monkeypatch.setenv(name, value)
    fake_phone.read_only_data()
    with pytest.raises(DeviceError, match="cannot be made on"):
        measure(model)
    fake_phone.read_only_data(on=False)


def test_phones_that_are_refused(phone: FakePhone, model: Path) -> None:
    phone.fault(unauthorized=True)
    with pytest.raises(DeviceError, match="accept the prompt"):
        measure(model)
    phone.heal()
    phone.fault(offline=True)
    with pytest.raises(DeviceError, match="offline"):
        measure(model)
    phone.heal()
    phone.unplug()
    with pytest.raises(DeviceError, match="no phone is connected; plug one in"):
        measure(model)
    phone.connect()
    with pytest.raises(DeviceError, match=f"'nobody' is connected; there is {phone.serial}"):
        measure(model, device="android:nobody")


def test_an_old_phone_and_one_with_a_strange_processor(
    make_fake_phone: Callable[..., FakePhone], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, strange = make_fake_phone(), make_fake_phone(api_level=29)
    for name, value in old.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DeviceError, match="2 phones are connected; choose one") as raised:
        measure(model)
    assert old.serial in str(raised.value)
    assert strange.serial in str(raised.value)
    old.old_android()
    with pytest.raises(DeviceError, match=r"too old.*Android 8.0"):
        measure(model, device=f"android:{old.serial}")
    strange.wrong_abi("mips64,mips")
    with pytest.raises(DeviceError, match="runs mips64, mips, and the harness is there for arm64"):
        measure(model, device=f"android:{strange.serial}")
    strange.wrong_abi("arm64-v8a,armeabi-v7a")
    with pytest.raises(DeviceError) as refused:
        measure(model, device=f"android:{strange.serial}")
    assert "\n" not in str(refused.value)
    for found in (old, strange):
        assert not [path for path in found.files() if path.startswith(REMOTE)]


def test_android_7_is_refused_by_its_number(
    make_fake_phone: Callable[..., FakePhone], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = make_fake_phone(api_level=24)
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DeviceError, match=r"runs Android 7.0 \(API 24\), and Android 8.0"):
        measure(model)


def test_a_harness_of_another_version(
    phone: FakePhone, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(built_files.build(), digest="0" * 64)
    monkeypatch.setattr(measuring, "build", lambda: other)
    with pytest.raises(DeviceError, match=r"0000000000000000.*run the command again"):
        measure(model)


def test_a_harness_that_lies_there_already_is_replaced(
    fake_phone: FakePhone, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in fake_phone.environment.items():
        monkeypatch.setenv(name, value)
    jar = built_files.built_file("harness.jar")
    fake_phone.run(f"mkdir -p {REMOTE}/files && chmod 777 {REMOTE} {REMOTE}/files")
    fake_phone.write(f"{REMOTE}/files/{jar.remote_name}", "an older harness")
    fake_phone.run(f"chmod 666 {REMOTE}/files/{jar.remote_name}")
    assert measure(model)["latencies_ns"]


@pytest.mark.parametrize("name", ["FlexErf", "Mystery"])
def test_operators_that_no_phone_runs_are_refused_at_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / "custom.tflite"
    path.write_bytes(small_models.custom_operator_model(name))
    kind = r"TensorFlow \(Flex\)" if name.startswith("Flex") else "custom"
    with pytest.raises(BadInputError, match=rf"needs {kind} operators.*{name}"):
        measure(path)


def test_delegates(phone: FakePhone, model: Path) -> None:
    found = measure(model, delegate="none")["delegate"]
    assert found == {"asked": "none", "used": "none", "operator_share": 0.0}
    with pytest.raises(UsageError, match=r"tensorflow-lite-gpu-2\.16\.1\.aar"):
        measure(model, delegate="gpu")
    with pytest.raises(DeviceError, match=r"this runtime has no NNAPI; measure with another"):
        measure(model, delegate="nnapi")
    found = measure(model)
    if found["delegate"]["used"] == "unknown":
        assert found["delegate"]["operator_share"] is None
        assert any("does not tell which delegate" in text for text in found["warnings"])
    else:
        assert found["delegate"]["used"] == "XNNPACK"


def test_a_runtime_of_the_users_own(phone: FakePhone, model: Path) -> None:
    import ai_edge_litert

    library = Path(ai_edge_litert.__file__).parent / "libLiteRt.so"
    found = measure(model, android=AndroidOptions(runtime=(library,)))
    assert found["runtime"]["file"] == "libLiteRt.so"
    assert found["runtime"]["origin"] == "pushed"
    aar = built_files.built_file(built_files.RUNTIME_AAR).path
    with pytest.raises(UsageError, match="are two runtimes"):
        measure(model, android=AndroidOptions(runtime=(aar, library)))
    with pytest.raises(UsageError, match="both bring"):
        measure(model, android=AndroidOptions(runtime=(aar, aar)))


def test_a_runtime_may_be_called_anything(phone: FakePhone, model: Path, tmp_path: Path) -> None:
    import zipfile

    odd = tmp_path / "my $(runtime).so.1"
    with zipfile.ZipFile(built_files.built_file(built_files.RUNTIME_AAR).path) as archive:
        odd.write_bytes(archive.read("jni/x86_64/libtensorflowlite_jni.so"))
    found = measure(model, android=AndroidOptions(runtime=(odd,)))
    assert found["runtime"]["file"] == odd.name


def test_a_phone_with_larger_pages(phone: FakePhone, model: Path) -> None:
    assert measure(model)["device"]["page_bytes"] == 4096
    phone.pushed()
    phone.write("/fake/state/page_size", "16384\n")
    for mode in ("shell", "app"):
        with pytest.raises(DeviceError, match=r"pages of 16384 bytes.*--runtime.*litert:1\.4\.0"):
            measure(model, android=AndroidOptions(mode=mode))
    assert phone.pushed() == []


def test_the_gpu_needs_a_library_before_a_phone(model: Path) -> None:
    with pytest.raises(UsageError, match=r"tensorflow-lite-gpu-2\.16\.1\.aar"):
        measure(model, delegate="gpu")


def test_runtimes_that_are_none(phone: FakePhone, model: Path, tmp_path: Path) -> None:
    import zipfile

    aar = built_files.built_file(built_files.RUNTIME_AAR).path
    foreign = tmp_path / "foreign.so"
    with zipfile.ZipFile(aar) as archive:
        foreign.write_bytes(archive.read("jni/arm64-v8a/libtensorflowlite_jni.so"))
    with pytest.raises(BadInputError, match="is a library for arm64-v8a, and the phone runs x86"):
        measure(model, android=AndroidOptions(runtime=(foreign,)))
    empty = tmp_path / "empty.aar"
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("classes.jar", b"")
    with pytest.raises(BadInputError, match="holds no native libraries"):
        measure(model, android=AndroidOptions(runtime=(empty,)))
    for path, words in (
        (model, "neither a shared library nor an AAR"), (tmp_path / "no.so", "cannot be read"),
    ):  # fmt: skip
        with pytest.raises(BadInputError, match=words):
            measure(model, android=AndroidOptions(runtime=(path,)))


def test_as_an_app(phone: FakePhone, model: Path) -> None:
    found = measure(model, android=AndroidOptions(mode="app"), operators=True)
    assert found["device"]["mode"] == "app"
    # The fake phone has no screen to come to the front of.
    assert [words for words in found["warnings"] if "the harness app was not in front" in words]
    assert len(found["latencies_ns"]) >= 20
    assert found["operators"]
    phone.fault(am_fails="INSTRUMENTATION_FAILED: dev.edgedeploy.harness/.app.X")
    with pytest.raises(DeviceError, match="harness app broke off"):
        measure(model, android=AndroidOptions(mode="app"))
    phone.fault(pm_fails="INSTALL_FAILED_USER_RESTRICTED")
    with pytest.raises(DeviceError, match="Install via USB"):
        measure(model, android=AndroidOptions(mode="app"))


def test_an_app_that_was_there_before(
    fake_phone: FakePhone, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in fake_phone.environment.items():
        monkeypatch.setenv(name, value)
    device = AdbDevice(Adb(), fake_phone.serial)
    device.install(built_files.built_file("harness.apk").path)
    before = fake_phone.settings()
    assert measure(model, android=AndroidOptions(mode="app"))["latencies_ns"]
    assert _changes(before, fake_phone.settings()) == {}
    monkeypatch.setattr("edge_deploy_android.app_run._installed_sha256", lambda device: "another")
    with pytest.raises(DeviceError, match=r"another dev.edgedeploy.harness .* uninstall"):
        measure(model, android=AndroidOptions(mode="app"))
    assert _changes(before, fake_phone.settings()) == {}


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
    _wait_until_clean(phone)
    phone.heal()


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
    child = _started(phone, model, "--meter", "phone", sustained="0")
    _wait_for(child, phone, "Reading the phone's power")
    # As when adb's daemon is restarted, with all that it has started.
    phone.run(f"kill -9 $(cat {REMOTE}/run-*/keeper.pid)")
    child.kill()
    child.wait(30)
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
    _wait_until_clean(phone)


def test_doctor_tells_of_this_computer_where_the_phone_cannot_be_used(phone: FakePhone) -> None:
    phone.fault(unauthorized=True)
    done = subprocess.run(
        [sys.executable, "-m", "edge_deploy", "doctor", "--device", "android", "--json"],
        capture_output=True, text=True, check=False, env={**os.environ, **phone.environment},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert "adb" in {finding["name"] for finding in document["computer"]["findings"]}
    (finding,) = document["device"]["findings"]
    assert (finding["name"], finding["status"]) == ("phone", "problem")
    assert "does not trust this computer" in finding["text"]
    assert "accept the prompt" in finding["mend"]


def test_doctor_finds_the_phone(phone: FakePhone) -> None:
    phone.fault(hot=True, charging=True)
    phone.write("/fake/state/page_size", "16384\n")
    done = subprocess.run(
        [sys.executable, "-m", "edge_deploy", "doctor", "--device", "android", "--json"],
        capture_output=True, text=True, check=False, env={**os.environ, **phone.environment},
    )  # fmt: skip
    document = json.loads(done.stdout)
    named = {finding["name"]: finding for finding in document["device"]["findings"]}
    assert "Pixel 8" in named["phone"]["text"]
    assert named["phone"]["status"] == "warning"  # its times are simulated
    assert named["harness"]["status"] == "ok", named
    assert "GB free" in named["storage"]["text"]
    assert named["heat"]["mend"].startswith("let it cool")
    assert named["charging"]["status"] == "warning"
    assert "litert:1.4.0" in named["pages"]["mend"]
    here = {finding["name"]: finding for finding in document["computer"]["findings"]}
    assert phone.serial in here["adb"]["text"]
