"""The service.toml beside the versions: its owner may change it, and no install undoes that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from edge_deploy_runner.service.config import read_service_config
from small_bundle import run_installer, small_bundle, small_site, unpacked

from edge_deploy.bundle_files.installer import steps
from edge_deploy.bundle_files.installer.configuration import Configuration
from edge_deploy.bundle_files.installer.place import Place

CAMERA = 'source = "camera:0"'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for this machine, unpacked."""
    return unpacked(
        small_bundle(tmp_path_factory.mktemp("bundle")), tmp_path_factory.mktemp("unpacked")
    )


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another version, whose service asks for more."""
    where = tmp_path_factory.mktemp("newer")
    service = where / "mine.toml"
    service.write_text('source = "watch:@STATE@/incoming"\nthreshold = 0.75\n')
    made = small_bundle(where, service=service, site=small_site(where, 200_000))
    return unpacked(made, where / "unpacked")


def install(folder: Path, prefix: Path, *arguments: str) -> dict[str, Any]:
    done = run_installer(folder, "--prefix", prefix, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def config_of(prefix: Path) -> Path:
    return prefix / "colors" / "service.toml"


def edit(prefix: Path) -> str:
    """Change it as a maker does: a camera instead of the folder."""
    path = config_of(prefix)
    lines = [CAMERA if x.startswith("source") else x for x in path.read_text().splitlines()]
    path.write_text("\n".join(lines) + "\n")
    assert CAMERA in lines
    return path.read_text()


def serves(prefix: Path) -> str:
    """What the version that runs would serve; the test fails where it would not."""
    done = subprocess.run(
        [sys.executable, prefix / "colors" / "current" / "bin" / "edge-deploy-runner", "serve",
         "--config", config_of(prefix), "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_install_writes_it_beside_the_versions(folder: Path, tmp_path: Path) -> None:
    record = install(folder, tmp_path)
    assert record["config"] == "written"
    config = read_service_config(config_of(tmp_path))
    assert config.model == tmp_path / "colors" / "current" / "model" / "colors.tflite"
    assert "@" not in config.source
    assert "systemctl reload edge-deploy-colors\n" in config_of(tmp_path).read_text()
    assert str(config.model) in serves(tmp_path)


def test_the_command_by_hand_names_it(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, folder / "install.py", "--prefix", tmp_path, "--json"]
    if os.geteuid() == 0 and Path("/run/systemd/system").is_dir():
        pytest.skip("it would become a service of this machine")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    by_hand = json.loads(done.stdout)["service"]["by_hand"]
    assert by_hand.endswith(f"--config {config_of(tmp_path)}")


def test_the_same_bundle_again_leaves_it(folder: Path, tmp_path: Path) -> None:
    install(folder, tmp_path)
    before = config_of(tmp_path).stat()
    assert install(folder, tmp_path)["config"] == "unchanged"
    after = config_of(tmp_path).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_an_untouched_one_follows_the_version(folder: Path, newer: Path, tmp_path: Path) -> None:
    install(folder, tmp_path)
    assert install(newer, tmp_path)["config"] == "written"
    assert read_service_config(config_of(tmp_path)).threshold == 0.75
    assert install(newer, tmp_path, "--rollback")["config"] == "written"
    assert read_service_config(config_of(tmp_path)).threshold is None
    assert install(newer, tmp_path, "--rollback")["config"] == "written"
    assert read_service_config(config_of(tmp_path)).threshold == 0.75
    assert not config_of(tmp_path).with_name("service.toml.new").exists()


def test_an_edited_one_is_kept(folder: Path, newer: Path, tmp_path: Path) -> None:
    install(folder, tmp_path)
    mine = edit(tmp_path)
    done = run_installer(newer, "--prefix", tmp_path)
    assert "as you changed it; this version's own is" in done.stdout
    offered = config_of(tmp_path).with_name("service.toml.new")
    assert str(offered) in done.stdout
    assert config_of(tmp_path).read_text() == mine
    assert read_service_config(offered).threshold == 0.75
    assert "/dev/video0" in serves(tmp_path)
    record = install(newer, tmp_path, "--rollback")
    assert record["config"] == "kept"
    assert config_of(tmp_path).read_text() == mine
    assert read_service_config(offered).threshold is None  # that of the version that runs


def test_taking_the_offered_one_gives_it_back(folder: Path, newer: Path, tmp_path: Path) -> None:
    install(folder, tmp_path)
    edit(tmp_path)
    install(newer, tmp_path)
    config_of(tmp_path).with_name("service.toml.new").replace(config_of(tmp_path))
    assert install(folder, tmp_path)["config"] == "written"


def test_a_link_is_its_owners(folder: Path, newer: Path, tmp_path: Path) -> None:
    install(folder, tmp_path)
    elsewhere = tmp_path / "elsewhere.toml"
    config_of(tmp_path).rename(elsewhere)
    config_of(tmp_path).symlink_to(elsewhere)
    assert install(newer, tmp_path)["config"] == "kept"
    assert config_of(tmp_path).is_symlink()


def test_a_lost_one_is_written_again(folder: Path, tmp_path: Path) -> None:
    install(folder, tmp_path)
    config_of(tmp_path).unlink()
    assert install(folder, tmp_path)["config"] == "written"
    serves(tmp_path)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of an install that a configuration keeps from being done."""
    assert (done.returncode, done.stdout) == (5, ""), done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert "what ran before still runs" in line
    assert "partial" not in line
    return line


