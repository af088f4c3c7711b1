"""The system's ssh against a real sshd on this machine: what works, and how it fails."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import edge_deploy
from edge_deploy_runner import marked_command
from edge_deploy_runner.errors import DeviceError
from sshd import Sshd, running_sshd, sshd_server  # noqa: F401 - a fixture

from edge_deploy.remote import ssh
from edge_deploy.remote.ssh import SshDevice, parse_target

HOSTILE = 'it\'s a "file"; $(touch owned) `touch owned` \\ * \n name'


def reason(server: Sshd) -> str:
    """Why no connection comes about, and that it does not take long to say so."""
    begun = time.monotonic()
    with pytest.raises(DeviceError) as caught, SshDevice(parse_target(server.url)):
        pass
    assert time.monotonic() - begun < 30
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def device(server: Sshd) -> SshDevice:
    """A device that is not connected yet."""
    return SshDevice(parse_target(server.url))


def test_exit_codes_are_the_commands_own(device: SshDevice) -> None:
    with device:
        for code in (0, 1, 3, 127, 254, 255):
            done = device.run(["sh", "-c", f"echo out; echo err >&2; exit {code}"])
            assert (done.returncode, done.stdout, done.stderr) == (code, b"out\n", "err")
        assert device.run(["sh", "-c", "kill -9 $$"]).returncode == 137
        assert device.run(["no-such-program"]).returncode == 127


def test_arguments_arrive_as_they_are(device: SshDevice, server: Sshd) -> None:
    with device:
        words = [HOSTILE, "", "-n", "~", "$HOME", "ä€"]
        done = device.run(["printf", "%s\\0", *words])
        assert done.stdout.decode().split("\0")[:-1] == words
    assert not (server.home / "owned").exists()


def test_input_and_output_of_any_size(device: SshDevice) -> None:
    data = os.urandom(3_000_000)
    with device:
        assert device.run(["cat"], stdin=data).stdout == data
        assert device.run(["cat"], stdin=iter([b"a", b"b"])).stdout == b"ab"
        assert device.run(["cat"]).stdout == b""
        # A program that reads none of its input does not hang us.
        assert device.run(["true"], stdin=data).returncode == 0


def test_what_start_up_files_print_is_no_answer(device: SshDevice, server: Sshd) -> None:
    (server.home / ".bashrc").write_text("echo Welcome to my board\n")
    with device:
        assert device.shell("echo hello").stdout == b"hello\n"


def test_a_command_that_takes_too_long_is_left(device: SshDevice) -> None:
    with device:
        with pytest.raises(DeviceError, match="longer than 1 s"):
            device.shell("sleep 60", timeout_s=1)
        assert device.shell("echo still here").stdout == b"still here\n"


def test_whoever_listens_slowly_is_waited_for(
    device: SshDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marked_command, "_READING_LIMIT_S", 0.3)
    heard: list[str] = []

    def listen(line: str) -> None:
        time.sleep(0.8)
        heard.append(line)

    with device:
        done = device.shell("echo one >&2; echo two >&2; exit 3", on_stderr=listen)
    assert (done.returncode, done.stderr, heard) == (3, "one\ntwo", ["one", "two"])


def test_what_a_listener_raises_ends_the_command(device: SshDevice) -> None:
    """It was printed as a thread's traceback, and the command waited for whoever reads on."""
    heard: list[str] = []

    def listen(line: str) -> None:
        heard.append(line)
        raise BrokenPipeError("nobody reads our own output")

    command = "echo one >&2; head -c 300000 /dev/zero | tr '\\0' '\\n' >&2; cat >/dev/null; exit 3"
    with device:
        begin = time.monotonic()
        with pytest.raises(BrokenPipeError, match="nobody reads"):
            device.shell(command, hold_stdin=True, timeout_s=120, on_stderr=listen)
        assert time.monotonic() - begin < 60
        assert heard == ["one"]
        assert device.shell("echo still here").stdout == b"still here\n"


@pytest.mark.parametrize("hold", [True, False])
def test_what_an_input_raises_ends_the_command(device: SshDevice, hold: bool) -> None:
    """The device waited for the rest of its input, and we for the device."""

    def pieces() -> Iterator[bytes]:
        yield b"one\n"
        raise MemoryError("no room for the second")

    with device:
        begin = time.monotonic()
        with pytest.raises(MemoryError, match="no room"):
            device.shell("cat", stdin=pieces(), hold_stdin=hold, timeout_s=120)
        assert time.monotonic() - begin < 60
        assert device.shell("echo still here").stdout == b"still here\n"


