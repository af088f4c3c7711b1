"""Damaged models, always the same ones: made from two small good ones with a fixed seed."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Iterator

from PIL import Image
from small_models_photo import color_classifier

SEED = 20240607
_ABSURD = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000, 0x40000000)


def damaged_models(seed: int = SEED) -> Iterator[tuple[str, bytes]]:
    """Some 400 names and contents; nearly all are damaged, a few flips hit nothing that matters."""
    source = random.Random(seed)
    yield from _other_files(source)
    for dtype in ("float32", "int8"):
        good = color_classifier(dtype)
        bare = color_classifier(dtype, contract=False)
        yield from _truncated(dtype, good, source)
        yield from _flipped(dtype, good, bare, source)
        yield from _absurd_numbers(dtype, bare, source)
        yield from _absurd_shapes(dtype, good)
        yield from _damaged_tail(dtype, good, source)


def _other_files(source: random.Random) -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "one-byte", b"\x1c"
    yield "mark-only", b"\x1c\0\0\0TFL3"
    yield "text", b"this is no model\n" * 20
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("config.json", "{}")
    yield "zip", packed.getvalue()
    image = io.BytesIO()
    Image.new("RGB", (8, 8)).save(image, "PNG")
    yield "png", image.getvalue()
    image = io.BytesIO()
    Image.new("RGB", (8, 8)).save(image, "JPEG")
    yield "jpeg", image.getvalue()
    yield "hdf5", b"\x89HDF\r\n\x1a\n" + bytes(200)
    for number in range(12):
        content = source.randbytes(source.randrange(1, 4000))
        yield f"random-{number}", content
        yield f"random-marked-{number}", content[:4].ljust(4, b"\0") + b"TFL3" + content[4:]
        # A root offset that lies within the file leads further in.
        yield f"random-rooted-{number}", b"\x1c\0\0\0TFL3" + content


def _truncated(name: str, good: bytes, source: random.Random) -> Iterator[tuple[str, bytes]]:
    points = {len(good) * part // 24 for part in range(1, 24)}
    points |= {source.randrange(9, len(good)) for _ in range(10)} | {len(good) - 1}
    for point in sorted(points):
        yield f"{name}-truncated-{point}", good[:point]


def _flipped(
    name: str, good: bytes, bare: bytes, source: random.Random
) -> Iterator[tuple[str, bytes]]:
    for number in range(60):
        content = bytearray(good if number % 3 == 0 else bare)
        for _ in range(source.choice((1, 1, 1, 4, 16))):
            content[source.randrange(8, len(content))] ^= 1 << source.randrange(8)
        yield f"{name}-flipped-{number}", bytes(content)


def _absurd_numbers(name: str, bare: bytes, source: random.Random) -> Iterator[tuple[str, bytes]]:
    for number in range(50):
        content = bytearray(bare)
        first, second = (source.randrange(8, len(bare) - 4) & ~3 for _ in range(2))
        if number % 2:
            content[first : first + 4], content[second : second + 4] = (
                bare[second : second + 4],
                bare[first : first + 4],
            )
            yield f"{name}-swapped-{number}", bytes(content)
        else:
            struct.pack_into("<I", content, first, source.choice(_ABSURD))
            yield f"{name}-absurd-{number}", bytes(content)


def _absurd_shapes(name: str, good: bytes) -> Iterator[tuple[str, bytes]]:
    for shape in ((1, 16, 24, 3), (1, 3), (3, 1, 1, 3), (1, 1, 1, 3)):
        wanted = struct.pack(f"<{len(shape) + 1}i", len(shape), *shape)
        for size in (0, -1, -(2**31), 2**31 - 1, 2**20):
            for every in (False, True):
                absurd = (
                    struct.pack(
                        f"<{len(shape) + 1}i", len(shape), size, *((size,) * len(shape))[1:]
                    )
                    if every
                    else struct.pack(f"<{len(shape) + 1}i", len(shape), *shape[:-1], size)
                )
                content = good.replace(wanted, absurd, -1 if every else 1)
                which = "every" if every else "one"
                yield f"{name}-shape-{'x'.join(map(str, shape))}-{which}-{size}", content


def _damaged_tail(name: str, good: bytes, source: random.Random) -> Iterator[tuple[str, bytes]]:
    tail = good.index(b"PK\x03\x04")
    for number in range(10):
        content = bytearray(good)
        content[source.randrange(tail, len(good))] ^= 1 << source.randrange(8)
        yield f"{name}-tail-flipped-{number}", bytes(content)
    yield f"{name}-tail-cut", good[:tail]
    yield f"{name}-tail-half", good[: (tail + len(good)) // 2]
    yield f"{name}-tail-zeros", good[:tail] + bytes(len(good) - tail)
    yield f"{name}-tail-doubled", good + good[tail:]
