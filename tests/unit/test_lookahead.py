"""Working ahead in threads: order, bounds, and an end that leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from edge_deploy_runner.lookahead import map_ahead


def look_ahead_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "look-ahead"]


@pytest.mark.parametrize("workers", [1, 2, 4, 9])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    release = threading.Event()

    def work(number: int) -> int:
        if number == 0 and workers > 1:
            assert release.wait(20)  # the others overtake the first
        elif number == workers:
            release.set()
        return number * number

    found = list(map_ahead(work, range(40), workers, depth=2 * workers + 1))
    assert found == [number * number for number in range(40)]
    assert not look_ahead_threads()


@pytest.mark.parametrize(("workers", "depth"), [(1, 1), (1, 3), (2, 2), (4, 9)])
def test_it_looks_no_further_ahead_than_it_may(workers: int, depth: int) -> None:
    asked = taken = most = 0

    def items() -> Iterator[int]:
        nonlocal asked, most
        for number in range(500):
            asked += 1
            most = max(most, asked - taken)
            yield number

    for number in map_ahead(lambda item: item, items(), workers, depth):
        taken += 1
        assert number == taken - 1
    assert taken == 500
    assert most == depth  # never more, and the depth is really used


def test_several_items_are_worked_on_at_once() -> None:
    meeting = threading.Barrier(3, timeout=20)
    stream = map_ahead(lambda _: meeting.wait(), range(9), workers=3, depth=7)
    assert sorted(stream) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_an_error_comes_in_its_place_and_ends_the_stream() -> None:
    def work(number: int) -> float:
        return 1 / (3 - number)

    stream = map_ahead(work, range(10), workers=2, depth=5)
    assert [next(stream) for _ in range(3)] == [1 / 3, 1 / 2, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(stream)
    assert list(stream) == []
    assert not look_ahead_threads()


def test_a_stream_that_is_given_up_begins_nothing_more() -> None:
    begun: list[int] = []
    stream = map_ahead(begun.append, range(1000), workers=2, depth=5)
    next(stream)
    stream.close()
    seen = len(begun)
    assert seen <= 6
    assert not look_ahead_threads()
    assert len(begun) == seen


def test_no_items_start_no_thread() -> None:
    assert list(map_ahead(str, [], workers=2, depth=5)) == []
    assert not look_ahead_threads()


def test_work_that_hangs_does_not_hold_the_process() -> None:
    code = (
        "import threading\n"
        "from edge_deploy_runner.lookahead import map_ahead\n"
        "stream = map_ahead(lambda n: n or threading.Event().wait(), [1, 0, 0], 2, 3)\n"
        "print(next(stream), flush=True)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1\n", "")
