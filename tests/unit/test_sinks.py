"""Lines, logs on full disks, commands that misbehave, pins."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from edge_deploy_runner.errors import BadInputError, DeviceError, OutputError
from edge_deploy_runner.service.sinks import ANSWER, ERROR, Notice
from edge_deploy_runner.service.sinks.command import CommandSink, check_argv, environment, fill
from edge_deploy_runner.service.sinks.gpio import GpioSink
from edge_deploy_runner.service.sinks.lines import LinesSink, RotatingFile, log_line

NOTICE = Notice("fired", "1970-01-01T00:00:07.000+00:00", "camera#7", "cat", 0.875)


def wait_until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_json_lines_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    sink = LinesSink(pytest.fail)
    sink.open()
    sink.put(NOTICE)
    answer = {"top": [{"label": "cät", "index": 0, "score": 0.5}], "timing_ms": {"total": 1.0}}
    sink.put(Notice(ANSWER, "t", "a.jpg", "cät", 0.5, answer))
    sink.put(Notice("released", "t", "b.jpg", "cat"))
    sink.put(Notice(ERROR, "t", "c.jpg", "", None, {"error": "bad"}))
    sink.close()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        {
            "time": NOTICE.time,
            "event": "fired",
            "input": "camera#7",
            "label": "cat",
            "score": 0.875,
        },
        {"time": "t", "event": "answer", "input": "a.jpg", **answer},
        {"time": "t", "event": "released", "input": "b.jpg", "label": "cat"},
        {"time": "t", "event": "error", "input": "c.jpg", "error": "bad"},
    ]  # fmt: skip


def test_log_lines_stay_one_line_each() -> None:
    assert log_line(NOTICE) == "1970-01-01T00:00:07.000+00:00 fired cat 0.875 camera#7"
    assert log_line(Notice(ANSWER, "t", "a\nb.jpg", "", None)) == "t nothing a b.jpg"
    assert log_line(Notice(ERROR, "t", "x", "", None, {"error": "no\nphoto"})) == (
        "t error: no photo x"
    )


def test_files_rotate_by_size_and_number(tmp_path: Path) -> None:
    path = tmp_path / "log" / "events.log"
    file = RotatingFile(path, max_bytes=100, keep=2)
    for number in range(40):
        file.write(f"line {number:04}")  # ten bytes each
    file.close()
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "events.log", "events.log.1", "events.log.2",
    ]  # fmt: skip
    kept = [*path.with_name("events.log.2").read_text().split("\n")[:-1],
            *path.with_name("events.log.1").read_text().split("\n")[:-1],
            *path.read_text().split("\n")[:-1]]  # fmt: skip
    assert kept == [f"line {number:04}" for number in range(10, 40)]
    assert all(p.stat().st_size <= 100 for p in path.parent.iterdir())


def test_without_older_files_only_the_newest_lines_stay(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "a", max_bytes=20, keep=0)
    for number in range(5):
        file.write(f"line {number:04}")
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]
    assert (tmp_path / "a").read_text() == "line 0004\n"


def test_a_log_that_somebody_moves_or_removes_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    file = RotatingFile(path, 1000, 3)
    file.write("one")
    path.rename(tmp_path / "taken")
    file.write("two")
    path.unlink()
    file.write("three")
    assert path.read_text() == "three\n"
    assert (tmp_path / "taken").read_text() == "one\n"


@contextlib.contextmanager
def files_limited_to(size_bytes: int) -> Iterator[None]:
    """What a full disk does, without one; not a fixture, as pytest's own output may be a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_counted_told_once_and_leaves_whole_lines(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "events.jsonl"
    sink = LinesSink(told.append, path)
    with files_limited_to(300):
        sink.open()
        for _ in range(10):
            sink.put(NOTICE)
        lines = path.read_text().splitlines()
        assert 1 <= len(lines) < 10
        assert sink.lost == 10 - len(lines)
        assert all(json.loads(line)["label"] == "cat" for line in lines)  # no half line
        assert path.stat().st_size <= 300
        assert len(told) == 1
        assert "the jsonl sink fails" in told[0]
        path.unlink()  # somebody makes room
        sink.put(NOTICE)
        assert len(path.read_text().splitlines()) == 1
        assert "works again" in told[1]
        sink.close()


def test_a_really_full_disk(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.fail("Linux has a /dev/full")
    told: list[str] = []
    link = tmp_path / "full.log"
    link.symlink_to("/dev/full")
    sink = LinesSink(told.append, link, as_log=True)
    sink.open()
    sink.put(NOTICE)
    sink.put(NOTICE)
    assert sink.lost == 2
    assert told == ["the log sink fails: No space left on device"]


def test_a_place_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "x.log"):
        with pytest.raises(OutputError, match="cannot write to"):
            LinesSink(pytest.fail, path).open()


