"""Instructions on the Pis' cores under emulation: of an inference, and of a cold start."""

from __future__ import annotations

from pathlib import Path

from tests.emulated.instruction_counts import per_inference, until_answer
from tests.emulated.rootfs import BOOKWORM, TRIXIE, MissingError, Userland
from tests.emulated.user_mode import A72, CORES, ROOT

from .measuring import BENCH, Row, at_most, left_out, say
from .subjects import Subjects

_START = 1.15
_PAIRS = 3
_PHOTO = ROOT / "tests" / "data" / "seven.png"


def instruction_rows(subjects: Subjects) -> list[Row]:
    """Million instructions an inference, one thread, per core; and the runner's start."""
    try:
        return [*_inferences(subjects), *(_start(subjects, u) for u in (BOOKWORM, TRIXIE))]
    except MissingError as error:
        return [left_out("instructions", "million an inference", str(error))]


def _inferences(subjects: Subjects) -> list[Row]:
    models: dict[str, Path] = {
        f"{subject.name} {recipe}": subjects.model(subject, recipe)
        for subject in subjects.both
        for recipe in ("float32", "int8")
    }
    rows = []
    counts = {}
    for core in CORES:
        say(f"instructions on {core.name}")
        counts[core.name] = per_inference(core, models)
    for name in models:
        for core in CORES:
            rows.append(
                Row(
                    f"instructions, {name}", f"an inference on {core.name}, emulated",
                    (counts[core.name][name],), "", None, unit=" M",
                )
            )  # fmt: skip
    return rows


def _start(subjects: Subjects, userland: Userland) -> Row:
    """The runner against the shortest script, both with the sample digits and one photo."""
    # Alone in its folder, as in a bundle: no card lies beside it.
    model = subjects.folder / "alone" / "digits.tflite"
    model.parent.mkdir(exist_ok=True)
    model.write_bytes(subjects.model(subjects.digits, "int8").read_bytes())
    theirs_arguments = (BENCH / "bare_run.py", model, _PHOTO, "127.5", "127.5")
    ours_arguments = ("-m", "edge_deploy_runner", "run", model, _PHOTO, "--threads", "1")
    values = []
    ours = theirs = 0.0
    for _ in range(1 if subjects.quick else _PAIRS):
        say(f"instructions until the first answer on {userland.name}")
        ours = until_answer(A72, ours_arguments, userland)
        theirs = until_answer(A72, theirs_arguments, userland)
        values.append(ours / theirs)
    return at_most(
        f"first answer, {userland.suite}", f"instructions, ours / shortest script, {A72.name}",
        values, _START, f"{ours:.1f} / {theirs:.1f} M",
    )  # fmt: skip
