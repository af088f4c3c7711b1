"""What the documents tell a reader to type: every command, option, module and file is there.

Nothing is run; tests/pipeline/test_docs.py runs the README's console and Python blocks.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_lines import (
    PLACEHOLDERS,
    WrongLineError,
    blocks,
    check,
    check_mention,
    lines,
    programs,
    spans,
)
from conftest import ROOT
from demo_files import DIGITS, INDEX, PHOTOS

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("assets/*.md")),
    *sorted(ROOT.glob("android_harness/**/*.md")),
    *sorted(ROOT.glob("tests/**/README.md")),
]
LANGUAGES = {"console", "java", "json", "kotlin", "python", "sh", "shell-session", "text", "toml"}
# Files of the reader, which no command here makes.
READERS_FILES = {
    "app/build/outputs/apk/release/app-release.apk",
    "model.tflite",
    "my_net.tflite",
    "times.csv",
}
# `edge-deploy NAME` is also how documents of that format begin.
FORMATS = {"accuracy", "bundle", "calibration", "card", "harness request", "measurement"}
_OURS = re.compile(
    r"(?<![\w./@:-])(?:tests|assets(?!/edge-deploy/)|docs|devices|requirements|edge_deploy|converters|rpi_runner"
    r"|android_harness)/[\w./*-]*[\w*/]"
)
_DEMO = re.compile(r"demo-output(?:/[\w./-]*[\w/])?")

every_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS]
)


def all_lines(text: str) -> list[str]:
    return [line for block in blocks(text) for line in lines(*block)]


def made_by(path: Path, words: list[str]) -> set[str]:
    """The files that an earlier line of the document leaves at `path`, the one that it wrote to."""
    stem = Path(next(word for word in words[2:] if not word.startswith("-"))).stem
    if words[1] == "convert":
        recipes = [words[n + 1] for n, word in enumerate(words) if word in ("-r", "--recipe")]
        return {f"{path}/{stem}_{recipe}.tflite" for recipe in recipes}
    if words[1] == "bundle":
        target = words[words.index("--target") + 1]
        return {f"{path}/{stem}.aar", f"{path}/{stem}-{target}.tar.gz"}
    return {str(path)}


@every_document
def test_every_command_line_is_one_that_the_commands_take(document: Path) -> None:
    text = document.read_text("utf-8")
    for line in all_lines(text):
        for words in programs(line):
            try:
                check(words)
            except WrongLineError as error:
                pytest.fail(f"{line}\n{error}")


@every_document
def test_commands_named_in_sentences_are_there(document: Path) -> None:
    for span in spans(document.read_text("utf-8")):
        if span.removeprefix("edge-deploy ") in FORMATS:
            continue
        try:
            check_mention(next(programs(span)))
        except WrongLineError as error:
            pytest.fail(f"`{span}`: {error}")


@every_document
def test_every_block_says_what_it_is(document: Path) -> None:
    for language, body in blocks(document.read_text("utf-8")):
        assert language in LANGUAGES, f"```{language}\n{body}"


@every_document
def test_commands_read_files_that_are_there_by_then(document: Path) -> None:
    made: set[str] = set()
    for line in all_lines(document.read_text("utf-8")):
        for words in programs(line):
            outputs = {words[n + 1] for n, word in enumerate(words) if word in ("-o", "--output")}
            for path in check(words):
                name = str(path)
                if name in outputs:
                    made |= made_by(path, words)
                elif "demo-output/" not in name and ":" not in name:  # another test's, the zoo's
                    there = name in made | READERS_FILES | PLACEHOLDERS or (ROOT / name).exists()
                    assert there, f"{line}\nno line before it makes {name}"


@every_document
def test_files_of_the_repository_are_there(document: Path) -> None:
    for name in _OURS.findall(document.read_text("utf-8")):
        if name.startswith("devices/"):
            name = f"edge_deploy/{name}"  # noqa: PLW2901
        assert any(ROOT.glob(name)), f"{document.name} names {name}"


def unknown_to_the_demo(text: str) -> list[str]:
    files = {f"demo-output/{name}" for name in INDEX | DIGITS | PHOTOS}
    known = files | {str(parent) for name in files for parent in Path(name).parents}
    return [name for name in _DEMO.findall(text) if name.rstrip("/") not in known]


@every_document
def test_files_of_the_demo_are_those_that_it_writes(document: Path) -> None:
    assert not unknown_to_the_demo(document.read_text("utf-8"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("edge-deploy profil m.tflite", "no command 'profil'"),
        ("edge-deploy devices calibrat", "no command 'calibrat'"),
        ("edge-deploy profile MODEL --devise local", "--devise"),
        ("edge-deploy profile", "Missing argument"),
        ("edge-deploy profile MODEL other.tflite", "unexpected extra argument"),
        ("edge-deploy judge m.json", "--budget"),
        ("edge-deploy evaluate MODEL --data d.npz --limit many", "--limit"),
        ("edge-deploy profile MODEL --device raspbery-pi-5", "raspbery-pi-5"),
        ("edge-deploy bundle MODEL --target rpi-busted", "rpi-busted"),
        ("edge-deploy convert s.keras -o out -r int9", "int9"),
        ("A=1 edge-deploy doctor --json | edge-deploy nothing", "no command 'nothing'"),
        ("edge-deploy-runner serv", "no command 'serv'"),
        ("python -m edge_deploy_runner serv", "no command 'serv'"),
        ("python -m edge_deploy.no_such_module", "no module edge_deploy.no_such_module"),
        ("python -m no_such_package.part", "no module no_such_package.part"),
        ("make demmo", "no demmo"),
        ("edge-deply profile MODEL", "edge-deply"),
    ],
)
def test_a_wrong_line_is_found(line: str, said: str) -> None:
    *before, wrong = programs(line)
    for words in before:
        check(words)
    with pytest.raises(WrongLineError, match=re.escape(said)):
        check(wrong)


def test_what_is_read_of_a_document() -> None:
    text = (
        "`edge-deploy profile\nMODEL` and `edge_deploy`\n\n```sh\nmake demo  # then\nA=1 b | c; d\n"
        "```\n```console\n$ edge-deploy devices | head\nedge-deploy says\n```\n```\nbare\n```\n"
    )
    assert [language for language, _ in blocks(text)] == ["sh", "console", ""]
    assert [list(programs(line)) for line in all_lines(text)] == [
        [["make", "demo"]],
        [["b"], ["c"], ["d"]],
        [["edge-deploy", "devices"], ["head"]],
    ]
    assert spans(text) == ["edge-deploy profile MODEL"]
    with pytest.raises(WrongLineError, match="--nix"):
        check_mention(["edge-deploy", "profile", "--nix"])
    check_mention(["edge-deploy", "install", "--device", "...", "--rollback"])
    assert unknown_to_the_demo("demo-output/digits/x.tflite, demo-output/photos.") == [
        "demo-output/digits/x.tflite"
    ]