def test_an_edited_one_that_the_new_version_refuses(
    folder: Path, newer: Path, tmp_path: Path
) -> None:  # fmt: skip
    """Before the switch: what runs, and what the next boot starts, is the version before."""
    before = install(folder, tmp_path)["version"]
    with config_of(tmp_path).open("a") as file:
        file.write("colour = 1\n")
    mine = config_of(tmp_path).read_text()
    line = refused(run_installer(newer, "--prefix", tmp_path))
    assert f"would not start with your {config_of(tmp_path)}, [[sink]] 1: unknown" in line
    assert "'colour'" in line
    place = Place(tmp_path, "colors")
    assert (place.linked("current"), place.installed()) == (before, [before])
    assert list(tmp_path.rglob(".partial-*")) == []
    assert config_of(tmp_path).read_text() == mine
    refused(run_installer(folder, "--prefix", tmp_path))  # the same version again


def test_a_rollback_to_a_version_that_refuses_it(
    folder: Path, newer: Path, tmp_path: Path
) -> None:  # fmt: skip
    install(folder, tmp_path)
    second = install(newer, tmp_path)["version"]
    config_of(tmp_path).write_text("no toml\n")
    refused(run_installer(newer, "--rollback", "--prefix", tmp_path))
    assert Place(tmp_path, "colors").linked("current") == second


def test_it_is_held_against_the_model_of_the_new_version(
    folder: Path, newer: Path, tmp_path: Path
) -> None:  # fmt: skip
    """Also where nothing is current yet, and where the path of its model is whole."""
    mine = f'model = "{tmp_path}/colors/current/model/colors.tflite"\nsource = "camera:0"\n'
    config_of(tmp_path).parent.mkdir()
    config_of(tmp_path).write_text(mine)
    assert install(folder, tmp_path)["config"] == "kept"
    model = tmp_path / "colors" / "current" / "model" / "colors.tflite"
    model.write_bytes(b"damaged")
    assert install(newer, tmp_path)["config"] == "kept"
    assert config_of(tmp_path).read_text() == mine
    serves(tmp_path)


def test_a_link_that_leads_nowhere_is_refused(folder: Path, newer: Path, tmp_path: Path) -> None:
    install(folder, tmp_path)
    config_of(tmp_path).unlink()
    config_of(tmp_path).symlink_to(tmp_path / "gone.toml")
    assert "cannot be read" in refused(run_installer(newer, "--prefix", tmp_path))


class PowerCut(BaseException):
    """What ends an install where the test wants it to."""


def cut(*_: object) -> None:
    raise PowerCut


def test_a_power_cut_before_the_switch(
    folder: Path, newer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(folder, tmp_path)
    before = config_of(tmp_path).read_text()
    with monkeypatch.context() as patch:
        patch.setattr(Place, "point", cut)
        with pytest.raises(PowerCut):
            steps.install(newer, tmp_path, False)
    assert config_of(tmp_path).read_text() == before
    serves(tmp_path)
    assert install(newer, tmp_path)["config"] == "written"
    assert list(tmp_path.rglob(".partial-*")) == []


def test_a_power_cut_between_the_switch_and_the_configuration(
    folder: Path, newer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(folder, tmp_path)
    before = config_of(tmp_path).read_text()
    with monkeypatch.context() as patch:
        patch.setattr(Configuration, "put", cut)
        with pytest.raises(PowerCut):
            steps.install(newer, tmp_path, False)
    place = Place(tmp_path, "colors")
    assert place.linked("current") == place.installed()[-1]
    assert config_of(tmp_path).read_text() == before
    serves(tmp_path)  # the new version with the old text
    record = install(newer, tmp_path)
    assert (record["action"], record["config"]) == ("already installed", "written")
    assert read_service_config(config_of(tmp_path)).threshold == 0.75


def test_the_new_text_serves_with_the_old_version(
    folder: Path, newer: Path, tmp_path: Path
) -> None:  # fmt: skip
    install(folder, tmp_path)
    install(newer, tmp_path)
    place = Place(tmp_path, "colors")
    place.point("current", place.installed()[0])
    assert "threshold 0.75" in serves(tmp_path)


def test_a_power_cut_at_the_first_install(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Configuration, "put", cut)
        with pytest.raises(PowerCut):
            steps.install(folder, tmp_path, False)
    assert not config_of(tmp_path).exists()
    assert install(folder, tmp_path)["config"] == "written"
    serves(tmp_path)


def test_uninstall_leaves_an_edited_one(folder: Path, newer: Path, tmp_path: Path) -> None:
    install(folder, tmp_path)
    mine = edit(tmp_path)
    install(newer, tmp_path)
    done = run_installer(folder, "--uninstall", "--prefix", tmp_path)
    assert f"{config_of(tmp_path)} stays, as you changed it" in done.stdout
    assert [path.name for path in (tmp_path / "colors").iterdir()] == ["service.toml"]
    again = run_installer(folder, "--uninstall", "--prefix", tmp_path)
    assert "nothing is installed there" in again.stderr
    assert install(folder, tmp_path)["config"] == "kept"
    assert config_of(tmp_path).read_text() == mine


def test_a_damaged_record_only_makes_it_careful(
    folder: Path, newer: Path, tmp_path: Path
) -> None:  # fmt: skip
    install(folder, tmp_path)
    (tmp_path / "colors" / ".service.toml.sha256").write_bytes(b"\xff\xfe")
    assert install(newer, tmp_path)["config"] == "kept"
