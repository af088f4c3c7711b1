"""Phones on which nothing can be measured, and what `doctor` says of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import small_models
from edge_deploy_android.adb import Adb
from edge_deploy_android.leaving import ROOT as REMOTE
from edge_deploy_android.target import AndroidTarget
from edge_deploy_runner.errors import BadInputError, DeviceError, UsageError

from edge_deploy.diagnosis_phone import check_room
from edge_deploy.profiling import profile

from .fake_device.phone import FakePhone
from .phone_runs import measure

pytestmark = pytest.mark.usefixtures("no_phone_is_chosen")


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
    with pytest.raises(UsageError, match=r"and this is android \(android:.*Google Pixel 8\)"):
        profile(
            model, device="android", for_device="pixel-4",
            on_progress=lambda stage, _done, _total: stages.append(stage),
        )  # fmt: skip
    assert stages == ["looking for the phone"]


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


@pytest.mark.parametrize("name", ["FlexErf", "Mystery"])
def test_operators_that_no_phone_runs_are_refused_at_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / "custom.tflite"
    path.write_bytes(small_models.custom_operator_model(name))
    kind = r"TensorFlow \(Flex\)" if name.startswith("Flex") else "custom"
    with pytest.raises(BadInputError, match=rf"needs {kind} operators.*{name}"):
        measure(path)


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
