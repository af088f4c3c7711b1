"""The service when something hangs, is unplugged, fills up, or has to end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from serving import PATIENCE_S, Running, config, label, put

SLOW = (  # an inference that takes two seconds, of which Python sees nothing
    "from edge_deploy_runner import interpreter\n"
    "import time\n"
    "run = interpreter.LoadedModel.run\n"
    "def slow(self, *tensors):\n"
    "    open('begun', 'a').close(); time.sleep(2); return run(self, *tensors)\n"
    "interpreter.LoadedModel.run = slow\n"
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_an_inference_lets_it_finish(
    folder: Path, start: Callable[..., Running], number: int
) -> None:
    service = start(config(), before=SLOW).ready()
    (folder / "begun").unlink()  # the trial run at the start
    put(folder, "green", "a.png")
    service.wait((folder / "begun").exists)
    asked = time.monotonic()
    assert service.stop(number) == 0
    assert time.monotonic() - asked < 15
    (record,) = service.lines("answer")
    assert label(record) == "green"
    assert service.listen()[-1] == "STOPPING=1"


def test_the_watchdog_is_fed_while_polls_go_on(folder: Path, start: Callable[..., Running]) -> None:
    service = start(config(), watchdog_s=2.0).ready()
    service.wait(lambda: service.listen().count("WATCHDOG=1") >= 4)
    assert service.stop() == 0


HUNG_INFERENCE = (
    SLOW.replace("time.sleep(2)", "time.sleep(2 if self.runs else 0)")
    .replace("def slow", "interpreter.LoadedModel.runs = 0\ndef slow")
    .replace("return run", "self.runs += 1; time.sleep(600 if self.runs > 1 else 0); return run")
)
HUNG_FOLDER = (
    "import os, time, threading\n"
    "real = os.scandir\n"
    "def hang(path):\n"
    "    if os.path.exists('hang') and threading.current_thread().name == 'capture':\n"
    "        open('begun', 'a').close(); time.sleep(600)\n"
    "    return real(path)\n"
    "os.scandir = hang\n"
)


@pytest.mark.parametrize(
    ("what", "before"), [("inference", HUNG_INFERENCE), ("source", HUNG_FOLDER)]
)
def test_what_hangs_does_not_feed_the_watchdog(
    folder: Path, start: Callable[..., Running], what: str, before: str
) -> None:
    service = start(config(), watchdog_s=2.0, before=before).ready()
    service.wait(lambda: service.listen().count("WATCHDOG=1") >= 2)
    (folder / "begun").unlink(missing_ok=True)  # the trial run at the start
    (folder / "hang").touch()
    put(folder, "red", "a.png")
    service.wait((folder / "begun").exists)
    time.sleep(3)
    fed = service.listen().count("WATCHDOG=1")
    time.sleep(3)
    assert service.listen().count("WATCHDOG=1") == fed
    assert service.process.poll() is None


def test_too_much_memory_ends_the_service_with_a_last_word(
    folder: Path, start: Callable[..., Running]
) -> None:
    service = start(config(extra='[limits]\nmemory = "10 MB"\n'))
    assert service.process.wait(PATIENCE_S) == 5
    assert service.words().splitlines()[-1].startswith("Error: the service uses ")
    assert "above its limit of 10 MB" in service.words()
    assert service.status()["state"] == "failed"


def test_a_camera_that_is_not_there_is_waited_for(
    folder: Path, start: Callable[..., Running]
) -> None:
    service = start(config("/dev/video99"), watchdog_s=2.0).ready()
    service.wait(lambda: "there is no camera at /dev/video99" in service.words())
    service.wait(lambda: service.listen().count("WATCHDOG=1") >= 4)  # waiting is being alive
    service.wait(lambda: service.status()["state"] == "waiting for the source")
    assert "next try in 1 s" in service.words()
    assert service.stop() == 0


CAMERA = (
    f"sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
    "import errno, os, threading, time\n"
    "from pathlib import Path\n"
    "from types import SimpleNamespace\n"
    "from edge_deploy_runner import interpreter\n"
    "from edge_deploy_runner.sources import opening, v4l2\n"
    "from fake_camera import FakeCamera\n"
    "camera = FakeCamera(Path('.').absolute(), {'RGB3': (32, 24)})\n"
    "v4l2.fcntl = SimpleNamespace(ioctl=camera.ioctl)\n"
    "opening.camera_path = lambda text: str(camera.path) if text == 'camera:0' else None\n"
    "def play():\n"
    "    while True:\n"
    "        gone = os.path.exists('unplugged')\n"
    "        camera.failure = errno.ENODEV if gone else None\n"
    "        if gone: camera.queued.clear(); camera.filled.clear()\n"
    "        elif camera.streaming: camera.fill(bytes([250, 10, 10]) * (32 * 24))\n"
    "        time.sleep(0.005)\n"
    "threading.Thread(target=play, daemon=True).start()\n"
    "run = interpreter.LoadedModel.run\n"
    "def slow(self, *tensors):\n"
    "    time.sleep(0.05); return run(self, *tensors)\n"
    "interpreter.LoadedModel.run = slow\n"
)


def test_a_camera_faster_than_the_model_and_unplugged_in_the_middle(
    folder: Path, start: Callable[..., Running]
) -> None:
    text = config("camera:0", '[decision]\nframes = "3 of 5"\n')
    service = start(text, before=CAMERA, watchdog_s=2.0).ready()
    service.wait(lambda: len(service.lines("answer")) >= 10)
    (folder / "unplugged").touch()
    service.wait(lambda: "is gone (No such device); plug it in again" in service.words())
    service.wait(lambda: service.status()["state"] == "waiting for the source")
    fed = service.listen().count("WATCHDOG=1")
    service.wait(lambda: service.listen().count("WATCHDOG=1") > fed + 1)
    before = len(service.lines("answer"))
    (folder / "unplugged").unlink()
    service.wait(lambda: len(service.lines("answer")) >= before + 5)
    assert service.stop() == 0
    status = service.status()
    assert status["dropped"] > status["frames"]  # ten come for each that is answered
    assert status["errors"] >= 1
    numbers = [int(record["input"].rsplit("#")[1]) for record in service.lines("answer")]
    assert numbers[1] > 0
    assert {label(record) for record in service.lines("answer")} == {"red"}
    assert [record["label"] for record in service.lines("fired")] == ["red"]


def test_a_full_disk_stops_no_answers(folder: Path, start: Callable[..., Running]) -> None:
    limit = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))\n"
    )
    log = '[[sink]]\ntype = "log"\npath = "events.log"\nwhen = ["answer"]\n'
    text = config(extra=log).replace('type = "jsonl"', 'type = "command"\nargv = ["/bin/true"]')
    service = start(text, before=limit).ready()
    for number in range(8):
        put(folder, "red", f"{number}.png")
        service.wait(lambda: not list((folder / "made").iterdir()))
    (folder / "in" / "bad.png").write_bytes(b"")
    service.wait(lambda: "the log sink fails" in service.words())
    assert service.process.poll() is None
    assert service.stop() == 0
    lines = (folder / "events.log").read_text().splitlines()
    assert 1 <= len(lines) < 8
    assert all(line.endswith(".png") for line in lines)
    assert not list((folder / "state").glob(".status*"))
