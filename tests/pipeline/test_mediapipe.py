"""The metadata that we write is read and run by a stranger: PyPI's mediapipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ASSETS, skip_or_fail
from edge_deploy_runner import Classifier
from PIL import Image


def _mediapipe() -> tuple[Any, Any, Any]:
    """The package and its parts; it has no wheel for every machine, and needs OpenGL."""
    try:
        import mediapipe
        from mediapipe.tasks import python as tasks
        from mediapipe.tasks.python import vision
    except (ImportError, OSError) as error:
        skip_or_fail("pipeline", f"mediapipe cannot be imported ({error}); see .ci/run")
    return mediapipe, tasks, vision


@pytest.mark.parametrize("recipe", ["float32", "uint8", "int8-float-io", "dynamic"])
def test_mediapipe_classifies_as_we_do(digits_models: Path, recipe: str) -> None:
    mediapipe, tasks, vision = _mediapipe()
    path = digits_models / f"digits_mobilenet_v2_{recipe}.tflite"
    ours = Classifier(path)
    options = vision.ImageClassifierOptions(
        base_options=tasks.BaseOptions(model_asset_path=str(path)), max_results=1
    )
    with np.load(ASSETS / "digits_heldout.npz") as arrays:
        digits = arrays["x"][:40]
    same = 0
    with vision.ImageClassifier.create_from_options(options) as theirs:
        for digit in digits:
            # Of the model's own size, so that no resizing can differ.
            image = Image.fromarray(digit).convert("RGB").resize((48, 48))
            found = theirs.classify(
                mediapipe.Image(
                    image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image)
                )
            )
            best = found.classifications[0].categories[0]
            mine = ours.classify(image, 1).top[0]
            same += best.category_name == mine.label
            # Its runtime has integer kernels of its own, which round in another way than XNNPACK's.
            tolerance = 1e-3 if recipe == "float32" else 0.1
            assert best.score == pytest.approx(mine.score, abs=tolerance)
    assert same >= (len(digits) if recipe == "float32" else len(digits) - 2)


def test_mediapipe_refuses_int8_input(digits_models: Path) -> None:
    """The day it does not, the README may say so."""
    _, tasks, vision = _mediapipe()
    path = digits_models / "digits_mobilenet_v2_int8.tflite"
    with pytest.raises((RuntimeError, ValueError), match="uint8/float32"):
        vision.ImageClassifier.create_from_options(
            vision.ImageClassifierOptions(
                base_options=tasks.BaseOptions(model_asset_path=str(path))
            )
        )
