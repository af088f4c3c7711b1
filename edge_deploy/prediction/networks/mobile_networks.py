"""MobileNet V1 to V3, EdgeTPU, MnasNet and EfficientNet-Lite: backbones and classifiers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from edge_deploy.prediction.workload import Workload

from .shapes import Map, Network, scaled_channels

_V1 = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1),
    (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


class Block(NamedTuple):
    """An inverted bottleneck: channels inside and out, the depthwise kernel, and what it adds.

    `inside` counts channels. `fused` puts a full convolution in the place of the expansion and the
    depthwise one. `gate_channels` is the narrow width of its squeeze-and-excite, 0 for none.
    """

    inside: int
    outside: int
    kernel: int = 3
    stride: int = 1
    swish: bool = False
    gate_channels: int = 0
    fused: bool = False
    residual: bool = True
    gate: str = "hard"


class Endpoints(NamedTuple):
    """What detectors take from a backbone: each block's expanded map and its result."""

    expanded: tuple[Map, ...]
    results: tuple[Map, ...]


def mobilenet_v1_maps(net: Network, size: int, width: float = 1.0) -> tuple[Map, ...]:
    """The results of MobileNetV1's thirteen separable convolutions."""
    x = net.conv(Map(size, size, 3), int(32 * width), 3, 2)
    maps = []
    for channels, stride in _V1:
        x = net.separable(x, int(channels * width), 3, stride)
        maps.append(x)
    return tuple(maps)


def bottlenecks(net: Network, x: Map, blocks: tuple[Block, ...]) -> Endpoints:
    """A chain of inverted bottlenecks, each added to its input where the shapes allow it."""
    expanded, results = [], []
    for block in blocks:
        inside = x
        if block.fused:
            inside = net.conv(x, block.inside, block.kernel, block.stride)
        elif block.inside > x.channels:
            inside = swished(net, net.conv(x, block.inside), block.swish)
        expanded.append(inside)
        if not block.fused:
            inside = net.depthwise(inside, block.kernel, block.stride)
            inside = swished(net, inside, block.swish)
        if block.gate_channels:
            inside = gated(net, inside, block.gate_channels, block.gate)
        out = net.conv(inside, block.outside)
        x = net.add(out, x) if block.residual and out == x else out
        results.append(x)
    return Endpoints(tuple(expanded), tuple(results))


def swished(net: Network, x: Map, swish: bool) -> Map:
    """A hard swish, which no operator fuses, if there is one."""
    return net.elementwise("HARD_SWISH", x) if swish else x


def gated(net: Network, x: Map, channels: int, gate: str) -> Map:
    """Squeeze and excite; `gate` is `hard` (an addition and a product) or `logistic`."""
    gates = net.conv(net.conv(net.mean(x), channels), x.channels)
    if gate == "hard":
        gates = net.elementwise("MUL", net.elementwise("ADD", gates))
    else:
        gates = net.elementwise("LOGISTIC", gates)
    return net.scale(x, gates)


def mobilenet_v2_blocks(width: float = 1.0) -> tuple[Block, ...]:
    """MobileNetV2's seventeen bottlenecks."""
    stages = (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
        (6, 320, 1, 1),
    )  # fmt: skip
    inverted = [(e, scaled_channels(c * width), n, 3, s) for e, c, n, s in stages]
    return tuple(_inverted(scaled_channels(32 * width), inverted))


def efficientnet_lite_blocks(width: float, depth: float) -> tuple[Block, ...]:
    """EfficientNet-Lite's bottlenecks; first and last stage keep their depth."""
    stages = (
        (1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2), (6, 80, 3, 3, 2), (6, 112, 3, 5, 1),
        (6, 192, 4, 5, 2), (6, 320, 1, 3, 1),
    )  # fmt: skip
    inverted = [
        (e, scaled_channels(c * width), n if i in (0, 6) else _repeats(n, depth), k, s)
        for i, (e, c, n, k, s) in enumerate(stages)
    ]
    return tuple(_inverted(32, inverted))


def mobilenet_v3_blocks(large: bool, minimalistic: bool, detection: bool) -> tuple[Block, ...]:
    """MobileNetV3's bottlenecks; `detection` halves the last stage's channels."""
    rows = _V3_LARGE if large else _V3_SMALL
    blocks = []
    for inside, outside, kernel, stride, gate, swish in rows:
        last = detection and (outside == (160 if large else 96))
        halved = detection and inside in ((960,) if large else (576,))
        narrow = inside // 2 if halved else inside
        blocks.append(
            Block(
                narrow,
                outside // 2 if last else outside,
                3 if minimalistic else kernel,
                stride,
                swish and not minimalistic,
                0 if minimalistic or not gate else scaled_channels(narrow / 4),
            )
        )
    return tuple(blocks)


def mobilenet_edgetpu_blocks() -> tuple[Block, ...]:
    """MobileNetEdgeTPU's bottlenecks: full convolutions at first, no swish, no gates."""
    blocks = [Block(32, 16, 1)]
    stages = ((32, 8, 4, 3, True), (48, 8, 4, 3, True), (96, 8, 4, 3, False))
    channels = 16
    for outside, first, later, kernel, fused in stages:
        blocks.append(Block(first * channels, outside, kernel, 2, fused=fused))
        blocks += [Block(later * outside, outside, kernel, fused=fused)] * 3
        channels = outside
    blocks.append(Block(8 * 96, 96, residual=False))
    blocks += [Block(4 * 96, 96)] * 3
    blocks.append(Block(8 * 96, 160, 5, 2))
    blocks += [Block(4 * 160, 160, 5)] * 3
    blocks.append(Block(8 * 160, 192))
    return tuple(blocks)


