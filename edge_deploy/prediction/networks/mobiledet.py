"""MobileDet backbones, for CPU and for EdgeTPU, as in the TF1 detection zoo."""

from __future__ import annotations

from typing import NamedTuple

from .mobile_networks import Block, bottlenecks, gated, swished
from .shapes import Map, Network


class Layer(NamedTuple):
    """An inverted bottleneck by its expansion; `fused` for a full convolution inside."""

    expansion: int
    channels: int
    kernel: int = 3
    stride: int = 1
    residual: bool = True
    fused: bool = False


class Backbone(NamedTuple):
    """The two maps that an SSD head takes: at a sixteenth and at a thirty-second of the size."""

    middle: Map
    last: Map


def mobiledet_cpu(net: Network, size: int) -> Backbone:
    """The backbone with swishes and gates in every bottleneck."""
    x = swished(net, net.conv(Map(size, size, 3), 16, 3, 2), True)
    x = swished(net, net.depthwise(x), True)
    x = net.conv(gated(net, x, 8, "logistic"), 8)
    middle = _chain(net, x, _CPU_MIDDLE, with_gates=True)
    return Backbone(middle, _chain(net, middle, _CPU_LAST, with_gates=True))


def mobiledet_edgetpu(net: Network, size: int) -> Backbone:
    """The backbone of mostly full convolutions, with neither swish nor gate."""
    x = net.conv(Map(size, size, 3), 32, 3, 2)
    x = net.conv(net.conv(net.conv(x, 8), 16, 3), 16)
    middle = _chain(net, x, _EDGETPU_MIDDLE, with_gates=False)
    return Backbone(middle, _chain(net, middle, _EDGETPU_LAST, with_gates=False))


def _chain(net: Network, x: Map, layers: tuple[Layer, ...], with_gates: bool) -> Map:
    for layer in layers:
        inside = layer.expansion * x.channels
        block = Block(
            inside,
            layer.channels,
            layer.kernel,
            layer.stride,
            swish=with_gates,
            gate_channels=max(8, int(inside / 4 / 8 + 0.5) * 8) if with_gates else 0,
            fused=layer.fused,
            residual=layer.residual,
            gate="logistic",
        )
        x = bottlenecks(net, x, (block,)).results[0]
    return x


_CPU_MIDDLE = (
    Layer(4, 16, 3, 2, False),
    Layer(8, 32, 3, 2, False), Layer(4, 32), Layer(4, 32), Layer(4, 32),
    Layer(8, 72, 5, 2, False), Layer(8, 72), Layer(4, 72, 5), Layer(4, 72),
    Layer(8, 72, residual=False), Layer(8, 72), Layer(8, 72), Layer(8, 72),
)  # fmt: skip
_CPU_LAST = (
    Layer(8, 104, 5, 2, False), Layer(4, 104, 5), Layer(4, 104, 5), Layer(4, 104),
    Layer(8, 144, residual=False),
)  # fmt: skip
_EDGETPU_MIDDLE = (
    Layer(8, 16, 3, 2, False, True), Layer(4, 16, fused=True), Layer(8, 16, fused=True),
    Layer(4, 16, fused=True),
    Layer(8, 40, 5, 2, False, True), Layer(4, 40, fused=True), Layer(4, 40, fused=True),
    Layer(4, 40, fused=True),
    Layer(8, 72, 3, 2, False), Layer(8, 72), Layer(4, 72, fused=True), Layer(4, 72, fused=True),
    Layer(8, 96, 5, residual=False), Layer(8, 96, 5), Layer(8, 96), Layer(8, 96),
)  # fmt: skip
_EDGETPU_LAST = (
    Layer(8, 120, 5, 2, False), Layer(8, 120), Layer(4, 120, 5), Layer(8, 120),
    Layer(8, 384, 5, residual=False),
)  # fmt: skip
