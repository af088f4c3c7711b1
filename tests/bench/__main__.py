"""`make bench`: how good we are, as a table of ratios, both sides in one interleaved run.

Bounds are those of the project's goals; whether they hold is printed and never asserted, because
a figure from a busy machine proves nothing. Usage: python -m tests.bench [ROW...]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edge_deploy_runner.machine import environment
from rich.console import Console
from rich.table import Table

from .adb_rows import adb_rows
from .agreement_rows import agreement_rows
from .android_rows import android_rows
from .command_rows import help_rows, run_rows
from .conversion_rows import all_recipes_rows, memory_rows, time_rows
from .inference_rows import classifier_rows, profile_rows
from .install_rows import install_rows
from .instruction_rows import instruction_rows
from .measuring import Row, say
from .photo_rows import photo_rows
from .prediction_rows import prediction_rows
from .ssh_rows import ssh_rows
from .subjects import Subjects

ROWS = {
    "help": help_rows,
    "run": run_rows,
    "classifier": classifier_rows,
    "photos": photo_rows,
    "profile": profile_rows,
    "predict": prediction_rows,
    "ssh": ssh_rows,
    "android": android_rows,
    "adb": adb_rows,
    "instructions": instruction_rows,
    "install": install_rows,
    "agreement": agreement_rows,
    "convert": time_rows,
    "memory": memory_rows,
    "all-recipes": all_recipes_rows,
}
_TOOLS = ("edge-deploy", "tensorflow", "keras", "litert-quantizer", "ai-edge-litert", "numpy",
          "pillow", "click")  # fmt: skip


def main() -> int:
    """Measure the rows that were asked for, and print them."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; or all")
    parser.add_argument("--quick", action="store_true", help="fewer runs, the small model alone")
    parser.add_argument("--json", metavar="FILE", type=Path, help="raw figures of every pair")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.rows if name not in ROWS]
    if unknown:
        parser.error(f"unknown row {unknown[0]!r}; use one of {', '.join(ROWS)}")
    begun, load = time.perf_counter(), _load()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="edge-deploy-bench-") as folder:
        subjects = Subjects(Path(folder), arguments.quick)
        for name in arguments.rows or ROWS:
            say(f"row {name}")
            rows.extend(ROWS[name](subjects))
    about = {
        "machine": environment.describe().to_json(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _TOOLS},
        "load_before": load,
        "load_after": _load(),
        "seconds": round(time.perf_counter() - begun),
    }
    _print(rows, about)
    if arguments.json:
        document = {**about, "rows": [row.to_json() for row in rows]}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    return 0


def _load() -> list[float] | None:
    return [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None


def _print(rows: list[Row], about: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("row", no_wrap=True)
    table.add_column("what", no_wrap=True)
    for heading in ("median", "min - max", "pairs", "bound"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("inside")
    table.add_column("ours / theirs", no_wrap=True)
    for row in rows:
        low, high = (min(row.values), max(row.values)) if row.values else (0.0, 0.0)
        inside = {True: "yes", False: "NO", None: "-"}[row.inside]
        table.add_row(
            row.name,
            row.what,
            f"{row.middle:.3f}{row.unit}" if row.values else "-",
            f"{low:.3f} - {high:.3f}" if len(row.values) > 1 else "-",
            str(len(row.values)),
            row.bound or "-",
            inside,
            row.note,
        )
    machine = about["machine"]
    processor = machine["cpu_model"] or machine["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    console = Console(file=sys.stdout, width=200, highlight=False)
    console.print(table)
    console.print(
        f"\n{processor}, {machine['cores']} cores, {machine['os']}; Python "
        f"{about['python']}; {versions}\nload {about['load_before']} before, "
        f"{about['load_after']} after; {about['seconds']} s"
    )


if __name__ == "__main__":
    sys.exit(main())
