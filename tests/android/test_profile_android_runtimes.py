"""`profile --device android` with runtimes, delegates and harnesses of all kinds, and as an app."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from edge_deploy_android import built_files, measuring
from edge_deploy_android.adb import Adb, AdbDevice
from edge_deploy_android.leaving import ROOT as REMOTE
from edge_deploy_android.measuring import AndroidOptions
from edge_deploy_runner.errors import BadInputError, DeviceError, UsageError

from .fake_device.phone import FakePhone
from .phone_runs import changes, measure

pytestmark = pytest.mark.usefixtures("no_phone_is_chosen")


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
    assert changes(before, fake_phone.settings()) == {}
    monkeypatch.setattr("edge_deploy_android.app_run._installed_sha256", lambda device: "another")
    with pytest.raises(DeviceError, match=r"another dev.edgedeploy.harness .* uninstall"):
        measure(model, android=AndroidOptions(mode="app"))
    assert changes(before, fake_phone.settings()) == {}
