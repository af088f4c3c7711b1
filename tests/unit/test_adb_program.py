"""Which adb is used, and what is said where there is none that works."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import edge_deploy_android
import pytest
from edge_deploy_android.adb import Adb, AdbDevice
from edge_deploy_android.target import AndroidTarget
from edge_deploy_runner import marked_command
from edge_deploy_runner.errors import DeviceError


def script(path: Path, *lines: str) -> Path:
    """A program that stands for adb."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(0o755)
    return path


def answering(path: Path, version: str = "1.0.41", devices: str = "", features: str = "") -> Path:
    """An adb of a version that lists these devices."""
    return script(
        path,
        'case "$1" in',
        f"version) echo 'Android Debug Bridge version {version}';;",
        f"devices) printf 'List of devices attached\\n{devices}';;",
        f"-s) printf '{features}';;",
        "esac",
    )


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EDGE_DEPLOY_ADB", "ANDROID_HOME", "ANDROID_SDK_ROOT", "ANDROID_SERIAL"):
        monkeypatch.delenv(name, raising=False)


def test_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    explicit = answering(tmp_path / "explicit" / "adb")
    named = answering(tmp_path / "named" / "adb")
    home = answering(tmp_path / "sdk" / "platform-tools" / "adb")
    path = answering(tmp_path / "path" / "adb")
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    assert Adb().executable == str(path)
    monkeypatch.setenv("ANDROID_HOME", str(tmp_path / "sdk"))
    assert Adb().executable == str(home)
    monkeypatch.setenv("EDGE_DEPLOY_ADB", str(named))
    assert Adb().executable == str(named)
    assert Adb(explicit).executable == str(explicit)


def test_no_adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match="no adb on this computer; install"):
        Adb()
    with pytest.raises(DeviceError, match="no adb at /nowhere/adb"):
        Adb("/nowhere/adb")


@pytest.mark.parametrize(
    ("version", "words"),
    [("1.0.39", "is adb 1.0.39, and 1.0.41 or later"), ("x", "does not work as adb")],
)
def test_an_adb_that_is_too_old_or_none(tmp_path: Path, version: str, words: str) -> None:
    with pytest.raises(DeviceError, match=words):
        Adb(answering(tmp_path / "adb", version))


def test_an_adb_that_refuses_says_why(tmp_path: Path) -> None:
    refusing = script(tmp_path / "adb", "echo 'adb: the port must be a number' >&2", "exit 1")
    with pytest.raises(DeviceError, match="the port must be a number"):
        Adb(refusing)


def test_a_program_that_cannot_run(tmp_path: Path) -> None:
    broken = tmp_path / "adb"
    broken.write_bytes(b"\x7fELFnothing")
    broken.chmod(0o755)
    with pytest.raises(DeviceError, match="cannot be run"):
        Adb(broken)


@pytest.mark.parametrize(
    ("devices", "serial", "words"),
    [
        ("", None, "no phone is connected; plug one in"),
        ("", "A", "no phone with the serial 'A' is connected"),
        ("A device\\n", "B", "there is A"),
        ("A device model:Pixel_4\\nB offline\\n", None, r"2 phones .*A \(Pixel 4\), B \(offline\)"),
        ("A unauthorized\\n", None, "accept the prompt"),
        ("A offline\\n", "A", "A is offline"),
        ("A no permissions (udev); see [x] usb:1\\n", None, "udev rule"),
        ("A device\\n", None, "too old: its adb has no shell with exit codes"),
    ],
)
def test_phones_that_cannot_be_used(
    tmp_path: Path, devices: str, serial: str | None, words: str
) -> None:
    adb = Adb(answering(tmp_path / "adb", devices=devices, features="cmd\\nstat_v2\\n"))
    with pytest.raises(DeviceError, match=words):
        adb.choose(AndroidTarget(serial))


def test_the_one_phone_that_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = answering(tmp_path / "adb", devices="A device\\n", features="shell_v2\\ncmd\\n")
    assert Adb(one).choose(AndroidTarget()).serial == "A"
    two = answering(tmp_path / "two", devices="A device\\nB device\\n", features="shell_v2\\r\\n")
    assert Adb(two).choose(AndroidTarget("A")).serial == "A"
    monkeypatch.setenv("ANDROID_SERIAL", "B")
    assert Adb(two).choose(AndroidTarget()).serial == "B"


