"""The blocks that small vision networks repeat, as converters write them for TFLite."""

from __future__ import annotations

from .layers import Network, Value


def separable(net: Network, x: Value, channels: int, stride: int = 1) -> Value:
    """MobileNetV1's block: a depthwise and a pointwise convolution."""
    x = net.depthwise(x, 3, stride, activation="relu6")
    return net.conv(x, channels, activation="relu6")


def inverted_residual(
    net: Network,
    x: Value,
    expanded: int,
    channels: int,
    kernel: int = 3,
    stride: int = 1,
    activation: str = "relu6",
    gate: int = 0,
) -> Value:
    """MobileNetV2's and V3's block, with a shortcut where the shapes agree.

    `expanded`: channels of the depthwise convolution; as many as `x` has: no expansion.
    `activation`: "relu", "relu6" or "hard_swish". `gate`: channels inside squeeze-and-excite,
    0 for none.
    """
    inside = x
    if expanded != x.shape[3]:
        inside = activated_conv(net, inside, expanded, activation=activation)
    if activation == "hard_swish":
        inside = net.hard_swish(net.depthwise(inside, kernel, stride))
    else:
        inside = net.depthwise(inside, kernel, stride, activation=activation)
    if gate:
        inside = squeeze_excite(net, inside, gate)
    inside = net.conv(inside, channels)
    return net.add(x, inside) if inside.shape == x.shape else inside


def activated_conv(
    net: Network, x: Value, channels: int, kernel: int = 1, stride: int = 1, activation: str = ""
) -> Value:
    """A convolution whose activation may be "hard_swish", an operator of its own."""
    if activation != "hard_swish":
        return net.conv(x, channels, kernel, stride, activation=activation)
    return net.hard_swish(net.conv(x, channels, kernel, stride))


def squeeze_excite(net: Network, x: Value, squeezed: int) -> Value:
    """A gate a channel, with the hard sigmoid of MobileNetV3: relu6(y + 3) times 1/6."""
    gate = net.conv(net.mean(x, keep_dims=True), squeezed, activation="relu")
    gate = net.multiply_constant(net.conv(gate, x.shape[3], activation="relu6", offset=3.0), 1 / 6)
    return net.multiply(x, gate)


def bottleneck(
    net: Network, x: Value, narrow: int, stride: int = 1, projected: bool = False
) -> Value:
    """ResNet's block (version 1, its stride in the first convolution).

    `projected`: the shortcut is a convolution as well.
    """
    wide = 4 * narrow
    shortcut = net.conv(x, wide, 1, stride, "valid") if projected else x
    inside = net.conv(x, narrow, 1, stride, "valid", activation="relu")
    inside = net.conv(inside, narrow, 3, activation="relu")
    return net.add(shortcut, net.conv(inside, wide, 1, 1, "valid"), activation="relu")


def fire(net: Network, x: Value, squeezed: int, expanded: int) -> Value:
    """SqueezeNet's block: squeezed, then 1x1 and 3x3 convolutions side by side."""
    x = net.conv(x, squeezed, 1, 1, "valid", activation="relu")
    small = net.conv(x, expanded, 1, 1, "valid", activation="relu")
    return net.concatenate([small, net.conv(x, expanded, 3, activation="relu")])