def test_nothing_stays_behind(device: SshDevice, server: Sshd) -> None:
    with device:
        folder = device._folder
        assert folder is not None
        assert Path(folder).stat().st_mode & 0o777 == 0o700
        assert len(os.fsencode(folder)) < ssh._LONGEST_SOCKET
        assert len(server.connections()) > 0
        master = device._master
        assert master is not None
        device.shell("true")
    assert not Path(folder).exists()
    assert master.poll() is not None
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not server.connections():
            return
        time.sleep(0.05)
    pytest.fail("the connection outlived the device")


# What keeps it from connecting.


def test_a_wrong_key(server: Sshd, tmp_path: Path) -> None:
    other = tmp_path / "other_key"
    other.write_bytes((server.folder / "user_key").read_bytes())
    (server.folder / "user_key.pub").write_text("")  # the server accepts nobody
    found = reason(server)
    assert "ssh-copy-id -p" in found
    assert "does not accept your ssh key" in found


def test_a_server_that_wants_a_password_never_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"PubkeyAuthentication": "no", "PasswordAuthentication": "yes"}
    with running_sshd(tmp_path / "s", settings=settings) as server:
        monkeypatch.setenv("PATH", server.client_environment()["PATH"])
        assert "password only" in reason(server)


def test_an_unknown_host_key(server: Sshd) -> None:
    server.known_hosts.write_text("")
    found = reason(server)
    assert "not known to this computer yet" in found
    assert f"ssh -p {server.port}" in found
    assert server.known_hosts.read_text() == ""  # nothing is trusted behind the user's back


def test_a_changed_host_key(server: Sshd) -> None:
    before = server.known_hosts.read_text()
    server.stop()
    server.new_host_key()
    server.start()
    found = reason(server)
    assert "has changed" in found
    assert f"ssh-keygen -R '[127.0.0.1]:{server.port}'" in found
    assert server.known_hosts.read_text() == before


def test_nothing_listens(server: Sshd) -> None:
    server.stop()
    assert "nothing listens" in reason(server)


def test_a_name_that_does_not_resolve() -> None:
    with (
        pytest.raises(DeviceError, match=r"no host called no-such-board\.invalid"),
        SshDevice(parse_target("ssh://pi@no-such-board.invalid")),
    ):
        pass


def test_a_host_that_accepts_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "CONNECT_LIMIT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with (
            pytest.raises(DeviceError, match="timed out"),
            SshDevice(parse_target(f"ssh://pi@127.0.0.1:{port}")),
        ):
            pass


def test_a_login_that_gives_no_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "LOGIN_LIMIT_S", 1.5)
    with running_sshd(tmp_path / "s", settings={"ForceCommand": "sleep 60"}) as server:
        monkeypatch.setenv("PATH", server.client_environment()["PATH"])
        assert "no shell within" in reason(server)


def test_no_ssh_on_this_computer(
    device: SshDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match="no ssh on this computer"), device:
        pass


# Pushing.


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big 'one'.bin"
    path.write_bytes(os.urandom(6_000_000))
    return path


def partial(server: Sshd, source: Path, name: str) -> Path:
    """Where a push of the source to ~/NAME keeps what has arrived."""
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    return server.home / f"{name}.{sha256[:16]}.partial"


def offsets(device: SshDevice, source: Path, destination: str) -> list[int]:
    """The progress of a push, in bytes."""
    seen: list[int] = []
    device.push(source, destination, lambda stage, done, total: seen.append(done))
    return seen


def test_a_push_arrives_once(device: SshDevice, server: Sshd, big: Path) -> None:
    with device:
        seen = offsets(device, big, '~/deep/er/it\'s a "copy".bin')
        there = server.home / "deep" / "er" / 'it\'s a "copy".bin'
        assert there.read_bytes() == big.read_bytes()
        assert seen[0] == 0
        assert seen == sorted(seen)
        assert seen[-1] == 6_000_000
        inode = there.stat().st_ino
        assert offsets(device, big, '~/deep/er/it\'s a "copy".bin') == [6_000_000]
        assert there.stat().st_ino == inode
        there.write_bytes(b"something else")
        device.push(big, str(there))
        assert there.read_bytes() == big.read_bytes()
    assert [path.name for path in there.parent.iterdir()] == [there.name]


def test_a_sha256_that_the_caller_knows_is_what_counts(
    device: SshDevice, server: Sshd, big: Path
) -> None:
    known = hashlib.sha256(big.read_bytes()).hexdigest()
    with device:
        device.push(big, "~/known.bin", sha256=known)
        assert (server.home / "known.bin").read_bytes() == big.read_bytes()
        with pytest.raises(DeviceError, match="damaged twice"):
            device.push(big, "~/other.bin", sha256="0" * 64)
    assert not (server.home / "other.bin").exists()