def test_a_closed_stdout_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    read, write = os.pipe()
    os.close(read)
    sink = LinesSink(told.append)
    broken = os.fdopen(write, "w")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", broken)
        sink.put(NOTICE)
    with pytest.raises(BrokenPipeError):
        broken.close()  # what it could not write is still in it
    assert sink.lost == 1
    assert "Broken pipe" in told[0]


def python(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )


# Commands


def recorder(folder: Path, body: str = "") -> list[str]:
    """A program that appends what it was given to a file, as one line of JSON."""
    program = folder / "program.py"
    program.write_text(
        "import json, os, sys, time\n"
        f"{body}\n"
        "env = {k: v for k, v in os.environ.items() if k.startswith('EDGE_DEPLOY_')}\n"
        "line = json.dumps([sys.argv[1:], env, sys.stdin.read()])\n"
        f"open({str(folder / 'record')!r}, 'a').write(line + chr(10))\n"
    )
    return [sys.executable, str(program)]


def records(folder: Path) -> list[Any]:
    path = folder / "record"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_command_gets_the_event_as_whole_arguments(tmp_path: Path) -> None:
    evil = Notice("fired", "t", "x; touch /tmp/evil $(id) .jpg", '-rf "`id`"', 0.5)
    argv = [*recorder(tmp_path), "{label}", "{input}", "{score}", "{event}", "{time}", "plain"]
    sink = CommandSink(pytest.fail, argv)
    sink.open()
    sink.put(evil)
    wait_until(lambda: len(records(tmp_path)) == 1)
    sink.close()
    arguments, env, stdin = records(tmp_path)[0]
    assert arguments == [evil.label, evil.input, "0.500000", "fired", "t", "plain"]
    assert env["EDGE_DEPLOY_LABEL"] == evil.label
    assert set(env) >= {f"EDGE_DEPLOY_{key}" for key in ("SCORE", "INPUT", "EVENT", "TIME")}
    assert stdin == ""
    assert sink.lost == 0


def test_zero_bytes_and_missing_scores_do_no_harm() -> None:
    notice = Notice("released", "t", "a\0b", "cat")
    assert fill(["p", "{input}", "{score}"], notice) == ["p", "ab", ""]
    assert environment(notice)["EDGE_DEPLOY_INPUT"] == "ab"


@pytest.mark.parametrize(
    ("argv", "match"),
    [
        ([], "needs argv"),
        ([""], "needs argv"),
        (["{label}"], "cannot be {label}"),
        (["sh", "-c", "echo {label}"], r"placeholders are whole arguments"),
    ],
)
def test_commands_that_make_no_sense(argv: list[str], match: str) -> None:
    with pytest.raises(BadInputError, match=match):
        check_argv(argv)


