"""Fixtures of the tests that serve, and of those that give commands what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Running
from small_models_photo import color_classifier, write_model, write_photo

from edge_deploy.cli import run


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def begin(text: str = "", **options: Any) -> Running:
        if text:
            (tmp_path / "service.toml").write_text(text)
        started.append(Running(tmp_path, **options))
        return started[-1]

    yield begin
    for running in started:
        running.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path)
    (tmp_path / "in").mkdir()
    return tmp_path


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder with a good model, a bare one and a photo."""
    (tmp_path / "m.tflite").write_bytes(color_classifier())
    (tmp_path / "bare.tflite").write_bytes(color_classifier(contract=False))
    write_photo(tmp_path, "red")
    return tmp_path


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command line that must fail with `code`; the one sentence it says."""

    def run_line(code: int, *line: str | Path) -> str:
        capsys.readouterr()  # what went before is not this line's
        found = run([str(part) for part in line])
        output, words = capsys.readouterr()
        said = [text for text in words.splitlines() if not text.endswith(" ...")]
        errors = [text for text in said if not text.startswith("Warning: ")]
        assert found == code, words
        assert output == "", output
        assert len(errors) == 1, words
        assert errors[0].startswith("Error: ")
        assert len(errors[0]) < 1200
        return errors[0]

    return run_line
