"""The catalogue's latency entries are what the packaged tables make of them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from edge_deploy.catalogue import all_profiles
from edge_deploy.prediction.latency import scaling
from edge_deploy.prediction.latency.fitting import FEW_POINTS_HALF_WIDTHS
from edge_deploy.prediction.latency.novelty import SIBLING_FAMILY_HALF_WIDTH
from edge_deploy.prediction.tables import few_points, published
from edge_deploy.prediction.tables.reading import packaged_latencies, packaged_networks

DEVICES = ROOT / "edge_deploy" / "devices"
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e-?\d+)?")


def test_the_device_files_are_what_the_command_writes(tmp_path: Path) -> None:
    folder = shutil.copytree(DEVICES, tmp_path / "devices")
    written = published.write_again(folder)
    assert len(written) >= 12
    for path in written:
        new, old = path.read_text("utf-8"), (DEVICES / path.name).read_text("utf-8")
        words = (
            f"{path.name} is not up to date; run python -m edge_deploy.prediction.tables.published"
        )
        # Another machine's arithmetic may round the last digit the other way.
        assert NUMBER.sub("#", old) == NUMBER.sub("#", new), words
        figures = [float(figure) for figure in NUMBER.findall(new)]
        assert [float(figure) for figure in NUMBER.findall(old)] == pytest.approx(
            figures, rel=1e-3, abs=1e-6
        ), words


def test_every_packaged_row_has_a_source_and_a_runtime() -> None:
    rows = packaged_latencies()
    assert len(rows) > 700
    assert all(row.source and row.runtime for row in rows)


def test_every_packaged_row_on_a_cpu_has_features() -> None:
    networks = packaged_networks()
    assert {row.model for row in packaged_latencies() if row.model not in networks} == set()


def test_no_fit_mixes_runtimes_and_none_has_a_coefficient_below_zero() -> None:
    for one in published.published_fits():
        assert {point.runtime for point in one.points} == {one.group.runtime}
        assert all(value > 0 for value in one.model.coefficients.values())
        assert one.model.source


def test_threads_have_fits_of_their_own() -> None:
    entries = published.catalogue_entries()["raspberry-pi-4b"]
    runs = {(m.dtype, m.runtime): set[int]() for m in entries}
    for model in entries:
        runs[model.dtype, model.runtime].add(model.threads)
    assert runs["float32", "TFLite 2.5, 64-bit"] == {1, 2, 3, 4}
    assert runs["int8", "TFLite 2.18"] == {1, 2, 3, 4}
    one, four = (
        next(
            m
            for m in entries
            if (m.dtype, m.runtime, m.threads) == ("int8", "TFLite 2.5, 64-bit", threads)
        )
        for threads in (1, 4)
    )
    assert (
        2 < one.predicted_ms(one.points[0].features) / four.predicted_ms(one.points[0].features) < 4
    )


def test_a_device_without_data_is_its_sibling_at_its_own_clock() -> None:
    entries = published.catalogue_entries()
    profiles = all_profiles()
    zero, sibling = entries["raspberry-pi-zero-2-w"], entries["raspberry-pi-3b-plus"]
    assert profiles["raspberry-pi-zero-2-w"].like == "raspberry-pi-3b-plus"
    assert len(zero) == len(sibling)
    for one, other in zip(zero, sibling, strict=True):
        assert one.coefficients == pytest.approx(
            {name: 1.4 * value for name, value in other.coefficients.items()}
        )
        assert (one.points, one.standing, one.like) == ((), "guess", "raspberry-pi-3b-plus")
        features = other.points[0].features
        wide, narrow = one.estimate(features), other.estimate(features)
        assert wide.high / wide.value >= 1.14
        assert "no points of its own" in wide.reasons[0]
        assert wide.value == pytest.approx(1.4 * narrow.value)


def test_no_interval_contradicts_the_published_time_of_the_network_itself() -> None:
    for one in published.published_fits():
        for point in one.points:
            found = one.model.estimate(point.features)
            assert found.low <= point.measured_ms <= found.high, (one.group, point.model)


def test_nor_where_another_converter_wrote_the_last_layer_as_a_convolution() -> None:
    entries = published.catalogue_entries()["pixel-3"]
    entry = next(one for one in entries if one.dtype == "uint8")
    point = next(one for one in entry.points if one.model == "Mobilenet_V2_1.0_224")
    features = dict(point.features)
    features["dense_mmac"] += features.pop("fc_mmac")
    found = entry.estimate(features)
    assert found.low <= point.measured_ms <= found.high
    assert "Mobilenet_V2_1.0_224, which asks for the same work, took 12 ms" in found.reasons[-1]
    assert entry.learnt(features).high < point.measured_ms


def test_widths_of_few_points_are_those_measured() -> None:
    for row in few_points.few_points():
        assert FEW_POINTS_HALF_WIDTHS[row.points] == pytest.approx(row.width80_other, abs=0.03)
    assert few_points.families_with_a_sibling() <= SIBLING_FAMILY_HALF_WIDTH


def test_what_scaling_by_clock_gets_wrong_is_measured() -> None:
    same = few_points.clocks("raspberry-pi-3b", 1200, "raspberry-pi-3b-plus", 1400)
    assert same == pytest.approx(scaling.SAME_CORE_HALF_WIDTH, abs=0.002)
    others = [
        few_points.clocks("raspberry-pi-3b-plus", 1400, "raspberry-pi-4b", 1500),
        few_points.clocks("raspberry-pi-4b", 1500, "raspberry-pi-5", 2400),
    ]
    assert np.mean(others) == pytest.approx(scaling.OTHER_CORE_HALF_WIDTH, abs=0.01)
