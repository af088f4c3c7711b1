"""The generated models of a calibration, and the sample networks that predictions are held to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_deploy_runner.interpreter import LoadedModel
from edge_deploy_runner.tflite.model_file import ModelFile
from operator_rows import operator_rows
from sample_networks import SAMPLE_NETWORKS, build_network

from edge_deploy.prediction.calibration.micro_models import MICRO_MODELS, MicroModel
from edge_deploy.prediction.features import features
from edge_deploy.prediction.workload import read_workload

BOTH = ("float32", "int8")
# What XNNPACK leaves to TFLite's own kernels in int8 networks, in real conversions as well.
UNDELEGATED_INT8 = {"HARD_SWISH", "SOFTMAX"}


def random_input(model: LoadedModel, seed: int = 0) -> np.ndarray[Any, Any]:
    """Uniform over what the input's codes mean, or -1 to 1."""
    detail = model.inputs[0]
    generator = np.random.default_rng(seed)
    if detail["dtype"] == np.float32:
        return generator.uniform(-1, 1, detail["shape"]).astype(np.float32)
    return generator.integers(-128, 128, detail["shape"]).astype(detail["dtype"])


def kinds(data: bytes) -> Counter[str]:
    return Counter(operator.kind for operator in ModelFile(data).graph.operators)


def undelegated(data: bytes) -> float:
    """How many operators XNNPACK leaves alone."""
    delegate, share = LoadedModel(data, threads=1).delegated_share()
    assert delegate == "XNNPACK"
    return (1 - share) * kinds(data).total()


def test_ten_to_fourteen_models_of_several_families() -> None:
    assert 10 <= len(MICRO_MODELS) <= 14
    assert len({model.name for model in MICRO_MODELS}) == len(MICRO_MODELS)
    assert len({model.family for model in MICRO_MODELS}) >= 6


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("micro", MICRO_MODELS, ids=lambda micro: micro.name)
def test_runs_with_all_kernels_and_answers_to_its_input(micro: MicroModel, dtype: str) -> None:
    data = micro.build(dtype)
    assert micro.build(dtype) == data
    workload = read_workload(ModelFile(data, micro.name))
    assert workload.dtype == dtype
    answers = {}
    for kernels in ("xnnpack", "builtin", "reference"):
        model = LoadedModel(data, threads=1, kernels=kernels)
        assert len(model.inputs) == 1
        answers[kernels] = model.run(random_input(model))[0].astype(float)
    fast = answers["xnnpack"]
    assert np.isfinite(fast).all()
    assert len(np.unique(fast)) > 1
    for kernels in ("builtin", "reference"):
        difference = np.abs(answers[kernels] - fast)
        if dtype == "float32":
            assert difference.max() <= 1e-3 * np.abs(fast).max()
        else:  # codes, rounded otherwise here and there
            assert difference.mean() < 2
    other = LoadedModel(data, threads=1)
    assert not np.array_equal(other.run(random_input(other, seed=1))[0], fast)


@pytest.mark.parametrize("micro", MICRO_MODELS, ids=lambda micro: micro.name)
def test_is_the_same_network_in_both_dtypes(micro: MicroModel) -> None:
    plain, quantized = (micro.build(dtype) for dtype in BOTH)
    exact, coded = (features(read_workload(ModelFile(data))) for data in (plain, quantized))
    for name in ("dense_mmac", "depthwise_mmac", "fc_mmac", "activation_melems", "n_ops"):
        assert coded[name] == exact[name]
    assert coded["activation_mb"] == pytest.approx(exact["activation_mb"] / 4, rel=0.01)
    assert len(plain) < 20e6


def test_all_together_fit_a_small_device() -> None:
    measured = [
        features(read_workload(ModelFile(micro.build("float32")))) for micro in MICRO_MODELS
    ]
    mmac = [found["dense_mmac"] + found["depthwise_mmac"] + found["fc_mmac"] for found in measured]
    assert min(mmac) > 0
    assert np.median(mmac) < 60
    # A Raspberry Pi 4 does some 5 to 10 thousand a second on one core.
    assert sum(mmac) < 2500
    # Each operator's weights are unpacked in memory; the smallest boards have 512 MB.
    assert max(found["weight_mb"] for found in measured) < 120


@pytest.mark.parametrize("micro", MICRO_MODELS, ids=lambda micro: micro.name)
def test_xnnpack_takes_all_of_a_float32_model(micro: MicroModel) -> None:
    assert undelegated(micro.build("float32")) == pytest.approx(0)


def converted_rows() -> dict[str, list[str]]:
    """The operators of real conversions, by network."""
    rows: dict[str, list[str]] = {}
    text = (Path(__file__).parent.parent / "data" / "converted_networks.txt").read_text()
    for line in text.splitlines():
        if line.startswith("["):
            name = line.strip("[]")
        elif line and not line.startswith("#"):
            rows.setdefault(name, []).append(line)
    return rows


def test_all_sample_networks_were_converted_once() -> None:
    assert set(converted_rows()) == set(SAMPLE_NETWORKS)


@pytest.mark.parametrize("name", SAMPLE_NETWORKS)
def test_sample_networks_are_those_that_conversions_make(name: str) -> None:
    for dtype in BOTH:
        assert operator_rows(ModelFile(build_network(name, dtype))) == converted_rows()[name]


def test_no_micro_model_is_a_sample_network() -> None:
    converted = converted_rows()
    for micro in MICRO_MODELS:
        rows = operator_rows(ModelFile(micro.build("float32")))
        for name, published in converted.items():
            convolutions = {row for row in published if "CONV" in row}
            shared = convolutions.intersection(rows)
            assert len(shared) < len(convolutions) / 2, f"{micro.name} has much of {name}"


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v3_small", "squeezenet"])
def test_xnnpack_takes_of_sample_networks_what_it_takes_of_conversions(name: str) -> None:
    assert undelegated(build_network(name, "float32")) == pytest.approx(0)
    data = build_network(name, "int8")
    expected = sum(count for kind, count in kinds(data).items() if kind in UNDELEGATED_INT8)
    assert undelegated(data) == pytest.approx(expected)


def test_an_int8_sample_network_answers_as_its_float32_sister() -> None:
    logits = []
    for dtype in BOTH:
        model = LoadedModel(build_network("mobilenet_v2", dtype), threads=1)
        scale, zero_point = model.inputs[0]["quantization"]
        values = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3))
        if dtype == "int8":
            values = np.rint(values / scale + zero_point)
        output = model.run(values.astype(model.inputs[0]["dtype"]))[0].astype(float)
        scale, zero_point = model.outputs[0]["quantization"]
        logits.append((output - zero_point) * (scale or 1))
    assert np.corrcoef(logits[0].ravel(), logits[1].ravel())[0, 1] > 0.9
