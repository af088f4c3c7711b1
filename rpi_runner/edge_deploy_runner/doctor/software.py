"""Findings about what is installed: Python, libc, numpy, Pillow, the runtime, and its wheels."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec

from edge_deploy_runner.machine.environment import Environment

from .finding import Finding, ok, problem, warning
from .probe import Probe
from .probe_model import EXPECTED, TOLERANCE

PYTHONS = ((3, 10), (3, 13))


@dataclass(frozen=True)
class RuntimeWheels:
    """The runtime that has wheels for an architecture: for which Pythons, from which glibc on."""

    package: str
    version: str
    pythons: tuple[tuple[int, int], ...]
    glibc: tuple[int, int]


_ALL = ((3, 10), (3, 11), (3, 12), (3, 13))
# What the package index holds; a static table, since a device may have no network.
WHEELS = {
    "aarch64": RuntimeWheels("ai-edge-litert", "2.3.0", _ALL, (2, 27)),
    "x86_64": RuntimeWheels("ai-edge-litert", "2.3.0", _ALL, (2, 27)),
    "armv7l": RuntimeWheels("tflite-runtime", "2.14.0", ((3, 11),), (2, 34)),
}
# Names of the same architecture elsewhere.
_ALIASES = {"arm64": "aarch64", "AMD64": "x86_64", "amd64": "x86_64", "armv8l": "armv7l"}
_64_BIT_CORE = re.compile(r"Cortex-A(5[357]|7[2-8])")
WHY_NOT_ARMV6 = (
    "no TFLite runtime has wheels for ARMv6, and their kernels (XNNPACK) need the NEON "
    "instructions of ARMv7 or ARMv8, which this CPU lacks"
)
WHY_32_BIT = (
    "ai-edge-litert has no wheels for 32-bit ARM; the last runtime that has is tflite-runtime "
    "2.14.0, which needs numpy below 2 and Python 3.11 or older: those of Raspberry Pi OS bookworm "
    "(32-bit)"
)


def check_python(machine: Environment, version: tuple[int, int, int] | None = None) -> Finding:
    """Whether this Python is one that the runner supports."""
    version = version or (sys.version_info[0], sys.version_info[1], sys.version_info[2])
    text = f"Python {version[0]}.{version[1]}.{version[2]}"
    low, high = PYTHONS
    if version[:2] < low:
        return problem(
            "python", f"{text} is too old; 3.10 to 3.13 are supported",
            _python_line(machine),
        )  # fmt: skip
    if version[:2] > high:
        return problem(
            "python", f"{text} is newer than the runtime's wheels; 3.10 to 3.13 are supported",
            _python_line(machine),
        )  # fmt: skip
    return ok("python", f"{text} ({sys.executable})")


def check_libc(machine: Environment) -> Finding:
    """Whether the C library is a glibc that is new enough for the wheels."""
    name = machine.libc
    if name is None:
        return ok("libc", "not Linux")
    if name.startswith("musl"):
        return problem(
            "libc", "musl: the runtime's wheels are built for glibc and cannot be loaded",
            "use Raspberry Pi OS or Debian instead of Alpine",
        )  # fmt: skip
    match = re.search(r"(\d+)\.(\d+)", name)
    wheels = wheels_for(machine.architecture)
    if match and wheels and (int(match[1]), int(match[2])) < wheels.glibc:
        need = f"{wheels.glibc[0]}.{wheels.glibc[1]}"
        return problem(
            "libc", f"{name} is too old for {wheels.package}, which needs {need}",
            "flash Raspberry Pi OS bookworm (glibc 2.36) or trixie (glibc 2.41)",
        )  # fmt: skip
    return ok("libc", name)


def wheels_for(architecture: str) -> RuntimeWheels | None:
    """The runtime's wheels for an architecture (`aarch64`, `armv7l`, ...); None for none."""
    return WHEELS.get(_ALIASES.get(architecture, architecture))


