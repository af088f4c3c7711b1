"""Every recipe answers on an arm64 or armv7 Python as it does here.

Half of the inputs are single digits, half are two digits laid over each other: models are sure of
the former, and outputs that sit at the end of their range would hide a difference.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from .conftest import or_skip
from .rootfs import BOOKWORM, BOOKWORM_ARMHF, TRIXIE
from .user_mode import A7, CORES, NO_CORE, ROOT, EmulatedPython, qemu_version

RECIPES = ("float32", "float16", "dynamic", "int8", "int8-float-io", "uint8", "int16x8",
           "weight-int8")  # fmt: skip
INTEGER = ("int8", "uint8", "int16x8", "int8-float-io")
# They compute in float32; the weights are stored as something smaller.
FLOAT = ("float32", "float16", "weight-int8")
KERNELS = ("reference", "xnnpack")
SAMPLES = 6
FLOAT_TOLERANCE = 1e-5

Answers = dict[str, NDArray[Any]]

ARM64 = [
    pytest.param(
        EmulatedPython(userland, core),
        id=f"{userland.suite}-{core.name}",
        # One process answers for all the tests of a machine.
        marks=pytest.mark.xdist_group(f"answers {userland.suite} {core.name}"),
    )
    for userland in (BOOKWORM, TRIXIE)
    for core in CORES
]
ARMV7 = EmulatedPython(BOOKWORM_ARMHF, A7)
armv7 = pytest.mark.xdist_group("answers armv7")


@pytest.fixture(scope="module")
def request_file(digits_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What all machines are asked."""
    return ask(tmp_path_factory.mktemp("request"), digits_models, RECIPES, KERNELS, SAMPLES)


def ask(
    folder: Path, models: Path, recipes: tuple[str, ...], kernels: tuple[str, ...], samples: int
) -> Path:
    """A request for `answers.py`: `samples` digits, and as many pairs of digits as one picture."""
    with np.load(ROOT / "assets" / "digits_heldout.npz") as held_out:
        digits = held_out["x"][: 2 * samples]
    pairs = (digits[:samples].astype(np.uint16) + digits[samples:]) // 2
    np.savez(folder / "digits.npz", x=np.concatenate([digits[:samples], pairs.astype(np.uint8)]))
    question = {
        "models": {name: str(models / f"digits_mobilenet_v2_{name}.tflite") for name in recipes},
        "kernels": kernels,
        "digits": str(folder / "digits.npz"),
    }
    (folder / "request.json").write_text(json.dumps(question))
    return folder / "request.json"


@pytest.fixture(scope="module")
def here(request_file: Path) -> Answers:
    """What this machine answers."""
    out = request_file.with_name("here.npz")
    command = [sys.executable, str(ROOT / "tests/emulated/answers.py"), str(request_file), str(out)]
    subprocess.run(command, check=True)
    return dict(np.load(out))


_answers: dict[EmulatedPython, Answers] = {}


def answers(machine: EmulatedPython, request_file: Path) -> Answers:
    """What an emulated machine answers; it is asked once."""
    if machine not in _answers:
        out = request_file.with_name(f"{machine.userland.name}-{machine.core.name}.npz")
        command = [ROOT / "tests" / "emulated" / "answers.py", request_file, out]
        done = or_skip(lambda: machine.run(command))
        assert done.returncode == 0, done.stderr
        _answers[machine] = dict(np.load(out))
    return _answers[machine]


def codes_apart(a: NDArray[Any], b: NDArray[Any]) -> int:
    """The largest difference between two arrays of integers."""
    assert a.dtype == b.dtype
    assert a.dtype.kind in "iu"
    return int(np.abs(a.astype(np.int64) - b.astype(np.int64)).max())


def apart(a: NDArray[Any], b: NDArray[Any]) -> float:
    """The largest difference between two arrays of real values."""
    assert a.dtype == b.dtype == np.float32
    return float(np.abs(a - b).max())


def cosine(a: NDArray[Any], b: NDArray[Any]) -> float:
    """The smallest cosine similarity of two rows."""
    products = (a * b).sum(axis=1)
    norms: NDArray[Any] = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float((products / norms).min())


