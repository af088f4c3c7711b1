"""Shape classes: what each operator counts under, by numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from edge_deploy.prediction.operator_features import OPERATOR_TERMS, operator_features
from edge_deploy.prediction.workload import OperatorWork, Workload


def work(kind: str = "CONV_2D", **changes: Any) -> OperatorWork:
    """A pointwise convolution of 10 x 10 positions from 32 to 64 channels."""
    values: dict[str, Any] = {
        "kind": kind, "dtype": "float32", "macs": 100 * 32 * 64, "input_bytes": 12_800,
        "output_bytes": 25_600, "weight_bytes": 8192, "input_elements": 3200,
        "output_elements": 6400, "weight_elements": 2048, "kernel": (1, 1), "stride": (1, 1),
        "input_channels": 32, "output_channels": 64, "output_pixels": 100, "name": "x",
    }  # fmt: skip
    return OperatorWork(**{**values, **changes})


def found(*operators: OperatorWork, dtype: str = "float32") -> dict[str, float]:
    return operator_features(Workload("x", dtype, operators, 0, None))


def test_channels_that_fill_tiles_cost_nothing_more() -> None:
    values = found(work())
    assert values == {
        "DENSE.mmac": pytest.approx(0.2048), "DENSE.output_melems": pytest.approx(0.0064),
        "ALL.n": 1,
    }  # fmt: skip


def test_channels_and_depth_that_leave_tiles_unfilled() -> None:
    macs = 100 * 27 * 24
    values = found(
        work(macs=macs, kernel=(3, 3), input_channels=3, output_channels=24, output_elements=2400)
    )
    assert values["DENSE.narrow_mmac"] == pytest.approx(macs / 1e6)
    assert values["DENSE.padding_mmac"] == pytest.approx(macs / 1e6 * (32 / 24 - 1))
    assert values["DENSE.depth_padding_mmac"] == pytest.approx(2400 * 9 * 5 / 1e6)
    assert values["DENSE.window_mmac"] == pytest.approx(macs / 1e6)


@pytest.mark.parametrize("kind", ["CONV_2D", "FULLY_CONNECTED"])
def test_a_single_output_row_waits_for_its_weights(kind: str) -> None:
    values = found(work(kind, output_pixels=1, weight_bytes=2_000_000))
    assert values == {"VECTOR.weight_mb": pytest.approx(2.0), "ALL.n": 1}


def test_depthwise_filters_beyond_the_first_cache() -> None:
    small = found(work("DEPTHWISE_CONV_2D", macs=90_000, output_channels=40))
    large = found(work("DEPTHWISE_CONV_2D", macs=90_000, weight_bytes=40_000))
    assert small["DEPTHWISE.padding_mmac"] == pytest.approx(0.09 * 8 / 40)
    assert "DEPTHWISE.large_filter_mmac" not in small
    assert large["DEPTHWISE.large_filter_mmac"] == pytest.approx(0.09 * 0.5)
    assert "DEPTHWISE.padding_mmac" not in large


def test_a_padding_in_front_of_a_convolution_is_part_of_it() -> None:
    padding = work("PAD", macs=0)
    assert "PADDING.kpixels" not in found(padding, work())
    assert found(padding, work())["ALL.n"] == 1
    assert found(padding, work("MAX_POOL_2D", macs=0))["PADDING.kpixels"] == pytest.approx(0.1)


def test_integers_go_to_and_fro_between_kernels() -> None:
    operators = (work(), work("HARD_SWISH"), work(), work("HARD_SWISH"), work("HARD_SWISH"))
    assert found(*operators, dtype="int8")["DELEGATE.boundaries"] == 3
    assert "DELEGATE.boundaries" not in found(*operators, dtype="float32")
    assert found(*operators)["ELEMENTWISE.hard_swish_melems"] == pytest.approx(3 * 0.0096)


def test_integer_weights_alone_quantize_on_the_way() -> None:
    operators = (work(dtype="dynamic"), work("DEPTHWISE_CONV_2D", dtype="dynamic"))
    values = found(*operators, dtype="dynamic")
    assert values["DYNAMIC.melems"] == pytest.approx(0.0064)
    assert values["DELEGATE.boundaries"] == 1
    assert "DYNAMIC.melems" not in found(work())


def test_weights_that_no_cache_holds() -> None:
    heavy = work(weight_bytes=5_000_000)
    assert "WEIGHTS.mb" not in found(heavy), "one operator alone finds its weights in the cache"
    several = found(*[heavy] * 2)
    assert several["WEIGHTS.mb"] == pytest.approx(10)
    assert several["WEIGHTS.cold_mb"] == pytest.approx(10 * (10 - 6) / (14 - 6))
    assert "WEIGHTS.vast_mb" not in several
    assert found(*[heavy] * 12)["WEIGHTS.vast_mb"] == pytest.approx(60)
    vector = work(weight_bytes=5_000_000, output_pixels=1)
    assert "WEIGHTS.cold_mb" not in found(*[vector] * 3)


def test_what_spills_out_of_the_second_cache() -> None:
    assert "SPILL.mb" not in found(work())
    spilled = found(work("ADD", input_bytes=3_000_000, output_bytes=1_500_000))
    assert spilled["SPILL.mb"] == pytest.approx(3.5)


@pytest.mark.parametrize(
    ("kind", "term"),
    [
        ("ADD", "ELEMENTWISE.melems"),
        ("SQUARED_DIFFERENCE", "ELEMENTWISE.melems"),
        ("MUL", "ELEMENTWISE.product_melems"),
        ("LOGISTIC", "ELEMENTWISE.logistic_melems"),
        ("RELU6", "ELEMENTWISE.relu_melems"),
        ("MEAN", "REDUCTION.melems"),
        ("RESIZE_BILINEAR", "RESIZING.melems"),
        ("MAX_POOL_2D", "POOL_MAX.melems"),
    ],
)
def test_kinds_that_move_elements(kind: str, term: str) -> None:
    values = found(work(kind, macs=0))
    assert values == {term: pytest.approx(0.0096), "ALL.n": 1}
    assert set(values) <= set(OPERATOR_TERMS)


def test_windows_of_average_pools_and_rows_of_copies() -> None:
    pool = found(work("AVERAGE_POOL_2D", kernel=(3, 3)))
    assert pool["POOL_AVERAGE.window_melems"] == pytest.approx(9 * 0.0064)
    copy = found(work("CONCATENATION"))
    assert copy["MOVE.kpixels"] == pytest.approx(0.1)
    assert copy["MOVE.mb"] == pytest.approx(0.0384)


def test_a_reshape_costs_a_call_alone() -> None:
    assert found(work("RESHAPE")) == {"ALL.n": 1}
