"""A small language for networks: layers that know their shapes and what they cost, and no weights.

As converted for TFLite: batch norms folded into convolutions, activations fused with the operator
before them where TFLite has a fused form.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from edge_deploy.prediction.workload import DETECTION_POSTPROCESS, OperatorWork, Workload

_FLOAT_BYTES = 4


class Map(NamedTuple):
    """The shape of a feature map; a vector is a map of 1 x 1."""

    height: int
    width: int
    channels: int

    @property
    def elements(self) -> int:
        """Number of elements."""
        return self.height * self.width * self.channels


class Network:
    """A network as it grows: every method adds one operator, and answers with what that gives.

    Sizes of kernels are given as one number, or as (height, width). Padding is SAME unless
    `valid`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.operators: list[OperatorWork] = []

    def workload(self) -> Workload:
        """What one inference in float32 asks of a device."""
        return Workload(
            name=self.name,
            dtype="float32",
            operators=tuple(self.operators),
            size_bytes=sum(operator.weight_bytes for operator in self.operators),
            arena_bytes=None,
        )

    def conv(
        self,
        x: Map,
        channels: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        valid: bool = False,
    ) -> Map:
        """A convolution with its bias and activation."""
        height, width = _pair(kernel)
        out = Map(*_reduced(x, (height, width), stride, valid), channels)
        weights = height * width * x.channels * channels
        macs = out.elements * height * width * x.channels
        self._add("CONV_2D", (x,), out, macs, weights, (height, width), stride)
        return out

    def depthwise(
        self,
        x: Map,
        kernel: int | tuple[int, int] = 3,
        stride: int = 1,
        valid: bool = False,
        multiplier: int = 1,
    ) -> Map:
        """A depthwise convolution with its bias and activation."""
        height, width = _pair(kernel)
        out = Map(*_reduced(x, (height, width), stride, valid), x.channels * multiplier)
        weights = height * width * out.channels
        macs = out.elements * height * width
        self._add("DEPTHWISE_CONV_2D", (x,), out, macs, weights, (height, width), stride)
        return out

    def separable(self, x: Map, channels: int, kernel: int = 3, stride: int = 1) -> Map:
        """A depthwise convolution, then one of 1 x 1."""
        return self.conv(self.depthwise(x, kernel, stride), channels)

    def dense(self, x: Map, channels: int) -> Map:
        """A fully connected layer."""
        out = Map(1, 1, channels)
        macs = x.elements * channels
        self._add("FULLY_CONNECTED", (x,), out, macs, macs)
        return out

    def max_pool(self, x: Map, kernel: int = 3, stride: int = 2, valid: bool = False) -> Map:
        """The largest of each window."""
        return self._pool("MAX_POOL_2D", x, kernel, stride, valid)

    def average_pool(self, x: Map, kernel: int = 3, stride: int = 1, valid: bool = False) -> Map:
        """The mean of each window."""
        return self._pool("AVERAGE_POOL_2D", x, kernel, stride, valid)

    def mean(self, x: Map) -> Map:
        """The mean over all positions."""
        return self._add("MEAN", (x,), Map(1, 1, x.channels))

    def add(self, *maps: Map) -> Map:
        """A sum, two at a time, with the activation that follows."""
        for other in maps[1:]:
            self._add("ADD", (maps[0], other), maps[0])
        return maps[0]

    def scale(self, x: Map, gates: Map) -> Map:
        """A product of a map with one number a channel."""
        return self._add("MUL", (x, gates), x)

    def elementwise(self, kind: str, x: Map) -> Map:
        """An operator on every element by itself, such as HARD_SWISH or LOGISTIC."""
        return self._add(kind, (x,), x)

    def relu(self, x: Map) -> Map:
        """An activation by itself, where no operator before it can fuse it."""
        return self.elementwise("RELU", x)

    def batch_norm(self, x: Map) -> Map:
        """A batch norm that no convolution can fold, with the activation that follows."""
        self._add("MUL", (x,), x, constant_operand=True)
        return self._add("ADD", (x,), x, constant_operand=True)

    def concatenate(self, *maps: Map) -> Map:
        """Maps of one size joined along their channels."""
        channels = sum(each.channels for each in maps)
        return self._add("CONCATENATION", maps, Map(maps[0].height, maps[0].width, channels))

    def upsample(self, x: Map, height: int, width: int) -> Map:
        """The nearest pixel of a smaller map, at a larger size."""
        return self._add("RESIZE_NEAREST_NEIGHBOR", (x,), Map(height, width, x.channels))

    def upsample_by_packing(self, x: Map) -> Map:
        """Twice the size by stacking a map with itself along both sides."""
        wide = self._add("PACK", (x, x), Map(x.height, 2 * x.width, x.channels))
        return self._add("PACK", (wide, wide), Map(2 * x.height, 2 * x.width, x.channels))

    def flatten(self, x: Map, channels: int) -> Map:
        """The same elements as rows of `channels`."""
        return self._add("RESHAPE", (x,), Map(x.elements // channels, 1, channels))

    def stack_rows(self, *maps: Map) -> Map:
        """Rows of several maps under each other."""
        rows = sum(each.height for each in maps)
        return self._add("CONCATENATION", maps, Map(rows, 1, maps[0].channels))

    def softmax(self, x: Map) -> Map:
        """Scores that sum to 1."""
        return self._add("SOFTMAX", (x,), x)

    def detections(self, boxes: Map, scores: Map, found: int = 10) -> Map:
        """TFLite's own last operator of detectors: boxes decoded and suppressed."""
        return self._add(DETECTION_POSTPROCESS, (boxes, scores), Map(found, 1, 6))

    def _pool(self, kind: str, x: Map, kernel: int, stride: int, valid: bool) -> Map:
        window = (kernel, kernel)
        out = Map(*_reduced(x, window, stride, valid), x.channels)
        return self._add(kind, (x,), out, kernel=window, stride=stride)

    def _add(
        self,
        kind: str,
        inputs: tuple[Map, ...],
        out: Map,
        macs: int = 0,
        weights: int = 0,
        kernel: tuple[int, int] = (1, 1),
        stride: int = 1,
        constant_operand: bool = False,
    ) -> Map:
        taken = sum(each.elements for each in inputs)
        self.operators.append(
            OperatorWork(
                kind=kind,
                dtype="float32",
                macs=macs,
                input_bytes=_FLOAT_BYTES * taken,
                output_bytes=_FLOAT_BYTES * out.elements,
                weight_bytes=_FLOAT_BYTES * weights,
                input_elements=taken,
                output_elements=out.elements,
                weight_elements=weights,
                kernel=kernel,
                stride=(stride, stride),
                input_channels=inputs[0].channels,
                output_channels=out.channels,
                output_pixels=out.height * out.width,
                name=f"{self.name} {len(self.operators)}",
                constant_operand=constant_operand,
            )
        )
        return out


def scaled_channels(channels: float, multiple: int = 8) -> int:
    """Channels as a width multiplier leaves them: a multiple of 8, never below 90%."""
    rounded = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    return rounded + multiple if rounded < 0.9 * channels else rounded


def _pair(kernel: int | tuple[int, int]) -> tuple[int, int]:
    return kernel if isinstance(kernel, tuple) else (kernel, kernel)


def _reduced(x: Map, kernel: tuple[int, int], stride: int, valid: bool) -> tuple[int, int]:
    if valid:
        return (x.height - kernel[0]) // stride + 1, (x.width - kernel[1]) // stride + 1
    return math.ceil(x.height / stride), math.ceil(x.width / stride)
