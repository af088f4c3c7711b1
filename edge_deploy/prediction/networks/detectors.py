"""SSD, SSDLite and SSD with feature pyramids, as in the TF1 detection zoo, on 90 classes.

Each ends as the zoo's TFLite files do: boxes and scores of all anchors, then TFLite's own
post-processing.
"""

from __future__ import annotations

from collections.abc import Callable

from edge_deploy.prediction.workload import Workload

from .large_networks import resnet50_maps
from .mobile_networks import (
    bottlenecks,
    mobilenet_edgetpu_blocks,
    mobilenet_v1_maps,
    mobilenet_v2_blocks,
    mobilenet_v3_blocks,
    swished,
)  # fmt: skip
from .shapes import Map, Network

_SLOTS = 91  # 90 classes and the background
_EXTRA_LAYERS = (512, 256, 256, 128)
_PYRAMID_CHANNELS = 256

Predictor = Callable[[Network, Map, int], Map]


def ssd_mobilenet_v1(name: str, width: float = 1.0, size: int = 300) -> Workload:
    """SSD whose heads are convolutions of 1 x 1."""
    net = Network(name)
    maps = mobilenet_v1_maps(net, size, width)
    extra = _extra_maps(net, maps[12], separable=False, width=width)
    return _ssd(net, (maps[10], maps[12], *extra), _pointwise)


def ssd_mobilenet_v2(name: str, size: int = 300) -> Workload:
    """SSD whose heads are full convolutions of 3 x 3."""
    net = Network(name)
    first, second = _mobilenet_v2_pair(net, size)
    return _ssd(net, (first, second, *_extra_maps(net, second)), _full)


def ssdlite_mobilenet_v2(name: str, size: int = 300) -> Workload:
    """SSD whose heads are separable."""
    net = Network(name)
    return _ssdlite(net, *_mobilenet_v2_pair(net, size))


def ssdlite_mobilenet_v3(name: str, large: bool, size: int = 320) -> Workload:
    """SSDLite on MobileNetV3 whose last stage has half the channels."""
    net = Network(name)
    stem = swished(net, net.conv(Map(size, size, 3), 16, 3, 2), True)
    ends = bottlenecks(net, stem, mobilenet_v3_blocks(large, False, detection=True))
    last = swished(net, net.conv(ends.results[-1], 480 if large else 288), True)
    return _ssdlite(net, ends.expanded[12 if large else 8], last)


def ssdlite_mobilenet_edgetpu(name: str, size: int = 320) -> Workload:
    """SSDLite on MobileNetEdgeTPU."""
    net = Network(name)
    stem = net.conv(Map(size, size, 3), 32, 3, 2)
    ends = bottlenecks(net, stem, mobilenet_edgetpu_blocks())
    return _ssdlite(net, ends.expanded[16], ends.results[21])


def ssdlite(
    name: str, backbone: Callable[[Network, int], tuple[Map, Map]], size: int = 320
) -> Workload:
    """SSDLite on any backbone that gives its two maps."""
    net = Network(name)
    return _ssdlite(net, *backbone(net, size))


def ssd_fpn_mobilenet_v1(name: str, size: int = 640) -> Workload:
    """SSD with a feature pyramid and shared heads, on MobileNetV1."""
    net = Network(name)
    maps = mobilenet_v1_maps(net, size)
    return _ssd_pyramid(net, (maps[4], maps[10], maps[12]))


def ssd_fpn_resnet50(name: str, size: int = 640) -> Workload:
    """SSD with a feature pyramid and shared heads, on ResNet50 V1."""
    net = Network(name)
    return _ssd_pyramid(net, resnet50_maps(net, size)[1:])


def ssd_mnasfpn(name: str, size: int = 320) -> Workload:
    """SSD with the searched pyramid MnasFPN on MobileNetV2; heads share one separable tower."""
    net = Network(name)
    stem = net.conv(Map(size, size, 3), 32, 3, 2)
    results = bottlenecks(net, stem, mobilenet_v2_blocks()).results
    maps = [results[5], results[12], results[16]]
    maps.append(net.conv(net.max_pool(maps[-1]), 48))
    for _ in range(4):
        maps = _mnasfpn_cell(net, maps)
    boxes: list[Map] = []
    scores: list[Map] = []
    for each in maps:
        tower = each
        for _ in range(4):
            tower = net.separable(tower, 64)
        boxes.append(net.flatten(net.separable(tower, 4 * 9), 4))
        scores.append(net.flatten(net.separable(tower, _SLOTS * 9), _SLOTS))
    return detector(net, boxes, scores)


