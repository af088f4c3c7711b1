"""What an installer does with systemd: a systemctl that notes what it is asked."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from small_bundle import small_bundle, small_site, unpacked

from edge_deploy.bundle_files.installer import command, service_unit
from edge_deploy.bundle_files.installer.command import main
from edge_deploy.bundle_files.installer.place import Place
from edge_deploy.bundles import installing
from edge_deploy.bundles.installing import Installation

UNIT = "edge-deploy-colors.service"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for this machine, unpacked."""
    where = tmp_path_factory.mktemp("bundle")
    return unpacked(small_bundle(where), where / "unpacked")


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another version of it."""
    where = tmp_path_factory.mktemp("newer")
    return unpacked(small_bundle(where, site=small_site(where, 200_000)), where / "unpacked")


class Systemd:
    """Stands in for systemd: `state` is what is-active says, and `asked` what it was told."""

    def __init__(self, folder: Path) -> None:
        self.units = folder
        self.program = folder / "bin" / "systemctl"
        self.program.parent.mkdir()
        self.state("active")

    def state(self, word: str) -> None:
        self.script(f'echo "$*" >> {self.units}/asked\necho {word}')

    def script(self, text: str) -> None:
        self.program.write_text(f"#!/bin/sh\n{text}\n")
        self.program.chmod(0o755)

    def asked(self) -> str:
        path = self.units / "asked"
        found = path.read_text() if path.exists() else ""
        path.unlink(missing_ok=True)
        return found


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    """Root on a system that it runs, with the units in the test's own folder."""
    found = Systemd(tmp_path)
    monkeypatch.setenv("PATH", f"{found.program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(service_unit, "UNIT_FOLDER", tmp_path)
    monkeypatch.setattr(service_unit, "SERVICE_SECONDS", 1)
    monkeypatch.setattr(service_unit, "has_systemd", lambda: True)
    monkeypatch.setattr(service_unit.os, "geteuid", lambda: 0)
    monkeypatch.setattr(command.signal, "signal", lambda *_: None)
    return found


def test_a_service_that_runs(folder: Path, tmp_path: Path, systemd: Systemd) -> None:
    prefix = tmp_path / "opt"
    assert main([str(folder), "--prefix", str(prefix)]) == 0
    config = prefix / "colors" / "service.toml"
    assert f"serve --config {config}\n" in (tmp_path / UNIT).read_text()
    assert f"restart --no-block {UNIT}" in systemd.asked()


@pytest.mark.parametrize("state", ["activating", "failed", "inactive"])
def test_a_service_that_does_not_run_is_an_error(
    state: str, folder: Path, tmp_path: Path, systemd: Systemd, capsys: pytest.CaptureFixture[str]
) -> None:
    """A unit that crashes again and again is activating most of the time."""
    systemd.state(state)
    assert main([str(folder), "--prefix", str(tmp_path / "opt"), "--json"]) == 5
    said = capsys.readouterr()
    record = json.loads(said.out)
    assert record["service"]["state"] == state
    assert f"Error: {record['version']} is installed, and its service {UNIT} does not" in said.err
    assert Place(tmp_path / "opt", "colors").linked("current") == record["version"]
    # The same over ssh: the report comes through, and the command ends with 5 as well.
    assert installing._result(5, said.out, said.err, "pi") == record
    assert Installation("pi", record).service_failed
    assert main([str(folder), "--prefix", str(tmp_path / "opt")]) == 5  # already installed


def test_a_version_without_a_service_is_no_error() -> None:
    assert not Installation("pi", {"service": None}).service_failed
    assert not Installation(
        "pi", {"service": {"unit": None, "state": "not installed"}}
    ).service_failed


def test_a_systemctl_that_never_answers(
    folder: Path, tmp_path: Path, systemd: Systemd, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(service_unit, "SYSTEMCTL_SECONDS", 0.2)
    systemd.script("exec sleep 60")
    assert main([str(folder), "--prefix", str(tmp_path / "opt"), "--json"]) == 5
    assert json.loads(capsys.readouterr().out)["service"]["state"] == "failed: no answer"
    systemd.script('case "$1" in is-active) exec sleep 60;; esac')
    assert main([str(folder), "--prefix", str(tmp_path / "opt"), "--json"]) == 5
    assert json.loads(capsys.readouterr().out)["service"]["state"] == "failed: no answer"


def test_uninstall_removes_the_service(folder: Path, tmp_path: Path, systemd: Systemd) -> None:
    prefix = str(tmp_path / "with%h")
    assert main([str(folder), "--prefix", prefix]) == 0
    systemd.asked()
    assert main([str(folder), "--uninstall", "--prefix", prefix]) == 0
    assert f"disable --now {UNIT}" in systemd.asked()
    assert not (tmp_path / UNIT).exists()


def test_uninstall_leaves_systemd_alone_where_it_shall(
    folder: Path, tmp_path: Path, systemd: Systemd
) -> None:
    prefix = str(tmp_path / "opt")
    assert main([str(folder), "--prefix", prefix]) == 0
    systemd.asked()
    assert main([str(folder), "--uninstall", "--no-service", "--prefix", prefix]) == 0
    assert systemd.asked() == ""
    assert (tmp_path / UNIT).exists()
    assert not Path(prefix, "colors").exists()


def test_uninstall_leaves_the_service_of_another_prefix(
    folder: Path, tmp_path: Path, systemd: Systemd, capsys: pytest.CaptureFixture[str]
) -> None:
    """The names of the units are the same."""
    assert main([str(folder), "--prefix", str(tmp_path / "opt")]) == 0
    assert main([str(folder), "--prefix", str(tmp_path / "other"), "--no-service"]) == 0
    systemd.asked()
    assert main([str(folder), "--uninstall", "--prefix", str(tmp_path / "other")]) == 0
    assert systemd.asked() == ""
    assert (tmp_path / UNIT).exists()
    assert f"{UNIT} starts what another folder has, and stays" in capsys.readouterr().err


def test_interrupted_after_the_switch(
    folder: Path, newer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    systemd: Systemd, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It names the version that the next start takes."""
    prefix = str(tmp_path / "opt")
    assert main([str(folder), "--prefix", prefix]) == 0

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(service_unit, "_settled", interrupt)
    assert main([str(newer), "--prefix", prefix]) == 130
    current = Place(Path(prefix), "colors").linked("current")
    assert current is not None
    assert current.startswith("0002-")
    said = capsys.readouterr().err
    assert f"interrupted; {prefix}/colors/current is {current} already" in said
    assert "still runs" not in said
    assert main([str(newer), "--prefix", prefix]) == 130  # it was current before
    assert "what ran before still runs" in capsys.readouterr().err
