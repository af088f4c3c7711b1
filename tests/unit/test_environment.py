"""Boards, cores and emulators, told by trees of files like those of real machines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from edge_deploy_runner.machine import boards, emulation, environment
from pi_roots import BOARDS, PI_4B, PI_5, Pi, cpuinfo, put, write_pi


@pytest.mark.parametrize(
    ("code", "name", "processor", "megabytes", "maker"),
    [
        (0x9000C1, "Raspberry Pi Zero W Rev 1.1", "BCM2835", 512, "Sony UK"),
        (0xA02082, "Raspberry Pi 3 Model B Rev 1.2", "BCM2837", 1024, "Sony UK"),
        (0xA020D3, "Raspberry Pi 3 Model B Plus Rev 1.3", "BCM2837", 1024, "Sony UK"),
        (0xA22082, "Raspberry Pi 3 Model B Rev 1.2", "BCM2837", 1024, "Embest"),
        (0xC03114, "Raspberry Pi 4 Model B Rev 1.4", "BCM2711", 4096, "Sony UK"),
        (0x902120, "Raspberry Pi Zero 2 W Rev 1.0", "BCM2837", 512, "Sony UK"),
        (0xC03130, "Raspberry Pi 400 Rev 1.0", "BCM2711", 4096, "Sony UK"),
        (0xD03140, "Raspberry Pi Compute Module 4 Rev 1.0", "BCM2711", 8192, "Sony UK"),
        (0xC04170, "Raspberry Pi 5 Model B Rev 1.0", "BCM2712", 4096, "Sony UK"),
        (0xE04171, "Raspberry Pi 5 Model B Rev 1.1", "BCM2712", 16384, "Sony UK"),
        (0xD04180, "Raspberry Pi Compute Module 5 Rev 1.0", "BCM2712", 8192, "Sony UK"),
        (0xD04190, "Raspberry Pi 500 Rev 1.0", "BCM2712", 8192, "Sony UK"),
        (0x2A020D3, "Raspberry Pi 3 Model B Plus Rev 1.3", "BCM2837", 1024, "Sony UK"),  # warranty
    ],
)
def test_revision_codes(code: int, name: str, processor: str, megabytes: int, maker: str) -> None:
    board = boards.decode_revision(code)
    assert (board.name, board.processor, board.manufacturer) == (name, processor, maker)
    assert board.memory_bytes == megabytes * 2**20


def test_revision_codes_that_are_old_or_unknown() -> None:
    assert boards.decode_revision(0x000E).processor == "BCM2835"
    assert boards.decode_revision(0x1000002).name is None
    future = boards.decode_revision(0xF0FFF3)
    assert (future.name, future.processor, future.memory_bytes) == (None, None, None)


@pytest.mark.parametrize("pi", BOARDS, ids=lambda pi: pi.name)
def test_boards(tmp_path: Path, pi: Pi) -> None:
    found = environment.describe(write_pi(tmp_path, pi), pi.machine)
    assert found.board == pi.model
    assert (found.cpu_model, found.revision) == (pi.core, pi.revision)
    assert found.ram_bytes == pi.memory_kb * 1024
    assert not found.emulated
    # The revision code alone says the same as the device tree.
    (tmp_path / "proc/device-tree/model").unlink()
    text = cpuinfo(pi)
    put(tmp_path, "proc/cpuinfo", text[: text.index("Model\t")])
    assert environment.board_name(tmp_path) == pi.model


def test_features_that_matter_are_named() -> None:
    assert "asimddp" in boards.cpu_features(cpuinfo(PI_5))
    assert boards.cpu_features(cpuinfo(PI_4B)) == ("asimd",)
    assert boards.cpu_features("flags\t\t: fpu sse4_1 avx2 smep\n") == ("sse4_1", "avx2")
    assert boards.cpu_features("") == ()


def test_unlike_cores_are_all_named() -> None:
    text = cpuinfo(PI_4B) + "\n" + cpuinfo(PI_5).replace("0xd0b", "0xfff")
    assert boards.core_names(text) == ("Cortex-A72", "ARM implementer 0x41 part 0xfff")


@pytest.mark.parametrize(
    ("machine", "text", "tree", "emulated"),
    [
        ("aarch64", "vendor_id : GenuineIntel", "", True),
        ("aarch64", "CPU implementer : 0x41", "linux,dummy-virt", True),
        ("x86_64", "model name : QEMU TCG CPU version 2.5+", "", True),
        ("x86_64", "vendor_id : AuthenticAMD", "None", False),
        ("aarch64", "CPU implementer : 0x41", "Raspberry Pi 5 raspberrypi,5-model-b", False),
    ],
)
def test_emulation_in_the_texts(machine: str, text: str, tree: str, emulated: bool) -> None:
    assert (emulation.emulator(machine, text, tree, None) is not None) is emulated


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("proc/sys/kernel/arch", "x86_64", "the kernel is x86_64"),
        ("proc/self/comm", "qemu-aarch64-st", "this process is called qemu-aarch64-st"),
        ("sys/devices/system/cpu/modalias", "cpu:type:x86,ven0000fam0006", "the CPU is x86"),
    ],
)
def test_user_mode_with_a_made_up_cpuinfo_is_seen(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    root = write_pi(tmp_path, PI_4B)
    assert not environment.describe(root, "aarch64").emulated
    put(root, name, text)
    found = environment.describe(root, "aarch64")
    assert found.emulated
    assert said in str(found.emulator)


def test_user_mode_is_seen_by_the_link_of_its_task(tmp_path: Path) -> None:
    root = write_pi(tmp_path, PI_4B)
    task = root / "proc/self/task/1"
    task.mkdir(parents=True)
    (task / "exe").symlink_to("/usr/bin/qemu-aarch64-static")
    assert environment.describe(root, "aarch64").emulator == (
        "QEMU user mode (qemu-aarch64-static)"
    )


@pytest.mark.parametrize(("kernel", "machine"), [("aarch64", "armv7l"), ("aarch64", "aarch64")])
def test_a_32_bit_program_on_a_64_bit_kernel_is_no_emulator(
    tmp_path: Path, kernel: str, machine: str
) -> None:
    put(write_pi(tmp_path, PI_4B), "proc/sys/kernel/arch", kernel)
    put(tmp_path, "sys/devices/system/cpu/modalias", "cpu:type:aarch64:feature:,0000,0001")
    assert not environment.describe(tmp_path, machine).emulated


def test_32_bit_userlands_have_another_architecture() -> None:
    found = environment.describe()
    assert found.architecture == found.machine
    small = environment.Environment("", "", "aarch64", None, 4, None, "3.11.2", userland_bits=32)
    assert small.architecture == "armv7l"


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({"sys/fs/cgroup/cgroup.controllers": "cpuset cpu io pids"}, False),
        ({"sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids"}, True),
        (
            {"proc/cgroups": "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t57\t0"},
            False,
        ),
        ({"proc/cgroups": "memory\t0\t57\t1"}, True),
        ({"proc/cmdline": "cgroup_disable=memory root=/dev/mmcblk0p2"}, False),
        ({"proc/cmdline": "root=/dev/mmcblk0p2"}, None),
        ({}, None),
    ],
)
def test_the_memory_controller(tmp_path: Path, files: dict[str, str], state: bool | None) -> None:
    for name, text in files.items():
        put(tmp_path, name, text)
    assert environment.memory_controller(tmp_path) is state


def test_a_boards_name_has_no_nul(tmp_path: Path) -> None:
    put(tmp_path, "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
    put(tmp_path, "proc/meminfo", "MemTotal:        3884336 kB\n")
    put(tmp_path, "etc/os-release", 'NAME="x"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    found = environment.describe(tmp_path)
    assert found.board == "Raspberry Pi 4 Model B Rev 1.4"
    assert found.ram_bytes == 3884336 * 1024
    assert found.os == "Debian GNU/Linux 12 (bookworm)"


def test_containers(tmp_path: Path) -> None:
    assert environment.container(tmp_path) is None
    put(tmp_path, ".dockerenv", "")
    assert environment.container(tmp_path) == "docker"
    put(tmp_path, "run/systemd/container", "lxc\n")
    assert environment.container(tmp_path) == "lxc"


def test_this_machine_can_be_described() -> None:
    found = environment.describe()
    assert found.cores >= 1
    assert found.python.startswith("3.")
    assert found.emulator is None or found.emulated
    if "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {}):
        assert str(found.libc).startswith("glibc 2.")