def test_commands_run_one_at_a_time_and_the_oldest_waiting_is_dropped(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    lock = tmp_path / "running"
    body = (
        f"os.close(os.open({str(lock)!r}, os.O_CREAT | os.O_EXCL))\n"  # fails if two run
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
        f"os.unlink({str(lock)!r})"
    )
    told: list[str] = []
    sink = CommandSink(told.append, [*recorder(tmp_path, body), "{label}"], queue=2)
    sink.open()
    sink.put(Notice("fired", "t", "i", "first", 1.0))
    wait_until(lock.exists)
    for label in ("second", "third", "fourth"):
        sink.put(Notice("fired", "t", "i", label, 1.0))
    assert sink.lost == 1
    assert "slower than the events" in told[0]
    gate.touch()
    wait_until(lambda: len(records(tmp_path)) == 3)
    sink.close()
    assert [record[0][0] for record in records(tmp_path)] == ["first", "third", "fourth"]


def test_a_command_that_never_ends_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program = tmp_path / "hang.sh"
    program.write_text(
        f"#!/bin/sh\nsleep 600 &\necho $$ $! > {pids}.part\nmv {pids}.part {pids}\nwait\n"
    )
    program.chmod(0o755)
    told: list[str] = []
    sink = CommandSink(told.append, [str(program)], timeout_s=1.0)
    sink.open()
    sink.put(NOTICE)
    wait_until(lambda: sink.lost == 1)
    assert "was ended after 1 s" in told[0]
    for pid in map(int, pids.read_text().split()):
        wait_until(lambda pid=pid: not runs(pid))  # type: ignore[misc]
    sink.close()


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_closing_does_not_wait_for_a_command_that_hangs(tmp_path: Path) -> None:
    program = tmp_path / "hang.sh"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    program.chmod(0o755)
    sink = CommandSink(lambda _: None, [str(program)])
    sink.open()
    sink.put(NOTICE)
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    sink.close(wait_s=0.1)
    wait_until(lambda: not runs(int((tmp_path / "pid").read_text())))


def test_commands_that_fail_or_are_missing_are_told_once(tmp_path: Path) -> None:
    told: list[str] = []
    sink = CommandSink(told.append, ["/bin/false"])
    sink.open()
    sink.put(NOTICE)
    wait_until(lambda: sink.lost == 1)
    sink.put(NOTICE)
    wait_until(lambda: sink.lost == 2)
    sink.close()
    assert told == ["the command sink fails: /bin/false ended with code 1"]
    with pytest.raises(BadInputError, match=r"program .*nothing is not there"):
        CommandSink(told.append, [str(tmp_path / "nothing")]).open()
    program = tmp_path / "program"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    broken = CommandSink(told.append, [str(program)])
    broken.open()
    broken.put(NOTICE)
    wait_until(lambda: broken.lost == 1)
    broken.close()
    assert "cannot be started" in told[-1]


def test_a_commands_output_does_not_mix_with_json_lines(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from edge_deploy_runner.service.sinks import Notice\n"
        "from edge_deploy_runner.service.sinks.command import CommandSink\n"
        "sink = CommandSink(print, ['/bin/echo', 'words of', '{label}'])\n"
        "sink.open(); sink.put(Notice('fired', 't', 'i', 'cat', 1.0))\n"
        "import time; time.sleep(0.3); sink.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "words of cat\n")


# Pins


@pytest.fixture
def pins() -> Iterator[Any]:
    """gpiozero on pins that are played by gpiozero itself."""
    gpiozero = import_module("gpiozero")
    mock = import_module("gpiozero.pins.mock")
    before = gpiozero.Device.pin_factory
    gpiozero.Device.pin_factory = mock.MockFactory()
    yield gpiozero.Device.pin_factory
    gpiozero.Device.pin_factory.reset()
    gpiozero.Device.pin_factory = before


def test_a_pin_follows_labels(pins: Any) -> None:
    sink = GpioSink(pytest.fail, 17, "follow")
    sink.open()
    pin = pins.pin(17)
    states = [pin.state]
    for kind, label in (
        ("fired", "cat"),
        ("fired", "dog"),
        ("released", "cat"),
        ("released", "dog"),
    ):
        sink.put(Notice(kind, "t", "i", label))
        states.append(pin.state)
    assert states == [0, 1, 1, 1, 0]
    sink.put(Notice("fired", "t", "i", "cat"))
    sink.close()
    assert pin.state == 0
    GpioSink(pytest.fail, 17).open()  # it was given back


def test_a_pin_pulses(pins: Any) -> None:
    sink = GpioSink(pytest.fail, 4, "pulse", pulse_s=0.2, active_high=False)
    sink.open()
    pin = pins.pin(4)
    assert pin.state == 1  # off, as the wiring is the other way round
    sink.put(Notice("released", "t", "i", "cat"))
    assert pin.state == 1
    sink.put(Notice("fired", "t", "i", "cat", 1.0))
    wait_until(lambda: pin.state == 0)
    wait_until(lambda: pin.state == 1)
    sink.close()


def test_a_pin_that_cannot_be_had(pins: Any) -> None:
    first = GpioSink(pytest.fail, 5)
    first.open()
    with pytest.raises(DeviceError, match="GPIO 5 cannot be used"):
        GpioSink(pytest.fail, 5).open()
    with pytest.raises(DeviceError, match="GPIO 53 cannot be used"):
        GpioSink(pytest.fail, 53).open()


@pytest.mark.parametrize(("module", "package"), [("gpiozero", "gpiozero"), ("paho", "paho-mqtt")])
def test_without_the_package_a_sentence(module: str, package: str) -> None:
    script = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from edge_deploy_runner.service.sinks.gpio import GpioSink\n"
        "from edge_deploy_runner.service.sinks.mqtt import Broker, MqttSink\n"
        f"sink = GpioSink(print, 17) if {module!r} == 'gpiozero' else "
        "MqttSink(print, Broker('h', 't'))\n"
        "from edge_deploy_runner.errors import DeviceError\n"
        "try:\n    sink.open()\nexcept DeviceError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert f"needs {package}, which is not installed; `sudo apt install" in done.stdout