def mobilenet_v1(name: str, width: float, size: int) -> Workload:
    """The classifier, whose last layer is a convolution."""
    net = Network(name)
    x = mobilenet_v1_maps(net, size, width)[-1]
    net.softmax(net.flatten(net.conv(net.mean(x), 1000), 1000))
    return net.workload()


def mobilenet_v2(name: str, width: float, size: int) -> Workload:
    """The classifier; above width 1 its last layer grows as well."""
    net = Network(name)
    stem = net.conv(Map(size, size, 3), scaled_channels(32 * width), 3, 2)
    x = bottlenecks(net, stem, mobilenet_v2_blocks(width)).results[-1]
    return _classified(net, net.conv(x, scaled_channels(1280 * max(1.0, width))))


def mobilenet_v3(name: str, large: bool, minimalistic: bool, size: int = 224) -> Workload:
    """The classifier of TF-slim, large or small, also without swishes, gates and 5 x 5 kernels."""
    net = Network(name)
    swish = not minimalistic
    stem = swished(net, net.conv(Map(size, size, 3), 16, 3, 2), swish)
    x = bottlenecks(net, stem, mobilenet_v3_blocks(large, minimalistic, False)).results[-1]
    x = swished(net, net.conv(x, 960 if large else 576), swish)
    x = swished(net, net.conv(net.mean(x), 1280 if large else 1024), swish)
    net.softmax(net.flatten(net.conv(x, 1001), 1001))
    return net.workload()


def mobilenet_edgetpu(name: str, size: int = 224) -> Workload:
    """The classifier."""
    net = Network(name)
    stem = net.conv(Map(size, size, 3), 32, 3, 2)
    x = bottlenecks(net, stem, mobilenet_edgetpu_blocks()).results[-1]
    return _classified(net, net.conv(x, 1280), 1001)


def mnasnet_b1(name: str, width: float, size: int) -> Workload:
    """The classifier without gates."""
    stages = (
        (3, 24, 3, 3, 2), (3, 40, 3, 5, 2), (6, 80, 3, 5, 2), (6, 96, 2, 3, 1), (6, 192, 4, 5, 2),
        (6, 320, 1, 3, 1),
    )  # fmt: skip
    net = Network(name)
    stem = net.conv(Map(size, size, 3), scaled_channels(32 * width), 3, 2)
    x = net.separable(stem, scaled_channels(16 * width))
    inverted = [(e, scaled_channels(c * width), n, k, s) for e, c, n, k, s in stages]
    x = bottlenecks(net, x, tuple(_inverted(x.channels, inverted))).results[-1]
    return _classified(net, net.conv(x, 1280))


def efficientnet_lite(name: str, width: float, depth: float, size: int) -> Workload:
    """The classifier."""
    net = Network(name)
    stem = net.conv(Map(size, size, 3), 32, 3, 2)
    x = bottlenecks(net, stem, efficientnet_lite_blocks(width, depth)).results[-1]
    return _classified(net, net.conv(x, 1280))


def _classified(net: Network, x: Map, classes: int = 1000) -> Workload:
    net.softmax(net.dense(net.mean(x), classes))
    return net.workload()


def _inverted(channels: int, stages: list[tuple[int, int, int, int, int]]) -> Iterator[Block]:
    """Blocks of stages of (expansion, channels, repeats, kernel, first stride)."""
    for expansion, outside, repeats, kernel, stride in stages:
        for repeat in range(repeats):
            yield Block(expansion * channels, outside, kernel, stride if not repeat else 1)
            channels = outside


def _repeats(count: int, depth: float) -> int:
    return -int(-count * depth // 1)


# Channels inside and out, kernel, stride, gate, swish.
_V3_LARGE = (
    (16, 16, 3, 1, False, False), (64, 24, 3, 2, False, False), (72, 24, 3, 1, False, False),
    (72, 40, 5, 2, True, False), (120, 40, 5, 1, True, False), (120, 40, 5, 1, True, False),
    (240, 80, 3, 2, False, True), (200, 80, 3, 1, False, True), (184, 80, 3, 1, False, True),
    (184, 80, 3, 1, False, True), (480, 112, 3, 1, True, True), (672, 112, 3, 1, True, True),
    (672, 160, 5, 2, True, True), (960, 160, 5, 1, True, True), (960, 160, 5, 1, True, True),
)  # fmt: skip
_V3_SMALL = (
    (16, 16, 3, 2, True, False), (72, 24, 3, 2, False, False), (88, 24, 3, 1, False, False),
    (96, 40, 5, 2, True, True), (240, 40, 5, 1, True, True), (240, 40, 5, 1, True, True),
    (120, 48, 5, 1, True, True), (144, 48, 5, 1, True, True), (288, 96, 5, 2, True, True),
    (576, 96, 5, 1, True, True), (576, 96, 5, 1, True, True),
)  # fmt: skip
