"""Pin the wheels that go into bundles: python -m edge_deploy.wheel_pins > pins.toml.

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


def main() -> int:
    """Fetch every wheel of `CHOICES` and print its pin as TOML."""
    print("# Written by python -m edge_deploy.wheel_pins, which also says why these versions.")
    for platform, requirements in CHOICES.items():
        with tempfile.TemporaryDirectory(prefix="edge-deploy-pins-") as folder:
            for requirement in requirements:
                try:
                    pip_download(platform, [requirement], Path(folder))
                except subprocess.CalledProcessError as error:
                    print(error.stderr, file=sys.stderr)
                    return 1
            for wheel in sorted(Path(folder).iterdir()):
                package, version, *_ = wheel.name.split("-")
                print(
                    f'\n[[wheel]]\npackage = "{package.replace("_", "-")}"\n'
                    f'version = "{version}"\n'
                    f'python = "{platform.python_text}"\nmachine = "{platform.machine}"\n'
                    f'file = "{wheel.name}"\n'
                    f'sha256 = "{hashlib.sha256(wheel.read_bytes()).hexdigest()}"\n'
                    f"size_bytes = {wheel.stat().st_size}"
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
