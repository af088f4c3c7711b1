"""The command line: parse, call one function of the library, render its value.

Commands are loaded when they are called: `edge-deploy --help` imports nothing but click.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from importlib import import_module
from types import FrameType
from typing import Any, TextIO

import click

# name: (module in this package, one line for the list of commands)
COMMANDS = {
    "convert": ("convert", "Turn a trained model into proven .tflite files"),
    "inspect": ("inspect", "Say what a .tflite file is, or what an APK, AAB or AAR holds"),
    "evaluate": ("evaluate", "Measure the accuracy of a model on labelled data"),
    "profile": ("profile", "Measure size, latency, memory and energy; hold them against a budget"),
    "judge": ("judge", "Hold measurements against a budget"),
    "diff": ("diff", "Say whether a model or measurement got worse"),
    "run": ("run", "Classify photos, offline"),
    "bundle": ("bundle", "Pack a model for an Android app or a Raspberry Pi"),
    "install": ("install", "Put a bundle on a device, test it there and switch to it"),
    "doctor": ("doctor", "Say what this computer and a device lack, and how to mend it"),
    "devices": ("devices", "List the known devices, show one, or measure your own"),
    "demo": ("demo", "See the whole of it on a real trained model"),
}


# As a program that SIGPIPE ends: 0 would read as a gate that passed, 1 as one that did not.
_READER_GONE = 141


class Stopped(KeyboardInterrupt):
    """SIGTERM or SIGHUP; whatever cleans up after Ctrl-C does so after these."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


@contextlib.contextmanager
def _ends() -> Iterator[None]:
    """The exit codes of ends that click would give codes of its own."""
    try:
        yield
    except BrokenPipeError:
        # `| head`: leave without a second traceback at exit.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(_READER_GONE) from None
    except Stopped as stop:
        with contextlib.suppress(OSError):  # after SIGHUP the terminal is gone
            click.echo("stopped; nothing was left half-written", err=True)
        raise click.exceptions.Exit(stop.exit_code) from None


class LazyGroup(click.Group):
    """Lists its commands without importing them."""

    def invoke(self, ctx: click.Context) -> Any:
        """As click does, but for its exit codes where the reader went away or we are stopped."""
        with _ends():
            return super().invoke(ctx)

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """The same for what is printed while options are read: the help and the version."""
        with _ends():
            return super().make_context(*arguments, **options)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of a model's way through the tool."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one command that was asked for."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"edge_deploy.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown name lists the valid ones."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(unknown_command(args[0], COMMANDS))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def unknown_command(name: str, commands: Iterable[str]) -> str:
    """What to say of a command that is none: the nearest one that is, and all of them."""
    import difflib

    names = list(commands)
    near = difflib.get_close_matches(name.lower(), names, 1, 0.6)
    hint = f"did you mean {near[0]}? Commands" if near else "commands"
    return f"no command {name!r}; {hint}: {', '.join(names)}"


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"edge-deploy {version('edge-deploy')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version,
    help="Print the version.",
)  # fmt: skip
def cli() -> None:
    """Take a trained model to a phone or a Raspberry Pi, and prove that it fits.

    Exit codes: 0 done or gate passed, 1 a gate did not pass, or something was found, 2 usage,
    3 bad input, 4 conversion or proof failed, 5 device, 6 bundle, 7 output cannot be written,
    70 our bug, 129, 130 and 143 stopped by SIGHUP, Ctrl-C and SIGTERM, 141 the reader of the
    output went away.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code; the one place that catches errors."""
    _stop_like_ctrl_c()
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run one command line (`sys.argv` by default) and return its exit code."""
    from edge_deploy_runner.errors import EdgeDeployError

    _complete_streams()
    try:
        result = cli.main(args=arguments, prog_name="edge-deploy", standalone_mode=False)
        # click returns, rather than raises, the code of ctx.exit() outside standalone mode.
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return int(stop.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; nothing was left half-written", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except EdgeDeployError as error:
        # A file's name may hold line breaks; the sentence stays one line.
        click.echo(f"Error: {' '.join(str(error).splitlines())}", err=True)
        return error.exit_code
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            click.echo("Error: the output cannot be written: the disk is full", err=True)
            sys.stdout = _nowhere()  # what is left in the old one stays there
            return 7
        import traceback

        traceback.print_exc()
        click.echo("This is a bug in edge-deploy; please report it with the lines above.", err=True)
        return 70


def _stop_like_ctrl_c() -> None:
    """Have SIGTERM and SIGHUP unwind as Ctrl-C does, so that temporary folders go."""
    if threading.current_thread() is not threading.main_thread():
        return
    ours = os.getpid()
    numbers = [
        number
        for name in ("SIGTERM", "SIGHUP")
        if (number := getattr(signal, name, None)) is not None
        and signal.getsignal(number) == signal.SIG_DFL  # nohup has it ignored
    ]

    def stop(number: int, _: FrameType | None) -> None:
        if os.getpid() != ours:  # a forked child has nothing of ours to clean up
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        for repeated in numbers:  # a closed terminal sends both, and the first cleans up
            signal.signal(repeated, signal.SIG_IGN)
        raise Stopped(number)

    for number in numbers:
        signal.signal(number, stop)


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def _complete_streams() -> None:
    """Have a place to write to where the user closed one (`>&-`), and show every file's name."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # else the next file or pipe that is opened would be taken for a standard stream
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, _nowhere())
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace" if name == "stderr" else "surrogateescape")


if __name__ == "__main__":
    main()
