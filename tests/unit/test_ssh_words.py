"""Targets, what ssh's words mean, and which devices cannot be served: pure functions."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from edge_deploy_runner.errors import UsageError

from edge_deploy import remote
from edge_deploy.remote.runner import Probe, obstacle
from edge_deploy.remote.ssh_errors import explain_connection, explain_loss, is_full_disk
from edge_deploy.remote.target import SshTarget, parse_target

PI = SshTarget("raspberrypi.local", "pi")
ODD_PORT = SshTarget("192.168.1.7", "pi", 2222)


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("ssh://pi@raspberrypi.local", "pi", "raspberrypi.local", None),
        ("ssh://pi@10.0.0.7:2222", "pi", "10.0.0.7", 2222),
        ("ssh://my-alias", None, "my-alias", None),
        ("ssh://pi@host/", "pi", "host", None),
        ("ssh://pi@[fe80::1%eth0]:22", "pi", "fe80::1%eth0", 22),
        ("ssh://first.last@host_1", "first.last", "host_1", None),
        ("ssh://DOMAIN\\user@host", "DOMAIN\\user", "host", None),
    ],
)
def test_targets(text: str, user: str | None, host: str, port: int | None) -> None:
    found = parse_target(text)
    assert (found.user, found.host, found.port) == (user, host, port)
    assert parse_target(found.url) == found


@pytest.mark.parametrize(
    "text",
    [
        "ssh:", "ssh://", "ssh://@host", "ssh://pi@", "ssh:pi@host", "ssh://pi@host:", "host",
        "ssh://pi@host:0", "ssh://pi@host:65536", "ssh://pi@host:x", "ssh://pi@host/path",
        "ssh://-oProxyCommand=touch x", "ssh://pi@-oProxyCommand=x", "ssh://-l@host",
        "ssh://pi@ho st", "ssh://pi@host;reboot", "ssh://$(reboot)@host", "ssh://pi@host\n",
        "ssh://a@b@c", "ssh://pi@`reboot`", "ssh://pi@host:٢٢", "http://pi@host",
    ],
)  # fmt: skip
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(UsageError):
        parse_target(text)


def test_a_password_is_refused_and_not_repeated() -> None:
    for text in ("ssh://pi:raspberry@host", "ssh://pi:raspberry@host:x/y"):
        with pytest.raises(UsageError) as caught:
            parse_target(text)
        assert "raspberry" not in str(caught.value)


# What OpenSSH 9.2 printed, and 8.4 and macOS where they differ.
CAPTURED = [
    (
        "ssh: Could not resolve hostname raspberrypi.local: Name or service not known",
        "no host called raspberrypi.local",
    ),
    (
        "ssh: Could not resolve hostname x: nodename nor servname provided, or not known",
        "IP address",
    ),
    ("ssh: connect to host 10.0.0.7 port 22: Connection refused", "systemctl enable --now ssh"),
    ("ssh: connect to host 10.0.0.7 port 22: No route to host", "no way to"),
    ("ssh: connect to host 10.0.0.7 port 22: Network is unreachable", "no way to"),
    ("ssh: connect to host 10.0.0.7 port 22: Host is down", "no way to"),
    ("ssh: connect to host 10.0.0.7 port 22: Connection timed out", "does not answer"),
    ("ssh: connect to host 10.0.0.7 port 22: Operation timed out", "does not answer"),
    (
        "Connection timed out during banner exchange\nConnection to 1.2.3.4 port 22 timed out",
        "does not answer",
    ),
    ("pi@host: Permission denied (publickey).", "ssh-copy-id pi@raspberrypi.local"),
    ("pi@host: Permission denied (publickey,password).", "ssh-copy-id pi@raspberrypi.local"),
    (
        "pi@host: Permission denied (password,keyboard-interactive).",
        "lets in with a password only",
    ),
    (
        "@@@@@@@@\n@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @\n@@@@@@@@\n"
        "Permissions 0644 for '/home/u/.ssh/id' are too open.\npi@host: Permission denied "
        "(publickey).",
        "chmod 600",
    ),
    ("Received disconnect from 1.2.3.4 port 22:2: Too many authentication failures", "IdentitiesO"),
    ("Host key verification failed.", "not known to this computer yet"),
    (
        "No ED25519 host key is known for host and you have requested strict checking.\n"
        "Host key verification failed.",
        "connect once by hand: ssh pi@raspberrypi.local",
    ),
    (
        "@@@@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@@@@@@@\n"
        "IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\n...\nOffending ED25519 key in "
        "/home/u/.ssh/known_hosts:3\nHost key for host has changed and you have requested strict "
        "checking.\nHost key verification failed.",
        "ssh-keygen -R raspberrypi.local",
    ),
    ("kex_exchange_identification: Connection closed by remote host", "before login"),
    ("kex_exchange_identification: read: Connection reset by peer", "before login"),
    (
        "Unable to negotiate with 1.2.3.4 port 22: no matching host key type found. Their offer: "
        "ssh-rsa",
        "no host key type in common",
    ),
    ("/home/u/.ssh/config: line 3: Bad configuration option: colour", "refuses your ssh config"),
    ("Bad owner or permissions on /home/u/.ssh/config", "refuses your ssh config"),
    ("", "gives no reason"),
    ("something that nobody has seen\x1b[31m", "something that nobody has seen"),
]


@pytest.mark.parametrize(("said", "named"), CAPTURED)
def test_each_reason_is_a_sentence_with_what_to_do(said: str, named: str) -> None:
    found = explain_connection(said, PI)
    assert named in found
    assert "\n" not in found
    assert "\x1b" not in found
    assert "raspberrypi.local" in found or "config" in found or "private key" in found


def test_a_port_is_part_of_what_to_type() -> None:
    denied = explain_connection("Permission denied (publickey).", ODD_PORT)
    assert "ssh-copy-id -p 2222 pi@192.168.1.7" in denied
    changed = explain_connection("Host key for x has changed and you", ODD_PORT)
    assert "ssh-keygen -R '[192.168.1.7]:2222'" in changed


def test_a_lost_connection_says_why() -> None:
    found = explain_loss("noise\nclient_loop: send disconnect: Broken pipe", PI, "pushing x")
    assert "lost while pushing x (client_loop: send disconnect: Broken pipe)" in found
    assert "noise" not in found
    assert "(" not in explain_loss("a warning of a library", PI, "running bench")


@pytest.mark.parametrize(
    ("said", "full"),
    [
        ("cat: write error: No space left on device", True),
        ("OSError: [Errno 28] No space left on device", True),
        ("cat: write error: Disk quota exceeded", True),
        ("cat: write error: File too large", True),
        ("sh: 1: File size limit exceeded", True),
        ("cat: write error: Input/output error", False),
    ],
)
def test_full_disks(said: str, full: bool) -> None:
    assert is_full_disk(said) is full


BARE_PI = Probe(
    (3, 11, 2), "aarch64", 64, "glibc", "Linux", "/home/pi/.cache/edge-deploy", None, "", None,
    None, None, (),
)  # fmt: skip


def test_a_64_bit_pi_needs_nothing_of_its_own() -> None:
    assert obstacle(BARE_PI) is None
    assert BARE_PI.wheel_machine == "aarch64"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"python": (3, 7, 3)}, "Python 3.7.3"),
        ({"python": (3, 9, 2)}, "3.10 or later"),
        ({"machine": "armv6l", "bits": 32}, "ARMv6"),
        ({"machine": "armv6l", "bits": 32, "python": (3, 7, 3)}, "ARMv6"),
        ({"libc": ""}, "musl"),
        ({"machine": "riscv64"}, "riscv64"),
        ({"machine": "i686", "bits": 32}, "i686"),
        ({"system": "Darwin"}, "runs Darwin"),
        ({"machine": "armv7l", "bits": 32}, "no numpy"),
        ({"machine": "armv7l", "bits": 32, "numpy": "2.1.0"}, "has numpy 2.1.0"),
        ({"machine": "armv7l", "bits": 32, "python": (3, 13, 1)}, "64-bit Raspberry Pi OS"),
    ],
)
def test_what_cannot_be_served_and_why(change: dict[str, object], named: str) -> None:
    probe = replace(BARE_PI, **change)  # type: ignore[arg-type]
    found = obstacle(probe)
    assert found is not None
    assert named in found
    if probe.python >= (3, 10):  # with a runtime of its own it can be, whatever it is
        assert obstacle(replace(probe, runtime=("ai_edge_litert", "2"), numpy="1.26.4")) is None


def test_a_32_bit_system_on_a_64_bit_kernel_takes_32_bit_wheels() -> None:
    probe = replace(BARE_PI, bits=32, numpy="1.24.2")
    assert probe.wheel_machine == "armv7l"
    assert obstacle(probe) is None


def test_a_broken_runtime_is_named() -> None:
    probe = replace(BARE_PI, libc="", runtime_error="ImportError: libGLESv2.so")
    assert "libGLESv2" in (obstacle(probe) or "")


def test_one_module_runs_ssh() -> None:
    package = Path(remote.__file__).parent
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.module == "subprocess"), path
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called.startswith(("subprocess.", "os.exec", "os.spawn", "os.popen", "os.system")):
                found.add(path.relative_to(package).as_posix())
    assert found == {"ssh.py"}