def check_architecture(machine: Environment) -> Finding:
    """Whether any runtime serves this architecture, and if not, why."""
    name = machine.architecture
    if name.startswith("armv6") or machine.cpu_model == "ARM1176":
        return problem(
            "architecture", f"ARMv6 ({name}) cannot be served: {WHY_NOT_ARMV6}",
            "use a Raspberry Pi Zero 2 W: the same size and connectors, with an ARMv8 CPU",
        )  # fmt: skip
    if _ALIASES.get(name, name) == "armv7l":
        text = f"32-bit ARM ({name}"
        text += ", under a 64-bit kernel)" if machine.machine == "aarch64" else ")"
        mend = (
            "flash the 64-bit Raspberry Pi OS, which this CPU can run; or build with "
            "`edge-deploy bundle MODEL --target rpi-bookworm-armv7`"
            if _64_BIT_CORE.search(machine.cpu_model or "")
            else "build with `edge-deploy bundle MODEL --target rpi-bookworm-armv7`"
        )
        return warning("architecture", f"{text}: {WHY_32_BIT}", mend)
    if wheels_for(name) is None:
        return problem(
            "architecture", f"{name}: no TFLite runtime has wheels for it",
            "use a 64-bit ARM (Raspberry Pi 3 or newer) or a 64-bit x86 machine",
        )  # fmt: skip
    return ok("architecture", name)


def check_wheels(machine: Environment, version: tuple[int, int] | None = None) -> Finding:
    """Whether the runtime has a wheel for this Python and architecture, by our own table."""
    python = version or (sys.version_info[0], sys.version_info[1])
    spoken = f"Python {python[0]}.{python[1]} on {machine.architecture}"
    wheels = wheels_for(machine.architecture)
    if wheels is None:
        return problem(
            "wheels", f"no runtime has a wheel for {spoken}",
            "use a 64-bit ARM (Raspberry Pi 3 or newer) or a 64-bit x86 machine",
        )  # fmt: skip
    if python not in wheels.pythons:
        known = ", ".join(f"{major}.{minor}" for major, minor in wheels.pythons)
        return problem(
            "wheels", f"{wheels.package} has no wheel for {spoken}, only for Python {known}",
            _python_line(machine),
        )  # fmt: skip
    return ok("wheels", f"{wheels.package} {wheels.version} has one for {spoken}")


def check_numpy(probe: Probe) -> Finding:
    """Whether numpy can be imported, and suits what else is here."""
    stage = probe.stage("numpy")
    if not stage:
        return problem(
            "numpy", f"importing numpy {probe.ending}", _package_line("numpy", "--reinstall ")
        )
    if "error" in stage:
        again = "" if "No module named 'numpy'" in stage["error"] else "--reinstall "
        return problem(
            "numpy", f"numpy cannot be imported: {stage['error']}", _package_line("numpy", again)
        )
    version = str(stage["version"])
    if _major(version) >= 2 and find_spec("picamera2") and sys.version_info[:2] == (3, 11):
        return warning(
            "numpy", f"numpy {version}: bookworm's picamera2 breaks with numpy 2",
            "python3 -m pip install 'numpy<2'",
        )  # fmt: skip
    return ok("numpy", version)


_DEBIAN_NAMES = {"numpy": "python3-numpy", "pillow": "python3-pil"}
_OLD_NUMPY = "'numpy<2'"


def check_pillow(probe: Probe) -> Finding:
    """Whether photos can be decoded; raw tensors and cameras do without."""
    stage = probe.stage("pillow")
    if "version" in stage:
        return ok("pillow", str(stage["version"]))
    reason = stage.get("error") or f"importing it {probe.ending}"
    return warning(
        "pillow", f"Pillow is missing, so photos cannot be decoded: {reason}",
        _package_line("pillow"),
    )  # fmt: skip


