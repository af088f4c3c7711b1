"""A bundle built here installs, tests itself, answers and goes back on arm64 and armv7 systems
without a network.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from edge_deploy_runner.contract import read_contract
from edge_deploy_runner.tflite.model_file import ModelFile

from edge_deploy.bundles.bundling import bundle
from edge_deploy.bundles.golden_outputs import make_golden

from .conftest import or_skip
from .offline import OfflineRun, run_offline
from .rootfs import BOOKWORM, BOOKWORM_ARMHF, TRIXIE
from .test_exactness import RECIPES
from .test_offline import DRIVER, PHOTOS, tried_nothing, write_service
from .user_mode import A7, A53, A72, A76, NO_CORE, ROOT, EmulatedPython, qemu_version

# Bundles are built once for all of them, and that takes longer than to install one.
pytestmark = pytest.mark.xdist_group("emulated install")

PHOTO = ROOT / "tests" / "data" / "seven.png"
NAME = "digits"
TARGETS = {
    "rpi-bookworm": EmulatedPython(BOOKWORM, A53),
    "rpi-trixie": EmulatedPython(TRIXIE, A76),
    "rpi-bookworm-armv7": EmulatedPython(BOOKWORM_ARMHF, A7),
}
Build = Callable[[str, str], Path]


@dataclass(frozen=True)
class Device:
    """A machine without network, with bundles installed below a folder of its own."""

    machine: EmulatedPython
    prefix: Path

    def python(self, *arguments: str | Path, driver: tuple[str | Path, ...] = ()) -> OfflineRun:
        """Run the device's Python; `driver`: what starts it."""
        return or_skip(
            lambda: run_offline(
                [*driver, self.machine.interpreter(), *arguments],
                self.machine.environment(site=False),
            )
        )

    def install(self, folder: Path, *options: str) -> OfflineRun:
        """Run the installer of an unpacked bundle."""
        return self.python(
            folder / "install.py", "--prefix", self.prefix, "--no-service", "--json", *options
        )

    @property
    def current(self) -> Path:
        """The folder of the version that runs."""
        return self.prefix / NAME / "current"

    def runner(self, *arguments: str | Path, **options: Any) -> OfflineRun:
        """Run the installed runner."""
        return self.python(self.current / "bin" / "edge-deploy-runner", *arguments, **options)

    def best(self) -> str:
        """What the installed model sees in the photo of a seven."""
        done = self.runner("run", self.current / "model" / f"{NAME}.tflite", PHOTO, "--json")
        assert done.returncode == 0, done.stderr
        tried_nothing(done)
        answer = json.loads(done.stdout)
        return str(answer["top"][0]["label"])


