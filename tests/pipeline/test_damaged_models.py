"""Hundreds of damaged models through `inspect` and `run`: one sentence, and never a crash."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from damaged_models import damaged_models
from small_models_photo import write_model, write_photo

from edge_deploy import inspection
from edge_deploy.cli import run

# Runs `edge-deploy run` on each model in one process, for speed; a crash shows as a missing line.
_DRIVER = """
import contextlib, io, json, sys
from edge_deploy.cli import run
for path in sys.argv[2:]:
    words = io.StringIO()
    with contextlib.redirect_stderr(words), contextlib.redirect_stdout(io.StringIO()):
        code = run(["run", path, sys.argv[1]])
    print(json.dumps([path, code, words.getvalue()]), flush=True)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("damaged")
    paths = []
    for name, content in damaged_models():
        paths.append(folder / f"{name}.tflite")
        paths[-1].write_bytes(content)
    return paths


def check(path: Path, code: int, words: str) -> None:
    assert code in (0, 3), f"{path.name}: exit code {code}: {words}"
    if code == 3:
        assert words.startswith("Error: "), f"{path.name}: {words}"
        assert words.count("\n") == 1, f"{path.name}: {words}"
        assert len(words) < 1000, f"{path.name}: {words}"
    else:
        assert words == "", f"{path.name}: {words}"


def test_there_are_enough_and_they_are_the_same_each_time(models: list[Path]) -> None:
    again = list(damaged_models())
    assert len(again) >= 300
    assert len({name for name, _ in again}) == len(again) == len(models)
    assert [path.read_bytes() for path in models] == [content for _, content in again]


def test_inspect_describes_or_refuses_every_one(
    models: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # One child for all of them, instead of one for each.
    reports = dict(zip(models, inspection.probe_models(models, seconds=60), strict=True))
    monkeypatch.setattr(inspection, "probe_models", lambda paths: [reports[p] for p in paths])
    codes = []
    for path in models:
        codes.append(run(["inspect", str(path), "--json"]))
        output, words = capsys.readouterr()
        check(path, codes[-1], words)
        if codes[-1] == 0:
            assert json.loads(output)["sha256"]
        else:
            assert output == ""
    # Most damage is found from the bytes alone; what passes that never crashed the runtime. The
    # child itself may die on the others: that is what it is for.
    assert codes.count(3) > len(models) * 0.7
    described = [reports[path] for path, code in zip(models, codes, strict=True) if code == 0]
    assert not [report for report in described if "crashed" in (report.reason or "")]


def test_run_answers_or_refuses_every_one(models: list[Path], tmp_path: Path) -> None:
    photo = write_photo(tmp_path, "red")
    command = [sys.executable, "-c", _DRIVER, str(photo), *map(str, models)]
    driver = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    answers = [json.loads(line) for line in driver.stdout.splitlines()]
    done = len(answers)
    assert done == len(models), f"{models[done].name} ended the process with {driver.returncode}"
    for path, code, words in answers:
        check(Path(path), code, words)


@pytest.mark.parametrize(
    "name",
    ["empty", "png", "zip", "text", "random-rooted-3", "float32-tail-half", "int8-tail-flipped-2"],
)
@pytest.mark.parametrize("command", ["inspect", "run"])
def test_in_a_process_of_its_own(
    models: list[Path], tmp_path: Path, name: str, command: str
) -> None:
    path = next(path for path in models if path.stem == name)
    photos = [str(write_photo(tmp_path, "red"))] if command == "run" else []
    line = [sys.executable, "-m", "edge_deploy", command, str(path), *photos]
    ended = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    check(path, ended.returncode, ended.stderr)


def test_the_good_model_is_good(tmp_path: Path) -> None:
    model, photo = write_model(tmp_path), write_photo(tmp_path, "red")
    assert run(["run", str(model), str(photo)]) == 0
    assert run(["inspect", str(model)]) == 0
