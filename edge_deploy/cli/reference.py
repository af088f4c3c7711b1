"""Write the reference of all commands as Markdown: `python -m edge_deploy.cli.reference`."""

from __future__ import annotations

import sys

import click

from edge_deploy.cli import COMMANDS, cli

_WIDTH = 100


def reference() -> str:
    """The Markdown of docs/cli.md: the help of every command, as `--help` prints it."""
    parts = [
        "# Command line reference",
        "",
        "Written by `make docs` from the commands' own help; a test compares the two.",
        "",
    ]
    # The settings give every command its -h, as on the real command line.
    names = cli.context_settings["help_option_names"]
    group = click.Context(cli, info_name="edge-deploy", help_option_names=names)
    group.max_content_width = group.terminal_width = _WIDTH
    parts.append(f"```text\n{cli.get_help(group)}\n```\n")
    for name in COMMANDS:
        command = cli.get_command(group, name)
        assert command is not None
        parts += [f"## edge-deploy {name}", "", _help(command, name, group)]
        if isinstance(command, click.Group):
            parent = click.Context(command, info_name=name, parent=group)
            for child_name in command.list_commands(parent):
                child = command.get_command(parent, child_name)
                assert child is not None
                parts += [
                    f"### edge-deploy {name} {child_name}",
                    "",
                    _help(child, child_name, parent),
                ]
    return "\n".join(parts).rstrip() + "\n"


def _help(command: click.Command, name: str, parent: click.Context) -> str:
    context = click.Context(command, info_name=name, parent=parent)
    context.max_content_width = context.terminal_width = _WIDTH
    return f"```text\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