def check_runtime(machine: Environment, probe: Probe) -> Finding:
    """Which TFLite runtime answers, or why none does."""
    names = ("ai_edge_litert", "tflite_runtime")
    stages = {name: probe.stage(name) for name in names}
    for name, stage in stages.items():
        if "version" in stage:
            return ok("runtime", f"{name} {stage['version']}")
    mend = install_line(machine)
    numpy = str(probe.stage("numpy").get("version", "0"))
    if find_spec("tflite_runtime") and _major(numpy) >= 2:
        return problem(
            "runtime",
            f"tflite_runtime was built for numpy 1 and cannot be loaded with numpy {numpy}",
            "python3 -m pip install 'numpy<2'",
        )
    unreached = [name for name in names if not stages[name]]
    if unreached and probe.ending:
        return problem("runtime", f"importing {probe.reached} {probe.ending}", mend)
    reasons = "; ".join(str(stages[name].get("error", "not tried")) for name in names)
    return problem("runtime", f"no TFLite runtime can be imported ({reasons})", mend)


def check_inference(machine: Environment, probe: Probe) -> Finding:
    """Whether one tiny int8 inference really runs, and its answer is right."""
    if not any("version" in probe.stage(name) for name in ("ai_edge_litert", "tflite_runtime")):
        return problem("inference", "not tried: there is no runtime", install_line(machine))
    for name in ("xnnpack", "reference"):
        stage = probe.stage(name)
        if not stage:
            return problem(
                "inference", f"one tiny inference with {name} kernels {probe.ending}",
                "run it as QEMU user mode with -cpu cortex-a72 and a Pi's /proc/cpuinfo"
                if machine.emulated
                else install_line(machine),
            )  # fmt: skip
        if "error" in stage:
            return problem(
                "inference", f"one tiny inference with {name} kernels failed: {stage['error']}",
                install_line(machine),
            )  # fmt: skip
        answer = stage["answer"]
        if len(answer) != len(EXPECTED) or any(
            abs(found - right) > TOLERANCE
            for found, right in zip(answer, EXPECTED)  # noqa: B905
        ):
            return problem(
                "inference", f"one tiny inference with {name} kernels gave wrong numbers",
                "name the emulated CPU: qemu-aarch64-static -cpu cortex-a72"
                if machine.emulated
                else "sudo apt full-upgrade && sudo reboot, and run the doctor again",
            )  # fmt: skip
    return ok("inference", "one tiny int8 inference ran and its answer is right (both kernel sets)")


def install_line(machine: Environment) -> str:
    """The line that installs a runtime here."""
    wheels = wheels_for(machine.architecture)
    if wheels is None:
        return "use a 64-bit ARM (Raspberry Pi 3 or newer) or a 64-bit x86 machine"
    if sys.version_info[:2] not in wheels.pythons:
        return _python_line(machine)
    # picamera2 of bookworm (Python 3.11) needs numpy 1, and so does tflite-runtime.
    old = wheels.package == "tflite-runtime" or (
        sys.version_info[:2] == (3, 11) and machine.architecture == "aarch64"
    )
    wanted = f"{wheels.package}=={wheels.version} {_OLD_NUMPY if old else 'numpy'} pillow"
    if _is_debians_python():
        return "python3 -m venv --system-site-packages ~/edge && ~/edge/bin/pip install " + wanted
    return f"{sys.executable} -m pip install {wanted}"


def _python_line(machine: Environment) -> str:
    """The line that brings a Python which the runtime has wheels for."""
    if (machine.board or "").startswith("Raspberry Pi") or machine.architecture == "armv7l":
        if machine.architecture == "armv7l":
            return "flash Raspberry Pi OS bookworm (32-bit), whose Python is 3.11"
        return "flash Raspberry Pi OS bookworm (Python 3.11) or trixie (Python 3.13), 64-bit"
    return "install Python 3.13, and make an environment with it: python3.13 -m venv ~/edge"


def _package_line(package: str, again: str = "") -> str:
    """The line that installs numpy or Pillow for this Python."""
    if _is_debians_python():
        return f"sudo apt install {again}{_DEBIAN_NAMES[package]}"
    forced = again.replace("--re", "--force-re")
    return f"{sys.executable} -m pip install {forced}{package}"


def _is_debians_python() -> bool:
    """Whether apt installs packages for it, and pip refuses to."""
    return shutil.which("apt") is not None and sys.prefix == sys.base_prefix == "/usr"


def _major(version: str) -> int:
    match = re.match(r"\d+", version)
    return int(match.group()) if match else 0
