"""Pin the wheels that go into bundles: python -m edge_deploy.bundles.wheel_pins > pins.toml.

The result is the package's `targets/wheels.toml`. Versions are chosen here, by hand; file names
and sha256 are those of what pip fetches. Look at the difference before you commit it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from .wheels import WheelPlatform, pip_download

_LITERT, _PILLOW = "ai-edge-litert==2.3.0", "pillow==12.3.0"
# bookworm's picamera2 is built for numpy 1 and breaks with numpy 2
_NUMPY_BOOKWORM, _NUMPY = "numpy==1.26.4", "numpy==2.2.6"

CHOICES: dict[WheelPlatform, tuple[str, ...]] = {
    WheelPlatform((3, 10), "aarch64"): (_LITERT, _NUMPY, _PILLOW),
    WheelPlatform((3, 11), "aarch64"): (_LITERT, _NUMPY_BOOKWORM, _PILLOW),
    WheelPlatform((3, 12), "aarch64"): (_LITERT, _NUMPY, _PILLOW),
    WheelPlatform((3, 13), "aarch64"): (_LITERT, _NUMPY, _PILLOW),
    WheelPlatform((3, 10), "x86_64"): (_LITERT, _NUMPY, _PILLOW),
    WheelPlatform((3, 11), "x86_64"): (_LITERT, _NUMPY_BOOKWORM, _PILLOW),
    WheelPlatform((3, 12), "x86_64"): (_LITERT, _NUMPY, _PILLOW),
    WheelPlatform((3, 13), "x86_64"): (_LITERT, _NUMPY, _PILLOW),
    # The last runtime with 32-bit wheels; numpy and Pillow have none and come from the system.
    WheelPlatform((3, 11), "armv7l"): ("tflite-runtime==2.14.0",),
}
# Pure Python, for every platform; only bundles whose service has an mqtt sink take it along.
_ANY_PLATFORM = ("paho-mqtt==2.1.0",)


def main() -> int:
    """Fetch every wheel of `CHOICES` and of `_ANY_PLATFORM` and print its pin as TOML."""
    print("# Written by `make wheels`; edge_deploy/bundles/wheel_pins.py says why these versions.")
    choices: list[tuple[WheelPlatform | None, WheelPlatform, tuple[str, ...]]]
    choices = [(platform, platform, required) for platform, required in CHOICES.items()]
    choices.append((None, next(iter(CHOICES)), _ANY_PLATFORM))
    for platform, fetched_for, requirements in choices:
        with tempfile.TemporaryDirectory(prefix="edge-deploy-pins-") as folder:
            for requirement in requirements:
                try:
                    pip_download(fetched_for, [requirement], Path(folder))
                except subprocess.CalledProcessError as error:
                    print(error.stderr, file=sys.stderr)
                    return 1
            for wheel in sorted(Path(folder).iterdir()):
                print(_pin(wheel, platform))
    return 0


def _pin(wheel: Path, platform: WheelPlatform | None) -> str:
    package, version, *_ = wheel.name.split("-")
    lines = [
        "\n[[wheel]]",
        f'package = "{package.replace("_", "-")}"',
        f'version = "{version}"',
        f'file = "{wheel.name}"',
        f'sha256 = "{hashlib.sha256(wheel.read_bytes()).hexdigest()}"',
        f"size_bytes = {wheel.stat().st_size}",
    ]
    if platform is not None:
        lines[3:3] = [f'python = "{platform.python_text}"', f'machine = "{platform.machine}"']
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
