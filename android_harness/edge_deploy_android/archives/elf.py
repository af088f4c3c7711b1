"""What Android's loader looks at in a shared library: machine, segments, what it needs.

Read from the program headers alone, as the loader does; sections may have been stripped. The
numbers are those of the ELF specification and of `elf.h`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_deploy_runner.errors import BadInputError

from .byte_reader import ByteReader

PAGE_16K = 16384
ABIS_64_BIT = ("arm64-v8a", "x86_64", "riscv64")
_LARGEST_FILE = 512 * 2**20
_MOST_SEGMENTS = 512
_MOST_DYNAMIC_ENTRIES = 4096
_LONGEST_NAME = 1024
# e_machine and class -> the machine's name and Android's name of the ABI.
_MACHINES = {
    (3, 32): ("x86", "x86"),
    (40, 32): ("ARM", "armeabi-v7a"),
    (62, 64): ("x86-64", "x86_64"),
    (183, 64): ("AArch64", "arm64-v8a"),
    (243, 64): ("RISC-V", "riscv64"),
}
_PT_LOAD, _PT_DYNAMIC, _PT_GNU_RELRO = 1, 2, 0x6474E552
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_SONAME = 0, 1, 5, 10, 14
_PF_WRITABLE = 2


@dataclass(frozen=True)
class Segment:
    """A program header; offsets, addresses and sizes in bytes."""

    kind: int
    flags: int
    offset: int
    address: int
    file_size: int
    memory_size: int
    alignment: int


@dataclass(frozen=True)
class Elf:
    """A shared library. `abi` is Android's name, None for a machine that Android does not have."""

    machine: str
    abi: str | None
    bits: int
    segments: tuple[Segment, ...]
    needed: tuple[str, ...]
    soname: str | None

    @property
    def load_segments(self) -> tuple[Segment, ...]:
        """The segments that are mapped into memory."""
        return tuple(segment for segment in self.segments if segment.kind == _PT_LOAD)

    @property
    def load_alignments(self) -> tuple[int, ...]:
        """Alignment in bytes of each mapped segment, in the file's order."""
        return tuple(segment.alignment for segment in self.load_segments)

    @property
    def needs_glibc(self) -> bool:
        """Whether it was built for desktop Linux: no Android device has that C library."""
        return any(name.startswith(("libc.so.6", "ld-linux")) for name in self.needed)

    def unaligned(self, page: int = PAGE_16K) -> str | None:
        """Why it cannot be mapped on a device with pages of this size; None where it can."""
        for number, segment in enumerate(self.load_segments):
            if segment.alignment < page:
                return f"LOAD segment {number} is aligned to {segment.alignment} bytes"
            if (segment.offset - segment.address) % page:
                return f"file and memory position of LOAD segment {number} differ within a page"
        return None

    def relro_overlap(self, page: int = PAGE_16K) -> int:
        """Bytes of writable data that become read-only when its RELRO is rounded up to pages."""
        lost = 0
        for relro in (s for s in self.segments if s.kind == _PT_GNU_RELRO and s.memory_size):
            end = relro.address + relro.memory_size
            rounded = -(-end // page) * page
            for load in self.load_segments:
                if load.flags & _PF_WRITABLE:
                    covered = min(rounded, load.address + load.memory_size)
                    lost = max(lost, covered - max(end, load.address))
        return lost


def is_elf(data: bytes) -> bool:
    """Whether the bytes begin as an ELF file does."""
    return data[:4] == b"\x7fELF"


def read_elf(data: bytes | Path, name: str | None = None) -> Elf:
    """Read a shared library, given its bytes or its path.

    Raises `BadInputError` where it is none, is cut off or is damaged; `name` is what to call it.
    """
    if isinstance(data, Path):
        return _read(_file_bytes(data), name or str(data))
    return _read(data, name or "the library")


def _file_bytes(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise BadInputError(f"there is no library at {path}; check the path")
        if path.stat().st_size > _LARGEST_FILE:
            raise BadInputError(f"{path} is larger than 512 MiB: no library of a runtime is")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInputError(f"{path} cannot be read: {reason}") from error


def _read(data: bytes, name: str) -> Elf:
    def complain(what: str) -> BadInputError:
        return BadInputError(f"{name} is a damaged library: {what}; build or copy it again")

    if not is_elf(data):
        raise BadInputError(f"{name} is no shared library (no ELF mark); name a .so file")
    reader = ByteReader(data, complain)
    if reader.u8(4) not in (1, 2) or reader.u8(5) not in (1, 2):
        raise complain("its ELF header names no class or byte order")
    if reader.u8(5) == 2:
        raise BadInputError(f"{name} is a big-endian library, which no Android device runs")
    bits = 32 * reader.u8(4)
    number = reader.u16(18)
    machine, abi = _MACHINES.get((number, bits), (f"machine {number}", None))
    if reader.u16(16) != 3:  # ET_DYN
        raise BadInputError(f"{name} is an ELF file but no shared library; name a .so file")
    segments = _segments(reader, bits)
    if not any(segment.kind == _PT_LOAD for segment in segments):
        raise complain("it has no segment to load")
    needed, soname = _dynamic(reader, bits, segments)
    return Elf(machine, abi, bits, segments, needed, soname)


def _segments(reader: ByteReader, bits: int) -> tuple[Segment, ...]:
    table = reader.u64(32) if bits == 64 else reader.u32(28)
    size = reader.u16(54 if bits == 64 else 42)
    count = reader.u16(56 if bits == 64 else 44)
    if size != (56 if bits == 64 else 32) or count > _MOST_SEGMENTS:
        raise reader.complain(f"{count} program headers of {size} bytes")
    found = []
    for index in range(count):
        at = table + index * size
        if bits == 64:
            kind, flags = reader.u32(at), reader.u32(at + 4)
            values = [reader.u64(at + 8 * place) for place in (1, 2, 4, 5, 6)]
        else:
            kind, flags = reader.u32(at), reader.u32(at + 24)
            values = [reader.u32(at + 4 * place) for place in (1, 2, 4, 5, 7)]
        segment = Segment(kind, flags, *values)
        if kind == _PT_LOAD and segment.offset + segment.file_size > len(reader):
            raise reader.complain(f"it is cut off: LOAD segment {index} ends behind the file")
        found.append(segment)
    return tuple(found)


def _dynamic(
    reader: ByteReader, bits: int, segments: tuple[Segment, ...]
) -> tuple[tuple[str, ...], str | None]:
    """The names of the libraries it needs, and its own."""
    dynamic = next((segment for segment in segments if segment.kind == _PT_DYNAMIC), None)
    if dynamic is None:
        return (), None
    step = bits // 8
    number = reader.u64 if bits == 64 else reader.u32
    entries: list[tuple[int, int]] = []
    for index in range(min(dynamic.file_size // (2 * step), _MOST_DYNAMIC_ENTRIES)):
        at = dynamic.offset + 2 * step * index
        tag, value = number(at), number(at + step)
        if tag == _DT_NULL:
            break
        entries.append((tag, value))
    values = dict(reversed(entries))
    if _DT_STRTAB not in values:
        return (), None
    start = _file_offset(reader, segments, values[_DT_STRTAB])
    strings = reader.part(start, min(values.get(_DT_STRSZ, 0), len(reader) - start))

    def text(offset: int) -> str:
        return strings.c_string(offset, _LONGEST_NAME).decode("utf-8", "replace")

    needed = tuple(text(value) for tag, value in entries if tag == _DT_NEEDED)
    return needed, text(values[_DT_SONAME]) if _DT_SONAME in values else None


def _file_offset(reader: ByteReader, segments: tuple[Segment, ...], address: int) -> int:
    for segment in segments:
        inside = address - segment.address
        if segment.kind == _PT_LOAD and 0 <= inside < segment.file_size:
            return segment.offset + inside
    raise reader.complain(f"the address {address:#x} is in none of its segments")
