"""What a reload of the service keeps: photos that wait, and the version it was started from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from edge_deploy_runner.preprocessing import open_photo
from edge_deploy_runner.service.config import read_service_config
from edge_deploy_runner.service.loop import Service, Wishes
from edge_deploy_runner.service.model_watch import file_sha256
from edge_deploy_runner.service.status import Journal, Status
from edge_deploy_runner.service.systemd import ServiceManager
from edge_deploy_runner.sources.frames import Frame, Picture, Reports, SeenFiles
from edge_deploy_runner.sources.streaming import Ready, Stream
from edge_deploy_runner.sources.watching import WatchedFolder
from small_models_photo import write_model, write_photo

PATIENCE_S = 30.0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def service_of(folder: Path, seen: SeenFiles | None = None) -> Service:
    config = read_service_config(folder / "service.toml", {})
    return Service(config, ServiceManager(None), Journal(), Status(), seen)


@pytest.mark.parametrize("interval", ["0 s", "1 ms"])
def test_photos_that_wait_at_a_reload_are_answered_after_it(tmp_path: Path, interval: str) -> None:
    write_model(tmp_path)
    (tmp_path / "service.toml").write_text(
        'model = "colors.tflite"\nsource = "watch:in"\nexisting = "process"\n'
        f'interval = "{interval}"\n[[sink]]\ntype = "log"\npath = "log"\nwhen = ["answer"]\n'
    )
    for number in range(8):
        write_photo(tmp_path / "in", "red", f"{number}.png")
    seen = SeenFiles()
    before = service_of(tmp_path, seen)
    before.open()
    # Nobody takes any: one is prepared or waits for that, one waits behind it.
    wait_until(lambda: len(seen.files) >= 2)
    before.close()
    assert seen.files == {}

    after = service_of(tmp_path, seen)
    wishes = Wishes()
    after.open()

    def stop() -> None:
        deadline = time.monotonic() + PATIENCE_S
        while after.status.frames < 8 and time.monotonic() < deadline:
            time.sleep(0.01)
        wishes.stop = True

    watcher = threading.Thread(target=stop)
    watcher.start()
    after.run(wishes)
    watcher.join()
    after.close()
    answered = (tmp_path / "log").read_text()
    assert [f"{number}.png" in answered for number in range(8)] == [True] * 8
    assert after.status.frames == 8


def test_what_was_taken_is_not_given_again(tmp_path: Path) -> None:
    """A frame is being prepared, one waits, and one is in the capture's hands when it closes."""
    for number in range(6):
        write_photo(tmp_path, "red", f"{number}.png")
    seen = SeenFiles(begun=True)
    hold = threading.Event()

    def prepare(frame: Frame) -> str:
        if frame.number == 1:
            hold.wait(PATIENCE_S)
        return Path(frame.name).name

    def stream() -> Stream[str]:
        return Stream(watch, prepare, retry=True)

    def watch(reports: Reports) -> WatchedFolder:
        return WatchedFolder(tmp_path, reports, settle_s=0.05, poll_s=0.02, seen=seen)

    first = stream()
    with first:
        taken = first.take(PATIENCE_S)
        assert isinstance(taken, Ready)
        assert taken.prepared == "0.png"
        wait_until(lambda: len(seen.files) == 4)
        threading.Timer(0.2, hold.set).start()
    untaken = sorted(Path(frame.name).name for frame in first.untaken)
    assert untaken == ["1.png", "2.png", "3.png"]
    assert first.dropped == 0
    for frame in first.untaken:
        seen.forget(frame)
    assert list(seen.files) == ["0.png"]

    with stream() as second:
        names: list[str] = []
        while len(names) < 5:
            item = second.take(PATIENCE_S)
            assert isinstance(item, Ready)
            names.append(item.prepared)
        assert names == [f"{number}.png" for number in range(1, 6)]
        assert second.take(0.3) is None


def test_a_photo_whose_preparation_hangs_is_untaken(tmp_path: Path) -> None:
    write_photo(tmp_path, "red")
    seen, hold, begun = SeenFiles(begun=True), threading.Event(), threading.Event()

    def prepare(_: Frame) -> None:
        begun.set()
        hold.wait(PATIENCE_S)

    def watch(reports: Reports) -> WatchedFolder:
        return WatchedFolder(tmp_path, reports, settle_s=0.05, poll_s=0.02, seen=seen)

    stream: Stream[None] = Stream(watch, prepare)
    stream.__enter__()
    assert begun.wait(PATIENCE_S)
    stream.close(wait_s=0.1)
    assert [Path(frame.name).name for frame in stream.untaken] == ["red.png"]
    hold.set()


def test_a_photo_that_is_decoded_while_the_watch_stops_is_not_seen(tmp_path: Path) -> None:
    write_photo(tmp_path, "red")
    seen = SeenFiles(begun=True)

    def decode(path: Path) -> Picture:
        watch.stop()
        return open_photo(path)

    watch = WatchedFolder(tmp_path, settle_s=0.0, poll_s=0.01, decode=decode, seen=seen)
    watch.open()
    assert list(watch.frames()) == []
    assert seen.files == {}


def test_a_switch_of_versions_changes_no_model_before_a_reload(tmp_path: Path) -> None:
    for name, labels in (("1", ("a", "b", "c")), ("2", ("d", "e", "f"))):
        (tmp_path / name / "model").mkdir(parents=True)
        write_model(tmp_path / name / "model", labels=labels)
    model = tmp_path / "1" / "model" / "colors.tflite"
    model.rename(tmp_path / "first.tflite")
    model.symlink_to(tmp_path / "first.tflite")
    current = tmp_path / "current"
    current.symlink_to("1")
    (tmp_path / "service.toml").write_text(
        'model = "current/model/colors.tflite"\nsource = "camera:0"\n'
    )
    service = service_of(tmp_path)
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").replace(current)
    assert [service.watch.check() for _ in range(3)] == [None] * 3
    assert service.watch.loaded.model.labels == ("a", "b", "c")
    assert service_of(tmp_path).watch.loaded.model.labels == ("d", "e", "f")

    # In the version that it was started from a model is still replaced, by another link as well.
    model.unlink()
    model.symlink_to(write_model(tmp_path, "other.tflite", labels=("g", "h", "i")))
    found = [service.watch.check() for _ in range(3)]
    assert [changed for changed, _ in filter(None, found)] == [True]
    assert service.watch.loaded.sha256 == file_sha256(model)
