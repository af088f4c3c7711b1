"""Photos go through the runner's own command line as they do here: decoded, turned, resized."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import or_skip
from .rootfs import BOOKWORM, BOOKWORM_ARMHF, TRIXIE
from .user_mode import A7, A53, A76, ROOT, EmulatedPython

pytestmark = pytest.mark.xdist_group("emulated run")

PHOTOS = [ROOT / "assets" / "photos", ROOT / "tests" / "data" / "seven.png"]
A_CODE = 1 / 256  # of a softmax in 8 bits
MACHINES = [EmulatedPython(BOOKWORM, A53), EmulatedPython(TRIXIE, A76)]


def command(model: Path, *options: str) -> list[str | Path]:
    return ["-m", "edge_deploy_runner", "run", model, *PHOTOS, "--json", "--top", "3", *options]


def answers_here(model: Path, *options: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, *map(str, command(model, *options))],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def answers_there(machine: EmulatedPython, model: Path, *options: str) -> list[dict[str, Any]]:
    done = or_skip(lambda: machine.run(command(model, *options)))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def scores(answer: dict[str, Any]) -> dict[str, float]:
    return {entry["label"]: entry["score"] for entry in answer["top"]}


def hold(there: list[dict[str, Any]], here: list[dict[str, Any]], at_most: float) -> None:
    """The same photos, the same best class, and scores no further apart than allowed."""
    assert len(here) == 6
    assert [a["input"] for a in there] == [a["input"] for a in here]
    for answer, wanted in zip(there, here, strict=True):
        assert answer["top"][0]["label"] == wanted["top"][0]["label"], answer
        ours, theirs = scores(wanted), scores(answer)
        for label in ours.keys() & theirs.keys():
            assert abs(ours[label] - theirs[label]) <= at_most + 2e-6, (answer, wanted)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m.userland.suite}-{m.core.name}")
@pytest.mark.parametrize(("recipe", "at_most"), [("int8", A_CODE), ("float32", 1e-5)])
def test_photos_give_the_answers_of_this_machine(
    machine: EmulatedPython, recipe: str, at_most: float, digits_models: Path
) -> None:
    model = digits_models / f"digits_mobilenet_v2_{recipe}.tflite"
    hold(answers_there(machine, model), answers_here(model), at_most)


def test_photos_on_a_32_bit_system(digits_models: Path) -> None:
    """Debian's own Pillow decodes and resizes there."""
    model = digits_models / "digits_mobilenet_v2_float32.tflite"
    there = answers_there(EmulatedPython(BOOKWORM_ARMHF, A7), model)
    hold(there, answers_here(model), 1e-5)


def test_the_32_bit_system_has_the_older_runtime() -> None:
    machine = EmulatedPython(BOOKWORM_ARMHF, A7)
    done = or_skip(
        lambda: machine.run(
            ["-c", "import platform; from edge_deploy_runner.interpreter import runtime; "
             "print(platform.machine(), runtime())"]
        )
    )  # fmt: skip
    assert done.stdout.strip() == "armv7l Runtime(name='tflite_runtime', version='2.14.0')"


def test_no_module_of_this_machine_gets_in() -> None:
    or_skip(MACHINES[0].interpreter)
    for machine in (*MACHINES, EmulatedPython(BOOKWORM_ARMHF, A7)):
        done = machine.run(["-c", "import sys; print(*sys.path[1:], sep='\\n')"])
        folders = done.stdout.split()
        assert len(folders) >= 5
        for folder in folders:
            assert Path(folder).is_relative_to(ROOT), folder
