"""What adb and phones of several makers print, read by pure functions."""

from __future__ import annotations

import pytest
from edge_deploy_android import adb_text
from edge_deploy_android.adb_text import ListedDevice

LONG = """List of devices attached
R58N12ABCDE            device usb:1-1.4 product:beyond1ltexx model:SM_G973F transport_id:3
9A281FFAZ003AB         unauthorized usb:1-2 transport_id:4
emulator-5554          offline transport_id:5
192.168.1.7:5555       device product:raphael model:Mi_9T_Pro device:raphael transport_id:6
HT7950201234           no permissions (missing udev rules?); see [http://x/device.html] usb:3-1
0123456789ABCDEF       recovery usb:1-3 product:omni model:Nexus_5 device:hammerhead

"""


def test_devices_of_several_makers_and_states() -> None:
    found = adb_text.parse_devices(LONG)
    assert [(device.serial, device.state) for device in found] == [
        ("R58N12ABCDE", "device"),
        ("9A281FFAZ003AB", "unauthorized"),
        ("emulator-5554", "offline"),
        ("192.168.1.7:5555", "device"),
        ("HT7950201234", "no permissions"),
        ("0123456789ABCDEF", "recovery"),
    ]
    assert found[0].words() == "R58N12ABCDE (SM G973F)"
    assert found[1].words() == "9A281FFAZ003AB (unauthorized)"


@pytest.mark.parametrize("end", ["\r\n", "\r\r\n"])
def test_line_ends_of_windows_and_old_phones(end: str) -> None:
    assert adb_text.parse_devices(LONG.replace("\n", end)) == adb_text.parse_devices(LONG)


def test_what_the_daemon_says_is_no_device() -> None:
    text = (
        "* daemon not running; starting now at tcp:5037\n* daemon started successfully\n"
        "adb server version (40) doesn't match this client (41); killing...\n"
        "List of devices attached\nABC\tdevice\nx y (2)._adb-tls._tcp  device transport_id:1\n"
    )
    assert [device.serial for device in adb_text.parse_devices(text)] == [
        "ABC", "x y (2)._adb-tls._tcp",
    ]  # fmt: skip
    assert adb_text.parse_devices("") == ()


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Android Debug Bridge version 1.0.41\nVersion 29.0.6-debian\n", (1, 0, 41)),
        ("Android Debug Bridge version 1.0.39\r\nVersion 0.0.1-4500957\r\n", (1, 0, 39)),
        ("adb: something else", None),
        ("", None),
    ],
)
def test_versions(text: str, version: tuple[int, ...] | None) -> None:
    assert adb_text.parse_version(text) == version


def test_properties_with_several_lines_and_brackets() -> None:
    text = (
        "[ro.build.version.sdk]: [34]\r\n[ro.product.model]: [SM-G973F]\r\n"
        "[persist.odd]: [one\r\ntwo]\r\n[empty]: []\r\n[ro.list]: [[a],[b]]\r\nnoise\r\n"
    )
    assert adb_text.parse_properties(text) == {
        "ro.build.version.sdk": "34",
        "ro.product.model": "SM-G973F",
        "persist.odd": "one\ntwo",
        "empty": "",
        "ro.list": "[a],[b]",
    }


def test_sha256sums() -> None:
    digest = "ab" * 32
    text = f"{digest}  model.tflite\r\n{digest} *binary.so\nsha256sum: x: No such file\n"
    text += f"{digest[1:]} short\n"
    assert adb_text.parse_sha256sums(text) == {"model.tflite": digest, "binary.so": digest}


def test_instrumentation_that_ended_well() -> None:
    text = (
        'INSTRUMENTATION_STATUS: progress={"stage":"x"}\nINSTRUMENTATION_STATUS_CODE: 0\n'
        "INSTRUMENTATION_RESULT: answer=/sdcard/Android/data/x/files/a.json\n"
        "INSTRUMENTATION_CODE: -1\n"
    )
    assert adb_text.parse_instrumentation(text) == (
        {"answer": "/sdcard/Android/data/x/files/a.json"}, -1,
    )  # fmt: skip


def test_instrumentation_that_crashed() -> None:
    text = (
        "INSTRUMENTATION_RESULT: shortMsg=Process crashed.\r\n"
        "INSTRUMENTATION_RESULT: longMsg=java.lang.Error: a\r\n\tat b\r\n"
        "INSTRUMENTATION_CODE: 0\r\n"
    )
    results, code = adb_text.parse_instrumentation(text)
    assert (results["shortMsg"], code) == ("Process crashed.", 0)
    assert results["longMsg"] == "java.lang.Error: a\n\tat b"
    failed, none = adb_text.parse_instrumentation("INSTRUMENTATION_FAILED: a/.B\n")
    assert (failed, none) == ({"failed": "a/.B"}, None)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("unauthorized", "accept the prompt"),
        ("authorizing", "accept the prompt"),
        ("no permissions", "udev"),
        ("offline", "unplug it"),
        ("recovery", "adb reboot"),
        ("strange", "'strange'"),
    ],
)
def test_states_are_one_sentence_with_what_to_do(state: str, words: str) -> None:
    text = adb_text.explain_state(ListedDevice("SERIAL", state, {}))
    assert "SERIAL" in text
    assert words in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        ("error: device 'X' not found\n", "lost while pushing x (device 'X' not found)"),
        ("error: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set", "accept"),
        ("error: device offline\r\n", "went offline while pushing x"),
        ("error: closed", "lost while pushing x (closed)"),
        ("", "lost while pushing x;"),
        ("error: insufficient permissions for device: missing udev rules", "udev"),
        ("error: cannot connect to daemon at tcp:5037: Connection refused", "kill-server"),
        ("adb: error: something new", "adb failed while pushing x on X: something new"),
    ],
)
def test_what_adb_says_when_it_fails(stderr: str, words: str) -> None:
    text = adb_text.explain_failure(stderr, "X", "pushing x")
    assert words in text
    assert "\n" not in text


def test_full_disk_in_the_words_of_several_programs() -> None:
    for text in (
        "adb: error: failed to copy 'a' to 'b': remote write failed: No space left on device",
        "sh: can't create x: No space left on device",
        "Failure [INSTALL_FAILED_INSUFFICIENT_STORAGE]",
    ):
        assert adb_text.is_full_disk(text)
    assert not adb_text.is_full_disk("Permission denied")


def test_last_words_are_printable_and_short() -> None:
    assert adb_text.last_words("first\nerror: second\x1b[0m.\r\n\r\n") == "second [0m"
    assert len(adb_text.last_words("x" * 1000)) == 200
    assert adb_text.last_words("\n") == ""
