"""The generated models that a device is calibrated with: small, and of many shapes.

None of them is a published network, so that those can tell how good a calibration is. Each takes
from one to some ten milliseconds on a Raspberry Pi 4, but for that with the most weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge_deploy.prediction.synthetic.blocks import (
    activated_conv,
    bottleneck,
    fire,
    inverted_residual,
    separable,
)
from edge_deploy.prediction.synthetic.layers import Network, Value


@dataclass(frozen=True)
class MicroModel:
    """One generated model. `family` groups those that are made alike."""

    name: str
    family: str
    layers: Callable[[Network], Value]

    def build(self, dtype: str) -> bytes:
        """The `.tflite` file in one of `layers.DTYPES`; the same bytes every time."""
        net = Network(self.name, dtype)
        return net.build(self.layers(net))


def _pointwise_wide(net: Network) -> Value:
    x = net.input(14, 14, 256)
    for channels in (320, 96, 480):
        x = net.conv(x, channels, activation="relu6")
    x = net.max_pool(x, 2, 2)
    for channels in (192, 1024, 160):
        x = net.conv(x, channels, activation="relu6")
    return x


def _pointwise_narrow(net: Network) -> Value:
    x = net.input(96, 96, 16)
    for channels in (32, 16, 64):
        x = net.conv(x, channels, activation="relu6")
    x = net.max_pool(x, 2, 2)
    for channels in (24, 120, 40, 80):
        x = net.conv(x, channels, activation="relu6")
    return x


def _dense_3x3(net: Network) -> Value:
    x = net.input(48, 48, 32)
    for channels, stride in ((48, 1), (64, 2), (64, 1), (128, 2), (96, 1), (192, 2), (160, 1)):
        x = net.conv(x, channels, 3, stride, activation="relu")
    return x


def _windows(net: Network) -> Value:
    image = net.input(128, 128, 3)
    small = net.conv(image, 24, 3, 2, activation="relu6")
    large = net.conv(net.pad(image, 3, 3), 24, 7, 2, "valid", activation="relu")
    x = net.max_pool(net.pad(net.concatenate([small, large]), 1, 1), 3, 2)
    x = net.conv(net.average_pool(x, 3, 1, "same"), 48, 5, 2, activation="relu")
    x = net.conv(net.conv(x, 96, (1, 7), activation="relu"), 128, (7, 1), activation="relu")
    x = net.conv(x, 64, 3, 2, "valid", activation="relu")
    return net.average_pool(net.resize_bilinear(x, 48, 48), 2, 2)


def _depthwise(net: Network) -> Value:
    x = net.input(80, 80, 48)
    for kernel, stride in ((3, 1), (3, 2), (5, 1), (5, 2), (3, 1)):
        x = net.depthwise(x, kernel, stride, activation="relu6")
    x = net.conv(x, 120, activation="relu6")
    for kernel in (3, 5):
        x = net.depthwise(x, kernel, activation="relu6")
    x = net.conv(x, 400, 1, 2, activation="relu6")
    for kernel, stride in ((3, 1), (5, 1), (3, 2), (5, 1), (3, 1)):
        x = net.depthwise(x, kernel, stride, activation="relu6")
    return x


def _streamed_weights(net: Network, count: int) -> Value:
    """Weights that no cache holds, in a small file: every layer has the same."""
    x = net.input(7, 7, 512, low=0.0, high=6.0)
    x = first = net.conv(x, 512, activation="relu6")
    for _ in range(count - 1):
        x = net.conv_again(x, first)
    return x


def _many_weights(net: Network) -> Value:
    return _streamed_weights(net, 20)


def _most_weights(net: Network) -> Value:
    return _streamed_weights(net, 80)


def _fully_connected(net: Network) -> Value:
    x = net.input(512)
    for units in (900, 320, 240, 600):
        x = net.fully_connected(x, units, activation="relu")
    return net.softmax(net.fully_connected(x, 400))


def _elementwise(net: Network) -> Value:
    x = net.input(64, 64, 24)
    y = net.conv(x, 24)
    x = net.add(x, y)
    x = net.hard_swish(x)
    x = net.multiply(x, net.logistic(y))
    x = net.concatenate([x, net.relu(y)])
    x = net.hard_swish(net.add(x, net.multiply_constant(x, 0.5)))
    return net.softmax(net.mean(x))


def _separable_net(net: Network) -> Value:
    x = net.conv(net.input(128, 128, 3), 16, 3, 2, activation="relu6")
    for channels, stride in ((24, 1), (48, 2), (96, 2), (96, 1), (192, 2), (192, 1), (384, 2)):
        x = separable(net, x, channels, stride)
    x = net.conv(net.mean(x, keep_dims=True), 200)
    return net.softmax(net.reshape(x, 200))


def _inverted_residual_net(net: Network) -> Value:
    x = net.conv(net.input(112, 112, 3), 16, 3, 2, activation="relu6")
    x = inverted_residual(net, x, 16, 8)
    for expanded, channels, stride in (
        (48, 16, 2), (96, 16, 1), (96, 24, 2), (144, 24, 1), (144, 48, 2), (288, 48, 1),
        (288, 48, 1), (288, 96, 2), (576, 96, 1),
    ):  # fmt: skip
        x = inverted_residual(net, x, expanded, channels, 3, stride)
    x = net.conv(x, 640, activation="relu6")
    return net.softmax(net.fully_connected(net.mean(x), 200))


def _residual_net(net: Network) -> Value:
    x = net.conv(net.pad(net.input(80, 80, 3), 3, 3), 24, 7, 2, "valid", activation="relu")
    x = net.max_pool(net.pad(x, 1, 1), 3, 2, "valid")
    for narrow, stride, count in ((24, 1, 2), (48, 2, 2), (80, 2, 2)):
        x = bottleneck(net, x, narrow, stride, projected=True)
        for _ in range(count - 1):
            x = bottleneck(net, x, narrow)
    return net.softmax(net.fully_connected(net.mean(x), 200, bias=False))


def _fire_net(net: Network) -> Value:
    x = net.conv(net.input(112, 112, 3), 40, 3, 2, "valid", activation="relu")
    x = net.max_pool(x, 3, 2)
    x = fire(net, fire(net, x, 12, 40), 12, 40)
    x = net.max_pool(x, 3, 2)
    x = fire(net, fire(net, x, 24, 80), 40, 144)
    return net.softmax(net.mean(net.conv(x, 300, 1, 1, "valid", activation="relu")))


def _gated_residual_net(net: Network) -> Value:
    x = net.input(128, 128, 3, low=0.0, high=255.0)
    x = net.add_constant(net.multiply_constant(x, 1 / 127.5), -1.0)
    x = activated_conv(net, x, 16, 3, 2, "hard_swish")
    x = inverted_residual(net, x, 16, 16, 3, 2, "relu", 8)
    x = inverted_residual(net, x, 64, 24, 3, 2, "relu")
    x = inverted_residual(net, x, 80, 24, 3, 1, "relu")
    x = inverted_residual(net, x, 96, 40, 5, 2, "hard_swish", 24)
    x = inverted_residual(net, x, 200, 40, 5, 1, "hard_swish", 56)
    x = inverted_residual(net, x, 200, 80, 5, 2, "hard_swish", 56)
    x = inverted_residual(net, x, 400, 80, 5, 1, "hard_swish", 104)
    x = activated_conv(net, x, 400, activation="hard_swish")
    x = activated_conv(net, net.mean(x, keep_dims=True), 480, activation="hard_swish")
    return net.softmax(net.reshape(net.conv(x, 240), 240))


MICRO_MODELS = (
    MicroModel("pointwise_wide", "pointwise", _pointwise_wide),
    MicroModel("pointwise_narrow", "pointwise", _pointwise_narrow),
    MicroModel("dense_3x3", "dense", _dense_3x3),
    MicroModel("windows", "dense", _windows),
    MicroModel("depthwise", "depthwise", _depthwise),
    MicroModel("fully_connected", "fully connected", _fully_connected),
    MicroModel("elementwise", "elementwise", _elementwise),
    MicroModel("many_weights", "weights", _many_weights),
    MicroModel("most_weights", "weights", _most_weights),
    MicroModel("separable_net", "separable", _separable_net),
    MicroModel("inverted_residual_net", "inverted residual", _inverted_residual_net),
    MicroModel("residual_net", "residual", _residual_net),
    MicroModel("fire_net", "fire", _fire_net),
    MicroModel("gated_residual_net", "gated residual", _gated_residual_net),
)
