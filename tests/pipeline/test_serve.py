"""The service through the real command line: what goes in and out, reloading, refusals."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from serving import PATIENCE_S, RUNNER, Running, config, label, put
from small_detectors import write_detector
from small_models_photo import COLORS, color_classifier, write_photo


def test_photos_in_answers_and_events_out(folder: Path, start: Callable[..., Running]) -> None:
    write_photo(folder / "in", "blue", "old.png")
    log = '[decision]\nframes = "2 of 3"\n[[sink]]\ntype = "log"\npath = "events.log"\n'
    service = start(config(extra=log)).ready()
    for number, color in enumerate(("red", "red", "green", "green")):
        put(folder, color, f"{number}.png")
        service.wait(lambda number=number: len(service.lines("answer")) == number + 1)
    assert [label(record) for record in service.lines("answer")] == [
        "red", "red", "green", "green",
    ]  # fmt: skip
    events = [(r["event"], r["label"], Path(r["input"]).name) for r in service.lines()
              if r["event"] not in ("answer", "error")]  # fmt: skip
    assert events == [
        ("fired", "red", "1.png"), ("fired", "green", "3.png"), ("released", "red", "3.png"),
    ]  # fmt: skip
    assert service.stop() == 0
    heard = service.listen()
    assert heard[0] == "READY=1"
    assert heard[-1] == "STOPPING=1"
    status = service.status()
    assert (status["state"], status["frames"], status["on"]) == ("stopped", 4, ["green"])
    assert status["last_answer"]["label"] == "green"
    assert len((folder / "events.log").read_text().splitlines()) == 3
    assert "stopped after 4 frames" in service.words()


def test_a_half_written_photo_is_waited_for(folder: Path, start: Callable[..., Running]) -> None:
    service = start(config()).ready()
    data = write_photo(folder, "green", "made.png", (400, 300)).read_bytes()
    half = len(data) // 2
    with (folder / "in" / "slow.png").open("wb") as file:
        file.write(data[:half])
        file.flush()
        time.sleep(1.5)
        assert service.lines() == []
        file.write(data[half:])
    service.wait(lambda: service.lines("answer"))
    (record,) = service.lines("answer")
    assert label(record) == "green"
    assert service.stop() == 0


def test_a_photo_that_stays_half_is_an_error_and_the_next_one_an_answer(
    folder: Path, start: Callable[..., Running]
) -> None:
    service = start(config(extra='give_up = "1 s"')).ready()
    (folder / "in" / "half.png").write_bytes(b"\x89PNG\r\n")
    service.wait(lambda: service.lines("error"))
    put(folder, "red", "good.png")
    service.wait(lambda: service.lines("answer"))
    assert "was not whole 1 s after it last changed" in service.lines("error")[0]["error"]
    assert service.stop() == 0
    assert service.status()["refused"] == 1


def test_a_watched_folder_that_vanishes_and_returns(
    folder: Path, start: Callable[..., Running]
) -> None:
    service = start(config()).ready()
    put(folder, "red", "a.png")
    service.wait(lambda: len(service.lines("answer")) == 1)
    (folder / "in").rename(folder / "away")
    service.wait(lambda: "is gone" in service.words())
    service.wait(lambda: service.status()["state"] == "waiting for the source")
    (folder / "away").rename(folder / "in")
    service.wait(lambda: "the source is back" in service.words())
    service.wait(lambda: service.status()["state"] == "running")
    put(folder, "blue", "b.png")
    service.wait(lambda: len(service.lines("answer")) == 2)
    assert service.stop() == 0
    assert service.words().count("is gone") == 1


def test_ten_thousand_photos_already_there(folder: Path, start: Callable[..., Running]) -> None:
    data = write_photo(folder, "red", size=(8, 8)).read_bytes()
    for number in range(10_000):
        (folder / "in" / f"{number:05}.png").write_bytes(data)
    service = start(config(extra='existing = "process"\n[limits]\nmemory = "200 MB"\n')).ready()
    service.wait(lambda: len(service.lines("answer")) == 10_000)
    assert service.stop() == 0
    assert service.status()["frames"] == 10_000


def test_a_clock_in_1970(folder: Path, start: Callable[..., Running]) -> None:
    # The runner's only clock that can be wrong, as a Pi without a network has it.
    before = (
        "import datetime, time\n"
        "real = datetime.datetime\n"
        "class Epoch(real):\n"
        "    @classmethod\n"
        "    def now(cls, tz=None): return real.fromtimestamp(7, tz)\n"
        "datetime.datetime = Epoch\n"
        "time.time = lambda: 7.0\n"
    )
    service = start(config(), before=before).ready()
    put(folder, "green", "a.png")
    service.wait(lambda: service.lines("answer"))
    (record,) = service.lines("answer")
    assert (record["time"], label(record)) == ("1970-01-01T00:00:07.000+00:00", "green")
    assert service.stop() == 0


def test_a_model_swapped_on_disk(folder: Path, start: Callable[..., Running]) -> None:
    service = start(config()).ready()
    put(folder, "red", "0.png")
    service.wait(lambda: len(service.lines("answer")) == 1)
    model = folder / "colors.tflite"
    good = model.read_bytes()
    model.write_bytes(good[: len(good) // 2])
    service.wait(lambda: "cannot be used" in service.words())
    put(folder, "red", "1.png")
    service.wait(lambda: len(service.lines("answer")) == 2)
    (folder / "new").write_bytes(color_classifier(labels=("rot", "grün", "blau")))
    (folder / "new").rename(model)
    service.wait(lambda: "is loaded now" in service.words())
    put(folder, "red", "2.png")
    service.wait(lambda: len(service.lines("answer")) == 3)
    assert [label(record) for record in service.lines("answer")] == ["red", "red", "rot"]
    assert service.stop() == 0
    status = service.status()
    assert status["model"]["sha256"] in service.words()
    assert status["errors"] == 1


def test_sighup_reads_the_configuration_again(folder: Path, start: Callable[..., Running]) -> None:
    service = start(config()).ready()
    put(folder, "red", "0.png")
    service.wait(lambda: len(service.lines("answer")) == 1)
    (folder / "service.toml").write_text("modle = 1\n")
    service.process.send_signal(signal.SIGHUP)
    service.wait(lambda: "unknown key 'modle'" in service.words())
    put(folder, "red", "1.png")
    service.wait(lambda: len(service.lines("answer")) == 2)
    (folder / "service.toml").write_text(config(extra="top = 3"))
    service.process.send_signal(signal.SIGHUP)
    service.wait(lambda: service.words().count("serving watch:") == 2)
    put(folder, "red", "2.png")
    service.wait(lambda: len(service.lines("answer")) == 3)
    assert [len(record["top"]) for record in service.lines("answer")] == [1, 1, 3]
    # A sink that cannot be opened: the configuration before it goes on.
    broken = config(extra='[[sink]]\ntype = "log"\npath = "colors.tflite/x.log"\n')
    (folder / "service.toml").write_text(broken)
    service.process.send_signal(signal.SIGHUP)
    service.wait(lambda: "the old configuration goes on" in service.words().splitlines()[-2])
    put(folder, "red", "3.png")
    service.wait(lambda: len(service.lines("answer")) == 4)
    assert service.stop() == 0
    assert "RELOADING=1" in service.listen()
    assert [Path(record["input"]).name for record in service.lines("answer")] == [
        f"{number}.png" for number in range(4)
    ]
    assert service.status()["frames"] == 4


def test_a_folder_of_photos_ends_by_itself(folder: Path, start: Callable[..., Running]) -> None:
    for color in COLORS:
        write_photo(folder / "in", color)
    service = start(config("in"))
    assert service.process.wait(PATIENCE_S) == 0
    assert [label(record) for record in service.lines("answer")] == ["blue", "green", "red"]


def test_objects_are_served_as_well(folder: Path, start: Callable[..., Running]) -> None:
    write_detector(folder)
    write_photo(folder / "in", "green")
    service = start(config("in").replace("colors", "quarters"))
    assert service.process.wait(PATIENCE_S) == 0, service.words()
    (record,) = service.lines("answer")
    assert [item["label"] for item in record["detections"]] == ["green"] * 4
    assert [event["label"] for event in service.lines("fired")] == ["green"]


def test_nothing_opens_a_connection(folder: Path, start: Callable[..., Running]) -> None:
    # Python tells every socket it makes; anything but systemd's own kind is written down.
    before = (
        "import socket\n"
        "def hook(event, arguments):\n"
        "    unix = event == 'socket.__new__' and arguments[1] == socket.AF_UNIX\n"
        "    if event.startswith('socket.') and not unix:\n"
        "        if event != 'socket.connect' or not isinstance(arguments[1], (str, bytes)):\n"
        "            open('sockets', 'a').write(f'{event} {arguments}\\n')\n"
        "sys.addaudithook(hook)\n"
    )
    service = start(config(), before=before, watchdog_s=2.0).ready()
    put(folder, "red", "a.png")
    service.wait(lambda: service.lines("answer"))
    assert service.stop() == 0
    assert not (folder / "sockets").exists(), (folder / "sockets").read_text()


@pytest.mark.parametrize(
    ("text", "code", "match"),
    [
        ("modle = 1\n", 3, "unknown key 'modle'"),
        (config().replace("colors", "none"), 3, "there is no model at"),
        (config() + 'labels = ["catt"]\n', 3, "no label 'catt'"),
        (config() + '[[sink]]\ntype = "log"\npath = "in"\n', 7, "cannot write to"),
        (config("camera:x"), 3, "names no camera"),
    ],
)
def test_what_cannot_be_served_is_said_at_once(
    folder: Path, start: Callable[..., Running], text: str, code: int, match: str
) -> None:
    service = start(text)
    assert service.process.wait(PATIENCE_S) == code, service.words()
    (line,) = service.words().splitlines()
    assert line.startswith("Error: ")
    assert match in line
    assert "READY=1" not in service.listen()


def test_check_says_what_would_be_done_and_does_nothing(folder: Path) -> None:
    sinks = (
        '[[sink]]\ntype = "gpio"\npin = 17\nlabels = ["red"]\n'
        '[[sink]]\ntype = "mqtt"\nhost = "broker.invalid"\ntopic = "t"\n'
        '[decision]\nframes = "3 of 5"\n'
    )
    (folder / "service.toml").write_text(config(extra=sinks))
    done = subprocess.run(
        [*RUNNER, str(folder / "service.toml"), "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for words in ("classify, 3 labels", "3 of 5 frames", "GPIO 17", "labels red", "mqtt sinks only",
                  "those there already: skip"):  # fmt: skip
        assert words in done.stdout
    assert not (folder / "state").exists()
    (folder / "colors.tflite").write_bytes(b"junk")
    done = subprocess.run(
        [*RUNNER, str(folder / "service.toml"), "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, "")
    assert "is not a TFLite model" in done.stderr
