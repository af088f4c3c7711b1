"""A watched folder: half-written photos, thousands of files, lost folders, clocks in 1970."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from edge_deploy_runner.errors import BadInputError, EdgeDeployError
from edge_deploy_runner.sources.frames import Frame, Reports, SeenFiles
from edge_deploy_runner.sources.watching import WatchedFolder
from PIL import Image


class Watch:
    """A watched folder whose frames a thread collects."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.problems: list[EdgeDeployError] = []
        self.polls = 0
        reports = Reports(problem=self.problems.append, alive=self._alive)
        defaults: dict[str, object] = {"settle_s": 0.1, "poll_s": 0.02, "give_up_s": 30.0}
        self.source = WatchedFolder(folder, reports, **{**defaults, **options})  # type: ignore[arg-type]
        self.frames: list[Frame] = []
        self._changed = threading.Condition()
        self.source.open()
        self._thread = threading.Thread(target=self._collect)
        self._thread.start()

    def _alive(self) -> None:
        self.polls += 1

    def _collect(self) -> None:
        for frame in self.source.frames():
            with self._changed:
                self.frames.append(frame)
                self._changed.notify_all()

    def wait(self, count: int, timeout_s: float = 60.0) -> list[str]:
        """The names of the first `count` frames, once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.frames) >= count, timeout_s), self.names
        return self.names[:count]

    @property
    def names(self) -> list[str]:
        return [Path(frame.name).name for frame in self.frames]

    def settle(self) -> None:
        """Wait for a few polls after which nothing that was there is unknown."""
        goal = self.polls + 5
        deadline = time.monotonic() + 60
        while self.polls < goal and time.monotonic() < deadline:
            time.sleep(0.01)
        assert self.polls >= goal

    def stop(self) -> None:
        self.source.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def watches() -> Iterator[list[Watch]]:
    started: list[Watch] = []
    yield started
    for watch in started:
        watch.stop()


def photo_bytes(folder: Path, size: int = 200) -> bytes:
    pixels = np.random.default_rng(size).integers(0, 255, (size, size, 3)).astype(np.uint8)
    path = folder.parent / "made.jpg"
    Image.fromarray(pixels).save(path, quality=90)
    return path.read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "in"
    path.mkdir()
    return path


def test_photos_that_appear_are_given_once(folder: Path, watches: list[Watch]) -> None:
    data = photo_bytes(folder)
    (folder / "old.jpg").write_bytes(data)
    watch = Watch(folder)
    watches.append(watch)
    (folder / "a.jpg").write_bytes(data)
    assert watch.wait(1) == ["a.jpg"]
    (folder / "notes.txt").write_text("no photo")
    (folder / ".b.jpg").write_bytes(data)  # as rsync calls what it is still writing
    (folder / "sub").mkdir()
    (folder / "sub" / "c.jpg").write_bytes(data)
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    (folder / ".b.jpg").rename(folder / "b.jpg")
    assert watch.wait(2) == ["a.jpg", "b.jpg"]
    watch.settle()
    assert watch.names == ["a.jpg", "b.jpg"]
    assert [frame.number for frame in watch.frames] == [0, 1]
    assert isinstance(watch.frames[0].image, Image.Image)
    assert watch.frames[0].decode_ns > 0


def test_what_is_there_already_is_processed_on_request(folder: Path, watches: list[Watch]) -> None:
    data = photo_bytes(folder)
    for name in ("b.jpg", "a.jpg", "c.jpg"):
        (folder / name).write_bytes(data)
    watch = Watch(folder, existing="process")
    watches.append(watch)
    assert watch.wait(3) == ["a.jpg", "b.jpg", "c.jpg"]


def test_a_photo_written_slowly_is_given_when_it_is_whole(
    folder: Path, watches: list[Watch]
) -> None:
    data = photo_bytes(folder)
    watch = Watch(folder, settle_s=0.05)
    watches.append(watch)
    step = len(data) // 5 + 1
    with (folder / "slow.jpg").open("wb") as file:
        for start in range(0, len(data), step):
            # Every pause is long enough for the half to look finished, and to be tried.
            watch.settle()
            time.sleep(0.1)
            assert not watch.frames
            file.write(data[start : start + step])
            file.flush()
    watch.wait(1)
    image = watch.frames[0].image
    assert isinstance(image, Image.Image)
    assert image.tobytes() == Image.open(folder / "slow.jpg").tobytes()
    watch.settle()
    assert watch.names == ["slow.jpg"]


def test_a_photo_that_is_never_whole_is_given_up_and_named(
    folder: Path, watches: list[Watch]
) -> None:
    watch = Watch(folder, give_up_s=0.6)
    watches.append(watch)
    (folder / "half.jpg").write_bytes(photo_bytes(folder)[:3000])
    (folder / "empty.jpg").write_bytes(b"")
    assert sorted(watch.wait(2)) == ["empty.jpg", "half.jpg"]
    for frame in watch.frames:
        with pytest.raises(BadInputError, match=r"was not whole 0\.6 s after it last changed"):
            _ = frame.image
    watch.settle()
    assert len(watch.frames) == 2
    # And when it is finished after all, it is given.
    (folder / "half.jpg").write_bytes(photo_bytes(folder))
    assert watch.wait(3)[2] == "half.jpg"
    assert watch.frames[2].image


def test_a_photo_written_over_is_given_again(folder: Path, watches: list[Watch]) -> None:
    for number in range(3):
        (folder / f"other{number}.jpg").write_bytes(photo_bytes(folder))
    watch = Watch(folder)
    watches.append(watch)
    for size in (100, 120, 140):
        (folder / "latest.jpg").write_bytes(photo_bytes(folder, size))
        watch.wait(len(watch.frames) + 1)
        image = watch.frames[-1].image
        assert isinstance(image, Image.Image)
        assert image.size == (size, size)
    assert watch.names == ["latest.jpg"] * 3


@pytest.mark.parametrize("seconds", [0, 86_400, 4_000_000_000])
def test_times_from_1970_or_the_future_do_not_matter(
    folder: Path, watches: list[Watch], seconds: int
) -> None:
    data = photo_bytes(folder)
    (folder / "old.jpg").write_bytes(data)
    os.utime(folder / "old.jpg", (2_000_000_000, 2_000_000_000))
    watch = Watch(folder)
    watches.append(watch)
    part = folder / ".new.part"
    part.write_bytes(data)
    os.utime(part, (seconds, seconds))
    part.rename(folder / "new.jpg")
    assert watch.wait(1) == ["new.jpg"]
    watch.settle()
    assert watch.names == ["new.jpg"]


def test_the_wall_clock_is_never_asked(
    folder: Path, watches: list[Watch], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> float:
        raise AssertionError("the wall clock was asked")

    monkeypatch.setattr(time, "time", refuse)
    watch = Watch(folder)
    watches.append(watch)
    (folder / "a.jpg").write_bytes(photo_bytes(folder))
    assert watch.wait(1) == ["a.jpg"]


def test_a_folder_that_vanishes_is_reported_once_and_waited_for(
    folder: Path, watches: list[Watch]
) -> None:
    data = photo_bytes(folder)
    watch = Watch(folder)
    watches.append(watch)
    (folder / "a.jpg").write_bytes(data)
    watch.wait(1)
    folder.rename(folder.with_name("away"))
    watch.settle()
    (problem,) = watch.problems
    assert "is gone" in str(problem)
    assert "waiting for it to come back" in str(problem)
    folder.with_name("away").rename(folder)  # as when a stick is mounted again
    (folder / "b.jpg").write_bytes(data)
    assert watch.wait(2) == ["a.jpg", "b.jpg"]
    shutil.rmtree(folder)
    watch.settle()
    assert len(watch.problems) == 2
    assert watch.names == ["a.jpg", "b.jpg"]


def test_by_itself_a_lost_folder_ends_the_watch(folder: Path) -> None:
    source = WatchedFolder(folder)
    with source:
        folder.rmdir()
        with pytest.raises(BadInputError, match="is gone"):
            next(source.frames())
    with pytest.raises(BadInputError, match=r"there is no folder at .* to watch"):
        WatchedFolder(folder).__enter__()


def test_a_photo_taken_away_before_it_was_whole_is_forgotten(
    folder: Path, watches: list[Watch]
) -> None:
    watch = Watch(folder, give_up_s=0.5)
    watches.append(watch)
    (folder / "half.jpg").write_bytes(b"\xff\xd8\xff")
    watch.settle()
    (folder / "half.jpg").unlink()
    (folder / "z.jpg").write_bytes(photo_bytes(folder))
    assert watch.wait(1) == ["z.jpg"]
    time.sleep(0.6)
    watch.settle()
    assert watch.names == ["z.jpg"]


def test_ten_thousand_files_are_skipped_or_processed_each_once(
    folder: Path, watches: list[Watch]
) -> None:
    Image.new("RGB", (8, 8), (1, 2, 3)).save(folder / "made.png")
    data = (folder / "made.png").read_bytes()
    (folder / "made.png").unlink()
    for number in range(10_000):
        (folder / f"{number:05}.png").write_bytes(data)
    skipping = Watch(folder)
    watches.append(skipping)
    (folder / "new.png").write_bytes(data)
    assert skipping.wait(1) == ["new.png"]
    skipping.settle()
    assert skipping.names == ["new.png"]
    # One of the many is written over: it is noticed within a round of all of them.
    (folder / "07000.png").write_bytes(data + b"\0")
    assert skipping.wait(2) == ["new.png", "07000.png"]
    skipping.stop()
    processing = Watch(folder, existing="process")
    watches.append(processing)
    names = processing.wait(10_001, 300)
    assert names == [*(f"{number:05}.png" for number in range(10_000)), "new.png"]
    processing.settle()
    assert len(processing.frames) == 10_001


def test_memory_of_a_watch_outlives_it(folder: Path, watches: list[Watch]) -> None:
    data, seen = photo_bytes(folder), SeenFiles()
    (folder / "old.jpg").write_bytes(data)
    first = Watch(folder, seen=seen)
    (folder / "a.jpg").write_bytes(data)
    first.wait(1)
    first.stop()
    (folder / "meanwhile.jpg").write_bytes(data)
    second = Watch(folder, seen=seen)
    watches.append(second)
    assert second.wait(1) == ["meanwhile.jpg"]
    second.settle()
    assert second.names == ["meanwhile.jpg"]


def test_a_folder_that_cannot_be_looked_into_is_no_bug(tmp_path: Path) -> None:
    source = WatchedFolder(tmp_path / ("x" * 300), Reports())
    with pytest.raises(BadInputError, match="cannot be looked into"):
        source.open()
