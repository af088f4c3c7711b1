"""`convert` against a bare script that calls the same two tools: time, memory, all recipes."""

from __future__ import annotations

from pathlib import Path

from edge_deploy_converters.recipes import RECIPES

from .measuring import (
    BENCH,
    SCRIPTS,
    Row,
    at_most,
    interleaved,
    medians,
    peak_of,
    ratios,
    say,
    seconds_of,
)
from .subjects import Subject, Subjects

_TIME, _MEMORY, _ALL = 1.15, 1.1, 0.3
_MB = 1e6
_PEAKS = (("tree, PSS", "pss"), ("tree, RSS", "rss"), ("largest process", "largest"))


def ours(subjects: Subjects, subject: Subject, *recipes: str) -> list[str | Path]:
    """Our command line, proofs and cards included."""
    chosen = [part for recipe in recipes for part in ("-r", recipe)]
    return [
        SCRIPTS / "edge-deploy", "convert", subject.source, "-o", subjects.folder / "ours",
        "--force", "--calibration", subject.calibration, "--preprocess", subject.preprocessing,
        *chosen,
    ]  # fmt: skip


def bare(subjects: Subjects, subject: Subject, recipe: str) -> list[str | Path]:
    """The script's command line."""
    return [
        SCRIPTS / "python", BENCH / "bare_convert.py", subject.source, subject.calibration,
        subjects.folder / "bare.tflite", recipe, *subject.bare_arguments(),
    ]  # fmt: skip


def time_rows(subjects: Subjects) -> list[Row]:
    """Wall time of one recipe."""
    rows = []
    for subject in subjects.both:
        commands = ours(subjects, subject, "int8"), bare(subjects, subject, "int8")
        pairs = interleaved(
            lambda c=commands: seconds_of(c[0]),
            lambda c=commands: seconds_of(c[1]),
            1 if subjects.quick else 3,
            f"convert int8, {subject.name}",
        )
        rows.append(
            at_most(
                f"convert int8, time, {subject.name}", "ours / bare script", ratios(pairs), _TIME,
                medians(pairs),
            )
        )  # fmt: skip
    return rows


def memory_rows(subjects: Subjects) -> list[Row]:
    """Peak memory of one recipe: of the process tree, and of the largest process alone."""
    rows = []
    for subject in subjects.both:
        mine, theirs = [], []
        for _ in range(1 if subjects.quick else 3):
            mine.append(peak_of(ours(subjects, subject, "int8")))
            theirs.append(peak_of(bare(subjects, subject, "int8")))
            say(
                f"convert int8, {subject.name}: {mine[-1].pss / _MB:.0f} / "
                f"{theirs[-1].pss / _MB:.0f} MB"
            )
        for what, key in _PEAKS:
            pairs = [
                (getattr(a, key) / _MB, getattr(b, key) / _MB)
                for a, b in zip(mine, theirs, strict=True)
            ]
            rows.append(
                at_most(
                    f"convert int8, memory, {subject.name}", f"ours / bare script, {what}",
                    ratios(pairs), _MEMORY, medians(pairs, "MB", 0),
                )
            )  # fmt: skip
    return rows


def all_recipes_rows(subjects: Subjects) -> list[Row]:
    """All eight recipes in one call, against eight runs of the script."""
    rows = []
    names = list(RECIPES)
    for subject in subjects.both:
        times = 1 if subjects.quick else 3
        share = -(-len(names) // times)
        mine, theirs = [], []
        for number in range(times):
            mine.append(seconds_of(ours(subjects, subject, *names)))
            say(f"eight recipes, {subject.name}: {mine[-1]:.1f} s at once")
            for name in names[number * share : (number + 1) * share]:
                theirs.append(seconds_of(bare(subjects, subject, name)))
                say(f"eight recipes, {subject.name}: {theirs[-1]:.1f} s for {name} alone")
        total = sum(theirs)
        rows.append(
            at_most(
                f"convert eight recipes, {subject.name}", "one call / eight bare scripts",
                [seconds / total for seconds in mine], _ALL,
                f"{sorted(mine)[len(mine) // 2]:.1f} / {total:.1f} s",
            )
        )  # fmt: skip
    return rows
