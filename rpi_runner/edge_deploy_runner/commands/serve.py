"""Run as a service: watch a source, answer each frame, tell sinks; as a service.toml says.

It runs until SIGTERM or Ctrl-C, or until its source ends. SIGHUP reads the file again. With systemd
it speaks Type=notify with a watchdog. Nothing opens a network connection unless there is an mqtt
sink.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `serve`."""
    parser.add_argument("--config", required=True, metavar="FILE", help="the service.toml")
    parser.add_argument(
        "--check", action="store_true",
        help="check the file and the model, say what would be done, and do nothing of it",
    )  # fmt: skip


def main(arguments: argparse.Namespace) -> int:
    """Serve, or say what would be served."""
    from edge_deploy_runner.service.config import read_service_config
    from edge_deploy_runner.service.loop import describe, serve

    if arguments.check:
        print(describe(read_service_config(arguments.config)))
        return 0
    serve(arguments.config)
    return 0