def same_classes(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether every row has its largest value in the same place."""
    return bool((a.argmax(axis=1) == b.argmax(axis=1)).all())


def test_the_inputs_could_show_a_difference(here: Answers) -> None:
    for recipe in ("int8", "uint8"):
        outputs = here[f"{recipe}/reference"]
        span = np.iinfo(outputs.dtype)
        inside = (outputs > span.min) & (outputs < span.max)
        assert inside.any(axis=1).sum() >= SAMPLES, "almost all outputs are at the end of the range"
        # Two sets of kernels on one machine differ by more than two machines are allowed to.
        assert codes_apart(outputs, here[f"{recipe}/xnnpack"]) > 1


@pytest.mark.parametrize("machine", ARM64)
def test_the_same_tensors_go_in(
    machine: EmulatedPython, request_file: Path, here: Answers
) -> None:  # fmt: skip
    there = answers(machine, request_file)
    for recipe in RECIPES:
        assert there[f"{recipe}/input"].tobytes() == here[f"{recipe}/input"].tobytes(), recipe


@pytest.mark.parametrize("machine", ARM64)
@pytest.mark.parametrize("recipe", INTEGER)
def test_reference_kernels_give_the_same_bytes(
    machine: EmulatedPython, recipe: str, request_file: Path, here: Answers
) -> None:
    there = answers(machine, request_file)
    assert there[f"{recipe}/reference"].tobytes() == here[f"{recipe}/reference"].tobytes()


@pytest.mark.parametrize("machine", ARM64)
@pytest.mark.parametrize("recipe", ["int8", "uint8"])
def test_fast_integer_kernels_are_at_most_one_code_apart(
    machine: EmulatedPython, recipe: str, request_file: Path, here: Answers
) -> None:
    there = answers(machine, request_file)
    assert codes_apart(there[f"{recipe}/xnnpack"], here[f"{recipe}/xnnpack"]) <= 1


@pytest.mark.parametrize("machine", ARM64)
def test_fast_int8_kernels_with_float_ends_are_at_most_one_code_apart(
    machine: EmulatedPython, request_file: Path, here: Answers, digits_models: Path
) -> None:
    there = answers(machine, request_file)
    a_code = 1 / 256  # of a softmax
    found = apart(there["int8-float-io/xnnpack"], here["int8-float-io/xnnpack"])
    assert found <= a_code * (1 + 1e-6)


@pytest.mark.parametrize("machine", ARM64)
def test_int16_activations_give_the_same_bytes_with_any_kernels(
    machine: EmulatedPython, request_file: Path, here: Answers
) -> None:
    # XNNPACK has no kernels for them: TFLite's own integer arithmetic answers everywhere.
    there = answers(machine, request_file)
    assert there["int16x8/xnnpack"].tobytes() == here["int16x8/xnnpack"].tobytes()


@pytest.mark.parametrize("machine", ARM64)
@pytest.mark.parametrize("recipe", FLOAT)
@pytest.mark.parametrize("kernels", KERNELS)
def test_float_arithmetic_differs_by_rounding_alone(
    machine: EmulatedPython, recipe: str, kernels: str, request_file: Path, here: Answers
) -> None:
    there = answers(machine, request_file)
    assert apart(there[f"{recipe}/{kernels}"], here[f"{recipe}/{kernels}"]) <= FLOAT_TOLERANCE


@pytest.mark.parametrize("machine", ARM64)
def test_dynamic_models_see_the_same_class(
    machine: EmulatedPython, request_file: Path, here: Answers
) -> None:
    # The fast kernels quantize activations as they go: a rounding there is a whole code.
    there = answers(machine, request_file)
    assert apart(there["dynamic/reference"], here["dynamic/reference"]) <= FLOAT_TOLERANCE
    assert same_classes(there["dynamic/xnnpack"], here["dynamic/xnnpack"])
    assert cosine(there["dynamic/xnnpack"], here["dynamic/xnnpack"]) >= 0.999


@armv7
def test_the_older_runtime_gives_the_same_bytes_from_reference_kernels(
    request_file: Path, here: Answers
) -> None:
    there = answers(ARMV7, request_file)
    for recipe in ("int8", "uint8"):
        assert there[f"{recipe}/input"].tobytes() == here[f"{recipe}/input"].tobytes()
        assert there[f"{recipe}/reference"].tobytes() == here[f"{recipe}/reference"].tobytes()


@armv7
def test_the_older_runtime_rounds_float_and_int16_otherwise(
    request_file: Path, here: Answers
) -> None:
    there = answers(ARMV7, request_file)
    for recipe in FLOAT:
        found = apart(there[f"{recipe}/reference"], here[f"{recipe}/reference"])
        assert found <= FLOAT_TOLERANCE, recipe
    # Measured: two of 65,536 codes.
    assert codes_apart(there["int16x8/reference"], here["int16x8/reference"]) <= 4
    # Its first operator makes integers of the input; NEON rounds some to the other side.
    ours, theirs = here["int8-float-io/reference"], there["int8-float-io/reference"]
    assert same_classes(theirs[:SAMPLES], ours[:SAMPLES])
    assert cosine(theirs, ours) >= 0.99


@armv7
def test_the_older_runtime_is_no_use_for_dynamic_models(request_file: Path, here: Answers) -> None:
    """tflite-runtime 2.14 answers the same for every input, with any kernels and on x86 as well.

    Once this fails, bundles for armv7 need not refuse the recipe any more.
    """
    there = answers(ARMV7, request_file)
    for kernels in KERNELS:
        outputs = there[f"dynamic/{kernels}"]
        assert np.abs(outputs - outputs[0]).max() < 0.01
        assert cosine(outputs, here[f"dynamic/{kernels}"]) < 0.9


def test_qemu_without_a_core_computes_wrong_answers(digits_models: Path, tmp_path: Path) -> None:
    """Why every machine here names its core. Once this fails, QEMU has been mended."""
    machine = EmulatedPython(BOOKWORM, NO_CORE)
    version = or_skip(qemu_version)
    if not version.startswith("7.2."):
        pytest.skip(f"seen with QEMU 7.2, and this is {version}")
    question = ask(tmp_path, digits_models, ("int8",), KERNELS, 1)
    there = answers(machine, question)
    command = [sys.executable, str(ROOT / "tests/emulated/answers.py"), str(question),
               str(tmp_path / "here.npz")]  # fmt: skip
    subprocess.run(command, check=True)
    here = np.load(tmp_path / "here.npz")
    assert there["int8/reference"].tobytes() == here["int8/reference"].tobytes()
    assert codes_apart(there["int8/xnnpack"], here["int8/xnnpack"]) > 1