@pytest.fixture(scope="module")
def build(digits_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """`build(target, recipe)`: the folder of an unpacked bundle, made once."""
    folder = tmp_path_factory.mktemp("bundles")

    def unpacked(target: str, recipe: str) -> Path:
        place = folder / f"{target}-{recipe}"
        if not place.exists():
            place.mkdir()
            model = digits_models / f"digits_mobilenet_v2_{recipe}.tflite"
            made = bundle(model, target, place, name=NAME)
            with tarfile.open(made.path) as archive:
                archive.extractall(place, filter="data")
            made.path.unlink()
        return place / f"{NAME}-{target}"

    return unpacked


@pytest.mark.parametrize("target", TARGETS)
def test_a_bundle_installs_answers_and_goes_back(target: str, build: Build, tmp_path: Path) -> None:
    device = Device(TARGETS[target], tmp_path / "opt")
    first = device.install(build(target, "int8"))
    assert first.returncode == 0, first.stderr
    tried_nothing(first)
    report = json.loads(first.stdout)
    assert report["action"] == "installed"
    assert report["selftest"]["passed"] is True
    assert device.best() == "7"

    second = device.install(build(target, "float32"))
    assert second.returncode == 0, second.stderr
    tried_nothing(second)
    newer = device.current.readlink()
    assert json.loads(second.stdout)["previous"] == report["version"]
    assert device.best() == "7"

    back = device.install(build(target, "float32"), "--rollback")
    assert back.returncode == 0, back.stderr
    tried_nothing(back)
    assert device.current.readlink() == Path("versions", report["version"])
    assert device.current.readlink() != newer
    assert device.best() == "7"


@pytest.fixture(scope="module")
def installed(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Device:
    """A 64-bit device on which a bundle was installed."""
    device = Device(TARGETS["rpi-trixie"], tmp_path_factory.mktemp("device") / "opt")
    done = device.install(build("rpi-trixie", "int8"))
    assert done.returncode == 0, done.stderr
    return device


@pytest.mark.parametrize(
    "command",
    [
        ["bench", "{model}", "--runs", "3", "--seconds", "0.01", "--threads", "1", "--json"],
        ["doctor", "--json"],
        ["telemetry", "--json"],
        ["selftest", "{folder}", "--json"],
    ],
    ids=lambda command: command[0],
)
def test_the_installed_runner_needs_no_network(command: list[str], installed: Device) -> None:
    folder = installed.current
    model = folder / "model" / f"{NAME}.tflite"
    done = installed.runner(*(word.format(folder=folder, model=model) for word in command))
    assert done.returncode in ((0, 1) if command[0] == "doctor" else (0,)), done.stderr
    json.loads(done.stdout)
    tried_nothing(done)


def test_the_installed_service_needs_no_network(installed: Device, tmp_path: Path) -> None:
    config = write_service(tmp_path, installed.current / "model" / f"{NAME}.tflite")
    answers = tmp_path / "answers.jsonl"
    driver = (sys.executable, DRIVER, str(PHOTOS), answers)
    done = installed.runner("serve", "--config", config, driver=driver)
    assert done.returncode == 0, done.stderr
    assert "READY=1" in done.stdout
    assert "STOPPING=1" in done.stdout
    found = [json.loads(line) for line in answers.read_text().splitlines()]
    assert len(found) == PHOTOS
    tried_nothing(done)


def test_what_is_installed_holds_no_name_of_this_machine(installed: Device) -> None:
    """It can be moved to a card: nothing in it says where it was built."""
    here = os.fsencode(ROOT)
    texts = [
        path for path in installed.current.rglob("*") if path.suffix in (".py", ".toml", ".json")
    ]
    assert len(texts) > 50
    assert not [path for path in texts if here in path.read_bytes()]


def test_a_device_that_computes_wrong_answers_keeps_its_old_version(
    build: Build, tmp_path: Path
) -> None:
    """QEMU 7.2 without a core's name is such a device: only its fast int8 kernels are wrong."""
    if not or_skip(qemu_version).startswith("7.2."):
        pytest.skip("this QEMU computes as it should")
    good = Device(EmulatedPython(BOOKWORM, A72), tmp_path / "opt")
    assert good.install(build("rpi-bookworm", "float32")).returncode == 0
    before = good.current.readlink()
    bad = Device(EmulatedPython(BOOKWORM, NO_CORE), good.prefix)
    done = bad.install(build("rpi-bookworm", "int8"))
    assert done.returncode == 6
    assert "the self-test failed on this device" in done.stderr
    assert "xnnpack kernels" in done.stderr
    assert "reference kernels" not in done.stderr
    assert good.current.readlink() == before
    assert [entry.name for entry in (good.prefix / NAME / "versions").iterdir()] == [before.name]
    assert good.best() == "7"


def test_a_bundle_for_another_system_is_refused(build: Build, tmp_path: Path) -> None:
    folder = build("rpi-bookworm", "int8")
    for other, why in (("rpi-trixie", "Python 3.13"), ("rpi-bookworm-armv7", "armv7l")):
        device = Device(TARGETS[other], tmp_path / other)
        done = device.install(folder)
        assert done.returncode == 5
        assert why in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert not device.current.exists()


_SELFTEST = """
import json, sys
from edge_deploy_runner.selftest import selftest
print(json.dumps([selftest(folder).to_json() for folder in sys.argv[1:]]))
"""


@pytest.mark.parametrize("target", ["rpi-bookworm", "rpi-bookworm-armv7"])
def test_the_selftest_judges_every_recipe(target: str, digits_models: Path, tmp_path: Path) -> None:
    """All pass, but that the older runtime of 32-bit systems is no use for dynamic models."""
    folders = [tmp_path / recipe for recipe in RECIPES]
    for folder in folders:
        model = ModelFile.open(digits_models / f"digits_mobilenet_v2_{folder.name}.tflite")
        golden = make_golden(model, read_contract(model).preprocessing, "model.tflite")
        (folder / "golden").mkdir(parents=True)
        (folder / "model.tflite").write_bytes(model.data)
        for name, data in golden.files.items():
            (folder / "golden" / name).write_bytes(data)
    machine = TARGETS[target]
    done = or_skip(lambda: machine.run(["-c", _SELFTEST, *folders]))
    assert done.returncode == 0, done.stderr
    for recipe, report in zip(RECIPES, json.loads(done.stdout), strict=True):
        good = not (recipe == "dynamic" and target.endswith("armv7"))
        assert report["passed"] is good, (recipe, report)
