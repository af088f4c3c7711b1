"""Ranges of activations: every way to reduce them, against numpy by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from edge_deploy_converters.calibration import METHODS, Ranges, calibrate
from edge_deploy_runner.tflite.model_file import ModelFile
from small_models_photo import color_classifier

RANDOM = np.random.default_rng(11)
LOW = RANDOM.normal(-3, 1, (40, 2))
HIGH = RANDOM.normal(5, 2, (40, 2))


def by_hand(method: str, values: Any, share: float) -> list[float]:
    if method == "min-max":
        return [float(column.min() if share < 50 else column.max()) for column in values.T]
    if method == "moving-average":
        averages = []
        for column in values.T:
            average = column[0]
            for value in column[1:]:
                average = 0.95 * average + 0.05 * value
            averages.append(float(average))
        return averages
    ordered = np.sort(values, axis=0)
    at = share / 100 * (len(values) - 1)  # numpy's linear interpolation
    below = int(at)
    above = min(below + 1, len(values) - 1)
    return [float(v) for v in ordered[below] + (at - below) * (ordered[above] - ordered[below])]


@pytest.mark.parametrize("method", METHODS)
def test_ranges_are_reduced_as_their_name_says(method: str) -> None:
    share = {"percentile-99": 99.0, "percentile-90": 90.0}.get(method, 100.0)
    found = Ranges(("a", "b"), LOW, HIGH).reduced(method)
    assert list(found) == ["a", "b"]
    lowest, highest = by_hand(method, LOW, 100 - share), by_hand(method, HIGH, share)
    for n, name in enumerate(("a", "b")):
        assert found[name]["min"].dtype == np.float32
        assert found[name]["min"].shape == found[name]["max"].shape == (1,)
        assert found[name]["min"][0] == pytest.approx(lowest[n], rel=1e-6)
        assert found[name]["max"][0] == pytest.approx(highest[n], rel=1e-6)


def test_methods_order_as_they_should() -> None:
    ranges = Ranges(("a", "b"), LOW, HIGH)
    widths = [
        float(ranges.reduced(method)["a"]["max"][0] - ranges.reduced(method)["a"]["min"][0])
        for method in ("min-max", "percentile-99", "percentile-90")
    ]
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) == 3


def test_every_sample_of_a_real_model_has_its_range() -> None:
    data = color_classifier(size=(6, 4))
    samples = [
        {"photo": RANDOM.uniform(-1, 1, (1, 4, 6, 3)).astype(np.float32) * np.float32(scale)}
        for scale in np.linspace(0.1, 1, 23)  # more than two chunks, the last one not full
    ]
    stages: list[tuple[str, int, int]] = []
    ranges = calibrate(data, iter(samples), 23, lambda *stage: stages.append(stage))
    model = ModelFile(data)
    name = model.inputs[0].name
    at = ranges.tensors.index(name)
    np.testing.assert_allclose(ranges.low[:, at], [s["photo"].min() for s in samples])
    np.testing.assert_allclose(ranges.high[:, at], [s["photo"].max() for s in samples])
    assert ranges.low.shape == ranges.high.shape == (23, len(ranges.tensors))
    assert model.outputs[0].name in ranges.tensors
    assert stages[-1] == ("Calibrating", 23, 23)
