"""Which measurements are of the device that a budget names, and what is said of the others."""

from __future__ import annotations

import pytest
from edge_deploy_android.target import AndroidTarget
from edge_deploy_runner.errors import UsageError

from edge_deploy.budget_device import check_budget_device, other_device
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
        ("Pixel 4", AndroidTarget(), "did you mean pixel-4?"),
        ("Pixel 8", AndroidTarget(), "'Pixel 8', which is none"),
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
    assert other_device("Pixel 8", PHONE) == (
        "the budget is for Pixel 8 and this was measured on android (android:9A1, Google Pixel 8); "
        "a budget names the id or the address: android or android:9A1"
    )
    here = {"id": "local", "target": "local"}
    assert other_device("pixel-4", here) == (
        "the budget is for pixel-4 and this was measured on local; a budget names the id or the "
        "address: local"
    )
    assert other_device("pixel-4", {}).endswith("on another device")
