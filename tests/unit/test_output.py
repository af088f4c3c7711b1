"""Writing whole files or none, and never over others."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from edge_deploy_runner.errors import OutputError
from edge_deploy_runner.output import check_folder, check_free, write_bytes, write_json


def test_writes_and_makes_the_folder(tmp_path: Path) -> None:
    path = write_bytes(tmp_path / "new" / "deep" / "a.bin", b"abc")
    assert path.read_bytes() == b"abc"
    assert [item.name for item in path.parent.iterdir()] == ["a.bin"]


def test_a_file_that_exists_is_kept_without_force(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match="--force"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    write_bytes(path, b"new", force=True)
    assert path.read_bytes() == b"new"


def test_json_keeps_the_order_and_refuses_nan(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", {"b": 1, "a": "ä"})
    assert list(json.loads(path.read_text("utf-8"))) == ["b", "a"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "b.json", {"x": float("nan")})
    assert not (tmp_path / "b.json").exists()


@pytest.mark.skipif(not hasattr(os, "umask") or os.name == "nt", reason="POSIX modes")
def test_the_mode_is_that_of_any_new_file(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    assert write_bytes(tmp_path / "a", b"").stat().st_mode == plain.stat().st_mode


def test_places_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_free(tmp_path / "folder", force=True)
    with pytest.raises(OutputError, match="cannot write to"):
        check_folder(tmp_path / "file")
    with pytest.raises(OutputError, match="cannot write to"):
        write_bytes(tmp_path / "file" / "a", b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The real ENOSPC of the kernel, through a device that is always full.
    def full(descriptor: int) -> None:
        with open("/dev/full", "wb", buffering=0) as device:
            device.write(b"x")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        write_bytes(tmp_path / "a.bin", b"abc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="permissions are another thing on Windows")
def test_a_folder_without_leave_to_write() -> None:
    """Root may write everywhere, so a child writes as nobody where root runs the tests."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    child = os.fork()
    if child == 0:
        if os.getuid() == 0:
            os.setuid(65534)
        try:
            write_bytes(folder / "a.bin", b"abc")
        except OutputError as error:
            os._exit(0 if "you may not write there" in str(error) else 2)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    folder.chmod(0o755)
    assert list(folder.iterdir()) == []
    folder.rmdir()
    assert os.waitstatus_to_exitcode(status) == 0
