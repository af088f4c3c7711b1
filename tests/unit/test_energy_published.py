"""The power model of a Raspberry Pi 3 against an energy that others measured and published."""

from __future__ import annotations

import pytest

from edge_deploy.catalogue import device_profile, profile_power
from edge_deploy.prediction.tables.published_energy import (
    DEVICE,
    MJ_PER_MWH,
    PUBLISHED_MWH,
    compared,
    markdown,
)


def test_the_power_model_is_that_of_the_published_board() -> None:
    draw = profile_power(device_profile(DEVICE), 4)
    assert draw is not None
    assert (draw.idle_w, draw.marginal_w[0]) == ((1.9, 1.9), pytest.approx(5.1 - 1.9))


def test_the_published_latency_takes_the_published_energy() -> None:
    first = compared()[0]
    assert (first.source, first.threads, first.latency.value) == ("published", 4, 427.0)
    assert first.energy.mj_per_inference == pytest.approx(3.2 * 427)
    assert first.energy.mj_per_inference == pytest.approx(PUBLISHED_MWH * MJ_PER_MWH, rel=0.30)


def test_the_same_with_the_latency_predicted_and_its_interval() -> None:
    _, *rows = compared()
    assert {row.threads for row in rows} == {1, 2, 3, 4}
    for row in rows:
        energy, latency = row.energy, row.latency
        assert energy.evidence == "predicted"
        assert latency.low is not None
        assert latency.high is not None
        assert energy.low is not None
        assert energy.high is not None
        # The board's power has no ends of its own: the energy's interval is the latency's.
        assert energy.low / latency.low == pytest.approx(energy.high / latency.high)
        # Threads, runtime and dtype of the published run are not known.
        assert 1 / 5 < energy.high / (PUBLISHED_MWH * MJ_PER_MWH) < 5
    # One core takes as long as was published, four with XNNPACK take half of it.
    of_one = [row.latency for row in rows if row.threads == 1]
    assert any(it.low <= 427 <= it.high for it in of_one if it.low and it.high)


def test_no_latency_of_the_network_itself_was_fitted() -> None:
    names = {
        point.model.lower() for model in device_profile(DEVICE).latency for point in model.points
    }
    assert "ssdlite mobilenet v2@300x300" in names
    assert not any(name.startswith("ssd mobilenet v1@") for name in names)


def test_the_table_holds_every_row() -> None:
    lines = markdown().splitlines()
    assert "published: 427 ms and 0.31 mWh above idle" in lines[0]
    assert len(lines) == 4 + len(compared())
    assert lines[4] == "| published | not given | 4 | 427 | 0.38 | +22% |"
