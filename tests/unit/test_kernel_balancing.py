"""Kernel balancing on layers made by hand, against plain rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from edge_deploy_converters.kernel_balancing import balance_kernels
from edge_deploy_converters.quantization import quantize
from edge_deploy_converters.recipes import RECIPES, Recipe
from edge_deploy_runner.tflite.model_file import ModelFile
from test_bias_correction import Layer, build

PER_TENSOR = Recipe("per-tensor", activations="float32", granularity="tensor", io="float32")


def weights_of(data: bytes) -> Any:
    """The weights' real values, and their scales along the right axis (1 where they are float)."""
    file = ModelFile(data)
    tensor = next(t for t in file.graph.tensors if t.name == "w")
    dtype = np.int8 if tensor.dtype == "int8" else np.float32
    values = np.frombuffer(file.buffer_data(tensor.buffer), dtype).reshape(tensor.shape)
    shape = [1] * values.ndim
    if len(tensor.scales) > 1:
        shape[tensor.quantized_dimension] = -1
    scales = np.asarray(tensor.scales or [1], np.float32).reshape(shape)
    return values * scales, scales


@pytest.mark.parametrize("recipe", [RECIPES["weight-int8"], PER_TENSOR], ids=lambda r: r.name)
@pytest.mark.parametrize(
    "layer",
    [
        Layer(),
        Layer("DEPTHWISE_CONV_2D", kernel=(5, 5), channels=32, out=32),
        Layer(kernel=(1, 5)),
    ],
    ids=["3x3", "depthwise", "1x5"],
)
def test_the_errors_of_every_kernel_cancel_and_are_quantized_as_chosen(
    layer: Layer, recipe: Recipe
) -> None:
    model = build(layer)
    rounded = quantize(model, recipe)
    balanced = balance_kernels(ModelFile(model), ModelFile(rounded))
    exact, (plain, scales) = weights_of(model)[0], weights_of(rounded)
    chosen = weights_of(balanced)[0]
    again, scales_again = weights_of(quantize(balanced, recipe))

    def sums(values: Any) -> Any:
        return np.abs(((values - exact) / scales).sum(axis=(1, 2)))

    assert sums(plain).max() > 0.6
    assert sums(chosen).max() < 0.501
    assert np.abs((chosen - exact) / scales).max() < 1  # a neighbouring step, none further away
    np.testing.assert_allclose(scales_again, scales, rtol=1e-6)
    np.testing.assert_allclose(again, chosen, rtol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [Layer(kernel=(1, 1)), Layer("FULLY_CONNECTED", channels=16)],
    ids=["1x1", "dense"],
)
def test_layers_without_a_kernel_stay_as_they_are(layer: Layer) -> None:
    model = build(layer)
    rounded = quantize(model, RECIPES["weight-int8"])
    balanced = balance_kernels(ModelFile(model), ModelFile(rounded))
    np.testing.assert_array_equal(weights_of(balanced)[0], weights_of(model)[0])


def test_what_a_recipe_keeps_in_float_stays_as_it_is() -> None:
    model = build(Layer())
    balanced = balance_kernels(ModelFile(model), ModelFile(model))
    np.testing.assert_array_equal(weights_of(balanced)[0], weights_of(model)[0])
