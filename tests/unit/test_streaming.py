"""Capture, preparation and inference side by side: what is dropped, retried and reported."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from edge_deploy_runner.errors import BadInputError, DeviceError
from edge_deploy_runner.sources.frames import Frame, FrameSource, Reports
from edge_deploy_runner.sources.streaming import Ready, Refused, Stream, Trouble
from edge_deploy_runner.sources.v4l2 import CameraHung
from PIL import Image

PICTURE = Image.new("RGB", (1, 1))


class Script(FrameSource):
    """A source that plays a function which yields numbers."""

    def __init__(
        self, reports: Reports, play: Callable[[Script], Iterator[int]], live: bool = True,
        endless: bool = False,
    ) -> None:  # fmt: skip
        super().__init__("script", reports)
        self._play = play
        self.live = live
        self.endless = endless

    def frames(self) -> Iterator[Frame]:
        for number in self._play(self):
            self.reports.alive()
            yield Frame(str(number), PICTURE, number, time.monotonic())


def take_all(stream: Stream[int], timeout_s: float = 20.0) -> list[object]:
    """Everything until the end: numbers, and what else came."""
    items: list[object] = []
    deadline = time.monotonic() + timeout_s
    while not stream.ended and time.monotonic() < deadline:
        item = stream.take(0.1)
        if isinstance(item, Ready):
            items.append(item.prepared)
        elif item is not None:
            items.append(item)
    assert stream.ended
    return items


def number_of(frame: Frame) -> int:
    return frame.number


def test_of_a_live_source_the_newest_wins_and_the_rest_is_counted() -> None:
    gone_on, last = threading.Event(), threading.Event()

    def play(_: Script) -> Iterator[int]:
        yield 0
        gone_on.wait(20)
        yield from range(1, 50)
        last.set()

    with Stream(lambda reports: Script(reports, play), number_of) as stream:
        first = stream.take(20)
        assert isinstance(first, Ready)
        assert first.prepared == 0
        gone_on.set()
        assert last.wait(20)  # nobody waits for us
        rest = take_all(stream)
    assert rest[-1] == 49
    assert rest == sorted(rest)  # type: ignore[type-var]
    assert len(rest) <= 4
    assert stream.dropped == 49 - len(rest)


def test_of_photos_none_is_dropped_and_the_capture_waits() -> None:
    produced: list[int] = []

    def play(_: Script) -> Iterator[int]:
        for number in range(40):
            produced.append(number)
            yield number

    with Stream(lambda reports: Script(reports, play, live=False), number_of) as stream:
        first = stream.take(20)
        assert isinstance(first, Ready)
        time.sleep(0.2)
        assert len(produced) <= 5
        assert stream.idle_s < 2
        assert take_all(stream) == list(range(1, 40))
    assert stream.dropped == 0


def test_preparation_overlaps_what_the_caller_does() -> None:
    begun = threading.Event()

    def prepare(frame: Frame) -> int:
        if frame.number == 1:
            begun.set()
        return frame.number

    with Stream(lambda r: Script(r, lambda _: iter(range(3)), live=False), prepare) as stream:
        assert isinstance(stream.take(20), Ready)
        assert begun.wait(20)  # while we still hold the first
        assert take_all(stream) == [1, 2]


def test_a_caller_that_pauses_gets_a_fresh_frame_not_one_of_before() -> None:
    numbers = iter(range(10**9))

    def play(source: Script) -> Iterator[int]:
        while not source.stopped.wait(0.005):
            yield next(numbers)

    stream = Stream(lambda r: Script(r, play, endless=True), number_of, ahead=False)
    with stream:
        for _ in range(3):
            time.sleep(0.3)
            asked = time.monotonic()
            item = stream.take(20)
            assert isinstance(item, Ready)
            assert item.frame.taken_at > asked - 0.15


def test_a_bad_frame_stops_nothing() -> None:
    def prepare(frame: Frame) -> int:
        if frame.number == 1:
            raise BadInputError("bad")
        return frame.number

    with Stream(lambda r: Script(r, lambda _: iter(range(3)), live=False), prepare) as stream:
        items = take_all(stream)
    assert items[0::2] == [0, 2]
    assert isinstance(items[1], Refused)
    assert (str(items[1].error), items[1].frame.number) == ("bad", 1)


def test_a_camera_that_was_pulled_out_is_tried_again_until_it_is_back() -> None:
    opened: list[int] = []

    def play(source: Script) -> Iterator[int]:
        opened.append(1)
        if len(opened) == 1:
            yield 1
            raise DeviceError("gone")
        if len(opened) < 4:
            raise DeviceError("still gone")
        yield 2
        source.stopped.wait(20)

    stream = Stream(
        lambda r: Script(r, play, endless=True), number_of, retry=True,
        first_retry_s=0.05, longest_retry_s=0.1,
    )  # fmt: skip
    got: list[int] = []
    troubles: list[Trouble] = []
    with stream:
        deadline = time.monotonic() + 20
        while 2 not in got and time.monotonic() < deadline:
            item = stream.take(0.1)
            if isinstance(item, Ready):
                got.append(item.prepared)
            elif isinstance(item, Trouble):
                troubles.append(item)
        assert stream.idle_s < 2
    assert got[-1] == 2
    assert [str(trouble.error) for trouble in troubles] == ["gone", "still gone", "still gone"]
    assert [trouble.retry_s for trouble in troubles] == [0.05, 0.1, 0.1]


def test_without_retry_the_error_comes_after_all_frames_before_it() -> None:
    def play(_: Script) -> Iterator[int]:
        yield from range(5)
        raise DeviceError("the end")

    with Stream(lambda r: Script(r, play, live=False), number_of) as stream:
        got = [stream.take(20) for _ in range(5)]
        assert all(isinstance(item, Ready) for item in got)
        with pytest.raises(DeviceError, match="the end"):
            stream.take(20)


def test_a_file_that_fails_is_not_tried_again() -> None:
    def play(_: Script) -> Iterator[int]:
        raise BadInputError("damaged")
        yield 0

    stream = Stream(lambda r: Script(r, play, live=False), number_of, retry=True)
    with stream, pytest.raises(BadInputError, match="damaged"):
        stream.take(20)


def test_our_own_bugs_come_through() -> None:
    def broken(_: Frame) -> int:
        raise ZeroDivisionError

    with Stream(lambda r: Script(r, lambda _: iter([1])), broken) as stream:  # noqa: SIM117
        with pytest.raises(ZeroDivisionError):
            stream.take(20)


def wait_idle(stream: Stream[int], seconds: float) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        stream.take(0.05)
        if stream.idle_s > seconds:
            return True
    return False


def test_what_hangs_is_not_alive() -> None:
    def hang(source: Script) -> Iterator[int]:
        yield 0
        source.stopped.wait(20)

    with Stream(lambda r: Script(r, hang, endless=True), number_of) as stream:
        assert wait_idle(stream, 0.5)

    def no_frames(source: Script) -> Iterator[int]:
        source.stopped.wait(0.05)
        raise CameraHung("nothing comes")
        yield 0

    stream = Stream(lambda r: Script(r, no_frames, endless=True), number_of, retry=True,
                    first_retry_s=0.1)  # fmt: skip
    with stream:
        assert wait_idle(stream, 0.7)

    release = threading.Event()
    stuck = Stream(
        lambda r: Script(r, lambda _: iter([0])), lambda _: int(release.wait(20)), retry=True
    )
    with stuck:
        assert wait_idle(stuck, 0.5)
        release.set()


def test_waiting_for_a_camera_is_being_alive() -> None:
    def missing(_: Script) -> Iterator[int]:
        raise DeviceError("no camera")
        yield 0

    stream = Stream(lambda r: Script(r, missing, endless=True), number_of, retry=True,
                    first_retry_s=30)  # fmt: skip
    with stream:
        assert isinstance(stream.take(20), Trouble)
        assert not wait_idle_for(stream, 3.0)


def wait_idle_for(stream: Stream[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    worst = 0.0
    while time.monotonic() < deadline:
        stream.take(0.05)
        worst = max(worst, stream.idle_s)
    return worst > 2.5


def test_closing_ends_the_threads() -> None:
    def play(source: Script) -> Iterator[int]:
        while not source.stopped.is_set():
            yield 0

    before = threading.active_count()
    with Stream(lambda r: Script(r, play, endless=True), number_of) as stream:
        stream.take(20)
    assert threading.active_count() == before


def test_it_has_begun_once_its_source_is_open_and_not_before() -> None:
    may_open = threading.Event()

    class Slow(Script):
        def open(self) -> None:
            may_open.wait(20)

    def play(source: Script) -> Iterator[int]:
        source.stopped.wait(20)
        yield from ()

    with Stream(lambda r: Slow(r, play, endless=True), number_of) as stream:
        assert not stream.wait_until_begun(0.05)
        may_open.set()
        assert stream.wait_until_begun(20)


def test_it_has_begun_where_its_source_cannot_be_opened() -> None:
    class Closed(Script):
        def open(self) -> None:
            raise DeviceError("no camera")

    def play(source: Script) -> Iterator[int]:
        yield from ()

    with Stream(lambda r: Closed(r, play), number_of, retry=True) as stream:
        assert stream.wait_until_begun(20)


def test_trouble_that_a_source_outlives_is_told() -> None:
    back = threading.Event()

    def play(source: Script) -> Iterator[int]:
        source.reports.problem(BadInputError("the folder is gone"))
        back.wait(20)
        source.reports.recovered()
        yield 1

    with Stream(lambda r: Script(r, play, live=False), number_of) as stream:
        items: list[object] = [stream.take(20)]
        assert stream.waiting
        back.set()
        items += take_all(stream)
        assert not stream.waiting
    (trouble,) = [item for item in items if isinstance(item, Trouble)]
    assert (str(trouble.error), trouble.retry_s) == ("the folder is gone", None)
    assert 1 in items


def test_without_a_time_it_waits_for_the_next_or_the_end() -> None:
    go_on = threading.Event()

    def play(_: Script) -> Iterator[int]:
        yield 0
        assert go_on.wait(20)
        raise DeviceError("gone")

    with Stream(lambda r: Script(r, play), number_of) as stream:
        first = stream.take(None)
        assert isinstance(first, Ready)
        assert first.prepared == 0
        threading.Timer(0.3, go_on.set).start()
        with pytest.raises(DeviceError, match="gone"):
            stream.take(None)
    with Stream(lambda r: Script(r, lambda _: iter(())), number_of) as stream:
        assert stream.take(None) is None
        assert stream.ended
