"""Inception V1 to V4 and Inception-ResNet V2 as in TF-slim."""

from __future__ import annotations

from edge_deploy.prediction.workload import Workload

from .shapes import Map, Network

Layer = tuple[int, int | tuple[int, int]]
"""Channels and kernel of a convolution."""


def inception_v1(name: str) -> Workload:
    """GoogLeNet with 3 x 3 kernels in the place of 5 x 5."""
    net = Network(name)
    x = net.max_pool(net.conv(Map(224, 224, 3), 64, 7, 2))
    x = net.max_pool(net.conv(net.conv(x, 64), 192, 3))
    for row in _V1:
        if not row:
            x = net.max_pool(x, 2 if x.height == 14 else 3, 2)
            continue
        first, narrow, wide, thin, thick, pooled = row
        x = net.concatenate(
            net.conv(x, first),
            _chain(net, x, (narrow, 1), (wide, 3)),
            _chain(net, x, (thin, 1), (thick, 3)),
            net.conv(net.max_pool(x, 3, 1), pooled),
        )
    return _classified(net, x)


def inception_v2(name: str) -> Workload:
    """The network with batch norms, which begins with a separable convolution."""
    net = Network(name)
    x = net.conv(net.depthwise(Map(224, 224, 3), 7, 2, multiplier=8), 64)
    x = net.max_pool(net.conv(net.conv(net.max_pool(x), 64), 192, 3))
    for row in _V2:
        if len(row) == 4:
            narrow, wide, thin, thick = row
            x = net.concatenate(
                net.conv(net.conv(x, narrow), wide, 3, 2),
                net.conv(_chain(net, x, (thin, 1), (thick, 3)), thick, 3, 2),
                net.max_pool(x),
            )
            continue
        first, narrow, wide, thin, thick, pooled = row
        pool = net.max_pool(x, 3, 1) if row is _V2[-1] else net.average_pool(x)
        x = net.concatenate(
            net.conv(x, first),
            _chain(net, x, (narrow, 1), (wide, 3)),
            _chain(net, x, (thin, 1), (thick, 3), (thick, 3)),
            net.conv(pool, pooled),
        )
    return _classified(net, x)


def inception_v3(name: str) -> Workload:
    """The network for images of 299 x 299."""
    net = Network(name)
    x = net.conv(net.conv(Map(299, 299, 3), 32, 3, 2, valid=True), 32, 3, valid=True)
    x = net.conv(net.max_pool(net.conv(x, 64, 3), valid=True), 80, valid=True)
    x = net.max_pool(net.conv(x, 192, 3, valid=True), valid=True)
    for pooled in (32, 64, 64):
        x = net.concatenate(
            net.conv(x, 64),
            _chain(net, x, (48, 1), (64, 5)),
            _chain(net, x, (64, 1), (96, 3), (96, 3)),
            net.conv(net.average_pool(x), pooled),
        )
    x = net.concatenate(
        net.conv(x, 384, 3, 2, valid=True),
        net.conv(_chain(net, x, (64, 1), (96, 3)), 96, 3, 2, valid=True),
        net.max_pool(x, valid=True),
    )
    for narrow in (128, 160, 160, 192):
        long = (narrow, 1), (narrow, (7, 1)), (narrow, (1, 7)), (narrow, (7, 1)), (192, (1, 7))
        x = net.concatenate(
            net.conv(x, 192),
            _chain(net, x, (narrow, 1), (narrow, (1, 7)), (192, (7, 1))),
            _chain(net, x, *long),
            net.conv(net.average_pool(x), 192),
        )
    x = net.concatenate(
        net.conv(net.conv(x, 192), 320, 3, 2, valid=True),
        net.conv(_chain(net, x, (192, 1), (192, (1, 7)), (192, (7, 1))), 192, 3, 2, valid=True),
        net.max_pool(x, valid=True),
    )
    for _ in range(2):
        x = net.concatenate(
            net.conv(x, 320),
            _split(net, net.conv(x, 384), 384),
            _split(net, _chain(net, x, (448, 1), (384, 3)), 384),
            net.conv(net.average_pool(x), 192),
        )
    return _classified(net, x)


def inception_v4(name: str) -> Workload:
    """The deeper network for images of 299 x 299."""
    net = Network(name)
    x = _v4_stem(net)
    for _ in range(4):
        x = net.concatenate(
            net.conv(x, 96),
            _chain(net, x, (64, 1), (96, 3)),
            _chain(net, x, (64, 1), (96, 3), (96, 3)),
            net.conv(net.average_pool(x), 96),
        )
    x = net.concatenate(
        net.conv(x, 384, 3, 2, valid=True),
        net.conv(_chain(net, x, (192, 1), (224, 3)), 256, 3, 2, valid=True),
        net.max_pool(x, valid=True),
    )
    for _ in range(7):
        x = net.concatenate(
            net.conv(x, 384),
            _chain(net, x, (192, 1), (224, (1, 7)), (256, (7, 1))),
            _chain(net, x, (192, 1), (192, (7, 1)), (224, (1, 7)), (224, (7, 1)), (256, (1, 7))),
            net.conv(net.average_pool(x), 128),
        )
    x = net.concatenate(
        net.conv(net.conv(x, 192), 192, 3, 2, valid=True),
        net.conv(_chain(net, x, (256, 1), (256, (1, 7)), (320, (7, 1))), 320, 3, 2, valid=True),
        net.max_pool(x, valid=True),
    )
    for _ in range(3):
        x = net.concatenate(
            net.conv(x, 256),
            _split(net, net.conv(x, 384), 256),
            _split(net, _chain(net, x, (384, 1), (448, (3, 1)), (512, (1, 3))), 256),
            net.conv(net.average_pool(x), 256),
        )
    net.softmax(net.dense(net.average_pool(x, x.height, valid=True), 1001))
    return net.workload()


