"""`edge-deploy run` and the runner's own `run`: the same words from both, and clean endings."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_deploy_runner import __main__ as runner
from edge_deploy_runner.contract import PRESETS
from PIL import Image
from small_detectors import write_detector
from small_models_photo import COLORS, write_model, write_photo

from edge_deploy.cli import run as edge_deploy

PROGRAMS = ("edge_deploy", "edge_deploy_runner")
Capture = pytest.CaptureFixture[str]


def without_times(text: str) -> str:
    return re.sub(r"\d+\.\d+( s| ms| per second|[,}])", "", text)


@pytest.mark.parametrize("options", [[], ["--json"], ["--top", "1", "--threshold", "0.999"]])
def test_both_print_the_same(tmp_path: Path, capfd: Capture, options: list[str]) -> None:
    model = str(write_model(tmp_path))
    for color in COLORS:
        write_photo(tmp_path / "photos", color)
    (tmp_path / "photos" / "bad.png").write_text("no photo")
    np.save(tmp_path / "a.npy", np.full((2, 30, 40, 3), COLORS["green"], np.uint8))
    photos = [str(tmp_path / "photos"), "none.jpg", str(tmp_path / "a.npy")]
    assert edge_deploy(["run", model, *photos, *options]) == 3
    ours = capfd.readouterr()
    assert runner.main(["run", model, *photos, *options]) == 3
    theirs = capfd.readouterr()
    assert without_times(ours.out) == without_times(theirs.out)
    assert without_times(ours.err) == without_times(theirs.err)
    assert len(ours.out.splitlines()) == (7 if options == ["--json"] else 5)


def test_one_photo_has_no_summary(tmp_path: Path, capfd: Capture) -> None:
    model, photo = str(write_model(tmp_path)), str(write_photo(tmp_path, "red"))
    for program in (edge_deploy, runner.main):
        assert program(["run", model, photo]) == 0
        assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (["MODEL"], 2, "INPUT"),
        (["MODEL", "a.png", "--top", "0"], 2, "top"),
        (["MODEL", "a.png", "--threshold", "1.5"], 2, "threshold"),
        (["MODEL", "a.png", "--preprocess", "mobilnet"], 2, "mobilenet, efficientnet-lite"),
        (["MODEL", "a.png", "--preprocess", "0-1"], 3, "--override"),
        (["none.tflite", "a.png"], 3, "none.tflite"),
        (["MODEL", "a.png", "--background-class"], 2, "goes with --preprocess"),
        (["MODEL", "/dev/video99"], 5, "/dev/video99"),
    ],
)
def test_both_refuse_the_same(
    tmp_path: Path, capfd: Capture, line: list[str], code: int, message: str
) -> None:
    model = str(write_model(tmp_path))
    for program in (edge_deploy, runner.main):
        assert program(["run", *[model if word == "MODEL" else word for word in line]]) == code
        output = capfd.readouterr()
        assert message in output.err
        assert output.out == ""


def test_exact_decodes_whole_photos(tmp_path: Path, capfd: Capture) -> None:
    # Stripes of a pixel: their mean is exact in a whole photo, and nearly so in a reduced one.
    pixels = np.zeros((1200, 1600, 3), np.uint8)
    pixels[:, ::2] = (255, 40, 0)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=60)
    model = str(write_model(tmp_path))
    scores = []
    for options in ([], ["--exact"], []):
        assert runner.main(["run", model, str(tmp_path / "a.jpg"), "--json", *options]) == 0
        scores.append(json.loads(capfd.readouterr().out)["top"][0]["score"])
    assert scores[0] == scores[2] != scores[1]
    assert abs(scores[0] - scores[1]) < 0.05


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    name = os.fsencode(tmp_path) + b"/photos/\xff.png"
    write_photo(tmp_path / "photos", "red", "a.png")
    os.rename(tmp_path / "photos" / "a.png", name)  # noqa: PTH104 - bytes
    for program in PROGRAMS:
        command = [sys.executable, "-m", program, "run", str(model), str(tmp_path / "photos")]
        for options in ([], ["--json"]):
            ended = subprocess.run([*command, *options], capture_output=True, check=False)
            assert (ended.returncode, ended.stderr) == (0, b"")
            assert b"\xff.png" in ended.stdout


def start(program: str, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """A `run` over thousands of photos."""
    model = write_model(folder)
    photo = folder / "photos" / "0000.jpg"
    photo.parent.mkdir()
    Image.effect_noise((1200, 900), 60).save(photo)
    for number in range(1, 4000):
        os.link(photo, photo.with_name(f"{number:04}.jpg"))
    command = [sys.executable, "-m", program, "run", str(model), str(photo.parent), *options]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell that runs the tests in the background has it ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


def some_lines(child: subprocess.Popen[bytes], least: int) -> bytes:
    """What a child prints up to at least so many lines."""
    assert child.stdout is not None
    said = b""
    while said.count(b"\n") < least:
        ready, _, _ = select.select([child.stdout], [], [], 60)
        assert ready, "nothing was printed"
        part = os.read(child.stdout.fileno(), 65536)
        assert part, child.stderr.read() if child.stderr else ""
        said += part
    return said


def wait_until_nothing_more_fits(child: subprocess.Popen[bytes]) -> None:
    """Until the pipe is as good as full and grows no more: the child waits to write."""
    assert child.stdout is not None
    unread, deadline = 0, time.monotonic() + 120
    while True:
        before, unread = unread, unread_bytes(child.stdout.fileno())
        if unread == before > 30_000:
            return
        assert child.poll() is None, "it ended before the pipe was full"
        assert time.monotonic() < deadline, f"{unread} bytes lie in the pipe"
        time.sleep(1)


def unread_bytes(descriptor: int) -> int:
    import fcntl  # there is none on Windows
    import termios

    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)


def whole_lines(said: bytes) -> list[dict[str, Any]]:
    assert said.endswith(b"\n")
    return [json.loads(line) for line in said.splitlines()]


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals on Windows")
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_ends_it_between_two_lines(
    tmp_path: Path, program: str, number: signal.Signals, code: int
) -> None:
    with start(program, tmp_path, "--json") as child:
        said = some_lines(child, 20)
        child.send_signal(number)
        rest, errors = child.communicate(timeout=60)
    assert child.returncode == code
    answers = whole_lines(said + rest)
    assert 20 <= len(answers) < 4000
    assert [Path(answer["input"]).stem for answer in answers] == [
        f"{number:04}" for number in range(len(answers))
    ]
    assert b"Traceback" not in errors
    assert b"per second" in errors


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals on Windows")
def test_a_signal_while_nobody_reads_cuts_no_line_either(tmp_path: Path) -> None:
    with start("edge_deploy_runner", tmp_path, "--json") as child:
        some = some_lines(child, 1)
        wait_until_nothing_more_fits(child)
        child.send_signal(signal.SIGTERM)
        rest, errors = child.communicate(timeout=60)
    assert child.returncode == 143
    assert whole_lines(some + rest)
    assert b"Traceback" not in errors


@pytest.mark.skipif(os.name == "nt", reason="pipes end otherwise on Windows")
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, program: str) -> None:
    with start(program, tmp_path) as child:
        some_lines(child, 3)
        assert child.stdout is not None
        child.stdout.close()
        child.stdout = None
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 0
    assert b"Traceback" not in errors


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_full_disk_is_said(tmp_path: Path, program: str) -> None:
    model, photo = write_model(tmp_path), write_photo(tmp_path, "red")
    command = [sys.executable, "-m", program, "run", str(model), str(photo), str(photo)]
    with open("/dev/full", "w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 7
    assert "disk is full" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_detector_says_what_it_finds_and_where(tmp_path: Path, capfd: Capture) -> None:
    # A JPEG large enough to be decoded smaller, stored as a camera held upright stores it.
    upright = Image.new("RGB", (960, 1280), (0, 0, 0))
    upright.paste(COLORS["blue"], (480, 640, 960, 1280))
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = upright.transpose(Image.Transpose.ROTATE_90)
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95)
    upright.save(tmp_path / "b.png")
    contract = PRESETS["0-1"]._replace(crop="none")
    model = str(write_detector(tmp_path, contract=contract))
    photos = [str(tmp_path / "a.jpg"), str(tmp_path / "b.png")]
    said = []
    for program in (edge_deploy, runner.main):
        assert program(["run", model, *photos, "--json"]) == 0
        said.append(capfd.readouterr().out)
        for line in said[-1].splitlines():
            answer = json.loads(line)
            assert list(answer) == ["input", "detections", "timing_ms"]
            (found,) = answer["detections"]
            assert list(found) == ["label", "index", "score", "box"]
            assert found["label"] == "blue"
            np.testing.assert_allclose(found["box"], [0.5, 0.5, 1, 1], atol=0.01)
        assert program(["run", model, *photos, "--threshold", "0.9999"]) == 0
        assert "a.jpg: nothing" in capfd.readouterr().out
    assert without_times(said[0]) == without_times(said[1])


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals on Windows")
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_watched_folder_is_answered_until_ctrl_c(tmp_path: Path, program: str) -> None:
    model, folder = write_model(tmp_path), tmp_path / "photos"
    write_photo(folder, "green", "old.png")
    command = [sys.executable, "-m", program, "run", str(model), f"watch:{folder}", "--json"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as child:
        said = b""
        for number, color in enumerate(("red", "blue")):
            # The first may be there before the watch begins, and then it is passed over.
            for attempt in range(30):
                write_photo(folder, color, f"{number}-{attempt}.png")
                assert child.stdout is not None
                if select.select([child.stdout], [], [], 2)[0]:
                    said += some_lines(child, 1)
                    break
        child.send_signal(signal.SIGINT)
        rest, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    answers = whole_lines(said + rest)
    assert {"red", "blue"} == {answer["top"][0]["label"] for answer in answers}
    assert {answer["dropped"] for answer in answers} == {0}
    assert b"stopped after" in errors
    assert b"Traceback" not in errors
