"""EfficientDet-Lite: EfficientNet-Lite, cells of a two-way feature pyramid, shared heads."""

from __future__ import annotations

from typing import NamedTuple

from edge_deploy.prediction.workload import Workload

from .detectors import detector
from .mobile_networks import bottlenecks, efficientnet_lite_blocks
from .shapes import Map, Network

_CLASSES = 90
_ANCHORS = 9
# What each node of a cell sums: first the cell's inputs 0 to 4, then earlier nodes from 5 on.
_NODES = ((3, 4), (2, 5), (1, 6), (0, 7), (1, 7, 8), (2, 6, 9), (3, 5, 10), (4, 11))
_LEVELS = (3, 2, 1, 0, 1, 2, 3, 4)


class Scale(NamedTuple):
    """One size of the family: its backbone's width and depth, pyramid and heads."""

    width: float
    depth: float
    size: int
    channels: int
    cells: int
    repeats: int


SCALES = {
    "0": Scale(1.0, 1.0, 320, 64, 3, 3),
    "1": Scale(1.0, 1.1, 384, 88, 4, 3),
    "2": Scale(1.1, 1.2, 448, 112, 5, 3),
    "3": Scale(1.2, 1.4, 512, 160, 6, 4),
    "3x": Scale(1.2, 1.4, 640, 200, 6, 4),
    "4": Scale(1.4, 1.8, 640, 224, 7, 4),
}


def efficientdet_lite(name: str, scale: Scale) -> Workload:
    """The detector on 90 classes with nine anchors a position, up to TFLite's post-processing."""
    net = Network(name)
    stem = net.conv(Map(scale.size, scale.size, 3), 32, 3, 2)
    results = bottlenecks(net, stem, efficientnet_lite_blocks(scale.width, scale.depth)).results
    levels = [_last_of(results, scale.size, stride) for stride in (8, 16, 32)]
    levels.append(net.max_pool(net.conv(levels[-1], scale.channels)))
    levels.append(net.max_pool(levels[-1]))
    for _ in range(scale.cells):
        levels = _cell(net, levels, scale.channels)
    boxes: list[Map] = []
    scores: list[Map] = []
    for each in levels:
        for rows, width in ((scores, _CLASSES), (boxes, 4)):
            tower = each
            for _ in range(scale.repeats):
                tower = net.separable(tower, scale.channels)
            rows.append(net.flatten(net.separable(tower, width * _ANCHORS), width))
    return detector(net, boxes, scores)


def _last_of(results: tuple[Map, ...], size: int, stride: int) -> Map:
    return [each for each in results if each.height == -(-size // stride)][-1]


def _cell(net: Network, inputs: list[Map], channels: int) -> list[Map]:
    known = list(inputs)
    for sources, level in zip(_NODES, _LEVELS, strict=True):
        target = inputs[level]
        summed = [_resampled(net, known[source], target, channels) for source in sources]
        known.append(net.separable(net.add(*summed), channels))
    return known[8:]


def _resampled(net: Network, x: Map, target: Map, channels: int) -> Map:
    """A map at the target's size and the pyramid's channels."""
    if x.channels != channels:
        x = net.conv(x, channels)
    if x.height > target.height:
        return net.max_pool(x)
    return net.upsample(x, target.height, target.width) if x.height < target.height else x
