"""Which measurements are of the device that a budget names, and what is said of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from edge_deploy_android.target import AndroidTarget
from edge_deploy_runner.errors import BadInputError, UsageError
from known_devices import latency

from edge_deploy.budget_device import check_budget_device, other_device
from edge_deploy.catalogue import device_profile, recognised
from edge_deploy.prediction.calibration.device_file import device_text
from edge_deploy.remote.target import SshTarget

PHONE = {"id": "android", "target": "android:9A1", "manufacturer": "Google", "model": "Pixel 8"}


@pytest.mark.parametrize(
    ("wanted", "target"),
    [
        ("local", None),
        ("raspberry-pi-5", None),  # this computer may be one
        ("raspberry-pi-5", SshTarget("host")),
        ("ssh", SshTarget("host")),
        ("ssh://pi@host", SshTarget("host", "pi")),
        ("android", AndroidTarget()),
        ("android", AndroidTarget("9A1")),
        ("android:9A1", AndroidTarget()),
        ("android:9A1", AndroidTarget("9A1")),
        ("pixel-4", AndroidTarget("9A1")),
        ("Pixel 4", AndroidTarget("9A1")),
        (" Raspberry_Pi_5 ", SshTarget("host")),
    ],
)
def test_what_may_fit_passes(wanted: str, target: SshTarget | AndroidTarget | None) -> None:
    check_budget_device(wanted, target)


@pytest.mark.parametrize(
    ("wanted", "target", "words"),
    [
        ("android", None, "is for android and --device is local"),
        ("pixel-4", None, "is for pixel-4"),
        ("local", AndroidTarget(), "--device is android;"),
        ("local", SshTarget("host"), "--device is ssh://host"),
        ("raspberry-pi-5", AndroidTarget(), "is for raspberry-pi-5"),
        ("pixel-4", SshTarget("host"), "is for pixel-4"),
        ("ssh://pi@other", SshTarget("host", "pi"), "--device is ssh://pi@host"),
        ("android:9A1", AndroidTarget("other"), "--device is android:other"),
        ("Pixel_4", None, "is for pixel-4"),
        ("Pixel4", AndroidTarget(), "did you mean pixel-4"),
        ("rpi5", SshTarget("host"), "'rpi5', which is none; did you mean raspberry-pi-5? Write"),
        ("My toaster", None, "'My toaster', which is none; write an id of `edge-deploy devices`"),
        ("android:9a1", AndroidTarget("9A1"), "--device is android:9A1"),
    ],
)
def test_what_cannot_fit_is_refused(
    wanted: str, target: SshTarget | AndroidTarget | None, words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        check_budget_device(wanted, target)
    assert words in str(caught.value)


def test_what_is_said_of_another_device() -> None:
    assert other_device("android", PHONE) == other_device("android:9A1", PHONE) == ""
    assert other_device("Pixel 80", PHONE) == (
        "the budget is for pixel-80 (of which there is no device file here) and this was measured "
        "on android (android:9A1, Google Pixel 8); a budget names the id or the address: android "
        "or android:9A1"
    )
    assert (
        other_device("Pixel 8", PHONE) == other_device("Google_Pixel", {"id": "google-pixel"}) == ""
    )
    assert other_device("android:9a1", PHONE).startswith(
        "the budget is for android:9a1 and this was"
    )
    here = {"id": "local", "target": "local"}
    assert other_device("pixel-4", here) == (
        "the budget is for pixel-4 and this was measured on local; a budget names the id or the "
        "address: local"
    )
    assert other_device("pixel-4", {}).endswith("on another device")
    assert other_device("pixel-4", here, None).startswith(
        "the budget is for pixel-4 and this is lo"
    )


CPU = "Intel Celeron J4125"
BOX: dict[str, Any] = {
    "id": "local", "target": "local", "name": None, "cpu_model": CPU, "cores": 4,
    "ram_bytes": 8_000_000_000, "emulated": False, "board": None,
}  # fmt: skip
OVER_SSH = {"id": "ssh", "target": "ssh://me@box"}
BOARD: dict[str, Any] = {
    "id": "raspberry-pi-4b", "target": "ssh://pi@pi4", "name": "Raspberry Pi 4B",
    "board": "Raspberry Pi 4 Model B Rev 1.5", "cpu_model": "Cortex-A72", "cores": 4,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(tmp_path))
    return tmp_path


def calibrated(folder: Path, device_id: str, machine: dict[str, Any]) -> None:
    """The device file that a calibration of such a machine writes."""
    path = folder / f"{device_id}.toml"
    models = [latency(cluster="all")]
    path.write_text(device_text(device_id, path, models, machine=machine, max_mhz=1500.0))


@pytest.mark.parametrize("way", [{}, OVER_SSH, {"ram_bytes": 7_900_000_000}])
def test_a_calibrated_computer_is_known_however_it_is_reached(
    folder: Path, way: dict[str, Any]
) -> None:
    calibrated(folder, "here", BOX)
    assert other_device("here", {**BOX, **way}) == ""


@pytest.mark.parametrize(
    "other",
    [
        {"cpu_model": "Intel Celeron J4105"},
        {"cpu_model": None},
        {"cores": 2},
        {"ram_bytes": 16_000_000_000},
        {"emulated": True},
        {"board": "Raspberry Pi 5 Model B"},
        {"model": "Fone 3", "manufacturer": "Acme"},
    ],
)
def test_another_computer_is_not_the_calibrated_one(folder: Path, other: dict[str, Any]) -> None:
    calibrated(folder, "here", BOX)
    assert "the budget is for here" in other_device("here", {**BOX, **other})


def test_both_machines_are_named_where_they_differ(folder: Path) -> None:
    calibrated(folder, "here", BOX)
    assert other_device("here", {**BOX, **OVER_SSH, "cores": 2}) == (
        f"the budget is for here ({CPU}, 4 cores, 8.0 GB) and this was measured on ssh "
        f"(ssh://me@box, {CPU}, 2 cores, 8.0 GB); a budget names the id or the address: ssh or "
        "ssh://me@box"
    )


def test_a_prediction_is_for_its_own_id_alone(folder: Path) -> None:
    calibrated(folder, "here", BOX)
    calibrated(folder, "there", BOX)
    found = {**BOX, "id": "there", "target": None}
    assert other_device("there", found, "predicted") == ""
    assert "was predicted for there" in other_device("here", found, "predicted")


def test_a_calibrated_board_or_phone_is_still_one_of_its_kind(folder: Path) -> None:
    calibrated(folder, "my-pi", BOARD)
    calibrated(folder, "my-phone", {**PHONE, "android": "14", "cores": 8})
    as_own = {**BOARD, "id": "my-pi"}
    for wanted, machine in (("my-pi", BOARD), ("raspberry-pi-4b", as_own), ("my-phone", PHONE)):
        assert other_device(wanted, machine) == ""
    newer = {**BOARD, "id": "raspberry-pi-4b", "board": "Raspberry Pi 4 Model B Rev 1.2"}
    assert other_device("raspberry-pi-4b", newer) == ""
    assert "is for my-pi" in other_device("my-pi", newer)
    assert "is for raspberry-pi-5" in other_device("raspberry-pi-5", as_own)
    assert "is for my-phone (Google Pixel 8)" in other_device(
        "my-phone", {**PHONE, "model": "Pixel 7"}
    )


def test_a_board_is_not_the_one_whose_name_begins_its_own(folder: Path) -> None:
    plus = {
        **BOARD, "id": "raspberry-pi-3b-plus", "board": "Raspberry Pi 3 Model B Plus Rev 1.3",
    }  # fmt: skip
    assert other_device("raspberry-pi-3b-plus", plus) == ""
    assert "is for raspberry-pi-3b " in other_device("raspberry-pi-3b", plus)
    calibrated(folder, "my-3b", {**BOARD, "board": "Raspberry Pi 3 Model B"})
    assert "is for my-3b " in other_device("my-3b", plus)


def test_an_emulated_board_has_its_boards_id_and_an_emulated_phone_has_none() -> None:
    found = recognised({**BOARD, "emulated": True})
    assert found is not None
    assert found.id == "raspberry-pi-4b"
    phone = {"manufacturer": "Google", "model": "Pixel 4"}
    assert recognised(phone) == device_profile("pixel-4")
    assert recognised({**phone, "emulated": True}) is None
    assert recognised({**phone, "model": "Pixel 40"}) is None
    assert recognised({}) is None


def test_a_damaged_file_of_the_budgets_device_is_told(folder: Path) -> None:
    (folder / "here.toml").write_text("name = 3")
    with pytest.raises(BadInputError, match=r"here\.toml"):
        check_budget_device("here", None)
    with pytest.raises(BadInputError, match=r"here\.toml"):
        other_device("here", {"id": "local", "target": "local"})
    # What was measured as that device needs no file to be it.
    assert other_device("here", {"id": "here", "target": "local"}) == ""
