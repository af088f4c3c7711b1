"""Say what this machine has and lacks for running models, and the line that mends each lack.

Exit codes: 0 no problem, 1 at least one problem.
"""

from __future__ import annotations

import argparse
import json
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `doctor`."""
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def main(arguments: argparse.Namespace) -> int:
    """Examine this machine and print what was found."""
    from edge_deploy_runner.doctor.examining import examine, render, summary

    found = examine()
    if arguments.json:
        print(json.dumps(found.to_json(), indent=2, allow_nan=False))
    else:
        # A Pi over ssh may speak ASCII only.
        for line in (*render(found.findings).splitlines(), summary(found.findings)):
            encoding = sys.stdout.encoding or "ascii"
            print(line.encode(encoding, "replace").decode(encoding))
    return 0 if found.passed else 1
