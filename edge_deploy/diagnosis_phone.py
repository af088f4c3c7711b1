"""Findings about a phone: whether a model can be measured on it, and what spoils its times."""

from __future__ import annotations

import re

from edge_deploy_android import device as phones
from edge_deploy_android.adb import Adb, AdbDevice
from edge_deploy_android.archives.elf import read_elf
from edge_deploy_android.archives.native_libraries import read_aar_library
from edge_deploy_android.built_files import RUNTIME_AAR, built_file
from edge_deploy_android.device import AndroidDevice
from edge_deploy_android.target import AndroidTarget
from edge_deploy_android.telemetry import AndroidTelemetry, phone_caveats, read_telemetry
from edge_deploy_runner.doctor.finding import Finding, ok, problem, warning
from edge_deploy_runner.errors import BundleError, DeviceError
from edge_deploy_runner.machine.telemetry import THERMAL_STATUS_MODERATE, thermal_status_word

from .diagnosis_errors import finding_and_mend

_ROOM_BYTES = 200_000_000
# The runtime alone with its Java classes and our program.
_LEAST_BYTES = 20_000_000
_FOLDER = "/data/local/tmp"
_BROUGHT = ("harness.jar", "tflite-runtime.jar", RUNTIME_AAR)


def examine_phone(target: AndroidTarget) -> tuple[str, tuple[Finding, ...]]:
    """The phone as `--device` takes it, and what was found; nothing is put on it.

    Raises `DeviceError` where adb or the phone cannot be reached.
    """
    device = Adb().choose(target)
    phone = phones.look(device, check_it=False)
    look = read_telemetry(lambda argv: device.run(argv).text)
    findings = [check_phone(phone), check_cores(phone), check_room(device), check_harness()]
    pages = check_pages(phone)
    findings += [pages] if pages else []
    findings += check_state(look)
    return AndroidTarget(device.serial).url, tuple(findings)


def check_phone(phone: AndroidDevice) -> Finding:
    """Whether the harness runs there: Android's version, the ABI, the programs that it needs."""
    text = f"{phone.name}, Android {phone.release} (API {phone.api}), {phone.abi}, {phone.soc}"
    try:
        phones.check(phone)
    except DeviceError as error:
        return problem("phone", *finding_and_mend(str(error), "use another phone"))
    if phone.emulator:
        return warning(
            "phone", f"{text}; it is emulated by {phone.emulator}: its times are simulated",
            "measure on a real phone",
        )  # fmt: skip
    return ok("phone", text)


def check_cores(phone: AndroidDevice) -> Finding:
    """Which cores there are for --cpus."""
    from edge_deploy_android.cpu_cores import ranges

    found = phone.clusters
    if not phone.clocks_khz:
        return ok("cores", f"{phone.cores}; the phone does not say how fast they are")
    if not found.little:
        return ok("cores", f"{phone.cores}, all alike")
    return ok("cores", f"{phone.cores}: big {ranges(found.big)}, little {ranges(found.little)}")


def check_pages(phone: AndroidDevice) -> Finding | None:
    """Whether the runtime that we bring can be loaded on pages of the phone's size; None if so."""
    if phone.page_bytes is None or phone.abi not in phones.ABIS:
        return None
    try:
        aar = built_file(RUNTIME_AAR).path
    except BundleError:  # check_harness tells it
        return None
    library = read_elf(read_aar_library(aar, phone.abi, "libtensorflowlite_jni.so"))
    if library.unaligned(phone.page_bytes) is None:
        return None
    return warning(
        "pages", f"the phone's memory pages have {phone.page_bytes} bytes, and the runtime that "
        f"edge-deploy brings ({RUNTIME_AAR}) is not aligned to them",
        "profile with --runtime and the AAR of com.google.ai.edge.litert:litert:1.4.0",
    )  # fmt: skip


def check_room(device: AdbDevice) -> Finding:
    """Whether a model and a runtime fit, and may be written at all."""
    if device.run(["test", "-w", _FOLDER]).returncode != 0:
        return problem(
            "storage", f"{_FOLDER} cannot be written by adb, and all that is measured goes there",
            "restart the phone; if that does not help, look at it: adb shell ls -ld " + _FOLDER,
        )  # fmt: skip
    done = device.run(["df", "-k", _FOLDER])
    lines = [line.split() for line in done.text.splitlines() if line.strip()]
    # Size, used, available: the first three whole numbers after the file system's name.
    numbers = [word for word in (lines[-1] if lines else []) if re.fullmatch(r"\d+", word)]
    if done.returncode != 0 or len(numbers) < 3:
        return warning("storage", f"{_FOLDER} cannot be looked at", f"adb shell df {_FOLDER}")
    free = int(numbers[2]) * 1024
    if free < _LEAST_BYTES:
        return problem(
            "storage", f"{free / 1e6:.0f} MB are free, and the runtime alone needs "
            f"{_LEAST_BYTES / 1e6:.0f} MB: nothing can be measured",
            "remove some apps or photos from the phone",
        )  # fmt: skip
    if free < _ROOM_BYTES:
        return warning(
            "storage", f"{free / 1e6:.0f} MB are free; a model and its runtime need up to 200 MB",
            "remove some apps or photos from the phone",
        )  # fmt: skip
    return ok("storage", f"{free / 1e9:.1f} GB free")


def check_harness() -> Finding:
    """Whether what goes to the phone is here and whole."""
    try:
        names = [built_file(name).name for name in _BROUGHT]
    except BundleError as error:
        return problem("harness", *finding_and_mend(str(error), "install edge-deploy anew"))
    return ok("harness", f"edge-deploy's program for phones and its runtime: {', '.join(names)}")


def check_state(look: AndroidTelemetry) -> list[Finding]:
    """What spoils a measurement now: heat, charging, battery saver, a screen that is off."""
    found = []
    status = look.thermal.status if look.thermal else None
    if status is not None and status >= THERMAL_STATUS_MODERATE:
        found.append(
            warning(
                "heat", f"the phone's thermal status is {thermal_status_word(status)}: it holds "
                "its processor back, and runs would be void",
                "let it cool down, out of its case",
            )
        )  # fmt: skip
    if look.battery is not None and look.battery.charging:
        found.append(
            warning(
                "charging", "the phone is charging, which warms it; energy cannot be measured",
                "unplug it and use adb over Wi-Fi: adb tcpip 5555, adb connect ADDRESS",
            )
        )  # fmt: skip
    if look.low_power_mode:
        found.append(warning("saver", "battery saver lowers the clock", "switch it off"))
    # Which cores there are is a finding of its own.
    found += [
        warning("state", text, "mend that before you measure")
        for text in phone_caveats(look, pinned=True)
    ]
    return found
