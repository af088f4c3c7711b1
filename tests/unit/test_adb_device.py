"""What phones say they are, and which of their cores and files are used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from edge_deploy_android import cpu_cores, device
from edge_deploy_android.device import AndroidDevice
from edge_deploy_android.pushing import LocalFile
from edge_deploy_android.target import AndroidTarget, parse_target
from edge_deploy_android.telemetry import clusters
from edge_deploy_runner.errors import BadInputError, DeviceError, UsageError

MARK = "=edge-deploy="


def probe(properties: dict[str, str], *, clocks: dict[int, int], extra: str = "") -> str:
    """What the probe prints on a phone with these properties."""
    lines = [f"{MARK} properties", *(f"[{key}]: [{value}]" for key, value in properties.items())]
    lines += [f"{MARK} kernel", "4.14.117-perf", f"{MARK} machine", "aarch64"]
    lines += [f"{MARK} cpuinfo", "processor\t: 0", "CPU implementer\t: 0x51",
              "CPU part\t: 0x805", "Features\t: fp asimd asimdhp asimddp"]  # fmt: skip
    lines += [f"{MARK} meminfo", "MemTotal:        5714112 kB", f"{MARK} cores", "0-7"]
    lines += [f"{MARK} clocks"]
    lines += [
        f"/sys/devices/system/cpu/cpu{core}/cpufreq/cpuinfo_max_freq={khz}"
        for core, khz in clocks.items()
    ]
    lines += [f"{MARK} tools", "/system/bin/sha256sum", "/system/bin/taskset"]
    lines += ["/system/bin/app_process", extra]
    return "\n".join(lines)


PIXEL = {
    "ro.build.version.sdk": "33",
    "ro.build.version.release": "13",
    "ro.product.manufacturer": "Google",
    "ro.product.model": "Pixel 4",
    "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a,armeabi",
    "ro.board.platform": "msmnile",
    "ro.hardware": "flame",
}
SAMSUNG = {
    "ro.build.version.sdk": "28",
    "ro.build.version.release": "9",
    "ro.product.manufacturer": "samsung",
    "ro.product.model": "SM-J415FN",
    "ro.product.cpu.abilist": "armeabi-v7a,armeabi",
    "ro.soc.manufacturer": "QTI",
    "ro.soc.model": "MSM8917",
}
BIG_LITTLE = {**dict.fromkeys(range(4), 1785600), **dict.fromkeys((4, 5, 6), 2419200), 7: 2841600}


def pixel() -> AndroidDevice:
    return device.parse_probe(probe(PIXEL, clocks=BIG_LITTLE), "SERIAL")


def test_a_pixel() -> None:
    found = pixel()
    assert (found.name, found.abi, found.api, found.soc) == (
        "Google Pixel 4", "arm64-v8a", 33, "msmnile",
    )  # fmt: skip
    assert (found.cores, found.ram_bytes, found.emulator) == (8, 5714112 * 1024, None)
    assert found.evidence == "measured"
    assert "asimddp" in " ".join(found.cpu_features) or "dotprod" in " ".join(found.cpu_features)
    assert found.to_json()["core_max_mhz"]["7"] == 2841.6
    device.check(found)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_samsung_with_a_32_bit_system(end: str) -> None:
    text = probe(SAMSUNG, clocks=dict.fromkeys(range(4), 1401000)).replace("\n", end)
    found = device.parse_probe(text, "SERIAL")
    assert (found.name, found.abi, found.soc) == ("samsung SM-J415FN", "armeabi-v7a", "QTI MSM8917")
    assert found.to_json()["userland_bits"] == 32
    device.check(found)


@pytest.mark.parametrize(
    ("said", "expected"),
    [("4096", 4096), ("16384\r", 16384), ("", None), ("sh: getconf: not found", None), ("0", None)],
)
def test_the_size_of_pages(said: str, expected: int | None) -> None:
    text = probe(PIXEL, clocks={}, extra=f"{MARK} page\n{said}")
    found = device.parse_probe(text, "SERIAL")
    assert found.page_bytes == expected
    assert found.to_json()["page_bytes"] == expected


def test_a_phone_of_the_toolbox_days_is_refused() -> None:
    text = probe(
        {"ro.build.version.sdk": "23", "ro.build.version.release": "6.0.1",
         "ro.product.manufacturer": "LGE", "ro.product.model": "Nexus 5",
         "ro.product.cpu.abi": "armeabi-v7a", "ro.product.cpu.abi2": "armeabi"},
        clocks={},
    ).replace("/system/bin/sha256sum", "/system/bin/sh: command: not found")  # fmt: skip
    found = device.parse_probe(text.replace("\n", "\r\r\n"), "SERIAL")
    assert found.abis == ("armeabi-v7a", "armeabi")
    with pytest.raises(DeviceError, match=r"Nexus 5\) runs Android 6.0.1 .*8.0"):
        device.check(found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ro.product.cpu.abilist": "mips64"}, "mips64"),
        ({"ro.product.cpu.abilist": "riscv64,x86"}, "riscv64"),
        ({"ro.product.cpu.abilist": ""}, "unknown ABI"),
        ({"ro.build.version.sdk": "25"}, "API 25"),
    ],
)
def test_phones_that_are_refused(change: dict[str, str], words: str) -> None:
    found = device.parse_probe(probe(PIXEL | change, clocks={}), "SERIAL")
    with pytest.raises(DeviceError, match=words):
        device.check(found)


def test_a_phone_without_a_tool() -> None:
    with pytest.raises(DeviceError, match="no sha256sum"):
        device.check(replace(pixel(), tools=("app_process",)))
    with pytest.raises(DeviceError, match="does not say which Android"):
        device.parse_probe("", "SERIAL")


@pytest.mark.parametrize(
    ("change", "is_emulated"),
    [
        ({}, False),
        ({"ro.kernel.qemu": "1"}, True),
        ({"ro.boot.qemu": "1"}, True),
        ({"ro.boot.qemu": "0"}, False),
        ({"ro.hardware": "ranchu"}, True),
        ({"ro.hardware": "goldfish"}, True),
        ({"ro.hardware": "cutf_cvm"}, True),
        ({"ro.product.device": "sdk_gphone64_x86_64"}, True),
    ],
)
def test_emulators(change: dict[str, str], is_emulated: bool) -> None:
    found = device.parse_probe(probe(PIXEL | change, clocks={}), "SERIAL")
    assert (found.emulator is not None) == is_emulated
    assert found.evidence == ("simulated" if is_emulated else "measured")


@pytest.mark.parametrize(
    ("text", "cores", "mask", "words"),
    [
        ("big", (4, 5, 6, 7), "f0", "big cores 4-7"),
        ("little", (0, 1, 2, 3), "f", "little cores 0-3"),
        ("all", tuple(range(8)), "ff", "all cores 0-7"),
        ("7", (7,), "80", "core 7"),
        ("0,2-3", (0, 2, 3), "d", "cores 0,2-3"),
    ],
)
def test_cores(text: str, cores: tuple[int, ...], mask: str, words: str) -> None:
    found = cpu_cores.choose(text, pixel())
    assert (found.cores, found.mask, found.words()) == (cores, mask, words)


@pytest.mark.parametrize(
    ("text", "cores"),
    [("\t0-3,6\n", (0, 1, 2, 3, 6)), ("2", (2,)), ("", None), ("none", None), ("1-", None)],
)
def test_cores_as_the_kernel_lists_them(text: str, cores: tuple[int, ...] | None) -> None:
    assert cpu_cores.parse_ranges(text) == cores


def test_cores_that_are_not_there() -> None:
    for text, words in (("8", "0 to 7"), ("3-9", "0 to 7"), ("4-2", "0 to 7")):
        with pytest.raises(UsageError, match=words):
            cpu_cores.choose(text, pixel())
    for text in ("", "fast", "1,", "-1", "0x3", "1;reboot", "big,1"):
        with pytest.raises(UsageError, match="big, little, all"):
            cpu_cores.choose(text, pixel())
    alike = replace(pixel(), clusters=clusters(""), clocks_khz={})
    with pytest.raises(DeviceError, match="do not say how fast"):
        cpu_cores.choose("big", alike)


@pytest.mark.parametrize(
    ("text", "serial"),
    [("android", None), ("android:R58N", "R58N"), ("android:10.0.0.2:5555", "10.0.0.2:5555")],
)
def test_targets(text: str, serial: str | None) -> None:
    assert parse_target(text) == AndroidTarget(serial)
    assert parse_target(text).url == text


@pytest.mark.parametrize("text", ["android:", "android: ", "android:-s", "android:a\nb", "phone"])
def test_targets_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        parse_target(text)


def test_nothing_of_a_files_name_goes_to_the_phone(tmp_path: Path) -> None:
    path = tmp_path / "a '\"$(reboot)\n; rm -rf .tflite"
    path.write_bytes(b"model")
    found = LocalFile.open(path)
    assert found.remote_name == f"{found.sha256}.tflite"
    odd = tmp_path / "a.$(x)"
    odd.write_bytes(b"model")
    assert LocalFile.open(odd).remote_name == found.sha256
    with pytest.raises(BadInputError, match="cannot be read"):
        LocalFile.open(tmp_path / "missing")
