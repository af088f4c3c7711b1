"""The peak memory of a model above that of the runtime alone, from its file and its shapes.

On a CPU it is a sum that can be counted: the file, which is mapped; the copy of the weights that
XNNPACK packs for its kernels; the arena of the activations; the pointers to input rows of
convolutions wider than 1x1; and what the runtime takes for any model. The last one, and how near
the sum comes, were measured: fifteen networks in float32, int8 and uint8 on an x86-64 computer
with LiteRT 2.1 lie between -8% and +3% of it. Detectors end in an operator that no delegate takes:
its inputs leave XNNPACK's memory as floats, and it copies them. With that the published peaks of
EfficientDet-Lite on a Raspberry Pi 4 and 5 lie 5% to 12% above the sum. Weights that the file
unpacks to floats lie in memory once more; XNNPACK alone reads float16 ones as they are stored.
"""

from __future__ import annotations

from edge_deploy_runner.bench.percentiles import Estimate

from .workload import DETECTION_POSTPROCESS, OperatorWork, Workload

# Bytes: the mean of those 15 models with XNNPACK (3.6 to 6.2 MB); tiny ones take 3 MB.
RUNTIME_BYTES = 5.2e6
_RUNTIME_LOW, _RUNTIME_HIGH = 1.5e6, 8.0e6
# An allocator's rounding, another version's packing.
_LOW, _HIGH = 0.95, 1.1
_POINTER_BYTES = 8
_FLOAT_BYTES = 4
_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")


def predicted_memory(workload: Workload, delegate: str, threads: int) -> tuple[Estimate, str]:
    """Bytes with their ends, and a sentence on what they rest on.

    `delegate` "none" stands for TFLite's built-in kernels, which pack weights only of float models
    on several threads, and unfold the input of one convolution at a time.
    """
    arena = workload.arena_bytes
    weights = sum(operator.weight_bytes for operator in workload.operators if operator.macs)
    packed_low = packed = packed_high = float(weights)
    beside = float(sum(_pointers(operator) for operator in workload.operators))
    most_beside = 1.5 * beside
    detections = _FLOAT_BYTES * sum(
        o.input_elements for o in workload.operators if o.kind == DETECTION_POSTPROCESS
    )
    words = "the weights once more as XNNPACK packs them"
    if delegate == "none":
        packed_low, packed = 0.0, weights if threads > 1 and workload.dtype == "float32" else 0.0
        beside, most_beside = 0.0, float(max(map(_unfolded, workload.operators), default=0))
        words = "the weights once more where the built-in kernels pack them"
    unpacked = float(workload.unpacked_bytes)
    if delegate != "none":
        unpacked -= workload.unpacked_float16_bytes
    # Where it cannot be planned, at the least what the largest operator reads and writes.
    known = float(arena) if arena is not None else _largest(workload)
    stored = workload.size_bytes + unpacked
    value = stored + packed + known + beside + 2 * detections + RUNTIME_BYTES
    low = _LOW * (stored + packed_low + known) + detections + _RUNTIME_LOW
    high = _HIGH * (stored + packed_high + known) + _RUNTIME_HIGH
    high += most_beside + 3 * detections
    if arena is None:
        high += sum(o.output_bytes for o in workload.operators)
    return Estimate(value, low, high), (
        f"the file, {'its weights as unpacked floats, ' if unpacked else ''}{words}, "
        "the arena of the activations"
        f"{'' if arena is not None else ' (its largest operator; it could not be planned)'} and "
        f"{RUNTIME_BYTES / 1e6:.1f} MB for the runtime; held against 15 models on an x86-64 "
        "computer and published detectors on a Raspberry Pi 4 and 5"
    )


def _pointers(operator: OperatorWork) -> int:
    """Bytes of XNNPACK's table of input rows; a window that slides shares what it has had."""
    height, width = operator.kernel
    if operator.kind == "CONV_2D" and operator.kernel != (1, 1):
        return operator.output_pixels * height * width * _POINTER_BYTES
    if operator.kind == "DEPTHWISE_CONV_2D" or operator.kind in _POOLS:
        return operator.output_pixels * height * min(operator.stride[1], width) * _POINTER_BYTES
    return 0


def _unfolded(operator: OperatorWork) -> int:
    """Bytes of a convolution's input with each window written out."""
    if operator.kind != "CONV_2D" or operator.kernel == (1, 1):
        return 0
    element_bytes = operator.input_bytes // max(1, operator.input_elements)
    window = operator.kernel[0] * operator.kernel[1] * operator.input_channels
    return operator.output_pixels * window * element_bytes


def _largest(workload: Workload) -> float:
    return float(max((o.input_bytes + o.output_bytes for o in workload.operators), default=0))
