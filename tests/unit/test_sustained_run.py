"""A long run on a clock of its own: its parts, its windows, and what they keep."""

from __future__ import annotations

import pytest
from edge_deploy_runner.bench.sustained import (
    MOST_KEPT,
    MOST_WINDOWS,
    part_seconds,
    sustain,
    thinned,
)
from edge_deploy_runner.bench.sustained_record import Sustained
from edge_deploy_runner.machine.telemetry import Telemetry


class Board:
    """A board that becomes slower and hotter; 100 runs a second at first."""

    def __init__(self, slow_from_s: float = 1e9) -> None:
        self.now = 0.0
        self.slow_from_s = slow_from_s
        self.blocks = 0

    def block(self, seconds: float) -> tuple[list[int], Telemetry]:
        self.blocks += 1
        ms = 10 if self.now < self.slow_from_s else 20
        runs = max(1, round(seconds * 1000 / ms))
        self.now += runs * ms / 1000
        hot = self.now >= self.slow_from_s
        return [ms * 1_000_000] * runs, Telemetry(
            temperatures_celsius={"cpu": 50 + self.now / 10, "other": 20.0},
            frequency_mhz=1500.0, arm_clock_mhz=1000.0 if hot else 1500.0,
            throttled=0x40004 if hot else 0,
        )  # fmt: skip

    def run(self, seconds: float) -> Sustained:
        return sustain(self.block, seconds, clock=lambda: self.now)


@pytest.mark.parametrize(("seconds", "part"), [(20, 2), (119, 11.9), (120, 60), (3600, 60)])
def test_a_part_is_a_minute_or_a_tenth(seconds: float, part: float) -> None:
    assert part_seconds(seconds) == pytest.approx(part)


def test_the_first_minute_against_the_last() -> None:
    found = Board(slow_from_s=200).run(300)
    assert found.seconds == pytest.approx(300, abs=1)
    assert set(found.first_latencies_ns) == {10_000_000}
    assert set(found.last_latencies_ns) == {20_000_000}
    assert len(found.first_latencies_ns) == pytest.approx(6000, abs=100)
    assert len(found.last_latencies_ns) == pytest.approx(3000, abs=60)
    assert found.slowdown().value == 2.0


def test_windows_lie_side_by_side_and_say_how_the_board_was() -> None:
    found = Board(slow_from_s=200).run(300)
    assert 100 <= len(found.windows) <= MOST_WINDOWS
    assert sum(window.runs for window in found.windows) == found.runs
    for before, after in zip(found.windows, found.windows[1:], strict=False):
        assert before.start_s + before.seconds == pytest.approx(after.start_s)
    first, last = found.windows[0], found.windows[-1]
    assert (first.p50_ms, last.p50_ms) == (10.0, 20.0)
    assert (first.frequency_mhz, last.frequency_mhz) == (1500.0, 1000.0)
    assert (first.throttled, last.throttled) == (0, 0x40004)
    assert last.temperature_celsius == pytest.approx(80, abs=0.5)


def test_a_very_short_run_has_parts_too() -> None:
    found = Board().run(0.5)
    assert found.runs >= 50
    assert found.first_latencies_ns
    assert found.last_latencies_ns
    assert found.windows


def test_a_run_that_takes_longer_than_all_its_time() -> None:
    board = Board()

    def block(seconds: float) -> tuple[list[int], Telemetry]:
        board.now += 30
        return [30_000_000_000], Telemetry()

    found = sustain(block, 10, clock=lambda: board.now)
    assert (found.runs, len(found.windows)) == (1, 1)
    assert found.windows[0].temperature_celsius is None
    assert found.windows[0].throttled is None


def test_a_long_run_looks_about_once_a_second() -> None:
    board = Board()
    board.run(60)
    assert 60 <= board.blocks <= 75


def test_many_latencies_are_thinned_evenly() -> None:
    assert thinned(range(1, 5)) == (1, 2, 3, 4)
    kept = thinned(range(1, 3 * MOST_KEPT))
    assert len(kept) == MOST_KEPT
    assert kept[:3] == (1, 4, 7)
