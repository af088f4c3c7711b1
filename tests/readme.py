"""The README's examples, as programs: `python tests/readme.py` writes their output anew.

Console blocks hold one `$ command` and what it printed; Python blocks are run as they stand. They
run one after the other in a folder in which `assets` and `tests` are the repository's.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
_BLOCK = re.compile(r"```(console|python)\n(.*?)```\n", re.DOTALL)
_DEMO = re.compile(r"(<!-- demo -->\n```text\n).*?(```\n<!-- /demo -->)", re.DOTALL)


def blocks(text: str) -> list[tuple[str, str]]:
    """The examples: their language and text."""
    return [(match.group(1), match.group(2)) for match in _BLOCK.finditer(text)]


def prepare(folder: Path) -> None:
    """Make a folder in which the examples find what they name."""
    for name in ("assets", "tests"):
        (folder / name).symlink_to(ROOT / name)


def run_example(language: str, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one example in `folder`."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    if language == "python":
        command = [sys.executable, "-c", text]
    else:
        first = text.splitlines()[0]
        assert first.startswith("$ "), first
        command = ["sh", "-c", first[2:]]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def tidy(output: str) -> str:
    """Output as the README shows it: no blanks at the ends of lines, none above 110 columns."""
    lines = [line.rstrip() for line in output.strip().splitlines()]
    return "\n".join(line if len(line) <= 110 else line[:107] + "..." for line in lines)


def main() -> None:
    """Write the README with fresh output."""
    text = README.read_text("utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)

        def fresh(match: re.Match[str]) -> str:
            language, body = match.group(1), match.group(2)
            result = run_example(language, body, folder)
            if result.returncode != 0:
                sys.exit(f"{body}\nended with {result.returncode}: {result.stderr}")
            if language == "python":
                return match.group(0)
            return f"```console\n{body.splitlines()[0]}\n{tidy(result.stdout)}\n```\n"

        text = _BLOCK.sub(fresh, text)
        demo = run_example("console", "$ edge-deploy demo -o demo-output", folder)
        if demo.returncode != 0:
            sys.exit(f"the demo ended with {demo.returncode}: {demo.stderr}")
        text = _DEMO.sub(lambda m: f"{m.group(1)}{tidy(demo.stdout)}\n{m.group(2)}", text)
    README.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
