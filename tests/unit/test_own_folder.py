"""Where the user's device files are looked for, and what is said where there can be none."""

from __future__ import annotations

from pathlib import Path

import pytest
from edge_deploy_runner.errors import UsageError

from edge_deploy.catalogue import device_profile, folder_fault
from edge_deploy.cli import run


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is named as the folder of device files."""
    path = tmp_path / "file"
    path.write_text("")
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(path))
    return path


def test_an_unknown_device_says_where_files_were_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(tmp_path / "missing"))
    with pytest.raises(UsageError) as raised:
        device_profile("calm")
    said = f"(EDGE_DEPLOY_DEVICES has your device files in {tmp_path}/missing, which does not exist"
    assert f"unknown device 'calm' {said}); " in str(raised.value)
    assert str(raised.value).endswith("`edge-deploy devices list` has all")
    (tmp_path / "missing").mkdir()
    with pytest.raises(UsageError) as raised:
        device_profile("calm")
    assert str(raised.value).startswith("unknown device 'calm'; ")
    assert folder_fault() == ""


def test_nothing_is_missed_where_no_folder_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGE_DEPLOY_DEVICES")
    monkeypatch.setenv("XDG_DATA_HOME", "/missing")
    assert folder_fault() == ""


def test_a_file_is_no_folder(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fault = f"EDGE_DEPLOY_DEVICES has your device files in {file}, which is no folder"
    with pytest.raises(UsageError, match="is no folder"):
        device_profile("calm")
    assert run(["devices", "list"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == fault
    assert f"Warning: the folder of your device files, {file}, cannot be read" in said.err


def test_a_folder_that_is_not_there_yet_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(tmp_path / "missing"))
    assert run(["devices", "list"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == f"Files of yours would lie in {tmp_path}/missing"
    assert "Warning" not in said.err
