"""Cold starts: `edge-deploy run` and `edge-deploy --help`."""

from __future__ import annotations

from .measuring import BENCH, SCRIPTS, Row, at_most, interleaved, medians, ratios, say, seconds_of
from .subjects import ASSETS, Subjects

_RUN, _HELP = 1.3, 1.5


def run_rows(subjects: Subjects) -> list[Row]:
    """One photo, cold, against the shortest script that does the same."""
    rows = []
    photo = ASSETS / "photos" / "chelsea.png"
    for subject in subjects.both:
        model = subjects.model(subject, "int8")
        ours = [SCRIPTS / "edge-deploy", "run", model, photo]
        bare = [
            SCRIPTS / "python", BENCH / "bare_run.py", model, photo, *subject.bare_arguments()
        ]  # fmt: skip
        say(f"run cold, {subject.name}")
        for command in (ours, bare):  # files into the cache, modules into bytecode
            seconds_of(command)
        pairs = interleaved(
            lambda c=ours: seconds_of(c), lambda c=bare: seconds_of(c), 5 if subjects.quick else 31
        )
        rows.append(
            at_most(
                f"run cold, {subject.name} int8", "edge-deploy run / bare script", ratios(pairs),
                _RUN, medians(pairs, "s", 3),
            )
        )  # fmt: skip
    return rows


def help_rows(subjects: Subjects) -> list[Row]:
    """`--help` against importing click."""
    ours = [SCRIPTS / "edge-deploy", "--help"]
    bare = [SCRIPTS / "python", "-c", "import click"]
    say("--help")
    for command in (ours, bare):
        seconds_of(command)
    pairs = interleaved(
        lambda: seconds_of(ours), lambda: seconds_of(bare), 11 if subjects.quick else 51
    )
    note = medians(pairs, "s", 3)
    return [at_most("--help", "edge-deploy --help / import click", ratios(pairs), _HELP, note)]
