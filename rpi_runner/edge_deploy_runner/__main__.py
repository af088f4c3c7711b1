"""The runner on the device: `python -m edge_deploy_runner COMMAND`, with nothing but argparse."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from .errors import EdgeDeployError

# name: one line for the list of commands; each is a module in `commands`
COMMANDS = {
    "run": "classify photos, cameras or video, offline",
    "bench": "measure a model on this machine",
    "doctor": "say what this machine has and lacks, and how to mend it",
    "telemetry": "print clocks, heat, throttling and power",
    "serve": "run as a service: watch a source, tell sinks",
    "selftest": "hold an unpacked bundle against its golden outputs",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (`sys.argv` by default) and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if not given:
            _overview_parser().print_help(sys.stderr)
            return 2
        name, *rest = given
        if name not in COMMANDS:  # --help, --version or a mistake; else spare the start a parser
            chosen = _overview_parser().parse_args(given)
            name, rest = chosen.command, chosen.rest
        module = import_module(f".commands.{name}", __package__)
        command = argparse.ArgumentParser(
            prog=f"edge-deploy-runner {name}", description=module.__doc__, formatter_class=_help
        )
        module.add_arguments(command)
        return int(module.main(command.parse_args(rest)))
    except SystemExit as stop:  # argparse ends the program itself
        return stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        print("interrupted; nothing was left half-written", file=sys.stderr)
        return 130
    except EdgeDeployError as error:
        print(f"Error: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the reader went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except Exception:
        import traceback

        traceback.print_exc()
        print("This is a bug in edge-deploy; please report it with the lines above.",
              file=sys.stderr)  # fmt: skip
        return 70


def _overview_parser() -> argparse.ArgumentParser:
    """The parser of all that comes before a command's own arguments."""
    from .version import VERSION

    parser = argparse.ArgumentParser(
        prog="edge-deploy-runner",
        description="Run TFLite models on this device, with no network.",
        epilog="commands:\n" + "\n".join(f"  {name:<10} {text}" for name, text in COMMANDS.items()),
        formatter_class=_overview,
    )
    parser.add_argument("--version", action="version", version=f"edge-deploy-runner {VERSION}")
    parser.add_argument("command", metavar="COMMAND", choices=COMMANDS)
    parser.add_argument("rest", metavar="...", nargs=argparse.REMAINDER)
    return parser


def _columns() -> int:
    """The terminal's width; argparse would import shutil, bz2 and lzma for it."""
    try:
        return os.get_terminal_size(2).columns - 2
    except OSError:
        return 98


def _overview(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, width=_columns())


def _help(prog: str) -> argparse.HelpFormatter:
    return argparse.HelpFormatter(prog, width=_columns())


if __name__ == "__main__":
    sys.exit(main())
