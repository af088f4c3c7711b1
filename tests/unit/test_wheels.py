"""The pinned wheels: fetched, checked, pruned, and packed the same way every time."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from edge_deploy_runner.errors import BadInputError, BundleError

from edge_deploy.bundles import wheels
from edge_deploy.bundles.targets import pi_target_names, read_target
from edge_deploy.bundles.wheels import (
    PinnedWheel,
    WheelPlatform,
    pinned_wheels,
    site_archive,
    unpack_wheel,
    wheels_for,
)

PLATFORM = WheelPlatform((3, 11), "aarch64")
FILES = {
    "numpy/__init__.py": b"pass",
    "numpy/core/_multiarray_umath.so": b"\x7fELF" * 100,
    "numpy/core/tests/test_core.py": b"assert False",
    "numpy/f2py/__init__.py": b"",
    "numpy/core/include/numpy/arrayobject.h": b"#include",
    "numpy.libs/libopenblas.so": b"\x7fELF",
    "numpy-1.26.4.dist-info/METADATA": b"Name: numpy",
    "numpy-1.26.4.dist-info/LICENSE.txt": b"BSD",
    "numpy-1.26.4.dist-info/RECORD": b"",
}


def make_wheel(files: dict[str, bytes], name: str = "numpy-1.26.4-py3-none-any.whl") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return stream.getvalue()


def pin(data: bytes, name: str = "numpy-1.26.4-py3-none-any.whl") -> PinnedWheel:
    digest = hashlib.sha256(data).hexdigest()
    return PinnedWheel("numpy", "1.26.4", PLATFORM, name, digest, len(data))


@pytest.fixture
def pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PinnedWheel:
    """One small wheel in place of the real ones, in the folder `wheels`; an empty cache."""
    data = make_wheel(FILES)
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "numpy-1.26.4-py3-none-any.whl").write_bytes(data)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    wheel = pin(data)
    monkeypatch.setattr(wheels, "pinned_wheels", lambda: (wheel,))
    return wheel


def test_every_target_has_pins_that_fit() -> None:
    assert pi_target_names() == ("rpi-bookworm", "rpi-bookworm-armv7", "rpi-trixie")
    for name in pi_target_names():
        target = read_target(name)
        packages = {wheel.package: wheel for wheel in wheels_for(target.platform)}
        for wheel in packages.values():
            tag = "cp{}{}".format(*target.platform.python)
            assert tag in wheel.file
            assert target.platform.machine in wheel.file
        if target.platform.machine == "armv7l":
            assert set(packages) == {"tflite-runtime"}
            assert {p.module for p in target.system_packages} == {"numpy", "PIL"}
        else:
            assert set(packages) == {"ai-edge-litert", "numpy", "pillow"}
            assert target.system_packages == ()


def test_bookworm_has_numpy_1() -> None:
    """picamera2 of that system breaks with numpy 2."""
    packages = {w.package: w.version for w in wheels_for(read_target("rpi-bookworm").platform)}
    assert packages["numpy"].startswith("1.")


def test_glibc_is_the_newest_that_a_wheel_needs() -> None:
    assert read_target("rpi-bookworm").glibc == "2.27"
    assert read_target("rpi-bookworm-armv7").glibc == "2.34"


def test_profiling_over_ssh_has_wheels_for_every_python() -> None:
    for minor in (10, 11, 12, 13):
        assert wheels_for(WheelPlatform((3, minor), "aarch64"))


def test_an_unknown_platform_lists_the_known_ones() -> None:
    with pytest.raises(BadInputError, match=r"Python 3.9 on aarch64; there are for .*3.11 on"):
        wheels_for(WheelPlatform((3, 9), "aarch64"))


def test_pins_are_whole() -> None:
    for wheel in pinned_wheels():
        assert len(wheel.sha256) == 64
        assert wheel.size_bytes > (1_000_000 if wheel.platform else 10_000)
        assert wheel.file.endswith(".whl")


def test_paho_mqtt_runs_on_every_platform() -> None:
    for name in pi_target_names():
        platform = read_target(name).platform
        pins = wheels_for(platform, extra=("paho-mqtt",))
        assert pins[:-1] == wheels_for(platform)
        assert pins[-1].package == "paho-mqtt"
        assert pins[-1].file.endswith("-py3-none-any.whl")


def test_an_extra_package_is_an_archive_of_its_own(
    pinned: PinnedWheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = "paho_mqtt-2.1.0-py3-none-any.whl"
    data = make_wheel({"paho/mqtt/client.py": b"", "paho/mqtt/tests/test_x.py": b""})
    digest = hashlib.sha256(data).hexdigest()
    extra = PinnedWheel("paho-mqtt", "2.1.0", None, file, digest, len(data))
    monkeypatch.setattr(wheels, "pinned_wheels", lambda: (pinned, extra))
    folder = tmp_path / "wheels"
    plain = site_archive(PLATFORM, wheels=folder)
    with pytest.raises(BadInputError, match=f"no readable {file}"):
        site_archive(PLATFORM, wheels=folder, extra=("paho-mqtt",))
    (folder / file).write_bytes(data)
    both = site_archive(PLATFORM, wheels=folder, extra=("paho-mqtt",))
    assert both.packages == {"numpy": "1.26.4", "paho-mqtt": "2.1.0"}
    assert both.path != plain.path
    with tarfile.open(both.path) as archive:
        assert "paho/mqtt/client.py" in archive.getnames()
    assert site_archive(PLATFORM) == plain  # from the cache, as before


def test_tests_and_headers_go_and_licences_stay(pinned: PinnedWheel) -> None:
    names = {entry.name for entry in unpack_wheel(pinned, make_wheel(FILES))}
    assert names == {
        "numpy/__init__.py",
        "numpy/core/_multiarray_umath.so",
        "numpy.libs/libopenblas.so",
        "numpy-1.26.4.dist-info/METADATA",
        "numpy-1.26.4.dist-info/LICENSE.txt",
    }


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil", "numpy/../../evil.py", "a\\..\\b.py"])
def test_a_wheel_that_leaves_its_folder(name: str) -> None:
    with pytest.raises(BundleError, match="leaves its folder"):
        unpack_wheel(pin(b""), make_wheel({name: b""}))


def test_a_link_in_a_wheel() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("numpy/link.py")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(BundleError, match="leaves its folder"):
        unpack_wheel(pin(b""), stream.getvalue())


def test_a_damaged_wheel() -> None:
    with pytest.raises(BundleError, match="damaged"):
        unpack_wheel(pin(b""), make_wheel(FILES)[:-30])


def test_an_archive_is_the_same_every_time(pinned: PinnedWheel, tmp_path: Path) -> None:
    first = site_archive(PLATFORM, wheels=tmp_path / "wheels")
    data = first.path.read_bytes()
    for path in first.path.parent.iterdir():
        path.unlink()
    again = site_archive(PLATFORM, wheels=tmp_path / "wheels")
    assert again.path.read_bytes() == data
    assert again == first
    assert first.sha256 == hashlib.sha256(data).hexdigest()
    assert first.packages == {"numpy": "1.26.4"}
    with tarfile.open(first.path) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(m.mtime, m.uid, m.uname, m.mode) for m in members} == {(0, 0, "", 0o644)}
    assert first.installed_bytes == sum(member.size for member in members)


def test_the_cache_needs_neither_wheels_nor_network(
    pinned: PinnedWheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = site_archive(PLATFORM, wheels=tmp_path / "wheels")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert site_archive(PLATFORM) == first


def test_a_damaged_cache_is_made_again(pinned: PinnedWheel, tmp_path: Path) -> None:
    first = site_archive(PLATFORM, wheels=tmp_path / "wheels")
    whole = first.path.read_bytes()
    first.path.write_bytes(whole[:-1] + b"\0")
    assert site_archive(PLATFORM, wheels=tmp_path / "wheels") == first
    assert first.path.read_bytes() == whole


def test_another_wheel_than_the_pinned_one(pinned: PinnedWheel, tmp_path: Path) -> None:
    (tmp_path / "wheels" / pinned.file).write_bytes(make_wheel({"numpy/evil.py": b""}))
    with pytest.raises(BundleError, match="not the wheel that is pinned"):
        site_archive(PLATFORM, wheels=tmp_path / "wheels")


def test_a_folder_without_the_wheel(pinned: PinnedWheel, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"no readable numpy-1.26.4.*--wheels"):
        site_archive(PLATFORM, wheels=tmp_path)


def test_without_network_and_cache(pinned: PinnedWheel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real pip that may ask nobody."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(BadInputError, match=r"pip could not fetch numpy 1.26.4 .*--wheels"):
        site_archive(PLATFORM)
