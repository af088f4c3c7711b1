"""A small language for networks with random weights, written straight as `.tflite` files.

The operators are those that converters write: activations fused into convolutions, global
pooling as MEAN, a hard sigmoid as RELU6 and a product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from .graph_assembly import DTYPES, GraphAssembly, Value, activated
from .tflite_writer import ACTIVATIONS, PADDINGS, Operator
from .value_ranges import Range

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DTYPES", "Network", "Value"]

Pair: TypeAlias = "int | tuple[int, int]"


class Network:
    """A network that is being put together; images are (1, height, width, channels).

    `dtype`: "float32", "int8" (weights per channel, as converters make them), "uint8" (one scale
    a tensor, as in files of 2018) or "dynamic" (float32 with int8 weights). Every method adds one
    operator, behind the values that it is given, and returns its output. `kernel` and `stride` are
    a number or (height, width), `padding` is "same" or "valid", `activation` "", "relu" or
    "relu6". Raises `UsageError` for another dtype.
    """

    def __init__(self, name: str, dtype: str, seed: int = 0) -> None:
        self.name = name
        self.dtype = dtype
        self._graph = GraphAssembly(dtype, seed)
        self._inputs: list[int] = []

    def input(self, *shape: int, low: float = -1.0, high: float = 1.0, dtype: str = "") -> Value:
        """An input of this shape without the batch, for values from `low` to `high`.

        `dtype`: the network's unless given; a float32 input needs `quantize` behind it.
        """
        sample = np.linspace(low, high, 512)
        value = self._graph.value("input", (1, *shape), sample, Range(low, high), dtype)
        self._inputs.append(value.tensor)
        return value

    def conv(
        self,
        x: Value,
        channels: int,
        kernel: Pair = 1,
        stride: Pair = 1,
        padding: str = "same",
        activation: str = "",
        offset: float = 0.0,
    ) -> Value:
        """A convolution. `offset` is added to all of its random biases."""
        size = _output_size(x, kernel, stride, padding)
        layer = self._graph.weights(
            x, (channels, *_pair(kernel), x.shape[3]), 0, activation, offset
        )
        inputs = (x.tensor, layer.weights, layer.bias)
        options = {**_window(padding, stride, activation), "dilation_w": 1, "dilation_h": 1}
        return self._add(
            "CONV_2D", inputs, (*size, channels), layer.sample, options, _extent(activation)
        )

    def conv_again(self, x: Value, first: Value) -> Value:
        """The convolution that gave `first` on another value of the same shape, quantized alike.

        Its weights are stored once, and the runtime unpacks them for each.
        """
        operator = self._graph.producer(first.tensor)
        self._graph.share(x.tensor, operator.inputs[0])
        inputs = (x.tensor, *operator.inputs[1:])
        extent = Range(float(first.sample.min()), float(first.sample.max()))
        value = self._add("CONV_2D", inputs, first.shape, first.sample, operator.options, extent)
        self._graph.share(value.tensor, first.tensor)
        return value

    def depthwise(
        self,
        x: Value,
        kernel: Pair = 3,
        stride: Pair = 1,
        padding: str = "same",
        activation: str = "",
    ) -> Value:
        """A depthwise convolution, one filter a channel."""
        shape = (*_output_size(x, kernel, stride, padding), x.shape[3])
        layer = self._graph.weights(x, (1, *_pair(kernel), x.shape[3]), 3, activation)
        inputs = (x.tensor, layer.weights, layer.bias)
        options = {
            **_window(padding, stride, activation),
            "multiplier": 1,
            "dilation_w": 1,
            "dilation_h": 1,
        }
        return self._add(
            "DEPTHWISE_CONV_2D", inputs, shape, layer.sample, options, _extent(activation)
        )

    def fully_connected(
        self, x: Value, units: int, activation: str = "", bias: bool = True
    ) -> Value:
        """A dense layer on (1, features), with or without a bias."""
        layer = self._graph.weights(x, (units, x.shape[-1]), 0, activation, 0.0 if bias else None)
        inputs = (x.tensor, layer.weights, layer.bias)
        options = {"activation": ACTIVATIONS[activation]}
        return self._add(
            "FULLY_CONNECTED", inputs, (1, units), layer.sample, options, _extent(activation)
        )

    def add(self, x: Value, y: Value, activation: str = "") -> Value:
        """The sum of two values of one shape."""
        sample = activated(x.sample + self._shuffled(y), activation)
        options = {"activation": ACTIVATIONS[activation]}
        return self._add("ADD", (x.tensor, y.tensor), x.shape, sample, options)

    def multiply(self, x: Value, y: Value) -> Value:
        """The product; `y` may have height and width 1, as in squeeze-and-excite."""
        sample = x.sample * self._shuffled(y)
        return self._add("MUL", (x.tensor, y.tensor), x.shape, sample, {"activation": 0})

    def add_constant(self, x: Value, constant: float) -> Value:
        """The value plus a number."""
        inputs = (x.tensor, self._graph.number(constant))
        return self._add("ADD", inputs, x.shape, x.sample + constant, {"activation": 0})

    def multiply_constant(self, x: Value, constant: float) -> Value:
        """The value times a number."""
        inputs = (x.tensor, self._graph.number(constant))
        return self._add("MUL", inputs, x.shape, x.sample * constant, {"activation": 0})

    def concatenate(self, values: Sequence[Value]) -> Value:
        """The values side by side, by channel. All share one quantization from here on."""
        shape = (*values[0].shape[:-1], sum(value.shape[-1] for value in values))
        parts = [value.sample[n :: len(values)] for n, value in enumerate(values)]
        inputs = tuple(value.tensor for value in values)
        options = {"axis": -1, "activation": 0}
        result = self._add("CONCATENATION", inputs, shape, np.concatenate(parts), options)
        for value in values:
            self._graph.share(value.tensor, result.tensor)
        return result

    def average_pool(
        self, x: Value, kernel: Pair, stride: Pair = 1, padding: str = "valid"
    ) -> Value:
        """The mean over a window."""
        return self._pool("AVERAGE_POOL_2D", x, kernel, stride, padding, x.sample)

    def max_pool(self, x: Value, kernel: Pair, stride: Pair = 1, padding: str = "valid") -> Value:
        """The maximum over a window."""
        sample = np.maximum(x.sample, self._shuffled(x))
        return self._pool("MAX_POOL_2D", x, kernel, stride, padding, sample)

    def mean(self, x: Value, keep_dims: bool = False) -> Value:
        """The mean over height and width, as global pooling is converted."""
        axes = self._graph.constant("axes", np.array([1, 2], np.int32))
        shape = (1, 1, 1, x.shape[3]) if keep_dims else (1, x.shape[3])
        options = {"keep_dims": keep_dims}
        value = self._add("MEAN", (x.tensor, axes), shape, x.sample, options)
        # Smaller than what it is the mean of, yet in channels that vary little just as large.
        return value._replace(sample=0.7 * x.sample)

    def softmax(self, x: Value) -> Value:
        """Probabilities; quantized ones have the scale 1/256 that the specification demands."""
        sample = np.linspace(0.0, 2.0 / x.shape[-1], 512)
        return self._add("SOFTMAX", (x.tensor,), x.shape, sample, {"beta": 1.0}, _SHARES)

    def logistic(self, x: Value) -> Value:
        """The sigmoid; quantized ones have the scale 1/256 that the specification demands."""
        sample = 0.5 + 0.5 * x.sample / (2 + np.abs(x.sample))  # near enough, and exact
        return self._add("LOGISTIC", (x.tensor,), x.shape, sample, extent=_SHARES)

    def hard_swish(self, x: Value) -> Value:
        """x * relu6(x + 3) / 6."""
        sample = x.sample * np.clip(x.sample + 3, 0, 6) / 6
        return self._add("HARD_SWISH", (x.tensor,), x.shape, sample)

    def relu(self, x: Value) -> Value:
        """An activation that no other operator took in."""
        return self._add("RELU", (x.tensor,), x.shape, np.maximum(x.sample, 0))

    def pad(self, x: Value, before: int, after: int) -> Value:
        """Zeros above and left (`before`), below and right (`after`)."""
        edges = [[0, 0], [before, after], [before, after], [0, 0]]
        paddings = self._graph.constant("paddings", np.array(edges, np.int32))
        _, height, width, depth = x.shape
        shape = (1, height + before + after, width + before + after, depth)
        return self._same_codes(x, "PAD", (x.tensor, paddings), shape)

    def reshape(self, x: Value, *shape: int) -> Value:
        """The same values in another shape, given without the batch."""
        wanted = self._graph.constant("shape", np.array([1, *shape], np.int32))
        return self._same_codes(x, "RESHAPE", (x.tensor, wanted), (1, *shape))

    def resize_bilinear(self, x: Value, height: int, width: int) -> Value:
        """An image in another size, by Keras' rule (half-pixel centres)."""
        size = self._graph.constant("size", np.array([height, width], np.int32))
        options = {"align_corners": False, "half_pixel_centers": True}
        shape = (1, height, width, x.shape[3])
        return self._same_codes(x, "RESIZE_BILINEAR", (x.tensor, size), shape, options)

    def quantize(self, x: Value) -> Value:
        """Codes of a float32 value; in a network of float32 activations the value itself."""
        if not self._graph.is_integer:
            return x
        return self._add("QUANTIZE", (x.tensor,), x.shape, x.sample)

    def dequantize(self, x: Value) -> Value:
        """The float32 values of codes; in a network of float32 activations the value itself."""
        if not self._graph.is_integer:
            return x
        return self._add("DEQUANTIZE", (x.tensor,), x.shape, x.sample, dtype="float32")

    def build(self, *outputs: Value) -> bytes:
        """The model's bytes. The same network of the same seed has the same bytes everywhere."""
        return self._graph.build(
            self._inputs,
            [value.tensor for value in outputs],
            f"{self.name}, {self.dtype}, generated by edge-deploy with random weights",
        )

    def _add(
        self,
        kind: str,
        inputs: tuple[int, ...],
        shape: tuple[int, ...],
        sample: NDArray[np.float64],
        options: Mapping[str, float] | None = None,
        extent: Range | None = None,
        dtype: str = "",
    ) -> Value:
        name = f"{kind.lower()}_{self._graph.size}"
        value = self._graph.value(name, shape, sample, extent, dtype)
        self._graph.operator(Operator(kind, inputs, (value.tensor,), options or {}))
        return value

    def _same_codes(
        self,
        x: Value,
        kind: str,
        inputs: tuple[int, ...],
        shape: tuple[int, ...],
        options: Mapping[str, float] | None = None,
        sample: NDArray[np.float64] | None = None,
    ) -> Value:
        """An operator whose output must be quantized as its input is."""
        value = self._add(kind, inputs, shape, x.sample if sample is None else sample, options)
        self._graph.share(value.tensor, x.tensor)
        return value

    def _pool(
        self,
        kind: str,
        x: Value,
        kernel: Pair,
        stride: Pair,
        padding: str,
        sample: NDArray[np.float64],
    ) -> Value:
        height, width = _pair(kernel)
        shape = (*_output_size(x, kernel, stride, padding), x.shape[3])
        options = {**_window(padding, stride, ""), "kernel_w": width, "kernel_h": height}
        return self._same_codes(x, kind, (x.tensor,), shape, options, sample)

    def _shuffled(self, x: Value) -> NDArray[np.float64]:
        """The sample in another order: two tensors of one origin do not vary together."""
        return np.roll(x.sample, 1 + self._graph.size)


_SHARES = Range(0.0, 255 / 256)


def _pair(value: Pair) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _output_size(x: Value, kernel: Pair, stride: Pair, padding: str) -> tuple[int, int, int]:
    height, width = (
        (size - (window - 1 if padding == "valid" else 0) - 1) // step + 1
        for size, window, step in zip(x.shape[1:3], _pair(kernel), _pair(stride), strict=True)
    )
    return x.shape[0], height, width


def _window(padding: str, stride: Pair, activation: str) -> dict[str, float]:
    height, width = _pair(stride)
    return {
        "padding": PADDINGS[padding],
        "stride_w": width,
        "stride_h": height,
        "activation": ACTIVATIONS[activation],
    }


def _extent(activation: str) -> Range | None:
    """Where the activation bounds the values."""
    return Range(0.0, 6.0) if activation == "relu6" else None
