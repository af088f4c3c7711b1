"""The installer that travels in a bundle, run as a user on a device runs it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_bundle import (
    Member,
    answers,
    changed,
    installer_command,
    kill,
    run_installer,
    small_bundle,
    small_site,
    unpacked,
    with_manifest,
)
from small_models_photo import write_model

from edge_deploy.bundle_files.installer import device_checks
from edge_deploy.bundle_files.installer.bundle_reading import check_bundle, check_name
from edge_deploy.bundle_files.installer.device_checks import check_device
from edge_deploy.bundle_files.installer.place import Place
from edge_deploy.bundle_files.installer.refusal import Refusal
from edge_deploy.bundles.bundling import Bundle


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle for this machine."""
    return small_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def folder(made: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, unpacked."""
    return unpacked(made, tmp_path_factory.mktemp("unpacked"))


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another version of it, unpacked."""
    where = tmp_path_factory.mktemp("newer")
    return unpacked(small_bundle(where, site=small_site(where, 200_000)), where / "unpacked")


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> str:
    """The one sentence of a refusal."""
    assert done.returncode == code, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    for word in words:
        assert word in line
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return line


def listed(prefix: Path, folder: Path) -> dict[str, object]:
    record: dict[str, object] = json.loads(
        run_installer(folder, "--list", "--json", "--prefix", prefix).stdout
    )
    return record


def left_over(prefix: Path) -> list[Path]:
    return list(prefix.rglob(".partial-*"))


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


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("machine", "riscv64", "riscv64"),
        ("python", "3.99", "Python 3.99"),
        ("glibc", "9.99", "glibc 9.99"),
    ],
)
def test_another_device(
    made: Bundle, folder: Path, tmp_path: Path, key: str, value: str, words: str
) -> None:
    other = with_manifest(made, tmp_path / "o.tar.gz", lambda m: m["target"].update({key: value}))
    refused(run_installer(folder, other, "--prefix", tmp_path / "p"), 5, words)
    assert not (tmp_path / "p").exists()


def test_armv6_is_told_why(made: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_checks.platform, "machine", lambda: "armv6l")
    with pytest.raises(Refusal, match="Pi Zero") as caught:
        check_device(made.manifest)
    assert caught.value.code == 5


def test_a_32_bit_system_on_a_64_bit_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_checks.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(device_checks.struct, "calcsize", lambda _: 4)
    assert device_checks.machine() == "armv7l"


def test_a_module_that_the_system_has_to_bring(made: Bundle, folder: Path, tmp_path: Path) -> None:
    def ask(module: str, below: int | None) -> Path:
        wanted = [{"module": module, "package": f"python3-{module}", "below": below}]
        return with_manifest(
            made, tmp_path / "m.tar.gz", lambda m: m.update(system_packages=wanted)
        )

    missing = run_installer(folder, ask("no_such_module", None), "--prefix", tmp_path / "p")
    refused(missing, 5, "apt install python3-no_such_module")
    refused(run_installer(folder, ask("numpy", 1), "--prefix", tmp_path / "p"), 5, "below 1")
    assert run_installer(folder, ask("numpy", 99), "--prefix", tmp_path / "p").returncode == 0


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


def test_two_installs_at_once(folder: Path, tmp_path: Path) -> None:
    place = Place(tmp_path, "colors")
    with place.locked():
        refused(run_installer(folder, "--prefix", tmp_path), 5, "another install")
    assert run_installer(folder, "--prefix", tmp_path).returncode == 0


def test_a_folder_that_may_not_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(run_installer(folder, "--prefix", tmp_path / "file"), 7, "cannot write")


def test_no_bundle_there(folder: Path, tmp_path: Path) -> None:
    refused(run_installer(folder, tmp_path / "none.tar.gz"), 3, "no bundle")
    refused(run_installer(folder, tmp_path), 3, "no unpacked bundle")
    (tmp_path / "text.tar.gz").write_text("hello")
    refused(run_installer(folder, tmp_path / "text.tar.gz"), 6, "damaged")


def test_check_installs_nothing(made: Bundle, folder: Path, tmp_path: Path) -> None:
    done = run_installer(folder, made.path, "--check", "--prefix", tmp_path / "p")
    assert done.returncode == 0
    assert not (tmp_path / "p").exists()


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


def test_the_installer_needs_no_more_than_python_3_9() -> None:
    """Its syntax, and no module beyond the standard library."""
    import ast

    import edge_deploy

    root = Path(edge_deploy.__file__).parent / "bundle_files"
    files = [root / "install.py", root / "edge-deploy-runner", *(root / "installer").glob("*.py")]
    assert len(files) > 8
    for path in files:
        tree = ast.parse(path.read_text(), feature_version=(3, 9))
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            for name in names:
                top = name.split(".", maxsplit=1)[0]
                known = {"installer", "edge_deploy_runner"}
                assert top in sys.stdlib_module_names or top in known, (path, name)


def test_nothing_depends_on_the_clock(folder: Path, newer: Path, tmp_path: Path) -> None:
    """On a device without a clock every file and folder is of 1970."""
    for which in (folder, newer):
        assert run_installer(which, "--prefix", tmp_path).returncode == 0
        for path in [tmp_path, *tmp_path.rglob("*")]:
            os.utime(path, (0, 0), follow_symlinks=False)
    record = json.loads(run_installer(folder, "--rollback", "--prefix", tmp_path, "--json").stdout)
    assert record["version"].startswith("0001-")
    assert answers(tmp_path)
