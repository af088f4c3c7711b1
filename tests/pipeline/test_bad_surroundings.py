"""Outputs, names, streams, rights and disks as they may be around a command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import edge_deploy, skip_or_fail
from small_models_photo import (
    Builder,
)

from edge_deploy.cli import run

from .bad_lines import converted, linux


def test_outputs_that_cannot_be(house: Path, say: Callable[..., str]) -> None:
    line = ["convert", house / "m.tflite", "-r", "float32", "-o"]
    (house / "file").write_text("mine")
    assert "is a file" in say(7, *line, house / "file")
    assert "is a file" in say(7, *line, house / "file" / "below")
    say(7, *line, house / ("x" * 300))
    (house / "out" / "m_float32.tflite").mkdir(parents=True)
    assert "is a folder" in say(7, *line, house / "out")
    assert (house / "file").read_text() == "mine"


def test_nothing_is_replaced_without_leave(house: Path, say: Callable[..., str]) -> None:
    out = house / "out"
    out.mkdir()
    (out / "m_float32.json").write_text("mine")
    assert "--force" in say(7, "convert", house / "m.tflite", "-r", "float32", "-o", out)
    assert (out / "m_float32.json").read_text() == "mine"
    assert converted(out) == ["m_float32.json"]


@pytest.fixture
def stranger(house: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command line as a user who is not root, with no home."""
    prefix: list[str] = []
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            skip_or_fail("pipeline", "root needs setpriv to become somebody else")
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for place in (house, *house.parents):  # pytest's folders are the user's own
        if prefix and place.name.startswith(("pytest-", "test_", "popen-")):
            place.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "HOME"))}

    def start(*line: str | Path) -> subprocess.CompletedProcess[str]:
        program = [*prefix, sys.executable, "-m", "edge_deploy", *map(str, line)]
        return subprocess.run(
            program, capture_output=True, text=True, check=False,
            env={**environment, "HOME": "/nonexistent"},
        )  # fmt: skip

    if start("--version").returncode != 0:
        skip_or_fail("pipeline", "another user may not read this installation")
    return start


