"""Calibration: the ranges of all activations, found once and used for every recipe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from edge_deploy_runner.progress import Progress, silent

from .flatbuffer_model import hushed

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Ways to turn the ranges of single samples into one range. "min-max" keeps everything that was
# seen; the others cut the rarest extremes, which is better for some networks and worse for others.
METHODS = ("min-max", "percentile-99", "percentile-90", "moving-average")
_SMOOTHING = 0.95
_CHUNK = 10


@dataclass(frozen=True)
class Ranges:
    """Smallest and largest value of each tensor in each sample: arrays (samples, tensors)."""

    tensors: tuple[str, ...]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def reduced(self, method: str) -> dict[str, dict[str, NDArray[np.float32]]]:
        """One range a tensor, as litert-quantizer takes it; `method` is one of METHODS."""
        if method == "min-max":
            low, high = self.low.min(axis=0), self.high.max(axis=0)
        elif method == "moving-average":
            low, high = _moving_average(self.low), _moving_average(self.high)
        else:
            share = float(method.rsplit("-", 1)[1])
            low = np.percentile(self.low, 100 - share, axis=0)
            high = np.percentile(self.high, share, axis=0)
        return {
            name: {
                "min": np.array([low[n]], np.float32),
                "max": np.array([high[n]], np.float32),
            }
            for n, name in enumerate(self.tensors)
        }


def _moving_average(values: NDArray[np.float64]) -> NDArray[np.float64]:
    average: NDArray[np.float64] = values[0]
    for value in values[1:]:
        average = _SMOOTHING * average + (1 - _SMOOTHING) * value
    return average


def calibrate(
    float_model: bytes,
    samples: Iterable[dict[str, NDArray[Any]]],
    count: int,
    on_progress: Progress = silent,
) -> Ranges:
    """Run the float model on the samples and note every tensor's range.

    `samples`: signature input name to tensor with its batch of 1; `count` of them.
    """
    samples = iter(samples)
    from edge_deploy_runner.interpreter import default_threads, quiet_native_output
    from litert_quantizer import calibrator, recipe, recipe_manager

    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(recipe.static_wi8_ai8())
    with hushed(), quiet_native_output():
        collector = calibrator.Calibrator(
            float_model,
            num_threads=default_threads(),
            mode=calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED,
            qsv_update_func=_collect,
        )
    (key,) = collector.get_signature_list()
    # In chunks, because every call has a cost of its own.
    for start in range(0, count, _CHUNK):
        on_progress("Calibrating", start, count)
        chunk = list(islice(samples, min(_CHUNK, count - start)))
        with hushed():
            collector.calibrate({key: chunk}, manager)
    on_progress("Calibrating", count, count)
    statistics = collector.get_model_qsvs()
    names = tuple(statistics)
    return Ranges(
        names,
        np.stack([np.ravel(statistics[name]["min"]) for name in names], axis=1).astype(np.float64),
        np.stack([np.ravel(statistics[name]["max"]) for name in names], axis=1).astype(np.float64),
    )


def _collect(seen: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Keep the range of every sample, where the quantizer's own functions keep one number."""
    return {
        end: np.concatenate([np.ravel(seen[end]), np.ravel(new[end])]) for end in ("min", "max")
    }
