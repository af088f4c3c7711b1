"""The installer finds whatever is wrong in a bundle, and leaves what was there."""

from __future__ import annotations

import random
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from small_bundle import (
    Member,
    answers,
    changed,
    run_installer,
    with_manifest,
)

from edge_deploy.bundle_files.installer.bundle_reading import check_bundle, check_name
from edge_deploy.bundle_files.installer.refusal import Refusal
from edge_deploy.bundles.bundling import Bundle

from .refusals import left_over, listed, refused


def flip(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :]


def test_a_flipped_byte_anywhere_is_found(made: Bundle, tmp_path: Path) -> None:
    data = made.path.read_bytes()
    damaged = tmp_path / "damaged.tar.gz"
    # Bytes 4 to 9 of a gzip file are its date and system, which mean nothing.
    positions = [0, 2, 3, 10, len(data) - 1, len(data) - 5]
    positions += random.Random(3).sample(range(10, len(data)), 60)
    for position in positions:
        damaged.write_bytes(flip(data, position))
        with pytest.raises(Refusal) as caught:
            check_bundle(damaged)
        assert caught.value.code == 6, position


def test_an_archive_damaged_anywhere_installs_nothing(
    made: Bundle, folder: Path, newer: Path, tmp_path: Path
) -> None:
    """Also where every file in it is whole, and only the checksum at the end is not."""
    prefix = tmp_path / "prefix"
    run_installer(newer, "--prefix", prefix)
    before = listed(prefix, newer)
    data = made.path.read_bytes()
    damaged = tmp_path / "damaged.tar.gz"
    size = len(data)
    for position in (1, 3, 40, size // 3, size // 2, size - 2000, size - 8, size - 3, size - 1):
        damaged.write_bytes(flip(data, position))
        refused(run_installer(folder, damaged, "--prefix", prefix), 6)
    damaged.write_bytes(data[: size - 4])
    refused(run_installer(folder, damaged, "--prefix", prefix), 6)
    assert listed(prefix, newer) == before
    assert left_over(prefix) == []


def test_a_bundle_cut_short_anywhere_is_found(made: Bundle, tmp_path: Path) -> None:
    data = made.path.read_bytes()
    damaged = tmp_path / "damaged.tar.gz"
    for length in [0, 1, 9, 100, len(data) // 2, len(data) - 9, len(data) - 1]:
        damaged.write_bytes(data[:length])
        with pytest.raises(Refusal) as caught:
            check_bundle(damaged)
        assert caught.value.code == 6, length


def test_something_behind_the_bundle_is_found(made: Bundle, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tar.gz"
    damaged.write_bytes(made.path.read_bytes() + b"more")
    with pytest.raises(Refusal, match="damaged"):
        check_bundle(damaged)


def test_a_flipped_byte_in_the_unpacked_folder(
    made: Bundle, folder: Path, newer: Path, tmp_path: Path
) -> None:
    run_installer(newer, "--prefix", tmp_path / "prefix")
    before = listed(tmp_path / "prefix", newer)
    for name in made.manifest["files"]:
        if name.startswith(("golden", "model", "site", "bin", "service", "runner/edge_deploy_r")):
            copy = tmp_path / "copy"
            shutil.copytree(folder, copy)
            path = copy / name
            data = path.read_bytes()
            path.write_bytes(flip(data, len(data) // 2) if data else b"x")
            with pytest.raises(Refusal, match="damaged"):
                check_bundle(copy)
            shutil.rmtree(copy)
    assert listed(tmp_path / "prefix", newer) == before


def test_a_damaged_bundle_leaves_the_old_version(
    folder: Path, newer: Path, tmp_path: Path
) -> None:  # fmt: skip
    run_installer(newer, "--prefix", tmp_path / "prefix")
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    with (copy / "site" / "ballast" / "part4.bin").open("ab") as file:
        file.write(b"!")
    refused(run_installer(copy, "--prefix", tmp_path / "prefix"), 6, "part4.bin", "damaged")
    assert answers(tmp_path / "prefix")
    assert left_over(tmp_path / "prefix") == []


def added(name: str, data: bytes = b"evil", kind: bytes = tarfile.REGTYPE) -> Callable[..., object]:
    """A change that puts one more member at the end."""

    def change(members: list[Member]) -> list[Member]:
        info = tarfile.TarInfo(name)
        info.type = kind
        if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            info.linkname = "/etc/passwd"
        return [*members, (info, data)]

    return change


TOP = "colors-this-machine"


@pytest.mark.parametrize(
    "name",
    [
        f"{TOP}/../../evil", f"{TOP}/site/../../../evil", "/etc/evil", "../evil", f"{TOP}/./evil",
        f"{TOP}//evil", f"{TOP}/a\\..\\evil", "another/evil", "evil", f"{TOP}/unlisted",
        f"{TOP}/model/colors.tflite", f"{TOP}/manifest.json",
    ],
)  # fmt: skip
def test_a_member_that_does_not_belong(
    made: Bundle, folder: Path, tmp_path: Path, name: str
) -> None:  # fmt: skip
    evil = changed(made, tmp_path / "evil.tar.gz", added(name))  # type: ignore[arg-type]
    prefix = tmp_path / "deep" / "prefix"
    refused(run_installer(folder, evil, "--prefix", prefix), 6)
    assert [p for p in tmp_path.rglob("evil*") if p != evil] == []
    assert left_over(prefix) == []
    assert not (prefix / "colors" / "current").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
)
def test_a_member_that_is_no_plain_file(
    made: Bundle, folder: Path, tmp_path: Path, kind: bytes
) -> None:  # fmt: skip
    evil = changed(made, tmp_path / "evil.tar.gz", added(f"{TOP}/x", b"", kind))  # type: ignore[arg-type]
    refused(run_installer(folder, evil, "--prefix", tmp_path / "p"), 6, "no plain file")


def test_links_and_strangers_in_an_unpacked_folder(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "site" / "link").symlink_to("/etc/passwd")
    refused(run_installer(copy, "--prefix", tmp_path / "p"), 6, "no plain file")
    (copy / "site" / "link").unlink()
    (copy / "site" / "link").symlink_to("/etc")
    refused(run_installer(copy, "--prefix", tmp_path / "p"), 6, "no plain file")
    (copy / "site" / "link").unlink()
    (copy / "site" / "stranger.py").write_text("print('hello')")
    refused(run_installer(copy, "--prefix", tmp_path / "p"), 6, "stranger.py", "tampered")


@pytest.mark.parametrize(
    "edit",
    [
        lambda m: m["files"].pop("bin/edge-deploy-runner"),
        lambda m: m["files"].update({"ghost": m["files"]["README.txt"]}),
        lambda m: m["files"].update({"../ghost": m["files"]["README.txt"]}),
        lambda m: m["files"]["README.txt"].update(size_bytes=-1),
        lambda m: m["files"]["README.txt"].update(size_bytes=10**15),
        lambda m: m["files"]["README.txt"].update(size_bytes="1"),
        lambda m: m["files"]["README.txt"].update(sha256="0" * 64),
        lambda m: m["files"]["README.txt"].update(sha256=7),
        lambda m: m["files"]["README.txt"].update(mode=0o4755),
        lambda m: m.update(name="../up"),
        lambda m: m.update(name=""),
        lambda m: m.update(id="../../x"),
        lambda m: m.update(format="something else"),
        lambda m: m.update(version=99),
        lambda m: m.update(target={}),
        lambda m: m.update(files=[]),
        lambda m: m.update(system_packages=5),
        lambda m: m.update(system_packages=[{"module": "os; x", "package": "x", "below": None}]),
        lambda m: m.update(model={}),
        lambda m: m.clear(),
    ],
)
def test_a_manifest_that_lies(
    made: Bundle, folder: Path, tmp_path: Path, edit: Callable[[dict[str, object]], None]
) -> None:
    lie = with_manifest(made, tmp_path / "lie.tar.gz", edit)
    done = run_installer(folder, lie, "--prefix", tmp_path / "p")
    assert done.returncode in (6, 7), done.stderr  # 7: it claims more bytes than any disk has
    refused(done, done.returncode)
    assert left_over(tmp_path) == []


def test_names_that_stay_inside() -> None:
    assert check_name("site/numpy/__init__.py") == "site/numpy/__init__.py"
    for bad in ("", "/", "a/", "/a", "..", "a/..", "a//b", "a\\b", "a\0b", ".", "x" * 501):
        with pytest.raises(Refusal):
            check_name(bad)
