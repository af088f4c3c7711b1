"""The doctor on the computer: packages by their records, targets, and what a device answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from edge_deploy_android.adb import Adb
from edge_deploy_runner.doctor.finding import Finding
from edge_deploy_runner.errors import DeviceError, UsageError

from edge_deploy import diagnosis, diagnosis_computer
from edge_deploy.bundles.wheels import WheelPlatform
from edge_deploy.diagnosis_errors import finding_and_mend
from edge_deploy.remote.target import SshTarget

PI = SshTarget("raspberrypi.local", "pi", 2222)


def test_an_extras_exact_versions() -> None:
    requirements = [
        "numpy>=1.26",
        "tensorflow==2.21.0; extra == 'convert'",
        "tensorflow==2.21.0; extra == 'dev'",
        'tf-keras==2.21.0 ; extra == "convert"',
        "uv>=0.9; extra == 'dev'",
    ]
    found = diagnosis_computer.extra_requirements(requirements, "convert")
    assert found == {"tensorflow": "2.21.0", "tf-keras": "2.21.0"}
    assert diagnosis_computer.extra_requirements(requirements, "none") == {}


def test_a_convert_extra_that_is_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["numpy==0.0.1; extra == 'convert'", "no-such-package==1.0; extra == 'convert'"]
    monkeypatch.setattr(diagnosis_computer.metadata, "requires", lambda _: wanted)
    finding = diagnosis_computer.check_convert_extra()
    assert finding.status == "warning"
    assert "no-such-package is missing" in finding.text
    assert "instead of 0.0.1" in finding.text
    assert finding.mend.endswith("-m pip install 'edge-deploy[convert]'")


def test_tools_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert diagnosis_computer.check_ssh().mend == "sudo apt install openssh-client"
    assert diagnosis_computer.check_adb().mend == "sudo apt install adb"


def test_targets() -> None:
    finding = diagnosis_computer.check_target("rpi-bookworm")
    assert finding.status == "ok"
    assert "Python 3.11 on aarch64: " in finding.text
    assert "ai-edge-litert" in finding.text
    assert "device's apt" in diagnosis_computer.check_target("rpi-bookworm-armv7").text
    with pytest.raises(UsageError, match="rpi-bookworm, rpi-trixie, rpi-bookworm-armv7"):
        diagnosis.diagnose(target="rpi-jessie")


@pytest.mark.parametrize(
    "device", ["android:", "androids", "raspberry-pi-5", "ssh://", "ssh://-oX@host"]
)
def test_devices_that_are_none(device: str) -> None:
    with pytest.raises(UsageError):
        diagnosis.diagnose(device)


@pytest.mark.parametrize(
    ("device_s", "status", "words"),
    [
        (1000.0, "ok", "agree"),
        (1100.0, "ok", "agree"),
        (4600.0, "warning", "60 minutes ahead of"),
        (-6200.0, "warning", "120 minutes behind"),
    ],
)
def test_clocks(device_s: float, status: str, words: str) -> None:
    finding = diagnosis.check_clocks(device_s, 1000.0, PI)
    assert finding.status == status
    assert words in finding.text
    if finding.mend:
        assert finding.mend == ('ssh -p 2222 pi@raspberrypi.local "sudo date -u -s @$(date +%s)"')


def test_whether_the_target_fits_the_device() -> None:
    bookworm = WheelPlatform((3, 11), "aarch64")
    machine = {"python": "3.13.5", "machine": "aarch64", "userland_bits": 64}
    finding = diagnosis.check_fit({"machine": machine}, bookworm)
    assert (finding.status, finding.mend) == ("problem", "build with --target rpi-trixie")
    small = {"python": "3.11.2", "machine": "aarch64", "userland_bits": 32}
    finding = diagnosis.check_fit({"machine": small}, bookworm)
    assert finding.mend == "build with --target rpi-bookworm-armv7"
    old = {"python": "3.9.2", "machine": "armv6l", "userland_bits": 32}
    assert "flash Raspberry Pi OS" in diagnosis.check_fit({"machine": old}, bookworm).mend
    fitting = {"python": "3.11.2", "machine": "aarch64", "userland_bits": 64}
    assert diagnosis.check_fit({"machine": fitting}, bookworm).status == "ok"


def test_a_devices_findings_are_read() -> None:
    one = {"name": "python", "status": "ok", "text": "Python 3.11.2", "mend": ""}
    assert diagnosis.device_findings({"findings": [one]}) == (
        Finding("python", "ok", "Python 3.11.2"),
    )


@pytest.mark.parametrize(
    "document",
    [{}, {"findings": 3}, {"findings": [{}]}, {"findings": ["x"]},
     {"findings": [{"name": "a", "status": "fine", "text": "", "mend": ""}]}],
)  # fmt: skip
def test_a_device_that_answers_something_else(document: dict[str, object]) -> None:
    with pytest.raises(DeviceError):
        diagnosis.device_findings(document)


def test_why_a_device_cannot_be_served() -> None:
    told = diagnosis._obstacle(DeviceError("pi@host has no python3; run `apt install` on it"), PI)
    assert (told.status, told.text, told.mend) == (
        "problem",
        "pi@host has no python3",
        "run `apt install` on it",
    )
    bare = diagnosis._obstacle(DeviceError("it broke"), PI)
    assert (bare.text, bare.mend) == (
        "it broke",
        "edge-deploy doctor --device ssh://pi@raspberrypi.local:2222, once that is mended",
    )


@pytest.mark.parametrize(
    ("sentence", "what", "mend"),
    [
        ("it broke; mend it", "it broke", "mend it"),
        ("it broke; it is old; mend it", "it broke; it is old", "mend it"),
        ("no phone; plug one in (tap here; then there), and look", "no phone",
         "plug one in (tap here; then there), and look"),
        ("no phone (it said (no; never)); plug one in", "no phone (it said (no; never))",
         "plug one in"),
        ("it broke (no; never)", "it broke (no; never)", "other"),
        ("it said ':('; mend it", "it said ':('", "mend it"),
    ],
)  # fmt: skip
def test_a_sentence_is_parted_where_its_mend_begins(sentence: str, what: str, mend: str) -> None:
    assert finding_and_mend(sentence, "other") == (what, mend)


def test_how_to_connect_a_phone_stays_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    monkeypatch.setattr(Adb, "__init__", lambda _: None)
    monkeypatch.setattr(Adb, "devices", lambda _: ())
    phone = diagnosis.diagnose("android").device
    assert phone is not None
    (finding,) = phone.findings
    assert finding.text == "no phone is connected"
    assert finding.mend.startswith("plug one in by USB with USB debugging on (Settings")
    assert finding.mend.endswith("then Developer options), and look at `adb devices`")
