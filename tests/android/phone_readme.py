"""The README's measurement on a phone, made on the fake one.

`cd tests && python -m android.phone_readme MODEL`, the int8 digits model. It writes the output
between the README's markers anew.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from readme import README, tidy

from .conftest import CACHE
from .fake_device.adb_server import adb_server
from .fake_device.desktop import desktop_libraries
from .fake_device.phone import fake_phone

_PLACE = re.compile(r"(<!-- fake-phone -->\n).*?(<!-- /fake-phone -->)", re.DOTALL)


def measured(model: Path) -> str:
    """What `edge-deploy profile --device android` prints for a model on the fake phone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("home", "desktop"):
            (folder / part).mkdir()
        with (
            adb_server(folder / "home") as server,
            fake_phone(server, cache=CACHE, desktop=desktop_libraries(folder / "desktop")) as phone,
        ):
            done = subprocess.run(
                [sys.executable, "-m", "edge_deploy", "profile", str(model), "--device", "android"],
                env={**phone.environment, "COLUMNS": "110"},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return tidy(done.stdout)


def main() -> None:
    """Write the README with fresh output."""
    text = README.read_text("utf-8")
    if len(_PLACE.findall(text)) != 1:
        raise SystemExit("the README has no one place for the fake phone's output")
    block = f"```text\n{measured(Path(sys.argv[1]).absolute())}\n```\n"
    README.write_text(_PLACE.sub(lambda match: match[1] + block + match[2], text), "utf-8")


if __name__ == "__main__":
    main()
