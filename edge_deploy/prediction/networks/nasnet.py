"""NASNet-A, mobile and large."""

from __future__ import annotations

from edge_deploy.prediction.workload import Workload

from .shapes import Map, Network

# Two operations a block: what, and on which state (0 the cell's input, 1 the one before it, from 2
# on the blocks). A number is the kernel of a separable convolution, twice.
Operation = tuple[int | str, int]
Block = tuple[Operation, Operation]
_NORMAL: tuple[Block, ...] = (
    ((5, 0), (3, 1)), ((5, 1), (3, 1)), (("average", 0), ("same", 1)),
    (("average", 1), ("average", 1)), ((3, 0), ("same", 0)),
)  # fmt: skip
_REDUCTION: tuple[Block, ...] = (
    ((5, 0), (7, 1)), (("max", 0), (7, 1)), (("average", 0), (5, 1)),
    (("same", 3), ("average", 2)), ((3, 2), ("max", 0)),
)  # fmt: skip


def nasnet(name: str, filters: int, stem: int, cells: int, size: int, skips: bool) -> Workload:
    """The classifier with three groups of `cells` normal cells.

    `skips`: whether the cell after a reduction looks past that reduction's input, at the state
    before it.
    """
    net = Network(name)
    x = net.conv(Map(size, size, 3), stem, 3, 2, valid=True)
    previous: Map | None = None
    for scale in (filters // 4, filters // 2):
        previous, x = x, _cell(net, x, previous, scale, True)
    for group in range(3):
        if group:
            reduced = _cell(net, x, previous, filters << group, True)
            previous, x = previous if skips else x, reduced
        for _ in range(cells):
            previous, x = x, _cell(net, x, previous, filters << group, False)
    net.softmax(net.dense(net.mean(net.relu(x)), 1000))
    return net.workload()


def _cell(net: Network, x: Map, previous: Map | None, filters: int, halves: bool) -> Map:
    """One cell; the very first has nothing before its input, and takes that twice."""
    before = x if previous is None else _matched(net, previous, x, filters)
    states = [net.conv(net.relu(x), filters), before]
    for block in _REDUCTION if halves else _NORMAL:
        results = [
            _operation(net, states[index], what, filters, 2 if halves and index < 2 else 1)
            for what, index in block
        ]
        states.append(net.add(*results))
    return net.concatenate(*states[3 if halves else 1 :])


def _matched(net: Network, previous: Map, x: Map, filters: int) -> Map:
    """The state before the cell's input, at that one's size and the cell's channels."""
    if previous.height == x.height:
        return net.conv(net.relu(previous), filters) if previous.channels != filters else previous
    active = net.relu(previous)
    halves = [net.conv(net.average_pool(active, 1, 2), filters // 2) for _ in range(2)]
    return net.concatenate(*halves)


def _operation(net: Network, x: Map, what: int | str, filters: int, stride: int) -> Map:
    if isinstance(what, int):
        out = net.separable(net.relu(x), filters, what, stride)
        return net.separable(out, filters, what)
    if what == "average":
        return net.average_pool(x, 3, stride)
    if what == "max":
        return net.max_pool(x, 3, stride)
    return x
