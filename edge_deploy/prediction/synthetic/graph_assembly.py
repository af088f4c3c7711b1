"""A graph that is being put together: its tensors, random weights and quantization.

A float32 graph and its quantized sisters of one seed are the same network: the float weights are
the quantized ones times their scales. Where converters learn the ranges of activations from
calibration data, here every tensor carries a sample of the values that it is expected to take,
and each layer's weights are scaled so that its outputs neither vanish nor saturate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from edge_deploy_runner.errors import UsageError

from .tflite_writer import Operator, Quantization, Tensor, write_model
from .value_ranges import Range, normal_sample, quantization_of, rms, widest

if TYPE_CHECKING:
    from numpy.typing import NDArray

DTYPES = ("float32", "int8", "uint8", "dynamic")
# Weights are uniform over the codes -127..127; this is their root mean square.
_CODE_RMS = 73.3
# How far values spread before the activation, in standard deviations of 1.
_SPREADS = {"": 3.0, "relu": 1.5, "relu6": 2.5}


class Value(NamedTuple):
    """What an operator gives: the tensor's number and shape, and a sample of its values."""

    tensor: int
    shape: tuple[int, ...]
    sample: NDArray[np.float64]


class Weights(NamedTuple):
    """A layer's weights and bias by tensor (-1: no bias), and a sample of what it will give."""

    weights: int
    bias: int
    sample: NDArray[np.float64]


@dataclass
class _Entry:
    """A tensor that is being collected. `like` is the one whose quantization it shares."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    extent: Range | None = None
    like: int = -1
    data: NDArray[Any] | None = None
    quantization: Quantization | None = None


@dataclass(frozen=True)
class _Bias:
    """A bias whose codes are known once the input's scale is."""

    tensor: int
    input: int
    values: NDArray[np.float32]
    weight_scales: NDArray[np.float32]