def test_an_empty_file_is_pushed(device: SshDevice, server: Sshd, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with device:
        device.push(tmp_path / "empty", "~/empty")
    assert (server.home / "empty").read_bytes() == b""


def test_a_push_goes_on_where_it_was_cut(device: SshDevice, server: Sshd, big: Path) -> None:
    def cut(stage: str, done: int, total: int) -> None:
        if done >= 3_000_000:
            server.cut()

    with device, pytest.raises(DeviceError, match="was lost while pushing"):
        device.push(big, "~/big.bin", cut)
    assert not (server.home / "big.bin").exists()
    left = partial(server, big, "big.bin")
    arrived = left.stat().st_size
    assert 0 < arrived < 6_000_000
    again = SshDevice(parse_target(server.url))
    with again:
        assert offsets(again, big, "~/big.bin")[0] == arrived
    assert (server.home / "big.bin").read_bytes() == big.read_bytes()
    assert not left.exists()


@pytest.mark.parametrize("zeros", [2_000_000, 6_000_000, 9_000_000])
def test_a_partial_file_that_is_damaged_is_sent_anew(
    device: SshDevice, server: Sshd, big: Path, zeros: int
) -> None:  # fmt: skip
    partial(server, big, "big.bin").write_bytes(bytes(zeros))
    with device:
        device.push(big, "~/big.bin")
    assert (server.home / "big.bin").read_bytes() == big.read_bytes()


def test_two_push_the_same_file_at_once(server: Sshd, big: Path) -> None:
    errors: list[BaseException] = []

    def push() -> None:
        try:
            with SshDevice(parse_target(server.url)) as one:
                one.push(big, "~/big.bin")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=push) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (server.home / "big.bin").read_bytes() == big.read_bytes()
    assert not partial(server, big, "big.bin").exists()


def test_a_disk_that_becomes_full(device: SshDevice, server: Sshd, big: Path) -> None:
    (server.home / ".bashrc").write_text("ulimit -f 2000\n")
    with device, pytest.raises(DeviceError, match=r"disk of .* is full"):
        device.push(big, "~/big.bin")
    assert not (server.home / "big.bin").exists()


def test_a_disk_without_room_is_told_at_once(device: SshDevice, tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(10_000)
    with device, pytest.raises(DeviceError, match="MB are free"):
        device.push(huge, "/proc/huge")  # a file system of no size


def test_a_folder_that_cannot_be_written(device: SshDevice, big: Path) -> None:
    with device, pytest.raises(DeviceError, match="cannot be written"):
        device.push(big, "/dev/null/big.bin")


def test_a_connection_lost_while_running(device: SshDevice, server: Sshd) -> None:
    with device:
        threading.Timer(0.5, server.cut).start()
        with pytest.raises(DeviceError, match="was lost while running sleep"):
            device.run(["sleep", "60"])


def test_a_device_that_freezes_is_given_up(server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "_ALIVE_INTERVAL_S", 1)
    monkeypatch.setattr(ssh, "_ALIVE_COUNT", 2)
    device = SshDevice(parse_target(server.url))
    with device:
        frozen = server.connections()
        for process in frozen:
            process.suspend()
        try:
            with pytest.raises(DeviceError, match="was lost while running sleep"):
                device.run(["sleep", "60"])
        finally:
            for process in frozen:
                process.resume()


def test_a_socket_in_a_folder_of_an_odd_name(
    device: SshDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a b%C 'c'", "x" * 90):  # the second is too long for a socket
        folder = tmp_path / name
        folder.mkdir()
        with tempfile.TemporaryDirectory(dir="/tmp", prefix="ed") as short:
            link = Path(short) / "a b%C"
            link.symlink_to(folder)
            monkeypatch.setattr(tempfile, "tempdir", str(link if " " in name else folder))
            with device:
                assert device.shell("echo hello").stdout == b"hello\n"


def test_the_command_line_says_it_in_one_sentence(server: Sshd, tmp_path: Path) -> None:
    server.stop()
    model = tmp_path / "m.tflite"
    import small_models

    model.write_bytes(small_models.float_model())
    done = edge_deploy("profile", model, "--device", server.url, env=server.client_environment())
    assert done.returncode == 5
    assert done.stdout == ""
    assert [line for line in done.stderr.splitlines() if "nothing listens" in line]
    assert "Traceback" not in done.stderr
