"""The published networks that predictions are held against, with random weights.

Their operators are those of Keras' networks as `edge-deploy convert` writes them (SqueezeNet and
EfficientNet-Lite0, which Keras has not, from their papers), made in a second instead of minutes.
"""

from __future__ import annotations

from collections.abc import Callable

from edge_deploy.prediction.synthetic.blocks import (
    activated_conv,
    bottleneck,
    fire,
    inverted_residual,
    separable,
)
from edge_deploy.prediction.synthetic.layers import Network, Value


def _mobilenet_v1(net: Network) -> Value:
    x = net.conv(net.input(224, 224, 3), 32, 3, 2, activation="relu6")
    for channels, stride in (
        (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1),
        (512, 1), (512, 1), (1024, 2), (1024, 1),
    ):  # fmt: skip
        x = separable(net, x, channels, stride)
    x = net.conv(net.mean(x, keep_dims=True), 1000)
    return net.softmax(net.reshape(x, 1000))


def _inverted_residuals(
    net: Network, stages: tuple[tuple[int, int, int, int, int], ...], last_padding: str
) -> Value:
    x = net.conv(net.input(224, 224, 3), 32, 3, 2, activation="relu6")
    for factor, channels, count, stride, kernel in stages:
        for number in range(count):
            expanded = factor * x.shape[3]
            x = inverted_residual(net, x, expanded, channels, kernel, stride if number == 0 else 1)
    x = net.conv(x, 1280, 1, 1, last_padding, activation="relu6")
    return net.softmax(net.fully_connected(net.mean(x), 1000))


def _mobilenet_v2(net: Network) -> Value:
    return _inverted_residuals(
        net,
        (
            (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 32, 3, 2, 3), (6, 64, 4, 2, 3),
            (6, 96, 3, 1, 3), (6, 160, 3, 2, 3), (6, 320, 1, 1, 3),
        ),
        "valid",
    )  # fmt: skip


def _efficientnet_lite0(net: Network) -> Value:
    return _inverted_residuals(
        net,
        (
            (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3),
            (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3),
        ),
        "same",
    )  # fmt: skip


# Kernel, channels inside, outside, inside the gate, activation, stride.
_V3_SMALL = (
    (3, 16, 16, 8, "relu", 2), (3, 72, 24, 0, "relu", 2), (3, 88, 24, 0, "relu", 1),
    (5, 96, 40, 24, "hard_swish", 2), (5, 240, 40, 64, "hard_swish", 1),
    (5, 240, 40, 64, "hard_swish", 1), (5, 120, 48, 32, "hard_swish", 1),
    (5, 144, 48, 40, "hard_swish", 1), (5, 288, 96, 72, "hard_swish", 2),
    (5, 576, 96, 144, "hard_swish", 1), (5, 576, 96, 144, "hard_swish", 1),
)  # fmt: skip
_V3_LARGE = (
    (3, 16, 16, 0, "relu", 1), (3, 64, 24, 0, "relu", 2), (3, 72, 24, 0, "relu", 1),
    (5, 72, 40, 24, "relu", 2), (5, 120, 40, 32, "relu", 1), (5, 120, 40, 32, "relu", 1),
    (3, 240, 80, 0, "hard_swish", 2), (3, 200, 80, 0, "hard_swish", 1),
    (3, 184, 80, 0, "hard_swish", 1), (3, 184, 80, 0, "hard_swish", 1),
    (3, 480, 112, 120, "hard_swish", 1), (3, 672, 112, 168, "hard_swish", 1),
    (5, 672, 160, 168, "hard_swish", 2), (5, 960, 160, 240, "hard_swish", 1),
    (5, 960, 160, 240, "hard_swish", 1),
)  # fmt: skip


def _mobilenet_v3(
    net: Network, rows: tuple[tuple[int, int, int, int, str, int], ...], last: int, head: int
) -> Value:
    x = net.input(224, 224, 3, low=0.0, high=255.0)
    x = net.add_constant(net.multiply_constant(x, 1 / 127.5), -1.0)
    x = activated_conv(net, x, 16, 3, 2, "hard_swish")
    for kernel, expanded, channels, gate, activation, stride in rows:
        x = inverted_residual(net, x, expanded, channels, kernel, stride, activation, gate)
    x = activated_conv(net, x, last, activation="hard_swish")
    x = activated_conv(net, net.mean(x, keep_dims=True), head, activation="hard_swish")
    return net.softmax(net.reshape(net.conv(x, 1000), 1000))


def _mobilenet_v3_small(net: Network) -> Value:
    return _mobilenet_v3(net, _V3_SMALL, 576, 1024)


def _mobilenet_v3_large(net: Network) -> Value:
    return _mobilenet_v3(net, _V3_LARGE, 960, 1280)


def _resnet50(net: Network) -> Value:
    x = net.pad(net.input(224, 224, 3), 3, 3)
    x = net.conv(x, 64, 7, 2, "valid", activation="relu")
    x = net.max_pool(net.pad(x, 1, 1), 3, 2)
    for narrow, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        x = bottleneck(net, x, narrow, stride, projected=True)
        for _ in range(count - 1):
            x = bottleneck(net, x, narrow)
    return net.softmax(net.fully_connected(net.mean(x), 1000))


def _squeezenet(net: Network) -> Value:
    x = net.conv(net.input(224, 224, 3), 64, 3, 2, "valid", activation="relu")
    x = net.max_pool(x, 3, 2)
    x = fire(net, fire(net, x, 16, 64), 16, 64)
    x = net.max_pool(x, 3, 2)
    x = fire(net, fire(net, x, 32, 128), 32, 128)
    x = net.max_pool(x, 3, 2)
    for squeezed, expanded in ((48, 192), (48, 192), (64, 256), (64, 256)):
        x = fire(net, x, squeezed, expanded)
    x = net.conv(x, 1000, 1, 1, "valid", activation="relu")
    return net.softmax(net.mean(x))


_NETWORKS: dict[str, Callable[[Network], Value]] = {
    "mobilenet_v1": _mobilenet_v1,
    "mobilenet_v2": _mobilenet_v2,
    "mobilenet_v3_small": _mobilenet_v3_small,
    "mobilenet_v3_large": _mobilenet_v3_large,
    "efficientnet_lite0": _efficientnet_lite0,
    "resnet50": _resnet50,
    "squeezenet": _squeezenet,
}
SAMPLE_NETWORKS = tuple(_NETWORKS)


def build_network(name: str, dtype: str) -> bytes:
    """The `.tflite` file of one of `SAMPLE_NETWORKS`: images of 224x224, 1,000 classes."""
    net = Network(name, dtype)
    return net.build(_NETWORKS[name](net))
