"""Nothing on the device's way from a model to its answers reaches for a network."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from .conftest import or_skip
from .offline import OfflineRun, network_calls, run_offline
from .user_mode import ROOT, RUNNER

PHOTOS = 3
DRIVER = ROOT / "tests" / "emulated" / "serve_briefly.py"


def offline(command: list[str | Path], environment: dict[str, str] | None = None) -> OfflineRun:
    """Run a command of this machine's Python with no network."""
    variables = {"PATH": os.defpath, "HOME": "/nonexistent", "PYTHONPATH": str(RUNNER)}
    return or_skip(lambda: run_offline(command, {**variables, **(environment or {})}))


def tried_nothing(done: OfflineRun) -> None:
    """Both witnesses agree."""
    assert not done.calls, done.calls
    assert not done.counters, done.counters


@pytest.fixture
def service(tmp_path: Path, digits_models: Path) -> Path:
    """A service.toml that watches a folder in which some photos lie already."""
    return write_service(tmp_path, digits_models / "digits_mobilenet_v2_int8.tflite")


def write_service(folder: Path, model: Path) -> Path:
    (folder / "photos").mkdir()
    for number in range(PHOTOS):
        shutil.copy(ROOT / "tests" / "data" / "seven.png", folder / "photos" / f"{number}.png")
    (folder / "service.toml").write_text(
        f'model = "{model}"\nsource = "watch:photos"\nexisting = "process"\nthreads = 1\n'
        'state_folder = "state"\n[[sink]]\ntype = "jsonl"\npath = "answers.jsonl"\n'
        'when = ["answer"]\n'
    )
    return folder / "service.toml"


@pytest.mark.parametrize(
    "command",
    [
        ["run", "{model}", "{photo}", "--json"],
        ["bench", "{model}", "--runs", "3", "--seconds", "0.01", "--threads", "1", "--json"],
        ["doctor", "--json"],
        ["telemetry", "--json"],
    ],
    ids=lambda command: command[0],
)
def test_the_runner_needs_no_network(command: list[str], digits_models: Path) -> None:
    model = digits_models / "digits_mobilenet_v2_int8.tflite"
    words = [w.format(model=model, photo=ROOT / "tests/data/seven.png") for w in command]
    done = offline([sys.executable, "-m", "edge_deploy_runner", *words])
    # doctor may find something amiss with the machine that runs the tests.
    assert done.returncode in ((0, 1) if command[0] == "doctor" else (0,)), done.stderr
    json.loads(done.stdout)
    tried_nothing(done)


def test_the_service_needs_no_network(service: Path) -> None:
    answers = service.with_name("answers.jsonl")
    serve = [sys.executable, "-m", "edge_deploy_runner", "serve", "--config", service]
    done = offline([sys.executable, DRIVER, str(PHOTOS), answers, *map(str, serve)])
    assert done.returncode == 0, done.stderr
    assert "READY=1" in done.stdout
    assert "STOPPING=1" in done.stdout
    found = [json.loads(line) for line in answers.read_text().splitlines()]
    assert len(found) == PHOTOS, found
    tried_nothing(done)


# Each of them reaches for a network in a way of its own.
ATTEMPTS = {
    "tcp": "s = socket.socket(); s.connect_ex(('192.0.2.1', 80))",
    "tcp6": "s = socket.socket(socket.AF_INET6); s.connect_ex(('2001:db8::1', 80))",
    "udp": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
    "loopback": "s = socket.socket(); s.connect_ex(('127.0.0.1', 9))",
    "name": "socket.getaddrinfo('example.invalid', 80)",
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_strace_sees_one_who_tries(attempt: str) -> None:
    code = f"import socket, contextlib\nwith contextlib.suppress(OSError): {ATTEMPTS[attempt]}"
    done = offline([sys.executable, "-c", code])
    assert done.returncode == 0, done.stderr
    assert done.calls


@pytest.mark.parametrize("attempt", ["tcp", "udp", "loopback"])
def test_the_counters_see_one_who_tries(attempt: str) -> None:
    code = f"import socket, contextlib\nwith contextlib.suppress(OSError): {ATTEMPTS[attempt]}"
    done = offline([sys.executable, "-c", code])
    assert done.counters


def test_strace_sees_a_child_who_tries() -> None:
    code = f"import socket\n{ATTEMPTS['tcp']}"
    done = offline(["sh", "-c", f'(exec "{sys.executable}" -c "$0") & wait', code])
    assert any("192.0.2.1" in call for call in done.calls)


def test_there_is_no_way_out_of_the_namespace() -> None:
    code = "import socket; print([name for _, name in socket.if_nameindex()])"
    done = offline([sys.executable, "-c", code])
    assert done.stdout.strip() == "['lo']"


def test_a_socket_of_this_machine_alone_is_allowed() -> None:
    trace = (
        "12 socket(AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC, 0) = 3\n"
        '12 sendto(3, "READY=1", 7, 0, {sa_family=AF_UNIX, sun_path="/run/x"}, 110) = 7\n'
        "12 connect(4, {sa_family=AF_INET, sin_port=htons(80)}, 16) = -1 ENETUNREACH\n"
    )
    assert network_calls(trace) == (trace.splitlines()[2],)
