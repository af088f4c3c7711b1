"""The installer that travels in a bundle, run as a user runs it: versions and rollback."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from small_bundle import (
    answers,
    run_installer,
)

from edge_deploy.bundle_files.installer.place import Place
from edge_deploy.bundles.bundling import Bundle

from .refusals import left_over, listed, refused


def test_install_from_the_unpacked_folder(folder: Path, tmp_path: Path) -> None:
    done = run_installer(folder, "--prefix", tmp_path, "--json")
    record = json.loads(done.stdout)
    assert done.returncode == 0
    assert record["action"] == "installed"
    assert record["selftest"]["passed"] is True
    assert (tmp_path / "colors" / "current").resolve().name == record["version"]
    assert answers(tmp_path)
    assert left_over(tmp_path) == []
    assert not (folder / "installer" / "__pycache__").exists()
    # A service may not write there: what it imports is compiled already.
    runner = tmp_path / "colors" / "current" / "runner" / "edge_deploy_runner"
    assert list((runner / "service" / "__pycache__").glob("loop.*.pyc"))


def test_install_from_the_archive(made: Bundle, folder: Path, tmp_path: Path) -> None:
    done = run_installer(folder, made.path, "--prefix", tmp_path)
    assert done.returncode == 0
    assert "colors: installed" in done.stdout
    assert answers(tmp_path)


def test_the_same_bundle_again_changes_nothing(folder: Path, tmp_path: Path) -> None:
    run_installer(folder, "--prefix", tmp_path)
    done = run_installer(folder, "--prefix", tmp_path, "--json")
    assert json.loads(done.stdout)["action"] == "already installed"
    assert len(list((tmp_path / "colors" / "versions").iterdir())) == 1


def test_a_version_damaged_on_the_disk_is_installed_again(folder: Path, tmp_path: Path) -> None:
    run_installer(folder, "--prefix", tmp_path)
    model = tmp_path / "colors" / "current" / "model" / "colors.tflite"
    model.write_bytes(model.read_bytes()[:-1] + b"\xff")
    assert json.loads(run_installer(folder, "--prefix", tmp_path, "--json").stdout)["action"] == (
        "installed"
    )
    assert answers(tmp_path)


def test_rollback_goes_back_and_forth(folder: Path, newer: Path, tmp_path: Path) -> None:
    first = json.loads(run_installer(folder, "--prefix", tmp_path, "--json").stdout)
    second = json.loads(run_installer(newer, "--prefix", tmp_path, "--json").stdout)
    assert second["previous"] == first["version"]
    back = json.loads(run_installer(newer, "--rollback", "--prefix", tmp_path, "--json").stdout)
    assert (back["action"], back["version"]) == ("rolled back", first["version"])
    assert answers(tmp_path)
    forth = json.loads(run_installer(newer, "--rollback", "--prefix", tmp_path, "--json").stdout)
    assert forth["version"] == second["version"]


def test_rollback_without_another_version(folder: Path, tmp_path: Path) -> None:
    run_installer(folder, "--prefix", tmp_path)
    refused(run_installer(folder, "--rollback", "--prefix", tmp_path), 3, "no other version")


def test_rollback_of_what_is_not_installed(folder: Path, tmp_path: Path) -> None:
    done = run_installer(folder, "--rollback", "--prefix", tmp_path)
    refused(done, 3, "nothing is installed there")


def test_two_versions_are_kept(folder: Path, newer: Path, tmp_path: Path) -> None:
    for which in (folder, newer, folder, newer):
        assert run_installer(which, "--prefix", tmp_path).returncode == 0
    record = listed(tmp_path, folder)
    versions = record["versions"]
    assert isinstance(versions, list)
    assert [entry["version"][:4] for entry in versions] == ["0003", "0004"]
    assert record["version"] == versions[1]["version"]


def test_uninstall(folder: Path, tmp_path: Path) -> None:
    run_installer(folder, "--prefix", tmp_path)
    assert run_installer(folder, "--uninstall", "--prefix", tmp_path).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_versions_are_ordered_by_their_counter(tmp_path: Path) -> None:
    place = Place(tmp_path, "colors")
    for name in ("0010-" + "a" * 12, "0009-" + "b" * 12, "10000-" + "c" * 12, "notes"):
        (place.versions / name).mkdir(parents=True)
    os.utime(place.versions / ("0009-" + "b" * 12), (0, 0))  # clocks say nothing
    assert [name[:5] for name in place.installed()] == ["0009-", "0010-", "10000"]
    assert place.next_name("d" * 12).startswith("10001-")


def test_an_older_version_is_found_beyond_ten_thousand(tmp_path: Path) -> None:
    place = Place(tmp_path, "colors")
    for name in ("9999-" + "a" * 12, "10000-" + "b" * 12):
        (place.versions / name).mkdir(parents=True)
    place.point("current", "10000-" + "b" * 12)
    assert place.other() == "9999-" + "a" * 12


def test_two_installs_at_once(folder: Path, tmp_path: Path) -> None:
    place = Place(tmp_path, "colors")
    with place.locked():
        refused(run_installer(folder, "--prefix", tmp_path), 5, "another install")
    assert run_installer(folder, "--prefix", tmp_path).returncode == 0


def test_check_installs_nothing(made: Bundle, folder: Path, tmp_path: Path) -> None:
    done = run_installer(folder, made.path, "--check", "--prefix", tmp_path / "p")
    assert done.returncode == 0
    assert not (tmp_path / "p").exists()


def test_the_manifest_is_enough_to_ask_whether_it_fits(folder: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.mkdir()
    for name in ("install.py", "manifest.json", "manifest.sha256"):
        (part / name).write_bytes((folder / name).read_bytes())
    shutil.copytree(folder / "installer", part / "installer")
    done = run_installer(part, "--fits", "--prefix", tmp_path / "p")
    assert (done.returncode, done.stdout) == (0, "colors: fits this device\n")
    refused(run_installer(part, "--check"), 6, "is missing from the bundle")
    text = (part / "manifest.json").read_text()
    target = json.loads(text)["target"]["machine"]
    text = text.replace(f'"machine": "{target}"', '"machine": "riscv64"')
    (part / "manifest.json").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    (part / "manifest.sha256").write_text(f"{digest}  manifest.json\n")
    refused(run_installer(part, "--fits"), 5, "riscv64")
    assert not (tmp_path / "p").exists()


def test_nothing_depends_on_the_clock(folder: Path, newer: Path, tmp_path: Path) -> None:
    """On a device without a clock every file and folder is of 1970."""
    for which in (folder, newer):
        assert run_installer(which, "--prefix", tmp_path).returncode == 0
        for path in [tmp_path, *tmp_path.rglob("*")]:
            os.utime(path, (0, 0), follow_symlinks=False)
    record = json.loads(run_installer(folder, "--rollback", "--prefix", tmp_path, "--json").stdout)
    assert record["version"].startswith("0001-")
    assert answers(tmp_path)
