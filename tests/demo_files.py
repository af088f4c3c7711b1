"""What `make demo` leaves in demo-output/; tests/pipeline/test_demo.py holds it to a real run."""

from __future__ import annotations

from edge_deploy.demonstration import _DIGIT_RECIPES, _PHOTO_RECIPES

INDEX = {"README.md"}
DIGITS = {
    "digits/summary.json",
    "digits/tradeoff.png",
    *(
        f"digits/digits_mobilenet_v2_{recipe}.{kind}"
        for recipe in _DIGIT_RECIPES
        for kind in ("tflite", "json", "measurement.json", "verdict.json", "accuracy.json")
    ),
}
PHOTOS = {
    "photos/calibration_crops.npz",
    "photos/summary.json",
    "photos/tradeoff.png",
    *(
        f"photos/efficientnet-lite0_{recipe}.{kind}"
        for recipe in _PHOTO_RECIPES
        for kind in ("tflite", "json", "measurement.json", "verdict.json")
    ),
}
