"""`bundle` and `install` as commands: exit codes, a device over ssh, and the real packages."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from conftest import ASSETS, edge_deploy, skip_or_fail
from edge_deploy_runner.errors import (
    BadInputError,
    BundleError,
    DeviceError,
    UsageError,
)
from golden_keys import check_golden
from small_bundle import HERE, Member, answers, changed, small_bundle, small_site, unpacked
from small_models_photo import write_model
from sshd import Sshd, sshd_server  # noqa: F401 - a fixture

from edge_deploy.bundles import installing
from edge_deploy.bundles.bundling import bundle
from edge_deploy.bundles.installing import install
from edge_deploy.bundles.reproducible_tar import Entry, write_tar_gz
from edge_deploy.bundles.targets import BundleTarget, target_names
from edge_deploy.bundles.wheels import SiteArchive, WheelPlatform, site_archive
from edge_deploy.remote import ssh

# What a bundle may take without its model, on the way and on the device.
LARGEST_BUNDLE, LARGEST_INSTALLED = 35_000_000, 85_000_000
SYSTEM_PYTHON = Path("/usr/bin/python3")


def error_of(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert done.returncode == code, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert done.stdout == ""
    return line


def test_bad_input_has_its_exit_code(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    target = ["--target", "rpi-bookworm", "-o", out]
    assert "rpi-trixie" in error_of(edge_deploy("bundle", model, "--target", "x", "-o", out), 2)
    error_of(edge_deploy("bundle", tmp_path / "none.tflite", *target), 3)
    error_of(edge_deploy("bundle", model, *target, "--service", tmp_path / "none.toml"), 3)
    error_of(edge_deploy("bundle", model, *target, "--verdict", tmp_path / "none.json"), 3)
    error_of(edge_deploy("bundle", model, *target, "--wheels", tmp_path), 3)
    error_of(edge_deploy("bundle", model, *target[:3], tmp_path / "bundle.zip"), 7)
    (tmp_path / "there.tar.gz").touch()
    error_of(edge_deploy("bundle", model, *target[:3], tmp_path / "there.tar.gz"), 7)
    assert list(out.iterdir()) == []


def test_a_verdict_that_failed_is_a_gate(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    budget = tmp_path / "budget.toml"
    budget.write_text('[limits]\nsize = "1 B"\n')
    profiled = edge_deploy(
        "profile", model, "--runs", "3", "--seconds", "0.01", "-o", tmp_path / "m.json"
    )
    assert profiled.returncode == 0, profiled.stderr
    judged = edge_deploy("judge", tmp_path / "m.json", "--budget", budget, "--json")
    assert judged.returncode == 1
    (tmp_path / "verdict.json").write_text(judged.stdout)
    done = edge_deploy("bundle", model, "--target", "rpi-bookworm", "-o", tmp_path,
                       "--verdict", tmp_path / "verdict.json")  # fmt: skip
    assert "size fail" in error_of(done, 1)
    assert list(tmp_path.glob("*.tar.gz")) == []


def test_dynamic_models_are_refused_for_32_bit(digits_models: Path, tmp_path: Path) -> None:
    model = digits_models / "digits_mobilenet_v2_dynamic.tflite"
    done = edge_deploy("bundle", model, "--target", "rpi-bookworm-armv7", "-o", tmp_path)
    assert "-r int8" in error_of(done, 3)


def test_install_on_this_machine_and_back(server: Sshd, tmp_path: Path) -> None:
    """Over a real ssh connection, with the commands a user types."""
    first = small_bundle(tmp_path / "a")
    second = small_bundle(tmp_path / "b", site=_ballast(tmp_path, 200_000))
    prefix = tmp_path / "opt"
    options = ["--device", server.url, "--prefix", prefix, "--no-service"]
    environment = server.client_environment()
    done = edge_deploy("install", first.path, *options, "--json", env=environment)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["device"], record["action"]) == (server.url, "installed")
    assert record["selftest"]["passed"] is True
    check_golden("install_keys.json", record)
    assert answers(prefix)
    done = edge_deploy("install", second.path, *options, env=environment)
    assert done.returncode == 0, done.stderr
    assert "0002-" in done.stdout
    done = edge_deploy("install", second.path, *options, "--rollback", "--json", env=environment)
    assert json.loads(done.stdout)["version"] == record["version"]
    assert answers(prefix)
    cache = server.home / ".cache" / "edge-deploy" / "bundles"
    assert list(cache.glob("*.tar.gz")) == []  # installed, so of no more use


def test_a_broken_connection_is_taken_up_again(server: Sshd, tmp_path: Path) -> None:
    made = small_bundle(tmp_path / "a", site=_ballast(tmp_path, 12_000_000))
    cut = False

    def cut_once(stage: str, done: int, total: int) -> None:
        nonlocal cut
        if stage.startswith("pushing") and total > 5_000_000 and done > total / 2 and not cut:
            cut = True
            server.cut()

    settings = {"prefix": str(tmp_path / "opt"), "with_service": False}
    with pytest.raises(DeviceError):
        install(made.path, server.url, on_progress=cut_once, **settings)  # type: ignore[arg-type]
    assert cut
    begun: list[int] = []

    def note(stage: str, done: int, total: int) -> None:
        if stage.startswith("pushing") and total > 5_000_000:
            begun.append(done)

    installed = install(made.path, server.url, on_progress=note, **settings)  # type: ignore[arg-type]
    assert installed.record["action"] == "installed"
    assert begun[0] > 0  # it did not begin again
    assert answers(tmp_path / "opt")


def test_a_bundle_is_hashed_once_on_its_way(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = small_bundle(tmp_path)
    hashed: list[Path] = []

    def note(path: Path) -> str:
        hashed.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(installing, "_sha256", note)
    monkeypatch.setattr(ssh, "_file_sha256", note)
    install(made.path, server.url, prefix=str(tmp_path / "opt"), with_service=False)
    assert hashed == [made.path]


def test_a_damaged_bundle_is_not_pushed(server: Sshd, tmp_path: Path) -> None:
    made = small_bundle(tmp_path)
    data = bytearray(made.path.read_bytes())
    data[len(data) // 2] ^= 1
    made.path.write_bytes(data)
    done = edge_deploy("install", made.path, "--device", server.url,
                       env=server.client_environment())  # fmt: skip
    assert "copy" in error_of(done, 6)
    assert not (server.home / ".cache").exists()


def test_what_the_device_refuses_comes_back(server: Sshd, tmp_path: Path) -> None:
    other = BundleTarget("another", "another system", WheelPlatform((3, 13), "aarch64"))
    made = small_bundle(tmp_path, target=other)
    stages: list[str] = []
    with pytest.raises(DeviceError, match="this device is"):
        install(
            made.path, server.url, prefix=str(tmp_path / "opt"), with_service=False,
            on_progress=lambda stage, done, total: stages.append(stage),
        )  # fmt: skip
    assert stages == ["checking the bundle"]  # it was refused before it was pushed
    cache = server.home / ".cache" / "edge-deploy" / "bundles"
    assert [path.name for path in cache.iterdir() if "installer" not in path.name] == []
    made = small_bundle(tmp_path)
    with pytest.raises(BadInputError, match="nothing is installed there"):
        install(made.path, server.url, prefix=str(tmp_path / "opt"), rollback=True)


def test_an_older_installer_refuses_once_the_bundle_is_there(server: Sshd, tmp_path: Path) -> None:
    """One that does not know the question; what fits installs with it as ever."""

    def older(members: list[Member]) -> list[Member]:
        record, name = json.loads(members[0][1]), "installer/command.py"
        old = [
            (info, data.replace(b"fits", b"later") if info.name.endswith(name) else data)
            for info, data in members
        ]
        (data,) = [data for info, data in old if info.name.endswith(name)]
        record["files"][name] |= {
            "sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data),
        }  # fmt: skip
        text = json.dumps(record).encode()
        sums = f"{hashlib.sha256(text).hexdigest()}  manifest.json\n".encode()
        return [(old[0][0], text), (old[1][0], sums), *old[2:]]

    settings = {"prefix": str(tmp_path / "opt"), "with_service": False}
    made = changed(small_bundle(tmp_path / "a"), tmp_path / "a.tar.gz", older)
    assert install(made, server.url, **settings).record["action"] == "installed"  # type: ignore[arg-type]
    target = BundleTarget("another", "another system", WheelPlatform((3, 13), "aarch64"))
    other = changed(small_bundle(tmp_path / "b", target=target), tmp_path / "b.tar.gz", older)
    stages: list[str] = []
    with pytest.raises(DeviceError, match="this device is"):
        install(
            other, server.url, **settings,  # type: ignore[arg-type]
            on_progress=lambda stage, done, total: stages.append(stage),
        )  # fmt: skip
    assert any(stage.startswith("pushing") for stage in stages)


def test_what_earlier_installs_left_is_cleared(server: Sshd, tmp_path: Path) -> None:
    """But neither what is new and may be another's, nor the half of this very bundle."""
    made = small_bundle(tmp_path / "a")
    cache = server.home / ".cache" / "edge-deploy" / "bundles"
    (cache / "installer-0123456789abcdef" / "installer").mkdir(parents=True)
    (cache / "installer-0123456789abcdef" / "install.py").touch()
    (cache / "old.tar.gz.partial").touch()
    for path in cache.iterdir():
        os.utime(path, (0, 0))
    (cache / "new.tar.gz.partial").touch()
    settings = {"prefix": str(tmp_path / "opt"), "with_service": False}
    install(made.path, server.url, **settings)  # type: ignore[arg-type]
    (installer,) = [path for path in cache.iterdir() if path.is_dir()]
    assert installer.name != "installer-0123456789abcdef"
    assert [path.name for path in cache.iterdir() if path.is_file()] == ["new.tar.gz.partial"]


