"""The user's own device files, and what a command writes into a device file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from edge_deploy_runner.errors import BadInputError

if TYPE_CHECKING:
    from edge_deploy.prediction.latency.model import LatencyModel

FOLDER_VARIABLE = "EDGE_DEPLOY_DEVICES"
MARKER = "# Written by a command from here on; see docs/prediction.md."

_MARKER_LINE = re.compile(rf"^{re.escape(MARKER)}[ \t]*\r?$", re.MULTILINE)
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# What --device and a budget take for something else than a device file.
_TAKEN = ("local", "android", "ssh")


def user_folder() -> Path:
    """Where the user's device files lie: $EDGE_DEPLOY_DEVICES, else a folder of the user's data.

    It need not exist.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("edge-deploy", appauthor=False) / "devices"


def folder_fault() -> str:
    """Why no device file lies where $EDGE_DEPLOY_DEVICES has them; "" where it is a folder."""
    folder = user_folder()
    if not os.environ.get(FOLDER_VARIABLE) or folder.is_dir():
        return ""
    what = "is no folder" if os.path.lexists(folder) else "does not exist"
    return f"{FOLDER_VARIABLE} has your device files in {folder}, which {what}"


def check_id(device_id: str) -> None:
    """Raise `BadInputError` where a device cannot be called so."""
    if _ID.fullmatch(device_id) is None:
        raise BadInputError(
            f"{device_id!r} cannot be a device's id; it needs small letters, digits and single "
            "hyphens between them, as in my-board-2"
        )
    if device_id in _TAKEN:
        raise BadInputError(f"a device cannot be called {device_id}: --device takes that for a way")


def device_file(device_id: str) -> str:
    """The text of a device's file: the user's where there is one, else the package's, else "".

    Raises `BadInputError` where the user's cannot be read.
    """
    check_id(device_id)
    own = user_folder() / f"{device_id}.toml"
    if own.exists():
        return read_text(own)
    packaged = resources.files("edge_deploy") / "devices" / f"{device_id}.toml"
    return packaged.read_bytes().decode() if packaged.is_file() else ""


def read_text(path: Path) -> str:
    """A device file's text with the line ends that it has."""
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise BadInputError(f"the device file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInputError(
            f"the device file {path} is not UTF-8 text (byte {error.start + 1} is "
            f"0x{error.object[error.start]:02x}); save it as UTF-8"
        ) from error


def split_at_marker(text: str) -> tuple[str, str]:
    """What people wrote of a device file, and what a command did: the marker and all below."""
    found = _MARKER_LINE.search(text)
    return (text, "") if found is None else (text[: found.start()], text[found.start() :])


def with_latency(text: str, models: Sequence[LatencyModel]) -> str:
    """A device file's text with these latency entries in place of those a command had written.

    What stands above the marker line stays byte for byte; the line is added where it is missing.
    """
    import tomli_w

    from edge_deploy.prediction.latency.entry import to_entry

    above, _ = split_at_marker(text)
    if above and not above.endswith("\n"):
        above += "\n"
    entries = [tomli_w.dumps({"latency": [to_entry(model)]}) for model in models]
    return "\n".join([above + MARKER + "\n", *entries])
