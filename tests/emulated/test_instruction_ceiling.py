"""Inference must not come to execute more instructions on any of the Pis' cores.

`EDGE_DEPLOY_UPDATE_GOLDEN=1` writes the ceilings again; look at the difference before you commit.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from small_models import float_model

from .conftest import or_skip
from .instruction_counts import count, per_inference
from .rootfs import BOOKWORM
from .user_mode import A53, A72, CORES, Core, EmulatedPython

pytestmark = pytest.mark.xdist_group("emulated instructions")

CEILINGS = Path(__file__).with_name("instruction_ceilings.json")
SLACK = 0.02
RECIPES = ("float32", "dynamic", "int8", "int16x8")


def over(counts: dict[str, float], ceilings: dict[str, float]) -> list[str]:
    """A sentence for each model that executes more than its ceiling and the slack."""
    return [
        f"{name}: {counts[name]:.4f} million instructions, the ceiling is {ceiling:.4f} "
        f"({counts[name] / ceiling - 1:+.1%})"
        for name, ceiling in ceilings.items()
        if counts[name] > ceiling * (1 + SLACK)
    ]


@pytest.fixture(scope="module")
def models(digits_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {
        f"digits {name}": digits_models / f"digits_mobilenet_v2_{name}.tflite" for name in RECIPES
    }
    found["convolutions 96 float32"] = tmp_path_factory.mktemp("models") / "convolutions.tflite"
    found["convolutions 96 float32"].write_bytes(float_model(96))
    return found


@pytest.mark.parametrize("core", CORES, ids=lambda core: core.name)
def test_inference_stays_under_its_ceiling(core: Core, models: dict[str, Path]) -> None:
    counts = or_skip(lambda: per_inference(core, models))
    ceilings = json.loads(CEILINGS.read_text("utf-8")) if CEILINGS.exists() else {}
    if os.environ.get("EDGE_DEPLOY_UPDATE_GOLDEN"):
        ceilings[core.name] = {name: round(value, 4) for name, value in counts.items()}
        CEILINGS.write_text(json.dumps(ceilings, indent=2, sort_keys=True) + "\n", "utf-8")
    assert ceilings[core.name].keys() == counts.keys()
    assert not over(counts, ceilings[core.name])


def test_two_percent_is_all_that_a_ceiling_gives() -> None:
    assert not over({"a": 1.0199}, {"a": 1.0})
    assert over({"a": 1.0201, "b": 1.0}, {"a": 1.0, "b": 1.0}) == [
        "a: 1.0201 million instructions, the ceiling is 1.0000 (+2.0%)"
    ]


def test_counts_repeat_from_process_to_process(models: dict[str, Path]) -> None:
    one = {"int8": models["digits int8"]}
    first, second = (or_skip(lambda: per_inference(A53, one))["int8"] for _ in range(2))
    assert second == pytest.approx(first, rel=1e-4)


def test_known_instructions_are_all_counted(tmp_path: Path) -> None:
    """A loop whose length is known: twice the rounds, twice the instructions."""
    script = tmp_path / "loop.py"
    script.write_text(
        "import contextlib, os, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "def mark(n):\n"
        "    with contextlib.suppress(ProcessLookupError): os.getpgid(0x3ED60000 + n)\n"
        "mark(9)\n"
        "data = bytes(1 << 20)\n"
        "mark(0); data.find(b'x' * 2); mark(1)\n"
        "data += data\n"
        "mark(2); data.find(b'x' * 2); mark(3)\n"
    )
    marks = or_skip(lambda: count(A72, [script]))
    once, twice = marks["1"] - marks["0"], marks["3"] - marks["2"]
    assert twice == pytest.approx(2 * once, rel=0.01)
    assert once > 100_000


def test_the_plugin_says_what_it_needs(tmp_path: Path) -> None:
    """Without a file to write to it refuses, and QEMU does not run the program."""
    from .instruction_counts import plugin

    machine = EmulatedPython(BOOKWORM, A72)
    library = or_skip(plugin)
    done = machine.run(
        ["-c", "print('it ran')"], variables={"QEMU_PLUGIN": f"{library},out={tmp_path}/no/file"}
    )
    assert done.returncode != 0
    assert "it ran" not in done.stdout
    assert "give out=FILE" in done.stderr