def inception_resnet_v2(name: str) -> Workload:
    """The network whose modules are added to their inputs, for images of 299 x 299."""
    net = Network(name)
    x = net.conv(net.conv(Map(299, 299, 3), 32, 3, 2, valid=True), 32, 3, valid=True)
    x = net.conv(net.max_pool(net.conv(x, 64, 3), valid=True), 80, valid=True)
    x = net.max_pool(net.conv(x, 192, 3, valid=True), valid=True)
    x = net.concatenate(
        net.conv(x, 96),
        _chain(net, x, (48, 1), (64, 5)),
        _chain(net, x, (64, 1), (96, 3), (96, 3)),
        net.conv(net.average_pool(x), 64),
    )
    for _ in range(10):
        x = _added(
            net,
            x,
            net.conv(x, 32),
            _chain(net, x, (32, 1), (32, 3)),
            _chain(net, x, (32, 1), (48, 3), (64, 3)),
        )
    x = net.concatenate(
        net.conv(x, 384, 3, 2, valid=True),
        net.conv(_chain(net, x, (256, 1), (256, 3)), 384, 3, 2, valid=True),
        net.max_pool(x, valid=True),
    )
    for _ in range(20):
        x = _added(net, x, net.conv(x, 192), _chain(net, x, (128, 1), (160, (1, 7)), (192, (7, 1))))
    x = net.concatenate(
        net.conv(net.conv(x, 256), 384, 3, 2, valid=True),
        net.conv(net.conv(x, 256), 288, 3, 2, valid=True),
        net.conv(_chain(net, x, (256, 1), (288, 3)), 320, 3, 2, valid=True),
        net.max_pool(x, valid=True),
    )
    for _ in range(10):
        x = _added(net, x, net.conv(x, 192), _chain(net, x, (192, 1), (224, (1, 3)), (256, (3, 1))))
    net.softmax(net.dense(net.mean(net.conv(x, 1536)), 1000))
    return net.workload()


def _added(net: Network, x: Map, *branches: Map) -> Map:
    """Branches brought back to the input's channels, scaled and added to it."""
    out = net.conv(net.concatenate(*branches), x.channels)
    return net.add(x, out)


def _v4_stem(net: Network) -> Map:
    x = net.conv(net.conv(Map(299, 299, 3), 32, 3, 2, valid=True), 32, 3, valid=True)
    x = net.conv(x, 64, 3)
    x = net.concatenate(net.max_pool(x, valid=True), net.conv(x, 96, 3, 2, valid=True))
    x = net.concatenate(
        net.conv(net.conv(x, 64), 96, 3, valid=True),
        net.conv(_chain(net, x, (64, 1), (64, (1, 7)), (64, (7, 1))), 96, 3, valid=True),
    )
    return net.concatenate(net.conv(x, 192, 3, 2, valid=True), net.max_pool(x, valid=True))


def _chain(net: Network, x: Map, *layers: Layer) -> Map:
    for channels, kernel in layers:
        x = net.conv(x, channels, kernel)
    return x


def _split(net: Network, x: Map, channels: int) -> Map:
    """A row and a column side by side, in the place of 3 x 3."""
    return net.concatenate(net.conv(x, channels, (1, 3)), net.conv(x, channels, (3, 1)))


def _classified(net: Network, x: Map) -> Workload:
    pooled = net.average_pool(x, x.height, valid=True)
    net.softmax(net.flatten(net.conv(pooled, 1001), 1001))
    return net.workload()


# First branch; second's two; third's two; the pooled one's. Empty: a pool between stages.
_V1: tuple[tuple[int, ...], ...] = (
    (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), (),
    (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128), (),
    (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
)  # fmt: skip
# As above, the third branch with one layer more; four numbers are a module that halves the map.
_V2: tuple[tuple[int, ...], ...] = (
    (64, 64, 64, 64, 96, 32), (64, 64, 96, 64, 96, 64), (128, 160, 64, 96),
    (224, 64, 96, 96, 128, 128), (192, 96, 128, 96, 128, 128), (160, 128, 160, 128, 160, 96),
    (96, 128, 192, 160, 192, 96), (128, 192, 192, 256),
    (352, 192, 320, 160, 224, 128), (352, 192, 320, 192, 224, 128),
)  # fmt: skip
