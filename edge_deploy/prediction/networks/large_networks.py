"""VGG, ResNet V1 and V2, DenseNet and SqueezeNet."""

from __future__ import annotations

from edge_deploy.prediction.workload import Workload

from .shapes import Map, Network

_RESNET_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))


def resnet50(name: str, size: int = 224) -> Workload:
    """The classifier, whose stages halve the map in their first convolution."""
    net = Network(name)
    x = _resnet_stem(net, size)
    for stage, (channels, units) in enumerate(_RESNET_STAGES):
        for unit in range(units):
            x = _bottleneck(net, x, channels, 2 if stage and not unit else 1, unit == 0)
    net.softmax(net.dense(net.mean(x), 1000))
    return net.workload()


def resnet50_maps(net: Network, size: int) -> tuple[Map, ...]:
    """The results of the four stages, each halved only after its last unit, as TF-slim does."""
    x = _resnet_stem(net, size)
    maps = []
    for stage, (channels, units) in enumerate(_RESNET_STAGES):
        if stage:
            x = net.max_pool(x, 1, 2)
        for unit in range(units):
            x = _bottleneck(net, x, channels, 1, unit == 0)
        maps.append(x)
    return tuple(maps)


def resnet_v2(name: str, units: tuple[int, ...], size: int = 299) -> Workload:
    """The classifier with batch norms before its convolutions; stages end by halving the map."""
    net = Network(name)
    x = net.max_pool(net.conv(Map(size, size, 3), 64, 7, 2))
    for stage, (channels, count) in enumerate(zip((64, 128, 256, 512), units, strict=True)):
        for unit in range(count):
            stride = 2 if stage < 3 and unit == count - 1 else 1
            normed = net.batch_norm(x)
            if unit == 0:
                shortcut = net.conv(normed, 4 * channels)
            else:
                shortcut = net.max_pool(x, 1, 2) if stride == 2 else x
            inside = net.conv(net.conv(normed, channels), channels, 3, stride)
            x = net.add(net.conv(inside, 4 * channels), shortcut)
    net.softmax(net.dense(net.mean(net.batch_norm(x)), 1000))
    return net.workload()


def vgg(name: str, convolutions: tuple[int, ...]) -> Workload:
    """VGG with so many convolutions a stage."""
    net = Network(name)
    x = Map(224, 224, 3)
    for channels, count in zip((64, 128, 256, 512, 512), convolutions, strict=True):
        for _ in range(count):
            x = net.conv(x, channels, 3)
        x = net.max_pool(x, 2, 2)
    net.softmax(net.dense(net.dense(net.dense(x, 4096), 4096), 1000))
    return net.workload()


def densenet121(name: str) -> Workload:
    """The classifier, with the batch norms that stand before its convolutions."""
    net = Network(name)
    x = net.max_pool(net.conv(Map(224, 224, 3), 64, 7, 2))
    for stage, layers in enumerate((6, 12, 24, 16)):
        if stage:
            x = net.average_pool(net.conv(net.batch_norm(x), x.channels // 2), 2, 2)
        for _ in range(layers):
            x = net.concatenate(x, net.conv(net.conv(net.batch_norm(x), 128), 32, 3))
    net.softmax(net.dense(net.mean(net.batch_norm(x)), 1000))
    return net.workload()


def squeezenet(name: str) -> Workload:
    """Version 1.0, whose first convolution has 96 channels and kernels of 7 x 7."""
    net = Network(name)
    x = net.max_pool(net.conv(Map(224, 224, 3), 96, 7, 2, valid=True), valid=True)
    stages = ((16, 64), (16, 64), (32, 128)), ((32, 128), (48, 192), (48, 192), (64, 256))
    for stage in stages:
        for narrow, wide in stage:
            x = _fire(net, x, narrow, wide)
        x = net.max_pool(x, valid=x.height % 2 == 1)  # maps of 109, 54, 27 and 13
    net.softmax(net.mean(net.conv(_fire(net, x, 64, 256), 1000)))
    return net.workload()


def _fire(net: Network, x: Map, narrow: int, wide: int) -> Map:
    squeezed = net.conv(x, narrow)
    return net.concatenate(net.conv(squeezed, wide), net.conv(squeezed, wide, 3))


def _resnet_stem(net: Network, size: int) -> Map:
    return net.max_pool(net.conv(Map(size, size, 3), 64, 7, 2))


def _bottleneck(net: Network, x: Map, channels: int, stride: int, projected: bool) -> Map:
    shortcut = net.conv(x, 4 * channels, 1, stride) if projected else x
    out = net.conv(net.conv(net.conv(x, channels, 1, stride), channels, 3), 4 * channels)
    return net.add(out, shortcut)
