"""Hold an unpacked bundle against its golden outputs: exit code 0, or 6 where an answer is off."""

from __future__ import annotations

import argparse
import json
import sys

from edge_deploy_runner.errors import BundleError
from edge_deploy_runner.selftest import selftest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("folder", metavar="DIR", help="an unpacked bundle, or an installed version")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def main(arguments: argparse.Namespace) -> int:
    """Run the self-test, and print its table or JSON."""
    result = selftest(arguments.folder)
    if arguments.json:
        print(json.dumps(result.to_json(), indent=2))
    else:
        width = max(len(check.name) for check in result.checks)
        print(f"{result.runtime} {result.runtime_version}")
        for check in result.checks:
            mark = "ok  " if check.passed else "FAIL"
            print(f"{mark}  {check.name:<{width}}  {check.found}  (allowed: {check.allowed})")
    if result.passed:
        return 0
    failed = sum(not check.passed for check in result.checks)
    error = BundleError(
        f"the self-test failed: {failed} of {len(result.checks)} answers differ from those of the "
        "machine that built the bundle; do not use this model here"
    )
    print(f"Error: {error}", file=sys.stderr)
    return error.exit_code
