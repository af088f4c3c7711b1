"""What the tests on a real phone and on a real board share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def int8(digits_models: Path) -> Path:
    """The sample network, in int8."""
    return digits_models / "digits_mobilenet_v2_int8.tflite"
