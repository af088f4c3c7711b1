"""What a phone is: its Android, ABIs, processor and cores, from one look with its own programs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_deploy_runner.errors import DeviceError
from edge_deploy_runner.machine import boards

from .adb import AdbDevice
from .adb_text import parse_properties, parse_sections
from .telemetry import Clusters, clusters, parse_cores

OLDEST_API = 26
ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64")
_MARKER = "=edge-deploy="
_PROBE = f"""
echo '{_MARKER} properties'; getprop
echo '{_MARKER} kernel'; uname -r
echo '{_MARKER} machine'; uname -m
echo '{_MARKER} cpuinfo'; cat /proc/cpuinfo
echo '{_MARKER} page'; getconf PAGESIZE
echo '{_MARKER} meminfo'; head -n 3 /proc/meminfo
echo '{_MARKER} cores'; cat /sys/devices/system/cpu/possible
echo '{_MARKER} clocks'
for file in /sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq \
  /sys/devices/system/cpu/cpu[0-9]*/cpu_capacity; do
  value=; {{ read -r value < "$file"; }} 2>/dev/null; [ -n "$value" ] && echo "$file=$value"
done
echo '{_MARKER} tools'
for tool in sha256sum taskset app_process; do command -v $tool; done
true
"""


@dataclass(frozen=True)
class AndroidDevice:
    """A phone. `abi` is the first of its ABIs, which is that of app_process.

    `clusters` and `clocks_khz`, the largest clock of each core by its number, are empty where the
    phone does not say. `page_bytes` is the size of the kernel's pages, None where no getconf tells:
    phones that old have pages of 4096. `emulator` names what plays the phone, None for a real one.
    """

    serial: str
    manufacturer: str
    model: str
    release: str
    api: int
    abis: tuple[str, ...]
    soc: str
    fingerprint: str
    kernel: str
    machine: str
    cpu_model: str | None
    cpu_features: tuple[str, ...]
    cores: int
    clocks_khz: Mapping[int, int]
    clusters: Clusters
    ram_bytes: int | None
    page_bytes: int | None
    emulator: str | None
    tools: tuple[str, ...]

    @property
    def name(self) -> str:
        """Maker and model, as in `Google Pixel 4`."""
        if self.model.lower().startswith(self.manufacturer.lower()):
            return self.model
        return f"{self.manufacturer} {self.model}".strip()

    @property
    def abi(self) -> str:
        """What runs here: the first of its ABIs."""
        return self.abis[0] if self.abis else "unknown"

    @property
    def evidence(self) -> str:
        """What its times are worth."""
        return "simulated" if self.emulator else "measured"

    def to_json(self) -> dict[str, Any]:
        """The "device" of a measurement, with the keys that computers have where they fit."""
        return {
            "os": f"Android {self.release} (API {self.api})",
            "kernel": self.kernel,
            "machine": self.machine,
            "cpu_model": self.cpu_model,
            "cores": self.cores,
            "ram_bytes": self.ram_bytes,
            "page_bytes": self.page_bytes,
            "board": None,
            "emulated": self.emulator is not None,
            "emulator": self.emulator,
            "cpu_features": list(self.cpu_features),
            "userland_bits": 32 if self.abi == "armeabi-v7a" else 64,
            "manufacturer": self.manufacturer,
            "model": self.model,
            "soc": self.soc,
            "android": self.release,
            "api": self.api,
            "abi": self.abi,
            "abis": list(self.abis),
            "fingerprint": self.fingerprint,
            "core_max_mhz": {
                str(core): khz / 1000 for core, khz in sorted(self.clocks_khz.items())
            },
        }


def look(device: AdbDevice, *, check_it: bool = True) -> AndroidDevice:
    """Ask a phone what it is; raises `DeviceError` where it cannot run the harness."""
    done = device.shell(_PROBE, timeout_s=60, what="looking at the phone")
    found = parse_probe(done.text, device.serial)
    if check_it:
        check(found)
    return found


def check(device: AndroidDevice) -> None:
    """Raise `DeviceError` for a phone that is too old, or whose processor is not supported."""
    where = f"{device.serial} ({device.name})"
    if device.api < OLDEST_API:
        raise DeviceError(
            f"{where} runs Android {device.release} (API {device.api}), and Android 8.0 (API "
            f"{OLDEST_API}) or later is needed; use a newer phone"
        )
    if device.abi not in ABIS:
        raise DeviceError(
            f"{where} runs {', '.join(device.abis) or 'an unknown ABI'}, and the harness is there "
            f"for {', '.join(ABIS)}; use another phone or emulator image"
        )
    for tool in ("sha256sum", "app_process"):
        if tool not in device.tools:
            raise DeviceError(
                f"{where} has no {tool} in its PATH, without which nothing can be measured on it; "
                "use a phone with the maker's own Android"
            )


def parse_probe(text: str, serial: str) -> AndroidDevice:
    """The phone in what the probe printed; raises `DeviceError` where that makes no sense."""
    sections = parse_sections(text, _MARKER)
    properties = parse_properties(sections.get("properties", ""))
    api = properties.get("ro.build.version.sdk", "").strip()
    if not api.isdigit():
        raise DeviceError(
            f"{serial} does not say which Android it runs; see `adb -s {serial} shell getprop "
            "ro.build.version.sdk`"
        )
    cpuinfo = sections.get("cpuinfo", "")
    speeds = sections.get("clocks", "")
    clocks = {core.number: core.max_khz for core in parse_cores(speeds) if core.max_khz}
    listed = len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE))
    memory = re.search(r"^MemTotal:\s+(\d+) kB", sections.get("meminfo", ""), re.MULTILINE)
    page = sections.get("page", "").strip()
    tools = {line.rsplit("/", 1)[-1].strip() for line in sections.get("tools", "").splitlines()}
    return AndroidDevice(
        serial=serial,
        manufacturer=properties.get("ro.product.manufacturer", "").strip(),
        model=properties.get("ro.product.model", "").strip() or "unknown model",
        release=properties.get("ro.build.version.release", "").strip() or "unknown",
        api=int(api),
        abis=_abis(properties),
        soc=_soc(properties),
        fingerprint=properties.get("ro.build.fingerprint", "").strip(),
        kernel=sections.get("kernel", "").strip(),
        machine=sections.get("machine", "").strip(),
        cpu_model=_cpu_model(cpuinfo),
        cpu_features=boards.cpu_features(cpuinfo),
        cores=max(_cores(sections.get("cores", "")), len(clocks), listed, 1),
        clocks_khz=clocks,
        clusters=clusters(speeds),
        ram_bytes=int(memory[1]) * 1024 if memory else None,
        page_bytes=int(page) if re.fullmatch(r"[1-9]\d{3,6}", page) else None,
        emulator=emulator(properties),
        tools=tuple(sorted(tools - {""})),
    )


def emulator(properties: Mapping[str, str]) -> str | None:
    """What plays the phone: an emulator by the properties that it sets; None for a real phone."""
    hardware = properties.get("ro.hardware", "").strip()
    if hardware in ("goldfish", "ranchu"):
        return f"the Android emulator ({hardware})"
    if hardware.startswith("cutf"):
        return f"Cuttlefish ({hardware})"
    if any(properties.get(key, "").strip() == "1" for key in ("ro.kernel.qemu", "ro.boot.qemu")):
        return "QEMU"
    if re.match(r"(sdk_|vbox|generic_x86)", properties.get("ro.product.device", "")) or (
        "genymotion" in properties.get("ro.product.manufacturer", "").lower()
    ):
        return "an Android emulator"
    return None


def _abis(properties: Mapping[str, str]) -> tuple[str, ...]:
    listed = properties.get("ro.product.cpu.abilist", "")
    if not listed.strip():
        listed = ",".join(properties.get(f"ro.product.cpu.{key}", "") for key in ("abi", "abi2"))
    return tuple(abi.strip() for abi in listed.split(",") if abi.strip())


def _soc(properties: Mapping[str, str]) -> str:
    maker, model = (
        properties.get(f"ro.soc.{key}", "").strip() for key in ("manufacturer", "model")
    )
    if model and model.lower() != "unknown":
        return f"{maker} {model}".strip()
    for key in ("ro.board.platform", "ro.hardware"):
        if properties.get(key, "").strip():
            return properties[key].strip()
    return "unknown"


def _cpu_model(cpuinfo: str) -> str | None:
    cores = boards.core_names(cpuinfo)
    if cores:
        return " + ".join(cores)
    match = re.search(r"^(?:Hardware|model name)\s*:\s*(\S.*?)\s*$", cpuinfo, re.MULTILINE)
    return match[1] if match else None


def _cores(possible: str) -> int:
    """The number of cores in a list such as `0-7`."""
    numbers = re.findall(r"\d+", possible)
    return int(numbers[-1]) + 1 if numbers else 0
