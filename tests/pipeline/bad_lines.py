"""What the tests of wrong command lines share; theirs are the files `test_bad_*.py`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from PIL import Image

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux's files and processes")


def converted(folder: Path) -> list[str]:
    """What lies in the output folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def png() -> bytes:
    """A small photo."""
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "PNG")
    return stream.getvalue()
