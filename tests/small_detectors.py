"""Real SSD detectors of a few kilobytes, whose boxes can be worked out by hand.

The photo is cut into four quarters; each has one anchor, and scores its mean colour.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from edge_deploy_runner.contract import CONTRACT_ENTRY, PRESETS, Contract, Preprocessing
from flatbuffers import flexbuffers
from small_models import Builder
from small_models_photo import COLOR_LABELS, with_files

STRETCHED = PRESETS["0-1"]._replace(crop="none", resize="box")
SIDE = 16
Y_SCALE, X_SCALE, H_SCALE, W_SCALE = 10.0, 10.0, 5.0, 5.0
# Centre y, centre x, height, width of the anchors: the quarters, row by row.
ANCHORS = (
    (0.25, 0.25, 0.5, 0.5),
    (0.25, 0.75, 0.5, 0.5),
    (0.75, 0.25, 0.5, 0.5),
    (0.75, 0.75, 0.5, 0.5),
)
# What the network adds: moved down by half its height, left by a tenth of its width, half as high.
SHIFT = (Y_SCALE * 0.5, -X_SCALE * 0.1, H_SCALE * math.log(0.5), 0.0)


def expected_box(quarter: int, encoding: tuple[float, ...] = (0.0,) * 4) -> tuple[float, ...]:
    """Top, left, bottom, right of a quarter's box, as the operator's documentation says."""
    y, x, height, width = ANCHORS[quarter]
    centre_y = encoding[0] / Y_SCALE * height + y
    centre_x = encoding[1] / X_SCALE * width + x
    half_height = 0.5 * math.exp(encoding[2] / H_SCALE) * height
    half_width = 0.5 * math.exp(encoding[3] / W_SCALE) * width
    return (
        centre_y - half_height, centre_x - half_width,
        centre_y + half_height, centre_x + half_width,
    )  # fmt: skip


def options(classes: int, detections: int = 4) -> bytes:
    """The custom options of the operator, a FlexBuffer."""
    build = flexbuffers.Builder()
    with build.Map():
        build.Int("max_detections", detections)
        build.Int("max_classes_per_detection", 1)
        build.Int("detections_per_class", 100)
        build.Bool("use_regular_nms", False)
        build.Float("nms_score_threshold", 0.1)
        build.Float("nms_iou_threshold", 0.5)
        build.Int("num_classes", classes)
        build.Float("y_scale", Y_SCALE)
        build.Float("x_scale", X_SCALE)
        build.Float("h_scale", H_SCALE)
        build.Float("w_scale", W_SCALE)
    return bytes(build.Finish())


def quarter_detector(
    *,
    encoding: tuple[float, ...] = (0.0,) * 4,
    order: tuple[int, ...] = (0, 1, 2, 3),
    background: bool = True,
    labels: tuple[str, ...] | None = COLOR_LABELS,
    contract: Preprocessing | None = STRETCHED,
    names: tuple[str, ...] = ("boxes", "classes", "scores", "count"),
    dtype: str = "float32",
) -> bytes:
    """Finds red, green and blue quarters; scores are how much of that colour there is.

    `order` is the order of the model's outputs; `dtype` "uint8" quantizes the input.
    """
    build = Builder()
    if dtype == "float32":
        photo = pixels = build.tensor("photo", (1, SIDE, SIDE, 3))
    else:
        photo = build.tensor("photo", (1, SIDE, SIDE, 3), dtype, scale=1 / 255, zero_point=0)
        pixels = build.tensor("pixels", (1, SIDE, SIDE, 3))
        build.operator("DEQUANTIZE", [photo], [pixels], version=2)
    pool = schema.Pool2DOptionsT()
    pool.padding = schema.Padding.VALID
    pool.strideW = pool.strideH = pool.filterWidth = pool.filterHeight = SIDE // 2
    means = build.tensor("means", (1, 2, 2, 3))
    build.operator("AVERAGE_POOL_2D", [pixels], [means], pool)
    first = 1 if background else 0
    weights = np.zeros((3 + first, 1, 1, 3), np.float32)
    weights[first:, 0, 0] = np.eye(3)
    kernel = build.tensor("kernel", weights.shape, data=weights)
    bias = build.tensor("bias", (3 + first,), data=np.zeros(3 + first, np.float32))
    mapped = build.tensor("mapped", (1, 2, 2, 3 + first))
    convolution = schema.Conv2DOptionsT()
    convolution.padding = schema.Padding.VALID
    convolution.strideW = convolution.strideH = 1
    convolution.dilationWFactor = convolution.dilationHFactor = 1
    build.operator("CONV_2D", [means, kernel, bias], [mapped], convolution)
    shape = build.tensor("shape", (3,), "int32", np.array([1, 4, 3 + first], np.int32))
    predictions = build.tensor("predictions", (1, 4, 3 + first))
    reshape = schema.ReshapeOptionsT()
    reshape.newShape = [1, 4, 3 + first]
    build.operator("RESHAPE", [mapped, shape], [predictions], reshape)
    encodings = build.tensor(
        "encodings", (1, 4, 4), data=np.array([encoding] * 4, np.float32).reshape(1, 4, 4)
    )
    anchors = build.tensor("anchors", (4, 4), data=np.array(ANCHORS, np.float32))
    outputs = [
        build.tensor(name, shape_)
        for name, shape_ in zip(names, ((1, 4, 4), (1, 4), (1, 4), (1,)), strict=True)
    ]
    build.operator(
        "CUSTOM", [encodings, predictions, anchors], outputs, custom="TFLite_Detection_PostProcess"
    )
    operator = build.graph.operators[-1]
    operator.customOptions = np.frombuffer(options(3), np.uint8)
    operator.customOptionsFormat = 0
    if contract or labels:
        _add_contract(build, Contract(contract, labels or ()))
    data = build.finish([photo], [outputs[place] for place in order])
    return with_files(data, {"labels.txt": "\n".join(labels) + "\n"}) if labels else data


def named_detector(names: tuple[str, ...], boxes_shape: tuple[int, ...] = (1, 4, 4)) -> bytes:
    """Four outputs by plain operators: what exporters without the standard operator give."""
    build = Builder()
    photo = build.tensor("photo", (1, 4, 4, 3))
    shapes = {"b": boxes_shape, "c": (1, 4), "s": (1, 4), "n": (1,)}
    outputs = []
    for name, key in zip(names, "bcsn", strict=True):
        count = int(np.prod(shapes[key]))
        flat = build.tensor(f"{key}_flat", (1, 48))
        to_flat = schema.ReshapeOptionsT()
        to_flat.newShape = [1, 48]
        size = build.tensor(f"{key}_size", (2,), "int32", np.array([1, 48], np.int32))
        build.operator("RESHAPE", [photo, size], [flat], to_flat)
        kernel = build.tensor(f"{key}_k", (count, 48), data=np.zeros((count, 48), np.float32))
        row = build.tensor(f"{key}_row", (1, count))
        build.operator(
            "FULLY_CONNECTED", [flat, kernel, -1], [row], schema.FullyConnectedOptionsT()
        )
        last = build.tensor(f"{key}_shape", (len(shapes[key]),), "int32",
                            np.array(shapes[key], np.int32))  # fmt: skip
        out = build.tensor(name, shapes[key])
        back = schema.ReshapeOptionsT()
        back.newShape = list(shapes[key])
        build.operator("RESHAPE", [row, last], [out], back)
        outputs.append(out)
    return build.finish([photo], outputs)


def write_detector(folder: Path, name: str = "quarters.tflite", **parameters: Any) -> Path:
    """A quarter detector in a file."""
    path = folder / name
    path.write_bytes(quarter_detector(**parameters))
    return path


def _add_contract(build: Builder, contract: Contract) -> None:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(contract.to_json().encode(), np.uint8)
    entry = schema.MetadataT()
    entry.name, entry.buffer = CONTRACT_ENTRY.encode(), len(build.model.buffers)
    build.model.buffers.append(buffer)
    build.model.metadata = [entry]
