"""Which Raspberry Pi a board is, and which cores an ARM machine has, from what the kernel says."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Published revision codes: "new-style" ones are bit fields, NOQuuuWuFMMMCCCCPPPPTTTTTTTTRRRR.
# The types carry the names of the boards' device trees.
_TYPES = {
    0x00: "Model A", 0x01: "Model B", 0x02: "Model A Plus", 0x03: "Model B Plus",
    0x04: "2 Model B", 0x06: "Compute Module", 0x08: "3 Model B", 0x09: "Zero",
    0x0A: "Compute Module 3", 0x0C: "Zero W", 0x0D: "3 Model B Plus", 0x0E: "3 Model A Plus",
    0x10: "Compute Module 3 Plus", 0x11: "4 Model B", 0x12: "Zero 2 W", 0x13: "400",
    0x14: "Compute Module 4", 0x15: "Compute Module 4S", 0x17: "5 Model B",
    0x18: "Compute Module 5", 0x19: "500", 0x1A: "Compute Module 5 Lite",
}  # fmt: skip
_PROCESSORS = {0: "BCM2835", 1: "BCM2836", 2: "BCM2837", 3: "BCM2711", 4: "BCM2712"}
_MANUFACTURERS = {
    0: "Sony UK", 1: "Egoman", 2: "Embest", 3: "Sony Japan", 4: "Embest", 5: "Stadium",
}  # fmt: skip
_MEMORY_BASE = 256 * 2**20

# (implementer, part) of /proc/cpuinfo: the core's name
_CORES = {
    (0x41, 0xB76): "ARM1176", (0x41, 0xC07): "Cortex-A7", (0x41, 0xC08): "Cortex-A8",
    (0x41, 0xC09): "Cortex-A9", (0x41, 0xC0F): "Cortex-A15", (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD04): "Cortex-A35", (0x41, 0xD05): "Cortex-A55", (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72", (0x41, 0xD09): "Cortex-A73", (0x41, 0xD0A): "Cortex-A75",
    (0x41, 0xD0B): "Cortex-A76", (0x41, 0xD0C): "Neoverse-N1", (0x41, 0xD0D): "Cortex-A77",
    (0x41, 0xD40): "Neoverse-V1", (0x41, 0xD41): "Cortex-A78", (0x41, 0xD49): "Neoverse-N2",
    (0x61, 0x022): "Apple M1 Icestorm", (0x61, 0x023): "Apple M1 Firestorm",
}  # fmt: skip


@dataclass(frozen=True)
class Board:
    """What a Raspberry Pi's revision code says; parts that are not published yet are None."""

    revision: str
    type: str | None
    processor: str | None
    manufacturer: str | None
    memory_bytes: int | None
    board_revision: int | None

    @property
    def name(self) -> str | None:
        """`Raspberry Pi 4 Model B Rev 1.4`, as device trees say it; None for an unknown type."""
        if self.type is None:
            return None
        if self.board_revision is None:
            return f"Raspberry Pi {self.type}"
        return f"Raspberry Pi {self.type} Rev 1.{self.board_revision}"

    @property
    def maker(self) -> str:
        """`BCM2711, 4 GB, made by Sony UK`, as far as it is known; "" for nothing."""
        size = self.memory_bytes
        parts = [
            self.processor,
            None if size is None else f"{size >> 30} GB" if size >> 30 else f"{size >> 20} MB",
            None if self.manufacturer is None else f"made by {self.manufacturer}",
        ]
        return ", ".join(part for part in parts if part)


def decode_revision(code: int) -> Board:
    """What a revision code says; old-style codes (ARMv6 boards before 2014) only as BCM2835."""
    text = f"{code:x}"
    if not code >> 23 & 1:
        old = 0x0002 <= (code & 0xFFFF) <= 0x0015
        return Board(text, None, "BCM2835" if old else None, None, None, None)
    size = code >> 20 & 7
    return Board(
        revision=text,
        type=_TYPES.get(code >> 4 & 0xFF),
        processor=_PROCESSORS.get(code >> 12 & 0xF),
        manufacturer=_MANUFACTURERS.get(code >> 16 & 0xF),
        memory_bytes=_MEMORY_BASE << size if size <= 6 else None,
        board_revision=code & 0xF,
    )


def revision_in(cpuinfo: str) -> int | None:
    """The board's code in the `Revision` line of /proc/cpuinfo; None where it has none."""
    match = re.search(r"^Revision\s*:\s*([0-9a-fA-F]{4,8})\s*$", cpuinfo, re.MULTILINE)
    return int(match.group(1), 16) if match else None


def core_names(cpuinfo: str) -> tuple[str, ...]:
    """The kinds of ARM cores in /proc/cpuinfo, each once; ids for those without a known name."""
    found: dict[str, None] = {}
    for block in re.split(r"\n\s*\n", cpuinfo):
        implementer = re.search(r"^CPU implementer\s*:\s*0x([0-9a-fA-F]+)", block, re.MULTILINE)
        part = re.search(r"^CPU part\s*:\s*0x([0-9a-fA-F]+)", block, re.MULTILINE)
        if implementer and part:
            key = int(implementer.group(1), 16), int(part.group(1), 16)
            found[_CORES.get(key, f"ARM implementer {key[0]:#x} part {key[1]:#x}")] = None
    return tuple(found)


# Those that decide which kernels a runtime may use, by the kernel's names.
_FEATURES_THAT_MATTER = frozenset({
    "neon", "vfpv4", "asimd", "fphp", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2",
    "sse4_1", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni", "avx_vnni",
    "avx512_bf16", "amx_int8",
})  # fmt: skip


def cpu_features(cpuinfo: str) -> tuple[str, ...]:
    """The features of the first core that matter to inference, by the kernel's names."""
    match = re.search(r"^(?:Features|flags)\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
    found = match.group(1).split() if match else []
    return tuple(name for name in found if name in _FEATURES_THAT_MATTER)
