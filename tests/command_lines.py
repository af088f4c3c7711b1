"""The command lines of a document, parsed by the real commands without being run."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
from conftest import ROOT
from edge_deploy_converters.recipes import RECIPES
from edge_deploy_runner.__main__ import COMMANDS as RUNNER_COMMANDS
from edge_deploy_runner.contract import PRESETS

from edge_deploy.bundles.targets import target_names
from edge_deploy.catalogue import all_profiles
from edge_deploy.cli import cli

_BLOCK = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`((?:edge-deploy|edge-deploy-runner) [^`]+)`")
# Where the reader's own word belongs.
PLACEHOLDERS = {"MODEL", "MODEL.tflite", "PHOTOS", "BUNDLE", "FILE", "CSV", "ID", "NAME"}
# Programs that are not ours; what they are given is not looked at.
OTHER_PROGRAMS = {"echo", "litert", "nano", "pip", "scp", "sed", "ssh", "sudo"}
OTHER_MODULES = {"pip", "pytest", "venv"}


class WrongLineError(Exception):
    """A command line that the real commands would refuse."""


def blocks(text: str) -> list[tuple[str, str]]:
    """The fenced blocks of a document: the language that each names, and its body."""
    return [(match[1], match[2]) for match in _BLOCK.finditer(text)]


def lines(language: str, body: str) -> list[str]:
    """A block's command lines: all of them in a script, else those behind a `$ `."""
    if language == "sh":
        return [line for line in body.replace("\\\n", " ").splitlines() if line.strip()]
    return [line[2:] for line in body.splitlines() if line.startswith("$ ")]


def spans(text: str) -> list[str]:
    """Command lines named within sentences."""
    return [" ".join(found.split()) for found in _SPAN.findall(_BLOCK.sub("", text))]


def programs(line: str) -> Iterator[list[str]]:
    """The words of each program that a line starts, without the variables set for it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("();<>|&"):
            if words:
                yield words
            words = []
        elif words or not re.match(r"[A-Z_]+=", word):
            words.append(word)


def check(words: list[str]) -> list[Path]:
    """Hold one program's words against what there is; the files that it reads and writes."""
    program, *rest = words
    if program == "edge-deploy":
        return _parsed(rest)
    if program == "edge-deploy-runner":
        _check_runner(rest)
    elif program == "make":
        _check_targets(rest)
    elif program.rpartition("/")[2] in ("python", "python3") and rest[:1] == ["-m"]:
        _check_module(rest[1], rest[2:])
    elif program.rpartition("/")[2] not in OTHER_PROGRAMS:
        raise WrongLineError(f"no such program is known: {program}")
    return []


def check_mention(words: list[str]) -> None:
    """Hold a command named within a sentence, whose arguments may be left out, against ours."""
    program, *rest = words
    if program == "edge-deploy-runner":
        _check_runner(rest)
        return
    command, context, rest = _command(rest)
    try:
        command.make_parser(context).parse_args(rest)
    except click.UsageError as error:
        raise WrongLineError(error.format_message()) from None


def _command(rest: list[str]) -> tuple[click.Command, click.Context, list[str]]:
    command: click.Command = cli
    context = click.Context(cli, info_name="edge-deploy")
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        child = command.get_command(context, rest[0])
        if child is None:
            raise WrongLineError(f"{context.command_path} has no command {rest[0]!r}")
        command, context = child, click.Context(child, info_name=rest[0], parent=context)
        rest = rest[1:]
    return command, context, rest


def _parsed(rest: list[str]) -> list[Path]:
    command, context, rest = _command(rest)
    try:
        parsed = command.make_context(context.info_name, list(rest), parent=context.parent)
    except click.exceptions.Exit:  # --help, --version
        return []
    except click.UsageError as error:
        raise WrongLineError(f"{context.command_path}: {error.format_message()}") from None
    paths = []
    for parameter in command.params:
        value = parsed.params.get(parameter.name or "")
        values = value if isinstance(value, (tuple, list)) else [value]
        for one in (one for one in values if one is not None):
            _check_word(parameter, str(one))
            if isinstance(parameter.type, click.Path):
                paths.append(Path(one))
    return paths


def _check_word(parameter: click.Parameter, value: str) -> None:
    """Words that a command looks up once it runs."""
    known = {
        "--device": lambda: {"local", "android", *all_profiles()},
        "--like": all_profiles,
        "--power-profile": all_profiles,
        "--target": target_names,
        "--recipe": lambda: RECIPES,
        "--preprocess": lambda: PRESETS,
    }
    for option in parameter.opts:
        if option not in known or value in PLACEHOLDERS:
            continue
        if option == "--device" and value.startswith(("ssh://", "android:")):
            continue
        if value not in known[option]() and not (ROOT / value).is_file():
            raise WrongLineError(f"{option} {value}: there is none of that name")


def _check_runner(rest: list[str]) -> None:
    if not rest or rest[0] not in RUNNER_COMMANDS:
        raise WrongLineError(f"edge-deploy-runner has no command {' '.join(rest[:1])!r}")


def _check_targets(rest: list[str]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    wanted = {word for word in rest if "=" not in word}
    if not wanted <= targets:
        raise WrongLineError(f"the Makefile has no {', '.join(sorted(wanted - targets))}")


def _check_module(module: str, rest: list[str]) -> None:
    if module == "edge_deploy_runner":
        _check_runner(rest)
    elif module not in OTHER_MODULES:
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise WrongLineError(f"there is no module {module}")
