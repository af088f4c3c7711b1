"""Where the adb program of this computer lies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edge_deploy_runner.errors import DeviceError

HOW_TO_INSTALL = (
    "install Android's platform-tools (Debian: sudo apt install adb) or name it with "
    "EDGE_DEPLOY_ADB"
)


def find_adb(executable: str | os.PathLike[str] | None = None) -> str:
    """The adb that is named, else that of $EDGE_DEPLOY_ADB, $ANDROID_HOME or the PATH, in turn.

    Raises `DeviceError` where there is none.
    """
    named = os.fspath(executable) if executable else os.environ.get("EDGE_DEPLOY_ADB")
    if named:
        found = shutil.which(named)
        if found is None:
            raise DeviceError(f"there is no adb at {named}; {HOW_TO_INSTALL}")
        return found
    for variable in ("ANDROID_HOME", "ANDROID_SDK_ROOT"):
        home = os.environ.get(variable)
        if home and (found := shutil.which(str(Path(home) / "platform-tools" / "adb"))):
            return found
    found = shutil.which("adb")
    if found is None:
        raise DeviceError(f"there is no adb on this computer; {HOW_TO_INSTALL}")
    return found
