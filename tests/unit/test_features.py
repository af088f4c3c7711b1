"""Features: what they add up, what the totals leave aside, and the share that is unknown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from edge_deploy_runner.tflite.model_file import ModelFile
from small_detectors import quarter_detector
from small_models import Builder, float_model, int8_model, rank_two_model

from edge_deploy.prediction.features import (
    MACS_PER_ELEMENT,
    TOTALS,
    features,
    is_unfolded,
    unknown_share,
)
from edge_deploy.prediction.networks.shapes import Map, Network
from edge_deploy.prediction.workload import Workload, read_workload


def workload(data: bytes) -> Workload:
    return read_workload(ModelFile(data, "small.tflite"))


def convolved(build: Builder) -> tuple[int, int]:
    """A photo of 4 x 4 and its map of 8 channels."""
    photo = build.tensor("photo", (1, 4, 4, 3))
    return photo, build.convolution(photo, "first", 4, (3, 8))


def batch_normed_model() -> bytes:
    build = Builder()
    photo, current = convolved(build)
    for number, kind in enumerate(("MUL", "ADD")):
        stored = build.tensor(f"stored{number}", (8,), data=np.ones(8, np.float32))
        out = build.tensor(f"out{number}", (1, 4, 4, 8))
        options = schema.MulOptionsT() if kind == "MUL" else schema.AddOptionsT()
        build.operator(kind, [current, stored], [out], options)
        current = out
    return build.finish([photo], [current])


def padded_model() -> bytes:
    build = Builder()
    photo, current = convolved(build)
    sides = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
    by = build.tensor("by", (4, 2), "int32", sides)
    padded = build.tensor("padded", (1, 6, 6, 8))
    build.operator("PAD", [current, by], [padded], schema.PadOptionsT())
    shape = build.tensor("shape", (2,), "int32", np.array([1, 288], np.int32))
    flat = build.tensor("flat", (1, 288))
    options = schema.ReshapeOptionsT()
    options.newShape = [1, 288]
    build.operator("RESHAPE", [padded, shape], [flat], options)
    return build.finish([photo], [flat])


def test_totals_of_a_small_network() -> None:
    found = features(workload(float_model(size=16, layers=2)))
    assert set(TOTALS) <= set(found)
    assert found["dense_mmac"] == pytest.approx((16 * 16 * 8 * 27 + 16 * 16 * 8 * 72) / 1e6)
    assert (found["depthwise_mmac"], found["fc_mmac"]) == (0, 0)
    # Read and written: two convolutions and the mean; the softmax is left out.
    elements = 256 * (3 + 8) + 256 * (8 + 8) + 256 * 8 + 8
    assert found["activation_melems"] == pytest.approx(elements / 1e6)
    assert found["activation_mb"] == pytest.approx(4 * elements / 1e6)
    assert found["weight_melems"] == pytest.approx((216 + 576) / 1e6)
    assert found["weight_mb"] == pytest.approx(4 * (216 + 576) / 1e6)
    assert found["im2col_melems"] == pytest.approx((256 * 27 + 256 * 72) / 1e6)
    assert found["n_ops"] == 3
    assert (found["unfolded_melems"], found["detection_melems"]) == (0, 0)


def test_each_kind_has_its_own_features() -> None:
    found = features(workload(float_model(size=16, layers=2)))
    assert found["CONV_2D.n"] == 2
    assert found["CONV_2D.mmac"] == found["dense_mmac"]
    assert found["CONV_2D.melems"] == pytest.approx(256 * (3 + 8 + 8 + 8) / 1e6)
    assert found["SOFTMAX.n"] == 1
    assert "MEAN.mmac" not in found


def test_bytes_follow_the_dtype() -> None:
    found = features(workload(int8_model()))
    assert found["activation_mb"] == pytest.approx(found["activation_melems"])
    assert found["weight_mb"] == pytest.approx(found["weight_melems"])


def test_fully_connected_work_is_no_dense_work() -> None:
    found = features(workload(rank_two_model()))
    assert (found["fc_mmac"], found["dense_mmac"]) == (64e-6, 0)
    assert found["im2col_melems"] == 0


def test_large_depthwise_kernels_are_a_part_of_the_depthwise_work() -> None:
    net = Network("two depthwise")
    current = net.depthwise(net.conv(Map(8, 8, 3), 6), 3)
    net.depthwise(current, 5)
    found = features(net.workload())
    assert found["large_depthwise_mmac"] == pytest.approx(64 * 6 * 25 / 1e6)
    assert found["depthwise_mmac"] == pytest.approx(64 * 6 * (9 + 25) / 1e6)


def test_batch_norms_that_stayed_are_unfolded() -> None:
    found = features(workload(batch_normed_model()))
    assert found["unfolded_melems"] == pytest.approx(2 * 2 * 128 / 1e6)
    assert found["activation_melems"] == pytest.approx(16 * (3 + 8) / 1e6)
    assert found["n_ops"] == 1
    assert found["MUL.n"] == 1


def test_paddings_are_unfolded_and_reshapes_are_nothing() -> None:
    made = workload(padded_model())
    assert [is_unfolded(operator) for operator in made.operators] == [False, True, False]
    found = features(made)
    assert found["unfolded_melems"] == pytest.approx((128 + 288) / 1e6)
    assert found["n_ops"] == 1


def test_what_detectors_read_at_the_end_is_a_feature() -> None:
    found = features(workload(quarter_detector()))
    # The scores of 4 boxes in 4 classes; what is found: 4 boxes, classes, scores and a count.
    assert found["detection_melems"] == pytest.approx((16 + 16 + 4 + 4 + 1) / 1e6)


def test_the_share_of_unknown_kinds() -> None:
    made = workload(padded_model())
    convolution, padding, _ = made.operators
    moved = MACS_PER_ELEMENT * (padding.input_elements + padding.output_elements)
    expected = moved / (moved + convolution.macs)
    assert unknown_share(made, {"CONV_2D"}) == pytest.approx(expected)
    assert unknown_share(made, {"CONV_2D", "PAD"}) == 0  # a reshape is no work
    assert unknown_share(made, set()) == 1


def test_a_network_described_by_shapes_counts_like_its_file() -> None:
    net = Network("described")
    current = net.conv(Map(8, 8, 3), 6, 3, 2)
    current = net.add(net.depthwise(current, 3), current)
    net.softmax(net.dense(net.mean(current), 5))
    assert features(net.workload()) == pytest.approx(features(workload(_same_in_a_file())))


def _same_in_a_file() -> bytes:
    def windowed(options: Any, stride: int) -> Any:
        options.padding = schema.Padding.SAME
        options.strideW = options.strideH = stride
        options.dilationWFactor = options.dilationHFactor = 1
        return options

    build = Builder()
    photo = build.tensor("photo", (1, 8, 8, 3))
    filters = build.tensor("filters", (6, 3, 3, 3), data=np.ones((6, 3, 3, 3), np.float32))
    bias = build.tensor("bias", (6,), data=np.zeros(6, np.float32))
    first = build.tensor("first", (1, 4, 4, 6))
    build.operator("CONV_2D", [photo, filters, bias], [first], windowed(schema.Conv2DOptionsT(), 2))
    depth = build.tensor("depth", (1, 3, 3, 6), data=np.ones((1, 3, 3, 6), np.float32))
    second = build.tensor("second", (1, 4, 4, 6))
    options = windowed(schema.DepthwiseConv2DOptionsT(), 1)
    options.depthMultiplier = 1
    build.operator("DEPTHWISE_CONV_2D", [first, depth, bias], [second], options)
    added = build.tensor("added", (1, 4, 4, 6))
    build.operator("ADD", [second, first], [added], schema.AddOptionsT())
    axes = build.tensor("axes", (2,), "int32", np.array([1, 2], np.int32))
    mean = build.tensor("mean", (1, 6))
    build.operator("MEAN", [added, axes], [mean], schema.ReducerOptionsT())
    dense = build.tensor("dense", (5, 6), data=np.ones((5, 6), np.float32))
    scores = build.tensor("scores", (1, 5))
    build.operator("FULLY_CONNECTED", [mean, dense, -1], [scores], schema.FullyConnectedOptionsT())
    out = build.tensor("probabilities", (1, 5))
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    build.operator("SOFTMAX", [scores], [out], softmax)
    return build.finish([photo], [out])
