"""Fixtures of the tests under emulation. What a machine lacks for them skips, or fails in CI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from conftest import ASSETS, edge_deploy, skip_or_fail
from PIL import Image

from .device_commands import NAME, installed, on
from .machine import INSTALLED, PREPARED, Machine, running
from .machine_image import MachineImage, machine_image
from .rootfs import MissingError

Value = TypeVar("Value")


def or_skip(make: Callable[[], Value]) -> Value:
    """What `make()` gives; a `MissingError` skips the test, or fails it where it is required."""
    try:
        return make()
    except MissingError as error:
        skip_or_fail("emulated", str(error))
        raise


@pytest.fixture(scope="session")
def pi_image() -> MachineImage:
    """What emulated machines boot from."""
    return or_skip(machine_image)


@pytest.fixture(scope="session")
def booted_pi(
    pi_image: MachineImage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """One machine for the whole session, saved right after its first boot."""
    with running(Machine(pi_image, tmp_path_factory.mktemp("pi"))) as machine:
        machine.save()
        yield machine


@pytest.fixture
def pi(booted_pi: Machine) -> Machine:
    """The machine as it was after its first boot: nothing of ours on it."""
    booted_pi.restore()
    return booted_pi


@pytest.fixture(scope="session")
def _prepared(booted_pi: Machine) -> Machine:
    booted_pi.restore()
    booted_pi.prepare()
    booted_pi.save(PREPARED)
    return booted_pi


@pytest.fixture
def prepared_pi(_prepared: Machine) -> Machine:
    """The machine with our runner and its runtime in the cache of the user pi, as pushed once."""
    _prepared.restore(PREPARED)
    return _prepared


@pytest.fixture(scope="module")
def counted_pi(
    pi_image: MachineImage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """A prepared machine whose clock counts instructions, so that its milliseconds repeat."""
    folder = tmp_path_factory.mktemp("counted-pi")
    with running(Machine(pi_image, folder, counted=True)) as machine:
        machine.prepare()
        yield machine


@pytest.fixture(scope="session")
def bundles(digits_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two versions of one model for the machine, and the first for a 32-bit system."""
    folder = tmp_path_factory.mktemp("bundles")
    wanted = {
        "first": ("int8", "rpi-bookworm"),
        "second": ("uint8", "rpi-bookworm"),
        "armv7": ("int8", "rpi-bookworm-armv7"),
    }
    found = {name: folder / f"{name}.tar.gz" for name in wanted}
    for name, (recipe, target) in wanted.items():
        model = digits_models / f"digits_mobilenet_v2_{recipe}.tflite"
        options = ("--target", target, "--name", NAME, "-o", found[name])
        built = edge_deploy("bundle", model, *options)
        assert built.returncode == 0, built.stderr
    return found


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A digit that no model was trained on, as a file without losses."""
    with np.load(ASSETS / "digits_heldout.npz") as held_out:
        pixels = held_out["x"][0]
    path = tmp_path_factory.mktemp("photo") / "digit.png"
    Image.fromarray(pixels).convert("RGB").save(path)
    return path


@pytest.fixture(scope="session")
def first_install(booted_pi: Machine, bundles: dict[str, Path]) -> dict[str, Any]:
    """The first bundle is installed on the fresh machine: what the command reported."""
    booted_pi.restore()
    report = installed(on(booted_pi, "install", bundles["first"], "--json"))
    booted_pi.save(INSTALLED)
    return report


@pytest.fixture
def installed_pi(booted_pi: Machine, first_install: dict[str, Any]) -> Machine:
    """The machine with the first bundle installed and its service running."""
    booted_pi.restore(INSTALLED)
    return booted_pi
