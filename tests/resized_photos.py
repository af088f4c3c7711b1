"""Photos of odd shapes resized in many ways, and the digests of what an old Pillow made of them.

Up to 10 Pillow resized along rows first, whatever the shape, and so must we with any of its
versions. To change the cases, write the digests anew with such a version, without the runner:

python tests/resized_photos.py    # where `pip install pillow==10.3.0` was done
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import PIL
from PIL import Image

HERE = Path(__file__).resolve().parent
DIGESTS = HERE / "golden" / "resized_photos.json"
PHOTOS = HERE.parent / "assets" / "photos"
METHODS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
}
SHAPES = (
    (1, 1), (1, 40), (40, 1), (1, 3000), (3000, 1), (7, 2000), (2000, 7), (37, 53),
    (150, 200), (120, 900), (900, 120),
)  # fmt: skip
SIZES = ((48, 48), (33, 57), (1, 1), (1, 50), (50, 1), (160, 40), (300, 20), (20, 300), (224, 224))

Size = tuple[int, int]
Box = tuple[float, float, float, float]
Resize = Callable[[Image.Image, Size, str, "Box | None"], Image.Image]


class Case(NamedTuple):
    """One photo, in how many sizes and out of which of its parts it is resized."""

    name: str
    image: Image.Image
    sizes: tuple[Size, ...]
    boxes: tuple[Box | None, ...]


def cases() -> Iterator[Case]:
    """Real photos and noise, in colour and grey; PNG, which every decoder reads alike."""
    for name in ("chelsea.png", "coffee.png"):
        with Image.open(PHOTOS / name) as photo:
            for mode in ("RGB", "L"):
                image = photo.convert(mode)
                sizes = (*SIZES, (image.width, 20), (20, image.height), (image.width + 9, 9))
                yield Case(f"{name} {mode}", image, sizes, (None, *_parts(*image.size)))
    for width, height in SHAPES:
        for mode in ("RGB", "L"):
            name = f"noise {width}x{height} {mode}"
            image = _noise(name, (width, height), mode)
            parts = _parts(width, height) if min(width, height) > 30 else ()
            yield Case(name, image, SIZES, (None, *parts))


def _noise(name: str, size: Size, mode: str) -> Image.Image:
    count = size[0] * size[1] * (3 if mode == "RGB" else 1)
    return Image.frombytes(mode, size, hashlib.shake_256(name.encode()).digest(count))


def _parts(width: int, height: int) -> tuple[Box, ...]:
    return (
        (0.25, 0.5, width - 0.625, height - 0.125),
        (0, 0.375, width, height - 0.5),
        (1.5, 0, width, height),
        (2, 3, width - 2, height - 1),
        (width / 3, 0, width / 3 + 1.5, height),
    )


def digests(resize: Resize) -> dict[str, dict[str, str]]:
    """For each case and method, the digest of all that `resize` makes."""
    found: dict[str, dict[str, str]] = {}
    for case in cases():
        found[case.name] = {}
        for method in METHODS:
            digest = hashlib.sha256()
            for size in case.sizes:
                for box in case.boxes:
                    made = resize(case.image, size, method, box)
                    digest.update(f"{made.mode} {made.size}".encode() + made.tobytes())
            found[case.name][method] = digest.hexdigest()
    return found


def _in_one_call(image: Image.Image, size: Size, method: str, box: Box | None) -> Image.Image:
    return image.resize(size, METHODS[method], box)


if __name__ == "__main__":
    if not PIL.__version__.startswith("10."):
        raise SystemExit(f"Pillow {PIL.__version__} chooses an order of its own; take 10.3")
    record = {"pillow": PIL.__version__, "sha256": digests(_in_one_call)}
    DIGESTS.write_text(json.dumps(record, indent=1) + "\n")
