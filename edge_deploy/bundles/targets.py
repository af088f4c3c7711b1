"""What bundles are built for: systems of the Pi (package data, `targets/rpi-*.toml`), and apps."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib import resources
from typing import Any

from edge_deploy_runner.errors import UsageError
from edge_deploy_runner.toml import tomllib

from .wheels import WheelPlatform, parse_python, wheels_for

_PREFIX = "rpi-"


@dataclass(frozen=True)
class SystemPackage:
    """A module that comes from the device's own packages; `below` bounds its major version."""

    module: str
    package: str
    below: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"module": self.module, "package": self.package, "below": self.below}


@dataclass(frozen=True)
class BundleTarget:
    """One system: what it is called, its Python and machine, and what it has to bring along."""

    name: str
    system: str
    platform: WheelPlatform
    system_packages: tuple[SystemPackage, ...] = ()

    @property
    def glibc(self) -> str:
        """The oldest glibc that all its wheels run with, as in "2.28"."""
        wheels = wheels_for(self.platform)
        return "{}.{}".format(*max(wheel.glibc for wheel in wheels))


@dataclass(frozen=True)
class LibraryTarget:
    """A library that an Android app takes in: an AAR, or the source of a Gradle module."""

    name: str
    system: str


LIBRARY_TARGETS = (
    LibraryTarget("android-aar", "Android apps, as an AAR"),
    LibraryTarget("android-module", "Android apps, as a Gradle module"),
)
Target = BundleTarget | LibraryTarget


def target_names() -> tuple[str, ...]:
    """The targets that there are."""
    return (*(target.name for target in LIBRARY_TARGETS), *pi_target_names())


def pi_target_names() -> tuple[str, ...]:
    """The systems of the Raspberry Pi among them."""
    files = (entry.name for entry in (resources.files("edge_deploy") / "targets").iterdir())
    return tuple(sorted(n.removesuffix(".toml") for n in files if n.startswith(_PREFIX)))


def find_target(name: str) -> Target:
    """A target by its name; raises `UsageError` with the list of them."""
    if name not in target_names():
        near = _nearest(name.lower())
        use = f"did you mean {near}? Use" if near else "use"
        raise UsageError(
            f"there is no bundle target {name!r}; {use} one of {', '.join(target_names())}"
        )
    libraries = (target for target in LIBRARY_TARGETS if target.name == name)
    return next(libraries, None) or read_target(name)


def _nearest(text: str) -> str | None:
    """The first target that holds the text, or is written much like it."""
    names = target_names()
    holding = [name for name in names if text and text in name]
    return next(iter(holding or difflib.get_close_matches(text, names, 1, 0.6)), None)


def read_target(name: str) -> BundleTarget:
    """A system of the Pi by its name; raises `UsageError` with the list of them."""
    if name not in pi_target_names():
        raise UsageError(
            f"there is no system {name!r} for bundles; use one of {', '.join(pi_target_names())}"
        )
    text = (resources.files("edge_deploy") / "targets" / f"{name}.toml").read_text("utf-8")
    record = tomllib.loads(text)
    return BundleTarget(
        name=name,
        system=record["system"],
        platform=WheelPlatform(parse_python(record["python"]), record["machine"]),
        system_packages=tuple(
            SystemPackage(entry["module"], entry["package"], entry.get("below"))
            for entry in record.get("system_package", ())
        ),
    )