def detector(net: Network, boxes: list[Map], scores: list[Map]) -> Workload:
    """The end of every detector: all rows together, scores through a sigmoid, boxes found."""
    joined = net.elementwise("LOGISTIC", net.stack_rows(*scores))
    net.detections(net.stack_rows(*boxes), joined)
    return net.workload()


def _mobilenet_v2_pair(net: Network, size: int) -> tuple[Map, Map]:
    stem = net.conv(Map(size, size, 3), 32, 3, 2)
    ends = bottlenecks(net, stem, mobilenet_v2_blocks())
    return ends.expanded[13], net.conv(ends.results[-1], 1280)


def _extra_maps(
    net: Network, x: Map, separable: bool = True, width: float = 1.0
) -> tuple[Map, ...]:
    """Four smaller maps, each narrowed by 1 x 1 and then halved."""
    maps = []
    for channels in _EXTRA_LAYERS:
        wide = max(16, int(channels * width))
        narrowed = net.conv(x, max(16, int(channels / 2 * width)))
        x = net.separable(narrowed, wide, 3, 2) if separable else net.conv(narrowed, wide, 3, 2)
        maps.append(x)
    return tuple(maps)


def _ssdlite(net: Network, first: Map, second: Map) -> Workload:
    return _ssd(net, (first, second, *_extra_maps(net, second)), _separable)


def _ssd(net: Network, maps: tuple[Map, ...], predictor: Predictor) -> Workload:
    """Three anchors at each position of the first map and six at the others'."""
    boxes: list[Map] = []
    scores: list[Map] = []
    for index, each in enumerate(maps):
        anchors = 6 if index else 3
        boxes.append(net.flatten(predictor(net, each, 4 * anchors), 4))
        scores.append(net.flatten(predictor(net, each, _SLOTS * anchors), _SLOTS))
    return detector(net, boxes, scores)


def _pointwise(net: Network, x: Map, channels: int) -> Map:
    return net.conv(x, channels)


def _full(net: Network, x: Map, channels: int) -> Map:
    return net.conv(x, channels, 3)


def _separable(net: Network, x: Map, channels: int) -> Map:
    return net.separable(x, channels)


def _ssd_pyramid(net: Network, maps: tuple[Map, ...]) -> Workload:
    """Levels 3 to 7 of 256 channels, each with two towers of four convolutions and six anchors."""
    top = net.conv(maps[-1], _PYRAMID_CHANNELS)
    levels = [top]
    down = top
    for each in reversed(maps[:-1]):
        lateral = net.conv(each, _PYRAMID_CHANNELS)
        down = net.add(lateral, net.upsample_by_packing(down))
        levels.insert(0, net.conv(down, _PYRAMID_CHANNELS, 3))
    for _ in range(2):
        levels.append(net.conv(levels[-1], _PYRAMID_CHANNELS, 3, 2))
    boxes: list[Map] = []
    scores: list[Map] = []
    for each in levels:
        for rows, width in ((boxes, 4), (scores, _SLOTS)):
            tower = each
            for _ in range(4):
                tower = net.conv(tower, _PYRAMID_CHANNELS, 3)
            rows.append(net.flatten(net.conv(tower, width * 6, 3), width))
    return detector(net, boxes, scores)


def _mnasfpn_cell(net: Network, maps: list[Map]) -> list[Map]:
    """One cell of MnasFPN: five blocks, and each of the last four added to the map it replaces."""
    known = list(maps)
    sizes = [each.height for each in maps]
    for inputs, level, kernel, expansion in _MNASFPN:
        size = sizes[level]
        nodes = []
        for index in inputs:
            node = known[index]
            if node.height < size:
                while node.height < size:
                    if node.channels != expansion:
                        node = net.conv(node, expansion)
                    node = net.upsample_by_packing(node)
            else:
                if node.height > size:
                    node = net.max_pool(node, 3, node.height // size)
                node = net.conv(node, expansion)
            nodes.append(node)
        known.append(net.separable(net.add(*nodes), 48, kernel))
    return [
        net.add(new, old) if new == old else new for new, old in zip(known[-4:], maps, strict=True)
    ]


# Inputs, level (0 is an eighth of the image's size), kernel and expansion of each block.
_MNASFPN = (
    ((1, 2), 1, 3, 256), ((0, 4), 0, 3, 128), ((5, 4), 1, 3, 128), ((4, 3), 2, 5, 128),
    ((4, 3), 3, 3, 96),
)  # fmt: skip