class GraphAssembly:
    """Tensors and operators so far. Raises `UsageError` for a dtype that is not in `DTYPES`."""

    def __init__(self, dtype: str, seed: int) -> None:
        if dtype not in DTYPES:
            raise UsageError(f"no network can be written as {dtype!r}; use {', '.join(DTYPES)}")
        self.dtype = dtype
        self.is_integer = dtype in ("int8", "uint8")
        self._activations = dtype if self.is_integer else "float32"
        # Raw output of the generator: the same with every version of numpy, on every machine.
        self._random = np.random.PCG64(seed)
        self._entries: list[_Entry] = []
        self._operators: list[Operator] = []
        self._biases: list[_Bias] = []

    @property
    def size(self) -> int:
        """Operators so far."""
        return len(self._operators)

    def value(
        self,
        name: str,
        shape: tuple[int, ...],
        sample: NDArray[np.float64],
        extent: Range | None = None,
        dtype: str = "",
    ) -> Value:
        """A tensor that is computed, or an input; its range is the sample's unless given."""
        extent = extent or Range.of(sample)
        self._entries.append(_Entry(name, shape, dtype or self._activations, extent))
        return Value(len(self._entries) - 1, shape, sample)

    def operator(self, operator: Operator) -> None:
        """Add an operator behind the others."""
        self._operators.append(operator)

    def producer(self, tensor: int) -> Operator:
        """The operator that gives a tensor."""
        return next(operator for operator in self._operators if tensor in operator.outputs)

    def constant(self, name: str, data: NDArray[Any]) -> int:
        """A stored tensor, by number."""
        name = f"{name}_{self.size}"
        self._entries.append(_Entry(name, data.shape, str(data.dtype), data=data))
        return len(self._entries) - 1

    def number(self, number: float) -> int:
        """A constant of no dimensions, quantized so that its code is the largest or smallest."""
        tensor = self.constant("number", np.array(number, np.float32))
        if self.is_integer:
            entry = self._entries[tensor]
            extent = Range(min(number, 0.0), max(number, 0.0))
            entry.quantization = quantization_of(extent, self.dtype)
            code = round(number / float(entry.quantization.scales[0]))
            entry.data = np.array(code + entry.quantization.zero_point, self.dtype)
            entry.dtype = self.dtype
        return tensor

    def weights(
        self,
        x: Value,
        shape: tuple[int, ...],
        dimension: int,
        activation: str,
        offset: float | None = 0.0,
    ) -> Weights:
        """Random weights whose channels lie along `dimension`, for a layer on `x`.

        `offset` is added to all biases; `None`: no bias at all.
        """
        spread = _SPREADS[activation]
        channels = shape[dimension]
        size = int(np.prod(shape))
        codes = self._random_codes(size).reshape(shape)
        variety = self._random_codes(channels).astype(np.float64) / 512 + 1
        if self.dtype == "uint8":
            variety = np.ones(1)
        scale = spread / (rms(x.sample) * np.sqrt(size / channels) * _CODE_RMS)
        scales = (scale * variety).astype(np.float32)
        bias = self._random_codes(channels) * np.float32(spread / 8 / 127)
        weights = self._weight_tensor(codes, scales, dimension)
        sample = spread * normal_sample(self._random)
        bias_tensor = -1
        if offset is not None:
            bias = bias + np.float32(offset)
            sample = sample + offset
            bias_tensor = self.constant("bias", bias)
            self._biases.append(_Bias(bias_tensor, x.tensor, bias, scales))
        return Weights(weights, bias_tensor, activated(sample, activation))

    def share(self, tensor: int, other: int) -> None:
        """Give two tensors one quantization, that of both their ranges."""
        first, second = self._root(tensor), self._root(other)
        if first != second:
            joined, kept = self._entries[first], self._entries[second]
            kept.extent = widest(kept.extent, joined.extent)
            joined.like = second

    def build(self, inputs: Sequence[int], outputs: Sequence[int], description: str) -> bytes:
        """The bytes of the model."""
        if self.is_integer:
            self._quantize()
        tensors = [
            Tensor(entry.name, entry.shape, entry.dtype, entry.quantization, entry.data)
            for entry in self._entries
        ]
        return write_model(tensors, self._operators, inputs, outputs, description)

    def _random_codes(self, count: int) -> NDArray[np.int8]:
        """Uniform codes from -127 to 127."""
        raw = self._random.random_raw(-(-count // 8)).astype("<u8").view(np.int8)[:count]
        return np.maximum(raw, np.int8(-127))

    def _weight_tensor(
        self, codes: NDArray[np.int8], scales: NDArray[np.float32], dimension: int
    ) -> int:
        if self.dtype == "float32":
            around = [1] * codes.ndim
            around[dimension] = scales.size
            return self.constant("weights", codes * scales.reshape(around))
        if self.dtype == "uint8":
            tensor = self.constant("weights", (codes.astype(np.int16) + 128).astype(np.uint8))
            self._entries[tensor].quantization = Quantization(scales, 128)
            return tensor
        tensor = self.constant("weights", codes)
        self._entries[tensor].quantization = Quantization(scales, 0, dimension)
        return tensor

    def _root(self, tensor: int) -> int:
        while self._entries[tensor].like >= 0:
            tensor = self._entries[tensor].like
        return tensor

    def _quantize(self) -> None:
        """Settle the scales of activations, and with them the codes of biases."""
        for number, entry in enumerate(self._entries):
            extent = self._entries[self._root(number)].extent
            if extent is not None and entry.dtype == self.dtype:
                entry.quantization = quantization_of(extent, self.dtype)
        for bias in self._biases:
            source = self._entries[bias.input].quantization
            assert source is not None
            scales = source.scales * bias.weight_scales
            entry = self._entries[bias.tensor]
            entry.data = np.rint(bias.values / scales).astype(np.int32)
            entry.dtype = "int32"
            entry.quantization = Quantization(scales)


def activated(sample: NDArray[np.float64], activation: str) -> NDArray[np.float64]:
    """The sample behind "", "relu" or "relu6"."""
    if not activation:
        return sample
    return np.clip(sample, 0.0, 6.0 if activation == "relu6" else None)
