"""What may be imported where: a Pi has no TensorFlow, and `--help` has no time for numpy."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from small_models_photo import write_model, write_photo

HEAVY = ("tensorflow", "keras", "tf_keras", "torch", "onnx", "litert_quantizer", "mediapipe")
ROOMS = (
    "edge_deploy",
    "converters/edge_deploy_converters",
    "rpi_runner/edge_deploy_runner",
    "android_harness/edge_deploy_android",
)

# Runs one command line, then prints which of the modules named in argv[1] were imported.
_DRIVER = """
import json, sys
from edge_deploy.cli import run
code = run(sys.argv[2:])
sys.stdout.flush()
found = sorted(set(json.loads(sys.argv[1])) & set(sys.modules))
print("\\n" + json.dumps([code, found]))
"""


def imported(names: tuple[str, ...], *arguments: str | Path) -> tuple[int, list[str]]:
    command = [sys.executable, "-c", _DRIVER, json.dumps(names), *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    code, found = json.loads(ended.stdout.splitlines()[-1])
    return code, found


def command_lines(folder: Path) -> dict[str, list[str | Path]]:
    """One line that works for each command of the light path."""
    model = write_model(folder)
    photo = write_photo(folder / "red", "red")
    for color in ("green", "blue"):
        write_photo(folder / color, color)
    budget = folder / "budget.toml"
    budget.write_text('[limits]\nsize = "5 MB"\n')
    measurement = folder / "measurement.json"
    quick: list[str | Path] = ["--runs", "5", "--seconds", "0.01", "--no-operators"]
    return {
        "run": ["run", model, photo],
        "inspect": ["inspect", model],
        "evaluate": ["evaluate", model, "--data", folder],
        "profile": ["profile", model, *quick, "-o", measurement, "--budget", budget],
        "judge": ["judge", measurement, "--budget", budget],
        "diff": ["diff", measurement, measurement],
        "devices": ["devices"],
        "convert --help": ["convert", "--help"],
    }


def test_the_light_commands_import_nothing_heavy(tmp_path: Path) -> None:
    for name, line in command_lines(tmp_path).items():
        code, found = imported(HEAVY, *line)
        assert code == 0, name
        assert found == [], name


@pytest.mark.parametrize("line", [("--help",), ("-h",), ("--version",), ()])
def test_help_imports_next_to_nothing(line: tuple[str, ...]) -> None:
    light = (*HEAVY, "numpy", "rich", "PIL", "ai_edge_litert", "platformdirs")
    assert imported(light, *line)[1] == []


def test_the_packages_alone_import_nothing_heavy() -> None:
    code = (
        "import sys, edge_deploy, edge_deploy_converters, edge_deploy_runner, edge_deploy_android;"
        f"sys.exit(bool(set({HEAVY!r}) & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _module_level_imports(tree: ast.Module) -> set[str]:
    """Names imported when a module is, but for those under `if TYPE_CHECKING`."""
    found: set[str] = set()
    stack: list[ast.AST] = list(tree.body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            stack.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
        stack.extend(ast.iter_child_nodes(node))
    return found


def test_no_module_of_ours_imports_them_at_its_top() -> None:
    files = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    assert len(files) > 50
    for path in files:
        found = _module_level_imports(ast.parse(path.read_text("utf-8")))
        assert not found & {*HEAVY, "h5py"}, path


# Runs one command line of the runner; what numpy, Pillow and the runtime bring is imported before,
# and after that the modules named in argv[1] cannot be.
_RUNNER_DRIVER = """
import json, sys
import numpy, PIL.JpegImagePlugin, PIL.PngImagePlugin, ai_edge_litert.interpreter
sys.modules.update(dict.fromkeys(json.loads(sys.argv[1])))
from edge_deploy_runner.__main__ import main
sys.exit(main(sys.argv[2:]))
"""
SLOW = ("dataclasses", "inspect", "ast", "dis", "tokenize", "tempfile", "hashlib")


@pytest.mark.parametrize("barred", [SLOW, ("zipfile",)])
def test_the_runner_starts_without_slow_modules(tmp_path: Path, barred: tuple[str, ...]) -> None:
    line = ["run", write_model(tmp_path), write_photo(tmp_path, "red")]
    command = [sys.executable, "-c", _RUNNER_DRIVER, json.dumps(barred), *map(str, line)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    starts = ended.returncode == 0 and "red" in ended.stdout
    # Labels are packed behind this model as a zip: without that module it cannot start.
    assert starts == (barred != ("zipfile",)), ended.stderr


def test_the_search_finds_what_it_looks_for() -> None:
    top = "class A:\n  try:\n    import keras.layers\n  except ImportError: pass\n"
    text = top + "def f(): import onnx"
    assert _module_level_imports(ast.parse(text)) == {"keras"}


def test_the_driver_sees_what_is_imported() -> None:
    assert imported(("click",), "--help") == (0, ["click"])
