"""Fixtures of the tests that serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Running
from small_models_photo import write_model


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