@pytest.mark.parametrize("state", ["offline", "authorizing", "connecting"])
def test_a_phone_that_has_just_been_found_is_waited_for(tmp_path: Path, state: str) -> None:
    looks = tmp_path / "looks"
    adb = script(
        tmp_path / "adb",
        'case "$1" in',
        "version) echo 'Android Debug Bridge version 1.0.41';;",
        f"devices) echo >> {looks}; [ $(wc -l < {looks}) -gt 2 ] && echo 'A device' || "
        f"echo 'A {state}';;",
        "-s) echo shell_v2;;",
        "esac",
    )
    assert Adb(adb).choose(AndroidTarget()).serial == "A"
    assert len(looks.read_text()) == 3


def test_a_phone_that_waits_for_its_owner_is_told_at_once(tmp_path: Path) -> None:
    looks = tmp_path / "looks"
    adb = script(
        tmp_path / "adb",
        'case "$1" in',
        "version) echo 'Android Debug Bridge version 1.0.41';;",
        f"devices) echo >> {looks}; echo 'A unauthorized';;",
        "esac",
    )
    with pytest.raises(DeviceError, match="accept the prompt"):
        Adb(adb).choose(AndroidTarget())
    assert len(looks.read_text()) == 1


def test_a_command_that_hangs_is_left(tmp_path: Path) -> None:
    adb = Adb(
        script(
            tmp_path / "adb",
            'case "$1" in version) echo "Android Debug Bridge version 1.0.41";; *) sleep 60;; esac',
        )
    )
    with pytest.raises(DeviceError, match="longer than 0 s while listing"):
        adb.call(["devices"], "listing the phones", 0.2)


def test_whether_its_server_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    adb = Adb(answering(tmp_path / "adb"))
    with socket.create_server(("localhost", 0)) as listening:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(listening.getsockname()[1]))
        assert adb.server_is_running()
    assert not adb.server_is_running()


@pytest.fixture
def phone(tmp_path: Path) -> AdbDevice:
    """A phone whose shell is this computer's."""
    lines = ['if [ "$1" = version ]; then echo "Android Debug Bridge version 1.0.41"; exit; fi']
    return AdbDevice(Adb(script(tmp_path / "adb", *lines, 'exec sh -c "$5"')), "SERIAL")


def test_whoever_listens_slowly_is_waited_for(
    phone: AdbDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was taken for a lost connection: what came behind the line was not read any more."""
    monkeypatch.setattr(marked_command, "_READING_LIMIT_S", 0.3)
    heard: list[str] = []

    def listen(line: str) -> None:
        time.sleep(0.8)
        heard.append(line)

    done = phone.shell("echo one >&2; echo two >&2; exit 3", on_stderr=listen)
    assert (done.returncode, done.stderr, heard) == (3, "one\ntwo", ["one", "two"])
    with phone.open_shell("echo three; exit 4", "asking", on_stdout=listen) as session:
        assert session.completed(10).returncode == 4
    assert heard[2:] == ["three"]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_a_listener_raises_ends_the_command(phone: AdbDevice, stream: str) -> None:
    heard: list[str] = []

    def listen(line: str) -> None:
        heard.append(line)
        raise BrokenPipeError("nobody reads our own output")

    command = "echo one; echo two; echo one >&2; echo two >&2; exec sleep 100"
    begin = time.monotonic()
    with (
        phone.open_shell(command, "asking", **{f"on_{stream}": listen}) as session,  # type: ignore[arg-type]
        pytest.raises(BrokenPipeError, match="nobody reads"),
    ):
        session.completed(90)
    assert time.monotonic() - begin < 60
    assert heard == ["one"]


def test_a_program_that_holds_the_output_open_is_not_waited_for(
    phone: AdbDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marked_command, "_READING_LIMIT_S", 0.3)
    begin = time.monotonic()
    assert phone.shell("sleep 30 & echo out; exit 3").returncode == 3
    assert time.monotonic() - begin < 10


def test_a_line_that_never_comes_is_a_lost_connection(phone: AdbDevice) -> None:
    with pytest.raises(DeviceError, match="the connection to SERIAL was lost while asking"):
        phone.shell("kill -9 $$", what="asking")


def test_one_module_runs_other_programs() -> None:
    package = Path(edge_deploy_android.__file__).parent
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.module == "subprocess"), path
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called.startswith(("subprocess.", "os.exec", "os.spawn", "os.popen", "os.system")):
                found.add(path.relative_to(package).as_posix())
    assert found == {"adb.py"}
