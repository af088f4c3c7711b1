"""A camera of the kernel's own making (vivid): every format in its colours, and pulled out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .machine import Machine

pytestmark = pytest.mark.xdist_group("machine")

# node_types=1: only the one that captures video.
PLUG_IN = """
cd /camera
while read module; do
    test $module = vivid.ko && arguments=node_types=1 || arguments=
    insmod $module $arguments || exit 1
done < order
udevadm settle
test -c /dev/video0
"""
DRIVER = "/sys/bus/platform/drivers/vivid"
# Three quarters of full light, as television's test picture has them.
BARS = {
    "white": (191, 191, 191),
    "yellow": (191, 191, 0),
    "cyan": (0, 191, 191),
    "green": (0, 191, 0),
    "magenta": (191, 0, 191),
    "red": (191, 0, 0),
    "blue": (0, 0, 191),
    "black": (0, 0, 0),
}
LOOK = """
import json
from edge_deploy_runner.sources import pixel_formats
from edge_deploy_runner.sources import v4l2
from edge_deploy_runner.sources.opening import open_source
found = {}
for name in pixel_formats.FORMATS:
    with open_source("camera:0") as camera:
        if name not in camera._offered():
            continue
    v4l2.FORMATS = (name,)
    with open_source("camera:0", size=(640, 480)) as camera:
        picture = next(camera.frames()).image.convert("RGB")
        width, height = picture.size
        # Below the text that the driver writes over the picture.
        places = [(int((bar + 0.5) * width / 8), int(height * 0.78)) for bar in range(8)]
        found[camera.format.name] = [picture.size, [picture.getpixel(place) for place in places]]
    v4l2.FORMATS = pixel_formats.FORMATS
print(json.dumps(found))
"""
SERVICE = """
model = "model.tflite"
source = "camera:0"
state_folder = "state"
[[sink]]
type = "jsonl"
path = "answers.jsonl"
"""


@pytest.fixture
def camera_pi(prepared_pi: Machine) -> Machine:
    """The machine with its camera plugged in."""
    prepared_pi.run("sh", stdin=PLUG_IN.encode())
    return prepared_pi


def test_every_format_shows_the_colours_that_the_camera_sees(camera_pi: Machine) -> None:
    found = json.loads(camera_pi.python("-", stdin=LOOK.encode()))
    assert {"YUYV", "RGB3", "BGR3", "NV12"} <= set(found)
    for name, (size, colours) in found.items():
        assert size == [640, 480]
        if name == "GREY":
            lights = [colour[0] for colour in colours]
            assert lights == sorted(lights, reverse=True)
            assert lights[0] == pytest.approx(191, abs=4)
            assert lights[-1] == pytest.approx(0, abs=4)
            continue
        for (bar, wanted), colour in zip(BARS.items(), colours, strict=True):
            assert colour == pytest.approx(wanted, abs=5), f"{name}: {bar}"


@pytest.fixture
def model_pi(camera_pi: Machine, digits_models: Path) -> Machine:
    """The machine with its camera and a model in the home of the user pi."""
    model = digits_models / "digits_mobilenet_v2_int8.tflite"
    camera_pi.run("cat > model.tflite", user="pi", stdin=model.read_bytes())
    return camera_pi


def pull_out(machine: Machine) -> None:
    machine.run(f"echo vivid.0 > {DRIVER}/unbind")


def plug_in_again(machine: Machine) -> None:
    machine.run(f"echo vivid.0 > {DRIVER}/bind && udevadm settle && test -c /dev/video0")


def test_run_answers_frames_until_the_camera_is_pulled_out(model_pi: Machine) -> None:
    model_pi.start_python("-m edge_deploy_runner run model.tflite camera:0 --json", "answers")
    model_pi.run("until test $(wc -l < ~pi/answers.out) -ge 5; do sleep 0.1; done")
    pull_out(model_pi)
    model_pi.run("until test -s ~pi/answers.code; do sleep 0.1; done", limit_s=90)
    lines = model_pi.text("cat ~pi/answers.out").splitlines()
    said = model_pi.text("cat ~pi/answers.err")
    assert model_pi.text("cat ~pi/answers.code") == "5", said
    frames = [json.loads(line) for line in lines]
    assert len(frames) >= 5
    # The picture stands still, and so does the answer.
    assert len({frame["top"][0]["label"] for frame in frames if "top" in frame}) == 1
    assert "/dev/video0" in said
    assert "is gone" in said
    assert "plug it in again" in said
    assert "Traceback" not in said


def test_the_service_waits_for_a_camera_that_is_gone_and_goes_on(model_pi: Machine) -> None:
    model_pi.run("cat > service.toml", user="pi", stdin=SERVICE.encode())
    model_pi.start_python("-m edge_deploy_runner serve --config service.toml", "service")
    first = until(model_pi, lambda status: status["frames"] > 0)
    assert first["state"] == "running"
    pull_out(model_pi)
    waiting = until(model_pi, lambda status: status["state"] == "waiting for the source")
    assert "/dev/video0" in waiting["last_error"]
    plug_in_again(model_pi)
    again = until(model_pi, lambda status: status["frames"] > waiting["frames"])
    assert again["state"] == "running"
    assert again["pid"] == first["pid"]
    model_pi.run(f"kill -TERM {again['pid']}")
    model_pi.run("until test -s ~pi/service.code; do sleep 0.1; done", limit_s=90)
    assert model_pi.text("cat ~pi/service.code") == "0"
    answers = model_pi.text("tail -n 3 ~pi/answers.jsonl").splitlines()
    assert all(json.loads(line)["top"] for line in answers)


def test_a_camera_that_is_not_there_is_one_clear_sentence(model_pi: Machine) -> None:
    pull_out(model_pi)
    said = model_pi.python(
        "-m edge_deploy_runner run model.tflite camera:0; echo code $?", check=False
    )
    assert "code 5" in said
    assert "/dev/video0" in said
    assert "Traceback" not in said


def until(machine: Machine, fulfilled: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The service's status once it is as wanted; pytest's own limit ends what never comes."""
    while True:
        text = machine.run("cat ~pi/state/status.json", check=False).stdout
        if text and fulfilled(status := json.loads(text)):
            return dict(status)
        if machine.text("cat ~pi/service.code 2>/dev/null || true"):
            pytest.fail(f"the service ended: {machine.text('cat ~pi/service.err')}")
        time.sleep(0.5)
