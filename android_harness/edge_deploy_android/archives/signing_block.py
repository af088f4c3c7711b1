"""Which signature schemes an archive carries: that they are there, not that they are right."""

from __future__ import annotations

import struct

from .zip_reader import Archive

_MARK = b"APK Sig Block 42"
_SCHEMES = {0x7109871A: "v2", 0xF05368C0: "v3", 0x1B93AD61: "v3.1"}
_LARGEST_BLOCK = 16 * 2**20
_MOST_PAIRS = 64


def signature_schemes(archive: Archive) -> tuple[str, ...]:
    """`v1` (files in META-INF), `v2`, `v3` and `v3.1` (in the signing block), as they are there.

    Only `apksigner verify` says whether a signature is right.
    """
    names = [entry.name.upper() for entry in archive.entries]
    stems = {n.rpartition(".")[0] for n in names if n.startswith("META-INF/") and n.endswith(".SF")}
    signed = any(f"{stem}.{kind}" in names for stem in stems for kind in ("RSA", "DSA", "EC"))
    return (("v1",) if signed else ()) + _block_schemes(archive)


def _block_schemes(archive: Archive) -> tuple[str, ...]:
    end = archive.directory_offset
    tail = archive.raw(end - 24, 24) if end >= 32 else b""
    if tail[8:] != _MARK:
        return ()
    (size,) = struct.unpack_from("<Q", tail)
    if not 24 <= size <= min(_LARGEST_BLOCK, end - 8):
        return ()
    block = archive.raw(end - size - 8, size + 8)
    if block[:8] != tail[:8]:
        return ()
    found = []
    at, last = 8, len(block) - 24
    for _ in range(_MOST_PAIRS):
        if at + 12 > last:
            break
        length, number = struct.unpack_from("<QI", block, at)
        if length < 4 or at + 8 + length > last:
            break
        if number in _SCHEMES:
            found.append(_SCHEMES[number])
        at += 8 + length
    return tuple(sorted(set(found)))