@linux
def test_what_may_not_be_read_or_written(
    house: Path, stranger: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    closed, sealed = house / "closed", house / "sealed"
    closed.mkdir(mode=0o555)
    sealed.mkdir()
    shutil.copy(house / "m.tflite", sealed / "m.tflite")
    secret = house / "secret.tflite"
    shutil.copy(house / "m.tflite", secret)
    secret.chmod(0)
    sealed.chmod(0)
    try:
        for code, line in (
            (7, ["convert", house / "m.tflite", "-r", "float32", "-o", closed]),
            (7, ["convert", house / "m.tflite", "-r", "float32", "-o", closed / "new"]),
            (7, ["convert", house / "m.tflite", "-r", "float32", "-o", sealed / "new"]),
            (3, ["convert", secret, "-r", "float32", "-o", closed]),
            (3, ["convert", sealed / "m.tflite", "-r", "float32", "-o", closed]),
            (3, ["inspect", secret]),
            (3, ["run", sealed / "m.tflite", house / "red.png"]),
            (3, ["run", house / "m.tflite", sealed / "a.png"]),
        ):
            ended = stranger(*line)
            assert ended.returncode == code, (line, ended.stderr)
            assert ended.stderr.startswith("Error: ")
            assert ended.stderr.count("\n") == 1, ended.stderr
    finally:
        sealed.chmod(0o755)
    assert converted(closed) == []


@linux
def test_a_full_disk(house: Path) -> None:
    disk = house / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.call(mount, stderr=subprocess.DEVNULL):
        skip_or_fail("pipeline", "a small disk may not be mounted here")
    try:
        (disk / "mine").write_bytes(bytes(28_672))
        model = Builder()
        x = model.tensor("x", (1, 64))
        weights = model.tensor("w", (64, 64), data=np.random.default_rng(1).normal(0, 1, (64, 64)))
        bias, y = model.tensor("b", (64,), data=np.ones(64)), model.tensor("y", (1, 64))
        model.operator("FULLY_CONNECTED", [x, weights, bias], [y])
        (house / "dense.tflite").write_bytes(model.pack([x], [y]))
        ended = edge_deploy("convert", house / "dense.tflite", "-r", "float32", "-o", disk)
        assert ended.returncode == 7, ended.stderr
        assert "the disk is full" in ended.stderr.splitlines()[-1]
        assert "Traceback" not in ended.stderr
        assert converted(disk) == ["mine"]
        # A full folder for temporary files is another one's trouble: Python takes the next.
        environment = {**os.environ, "TMPDIR": str(disk)}
        ended = edge_deploy("run", house / "m.tflite", house / "red.png", env=environment)
        assert ended.returncode == 0, ended.stderr
    finally:
        subprocess.run(["umount", str(disk)], check=True)


NAMES = [
    "-dash",
    "with space",
    "quo'te\"s",
    "new\nline",
    "ünï 蓝",
    "%s{}$HOME",
    "[brackets]*",
    "n" * 200,
]


@linux
@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"\xff\xfe")])
def test_any_name_will_do(
    house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(house)
    shutil.copy("m.tflite", house / f"{name}.tflite")
    shutil.copy("red.png", house / f"{name}.png")
    source = f"{name}.tflite"
    is_text = name.isprintable() or "\n" in name
    out = f"out {name}"[:200] if is_text else "out"
    assert run(["convert", "-r", "float32", "-o", out, "--json", "--", source]) == 0
    (made,) = json.loads(capsys.readouterr().out)["models"]
    assert Path(made["path"]).is_file()
    if is_text:  # the others can be shown as far as the terminal's encoding goes
        assert run(["run", "--", source, f"{name}.png"]) == 0
        assert run(["inspect", "--", source]) == 0


def test_a_folder_of_hostile_modules_is_not_imported(house: Path) -> None:
    for name in ("numpy", "ai_edge_litert", "edge_deploy_runner", "json", "litert_quantizer"):
        (house / f"{name}.py").write_text("open('canary', 'w')\nraise SystemExit('hostile')\n")
    script = Path(sys.executable).with_name("edge-deploy")
    if not script.exists():
        skip_or_fail("pipeline", "the console script is not installed")
    if sys.version_info < (3, 11):
        pytest.skip("PYTHONSAFEPATH came with Python 3.11")
    code = "from edge_deploy.cli import main; main()"
    for line in (["convert", "m.tflite", "-r", "float32", "-o", "out"], ["inspect", "m.tflite"]):
        program = [sys.executable, "-P", "-c", code, *line]
        ended = subprocess.run(program, capture_output=True, text=True, cwd=house, check=False)
        assert ended.returncode == 0, ended.stderr
    assert not (house / "canary").exists()


@linux
def test_the_surroundings_may_be_poor(house: Path) -> None:
    poor = {"PATH": os.environ["PATH"], "TMPDIR": "/nonexistent"}
    out = house / "out"
    ended = edge_deploy(
        "convert", house / "m.tflite", "-r", "float32", "-o", out, env=poor, cwd="/"
    )
    assert ended.returncode == 0, ended.stderr
    assert converted(out) == ["m_float32.json", "m_float32.tflite"]


@linux
@pytest.mark.parametrize("line", ["inspect m.tflite", "inspect m.tflite --json", "--help"])
def test_a_reader_that_goes_away(house: Path, line: str) -> None:
    program = f"set -o pipefail; '{sys.executable}' -m edge_deploy {line} | head -1"
    ended = subprocess.run(
        ["bash", "-c", program], capture_output=True, text=True, cwd=house, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""


@linux
def test_a_reader_that_goes_away_before_it_has_read_all(house: Path) -> None:
    """Not 0 or 1, which would be the word of a gate."""
    program = (
        "import sys; from edge_deploy.cli import main; from edge_deploy.cli.rendering import "
        "table_console; import edge_deploy.cli.devices as d\n"
        "d.command.callback = lambda **_: [{} for _ in range(9999)]\n"
        "sys.argv = ['edge-deploy', 'devices']; main()"
    )
    for line in ("click.echo('x' * 99)", "table_console().print('x' * 99)"):
        shell = f"set -o pipefail; '{sys.executable}' -c \"$PROGRAM\" | head -1"
        ended = subprocess.run(
            ["bash", "-c", shell], capture_output=True, text=True, cwd=house, check=False,
            env={**os.environ, "PROGRAM": "import click\n" + program.replace("{}", line, 1)},
        )  # fmt: skip
        assert (ended.returncode, ended.stderr) == (141, "")
