"""Intervals of shares."""

from __future__ import annotations

import pytest

from edge_deploy.intervals import wilson_interval


def test_wilson_interval_is_the_published_one() -> None:
    low, high = wilson_interval(90, 100)
    assert (low, high) == (pytest.approx(0.8256, abs=1e-4), pytest.approx(0.9448, abs=1e-4))


@pytest.mark.parametrize("samples", [1, 3, 10, 97, 2000])
def test_wilson_interval_holds_the_share_at_both_ends(samples: int) -> None:
    assert wilson_interval(samples, samples)[1] == 1.0
    assert wilson_interval(0, samples)[0] == 0.0
