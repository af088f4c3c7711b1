"""Rows and notes in a terminal: what stays together, and what stands below what."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from edge_deploy.cli.sheet import Row, print_notes, print_sheet, print_text, together, wrapped

PATH = "tensorflow/lite/g3doc/performance/a-page-with-a-long-name.md@00f0938"


def console(width: int) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, width=width, highlight=False), file


def sheet(width: int, *rows: Row) -> list[str]:
    shown, file = console(width)
    print_sheet(shown, rows)
    return file.getvalue().splitlines()


def test_no_word_is_broken_however_narrow_the_terminal() -> None:
    for width in (20, 40, 80, 140):
        words = " ".join(sheet(width, Row("source", f"a page, {PATH} (read)", "guess"))).split()
        assert PATH in words
        assert wrapped(f"see {PATH} there", width)[-1].endswith("there")


def test_a_word_wider_than_its_column_does_not_run_into_its_evidence() -> None:
    lines = sheet(60, Row("model", PATH, "measured"), Row("p50", "3 ms", "predicted"))
    assert lines == [f"model  {PATH}  measured", "p50    3 ms  predicted"]


@pytest.mark.parametrize("width", [10, 14, 18, 22])
def test_a_figure_stays_with_its_unit_and_an_interval_in_one_piece(width: int) -> None:
    lines = wrapped("p50 18.16 ms [13.61 to 24.22 ms] of 5.25 W at 60 °C", width)
    for words in ("18.16 ms", "[13.61 to 24.22 ms]", "5.25 W", "60 °C"):
        assert any(words in line for line in lines), words
    assert len(lines) > 2


def test_items_hang_by_their_mark_and_empty_text_is_a_line() -> None:
    assert wrapped("- one two three", 9) == ["- one two", "  three"]
    assert wrapped("one two three", 9) == ["one two", "three"]
    assert wrapped("", 9) == [""]
    assert wrapped(f"of {together('net_a 1.5 ms')}, more", 8) == ["of", "net_a 1.5 ms,", "more"]


def test_columns_are_as_wide_as_what_they_hold() -> None:
    lines = sheet(
        60,
        Row("size", "4 MB", "measured"),
        Row("peak memory", "15.72 MB above the runtime", "predicted"),
        Row("source", "a sentence that needs all of the width there is, and some more of it"),
    )
    assert lines == [
        "size         4 MB                        measured",
        "peak memory  15.72 MB above the runtime  predicted",
        "source       a sentence that needs all of the width there",
        "             is, and some more of it",
    ]


def test_names_are_bold_and_evidence_is_dim_on_a_terminal() -> None:
    file = io.StringIO()
    shown = Console(file=file, width=60, force_terminal=True, color_system="standard")
    print_sheet(shown, [Row("size", "4 MB", "measured"), Row("void", "hot", "void", "red", "red")])
    lines = file.getvalue().splitlines()
    assert lines[0] == "\x1b[1msize  \x1b[0m4 MB  \x1b[2mmeasured\x1b[0m"
    assert lines[1].startswith("\x1b[31mvoid  ")
    print_text(shown, "My Board (my-board)", bold=8)
    assert file.getvalue().splitlines()[-1] == "\x1b[1mMy Board\x1b[0m (my-board)"


def test_evidence_stands_beside_the_first_line_of_what_it_is_of() -> None:
    lines = sheet(50, Row("energy", "nothing is known of what this draws; state it", "unknown"))
    assert lines == [
        "energy  nothing is known of what this  unknown",
        "        draws; state it",
    ]


def test_brackets_of_a_source_are_no_markup() -> None:
    assert sheet(60, Row("[red]", "a [page]", "[1]")) == ["[red]  a [page]  [1]"]
    shown, file = console(60)
    print_notes(shown, [("[1]", "a [bold]page[/]"), ("[10]", "b")])
    print_text(shown, "[red]")
    assert file.getvalue() == "[1]   a [bold]page[/]\n[10]  b\n[red]\n"


def test_notes_stand_below_one_another() -> None:
    shown, file = console(30)
    print_notes(shown, [("*", "with a file of yours, which is here")])
    assert file.getvalue().splitlines() == ["*  with a file of yours, which", "   is here"]