def test_where_bundles_can_go(tmp_path: Path) -> None:
    made = small_bundle(tmp_path)
    with pytest.raises(UsageError, match="ssh://USER@HOST"):
        install(made.path, "android")
    with pytest.raises(BadInputError, match="no bundle"):
        install(tmp_path / "none.tar.gz", "local")
    with pytest.raises(BadInputError, match="folder"):
        install(tmp_path, "local")
    (tmp_path / "x.tar.gz").write_bytes(b"no bundle")
    with pytest.raises(BundleError):
        install(tmp_path / "x.tar.gz", "local")


def _ballast(folder: Path, size_bytes: int) -> SiteArchive:
    """Packages that gzip cannot make smaller."""
    path = folder / "ballast.tar.gz"
    with path.open("wb") as stream:
        write_tar_gz(stream, [Entry("ballast/random.bin", os.urandom(size_bytes))])
    return SiteArchive(path, "", {}, size_bytes)


@pytest.fixture(scope="module")
def pi_bundle(digits_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for a Pi with the real packages, built twice."""
    folder = tmp_path_factory.mktemp("pi")
    for name in ("a", "b"):
        (folder / name).mkdir()
        done = edge_deploy("bundle", digits_models / "digits_mobilenet_v2_int8.tflite",
                           "--target", "rpi-bookworm", "-o", folder / name)  # fmt: skip
        if done.returncode == 3 and "pip could not fetch" in done.stderr:
            skip_or_fail("network", done.stderr)
        assert done.returncode == 0, done.stderr
    return folder


def test_two_builds_for_a_pi_are_the_same(pi_bundle: Path) -> None:
    (one,), (other,) = (list((pi_bundle / name).iterdir()) for name in ("a", "b"))
    assert one.name == other.name == "digits_mobilenet_v2_int8-rpi-bookworm.tar.gz"
    assert one.read_bytes() == other.read_bytes()


def test_a_bundle_for_a_pi_is_small(pi_bundle: Path) -> None:
    (path,) = (pi_bundle / "a").iterdir()
    assert path.stat().st_size <= LARGEST_BUNDLE
    with tarfile.open(path) as archive:
        sizes = {member.name.partition("/")[2]: member.size for member in archive}
    assert sum(sizes.values()) <= LARGEST_INSTALLED
    for package in ("numpy", "pillow", "ai_edge_litert"):
        licences = [name for name in sizes if package in name and "LICENSE" in name.upper()]
        assert licences, package
    assert not [name for name in sizes if "/tests/" in name or "WebGpu" in name]


def test_the_pruned_packages_are_enough(tmp_path: Path) -> None:
    """The system's own Python, with nothing but what the bundle brings: as on a Pi."""
    asked = subprocess.run(
        [SYSTEM_PYTHON, "-c", "import sys; print(*sys.version_info[:2])"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if asked.returncode != 0:
        skip_or_fail("network", f"{SYSTEM_PYTHON} is not there")
    major, minor = map(int, asked.stdout.split())
    here = WheelPlatform((major, minor), platform.machine())
    try:
        site = site_archive(here)
    except BadInputError as error:
        skip_or_fail("network", str(error))
    target = BundleTarget("system", "this system", here)
    made = bundle(write_model(tmp_path), target, tmp_path, name="colors", site=site)
    folder = unpacked(made, tmp_path / "u")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [SYSTEM_PYTHON, "-S", folder / "install.py", "--prefix", tmp_path / "opt", "--no-service"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    current = tmp_path / "opt" / "colors" / "current"
    photos = [ASSETS / "photos" / name for name in ("chelsea.png", "rocket.jpg")]
    for form in ("WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "PPM"):
        from PIL import Image

        photo = tmp_path / f"photo.{form.lower()}"
        Image.open(photos[0]).convert("RGB").resize((60, 40)).save(photo, form)
        photos.append(photo)
    done = subprocess.run(
        [SYSTEM_PYTHON, "-S", current / "bin" / "edge-deploy-runner", "run",
         current / "model" / "colors.tflite", *photos, "--json"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        assert json.loads(line)["top"], line


def test_an_mqtt_sink_finds_paho_in_the_bundle(tmp_path: Path) -> None:
    """With nothing on the path but what the bundle brings; the sink itself opens it."""
    here = HERE.platform
    service = tmp_path / "mine.toml"
    service.write_text(
        'source = "watch:@STATE@/incoming"\n'
        '[[sink]]\ntype = "mqtt"\nhost = "127.0.0.1"\nport = 9\ntopic = "doors"\n'
    )
    try:
        made = bundle(write_model(tmp_path), HERE, tmp_path, name="colors", service=service)
    except BadInputError as error:
        skip_or_fail("network", f"{here}: {error}")
    version = made.manifest["packages"]["paho-mqtt"]
    assert made.manifest["service"]["private_network"] is False
    folder = unpacked(made, tmp_path / "u")
    script = (
        f"import sys; sys.path[:0] = [{str(folder / 'runner')!r}, {str(folder / 'site')!r}]\n"
        "from edge_deploy_runner.service.sinks.mqtt import Broker, MqttSink\n"
        "sink = MqttSink(print, Broker('127.0.0.1', 'doors', 9))\n"
        "sink.open(); sink.close()\n"
        "import paho.mqtt; print(paho.mqtt.__file__, paho.mqtt.__version__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{folder}/site/paho/mqtt/__init__.py {version}"
    licences = [name for name in made.manifest["files"] if "paho" in name and "LICENSE" in name]
    assert licences


def test_bundles_are_written_here_by_default(digits_models: Path, tmp_path: Path) -> None:
    model = digits_models / "digits_mobilenet_v2_int8.tflite"
    done = edge_deploy("bundle", model, "--target", "rpi-bookworm", cwd=tmp_path)
    if done.returncode == 3 and "pip could not fetch" in done.stderr:
        skip_or_fail("network", done.stderr)
    assert done.returncode == 0, done.stderr
    (made,) = tmp_path.iterdir()
    assert made.name == "digits_mobilenet_v2_int8-rpi-bookworm.tar.gz"
    assert done.stdout.startswith(f"{made.name}  ")


def test_the_help_names_every_target() -> None:
    lines = edge_deploy("bundle", "--help").stdout.splitlines()
    (line,) = [line for line in lines if line.strip().startswith("--target ")]
    assert sorted(line.split()[1].split("|")) == sorted(target_names())
    assert max(map(len, lines)) <= 80


def test_local_is_this_machine(tmp_path: Path) -> None:
    """`--device local` runs the installer with the system's Python."""
    if not SYSTEM_PYTHON.exists():
        pytest.skip(f"{SYSTEM_PYTHON} is not there")
    other = BundleTarget("another", "another system", WheelPlatform((3, 13), "armv7l"))
    assert HERE.platform != other.platform
    made = small_bundle(tmp_path, target=_never(), site=small_site(tmp_path))
    done = edge_deploy("install", made.path, "--device", "local", "--prefix", tmp_path / "opt")
    assert "this device is" in error_of(done, 5)
    assert sys.executable not in done.stderr


def _never() -> BundleTarget:
    """A target that this machine is not."""
    machine = "x86_64" if platform.machine() == "aarch64" else "aarch64"
    return BundleTarget("never", "another system", WheelPlatform((3, 11), machine))
