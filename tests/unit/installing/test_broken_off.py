"""The installer broken off by a failed selftest, a full disk, a signal, a power cut."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from small_bundle import (
    answers,
    installer_command,
    kill,
    run_installer,
    small_bundle,
    small_site,
    unpacked,
)
from small_models_photo import write_model

from edge_deploy.bundle_files.installer.place import Place

from .refusals import left_over, listed, refused


def test_a_failed_selftest_leaves_the_old_version(folder: Path, tmp_path: Path) -> None:
    """Another model under the same golden outputs, with a manifest that vouches for it."""
    prefix = tmp_path / "prefix"
    run_installer(folder, "--prefix", prefix)
    before = listed(prefix, folder)
    where = tmp_path / "wrong"
    where.mkdir()
    made = small_bundle(where, model=write_model(where, "colors.tflite", size=(16, 16)))
    other = unpacked(made, where / "unpacked")
    golden = other / "golden" / "reference-1-1.npy"
    data = golden.read_bytes()
    golden.write_bytes(data[:-4] + bytes(255 - byte for byte in data[-4:]))
    manifest = json.loads((other / "manifest.json").read_text())
    import hashlib

    manifest["files"]["golden/reference-1-1.npy"]["sha256"] = hashlib.sha256(
        golden.read_bytes()
    ).hexdigest()
    text = json.dumps(manifest)
    (other / "manifest.json").write_text(text)
    (other / "manifest.sha256").write_text(hashlib.sha256(text.encode()).hexdigest())
    refused(run_installer(other, "--prefix", prefix), 6, "self-test failed", "reference kernels")
    assert listed(prefix, folder) == before
    assert left_over(prefix) == []
    assert answers(prefix)


@contextlib.contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own; the test is skipped where none may be mounted."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode != 0:
        from conftest import skip_or_fail

        skip_or_fail("emulated", "a small file system cannot be mounted here (root can)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_without_room_is_refused_before(folder: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=4m") as disk:
        line = refused(run_installer(folder, "--prefix", disk), 7, "disk is full", "needs")
        assert "MB free" in line


def test_a_disk_that_is_full_in_the_middle(folder: Path, newer: Path, tmp_path: Path) -> None:
    """It has the bytes, and no room for so many files: that shows only when they are written."""
    with small_disk(tmp_path / "disk", "size=100m,nr_inodes=400") as disk:
        assert run_installer(folder, "--prefix", disk).returncode == 0
        left = os.statvfs(disk).f_favail
        for number in range(left - 60):
            (disk / f"other{number}").touch()
        refused(run_installer(newer, "--prefix", disk), 7, "disk is full", "no more files")
        assert left_over(disk) == []
        assert answers(disk)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_killed_at_any_moment_the_old_version_answers(folder: Path, tmp_path: Path) -> None:
    """kill -9 at many moments; what stands is whole, and the next install clears up."""
    made = small_bundle(tmp_path / "b", site=small_site(_made(tmp_path / "s"), 20_000_000, 300))
    big = unpacked(made, tmp_path / "u")
    prefix = tmp_path / "prefix"
    run_installer(folder, "--prefix", prefix)
    begun = time.monotonic()
    run_installer(big, "--prefix", tmp_path / "scratch")
    whole_s = time.monotonic() - begun
    left = 0
    for number in range(12):
        process = subprocess.Popen(
            installer_command(big, "--prefix", prefix),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        time.sleep(whole_s * (0.15 + 0.08 * number))
        kill(process)
        left += bool(left_over(prefix))
        assert answers(prefix), number
    assert left > 0  # some were caught in the middle
    done = run_installer(big, "--prefix", prefix)
    assert done.returncode == 0
    assert left_over(prefix) == []
    assert answers(prefix)


def test_a_power_cut_between_the_two_links(folder: Path, newer: Path, tmp_path: Path) -> None:
    """`previous` was set to the version that still runs: a rollback then finds the older one."""
    for which in (folder, newer):
        run_installer(which, "--prefix", tmp_path)
    place = Place(tmp_path, "colors")
    current = place.linked("current")
    assert current is not None
    place.point("previous", current)
    done = json.loads(run_installer(folder, "--rollback", "--prefix", tmp_path, "--json").stdout)
    assert done["version"].startswith("0001-")


def test_a_power_cut_inside_a_second_rollback(folder: Path, newer: Path, tmp_path: Path) -> None:
    """The older version runs, and `previous` names it too: the newer one is the way back."""
    for which in (folder, newer):
        run_installer(which, "--prefix", tmp_path)
    run_installer(folder, "--rollback", "--prefix", tmp_path)
    place = Place(tmp_path, "colors")
    current = place.linked("current")
    assert current is not None
    assert current.startswith("0001-")
    place.point("previous", current)
    done = json.loads(run_installer(folder, "--rollback", "--prefix", tmp_path, "--json").stdout)
    assert done["version"].startswith("0002-")


def test_interrupting_is_polite(tmp_path: Path, folder: Path) -> None:
    made = small_bundle(tmp_path / "b", site=small_site(_made(tmp_path / "s"), 60_000_000, 3000))
    big = unpacked(made, tmp_path / "u")
    prefix = tmp_path / "prefix"
    process = subprocess.Popen(
        installer_command(big, "--prefix", prefix), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "copying" in process.stderr.readline()
    process.terminate()
    _, said = process.communicate()
    assert process.returncode == 130, said
    assert "still runs" in said
    assert left_over(prefix) == []


def test_it_ends_with_whoever_holds_its_input(tmp_path: Path, folder: Path) -> None:
    """Over ssh that is all it learns of a Ctrl-C at the other end."""
    made = small_bundle(tmp_path / "b", site=small_site(_made(tmp_path / "s"), 60_000_000, 3000))
    big = unpacked(made, tmp_path / "u")
    prefix = tmp_path / "prefix"
    process = subprocess.Popen(
        [*installer_command(big, "--prefix", prefix), "--ends-with-stdin"],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert "copying" in process.stderr.readline()
    _, said = process.communicate()  # closes its input
    assert process.returncode == 130, said
    assert left_over(prefix) == []
    assert not (prefix / "colors" / "current").exists()
