"""One model over many inputs: order, bad ones in their place, the same answers in any number."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import ASSETS
from edge_deploy_runner import running
from edge_deploy_runner.classifier import Answer, Classifier
from edge_deploy_runner.contract import PRESETS
from edge_deploy_runner.errors import BadInputError, DeviceError
from edge_deploy_runner.running import Result, open_for_run, prepare_inputs, run_inputs
from edge_deploy_runner.sources import opening
from edge_deploy_runner.sources.frames import Frame, FrameSource, Reports
from edge_deploy_runner.sources.inputs import Input, iter_inputs, kind_of
from PIL import Image
from small_models_photo import COLORS, write_model, write_photo

PHOTOS = ASSETS / "photos"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path)


def labels(results: list[Result]) -> list[str]:
    """The first label of each answer; "-" for an error."""
    return [r.answer.top[0].label if isinstance(r.answer, Answer) else "-" for r in results]


def mixed_folder(folder: Path, count: int) -> list[str]:
    """A folder of small photos in three colours and in two formats, every seventh one damaged."""
    expected = []
    for number in range(count):
        color = list(COLORS)[number % 3]
        path = write_photo(folder, color, f"{number:04}.{'jpg' if number % 2 else 'png'}")
        if number % 7 == 3:
            path.write_bytes(path.read_bytes()[:40])
        expected.append("-" if number % 7 == 3 else color)
    return expected


@pytest.mark.parametrize("decoders", [0, 1, 2, 4])
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_answers_do_not_depend_on_threads(
    tmp_path: Path, model: Path, decoders: int, threads: int
) -> None:
    expected = mixed_folder(tmp_path / "photos", 40)
    opened = open_for_run(model, [tmp_path / "photos"], threads)
    found = list(run_inputs(opened, [tmp_path / "photos"], decoders=decoders))
    assert [Path(result.name).stem for result in found] == [f"{n:04}" for n in range(40)]
    assert labels(found) == expected
    alone = Classifier(model, 1)
    for result in found:
        if result.answer is None:
            assert result.name in str(result.error)
        else:
            assert result.answer.top == alone.classify(result.name, 3).top  # type: ignore[union-attr]


def test_real_photos_get_the_same_scores_with_any_number_of_threads(digits_models: Path) -> None:
    path = digits_models / "digits_mobilenet_v2_int8.tflite"
    answers = set()
    for threads in (1, 2, 4):
        for decoders in (0, 1, 2, 4):
            opened = open_for_run(path, [PHOTOS], threads)
            results = list(run_inputs(opened, [PHOTOS], top=10, decoders=decoders))
            answers.add(tuple(result.answer.top for result in results if result.answer))  # type: ignore[union-attr]
    assert len(answers) == 1
    assert len(answers.pop()) == len(list(PHOTOS.iterdir()))


def test_a_folder_is_decoded_no_further_ahead_than_it_must(tmp_path: Path, model: Path) -> None:
    write_photo(tmp_path, "red", "a.png")
    asked = taken = most = 0

    def inputs() -> Iterator[Input]:
        nonlocal asked, most
        for number in range(3000):
            asked += 1
            most = max(most, asked - taken)
            yield Input(str(number), tmp_path / "a.png")

    for prepared in prepare_inputs(Classifier(model), inputs(), 2):
        assert prepared.name == str(taken)
        taken += 1
    assert taken == 3000
    assert most == 5


def test_the_first_answer_of_ten_thousand_files_needs_the_first_few(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write_photo(tmp_path / "photos", "red", "00000.png")
    for number in range(1, 10000):
        os.link(first, first.with_name(f"{number:05}.png"))
    decoded = 0
    lock = threading.Lock()
    decode = Classifier.decode

    def counted(self: Classifier, path: str | os.PathLike[str]) -> object:
        nonlocal decoded
        with lock:
            decoded += 1
        return decode(self, path)

    monkeypatch.setattr(Classifier, "decode", counted)
    results = run_inputs(Classifier(model), [tmp_path / "photos"], decoders=2)
    assert next(results).name.endswith("00000.png")
    assert decoded <= 5
    assert sum(1 for _ in results) == 9999
    assert decoded == 10000


def test_a_single_photo_starts_no_thread(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = write_photo(tmp_path, "blue")
    monkeypatch.setattr(threading.Thread, "start", lambda self: pytest.fail("a thread"))
    assert labels(list(run_inputs(Classifier(model), [photo], decoders=4))) == ["blue"]
    folder = write_photo(tmp_path / "one", "green").parent
    assert labels(list(run_inputs(Classifier(model), [folder], decoders=4))) == ["green"]


def test_what_is_missing_is_named_in_its_place(tmp_path: Path, model: Path) -> None:
    photo = write_photo(tmp_path, "red")
    (tmp_path / "empty").mkdir()
    arguments = ["none.png", photo, tmp_path / "empty", photo, "*.gif", "none.npy"]
    results = list(run_inputs(Classifier(model), arguments, decoders=2))
    assert labels(results) == ["-", "red", "-", "red", "-", "-"]
    assert results[0].to_json() == {
        "input": "none.png",
        "error": "there is no photo or folder at none.png; check the path",
    }


def test_a_folder_that_vanishes_is_named(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photo(tmp_path / "photos" / "a", "red")
    write_photo(tmp_path / "photos" / "b", "blue")
    write_photo(tmp_path / "photos", "green", "c.png")
    scandir = os.scandir

    def failing(path: str | os.PathLike[str]) -> object:
        if os.fspath(path).endswith("b"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)
    results = list(run_inputs(Classifier(model), [tmp_path / "photos"], decoders=2))
    assert labels(results) == ["red", "-", "green"]
    assert "cannot be read: Permission denied" in str(results[1].error)


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
def test_arrays_of_photos_and_of_tensors(tmp_path: Path, dtype: str) -> None:
    opened = Classifier(write_model(tmp_path, dtype=dtype))
    photos = np.stack([np.full((30, 40, 3), color, np.uint8) for color in COLORS.values()])
    np.save(tmp_path / "photos.npy", photos)
    np.savez(tmp_path / "photos.npz", x=photos)
    tensors = np.concatenate([opened.prepare(Image.fromarray(photo)) for photo in photos])
    np.save(tmp_path / "tensors.npy", tensors)
    floats = np.stack([photo[:16, :24] / 127.5 - 1 for photo in photos]).astype(np.float32)
    np.save(tmp_path / "floats.npy", floats)
    names = ["photos.npy", "photos.npz", "floats.npy"]
    names += [] if dtype == "uint8" else ["tensors.npy"]
    results = list(run_inputs(opened, [tmp_path / name for name in names], decoders=2))
    assert labels(results) == list(COLORS) * len(names)
    assert [result.name for result in results[:2]] == [
        f"{tmp_path / 'photos.npy'}[{row}]" for row in (0, 1)
    ]
    scores = {result.answer.top[0].score for result in results[::3]}  # type: ignore[union-attr]
    assert len({round(score, 3) for score in scores}) == 1


def test_an_array_that_is_one_photo_or_one_tensor_gives_one_answer(
    tmp_path: Path, model: Path
) -> None:
    opened = Classifier(model)
    photo = np.full((30, 40, 3), COLORS["green"], np.uint8)
    np.save(tmp_path / "photo.npy", photo)
    np.savez(tmp_path / "photo.npz", images=photo)
    np.save(tmp_path / "tensor.npy", opened.prepare(Image.fromarray(photo))[0])
    np.save(tmp_path / "grey.npy", photo[:, :, 0])
    np.save(tmp_path / "batch.npy", photo[np.newaxis])
    names = ["photo.npy", "photo.npz", "tensor.npy", "grey.npy", "batch.npy"]
    results = list(run_inputs(opened, [tmp_path / name for name in names]))
    assert all(result.error is None for result in results)
    assert [result.name for result in results] == [
        *(str(tmp_path / name) for name in names[:-1]), f"{tmp_path / 'batch.npy'}[0]",
    ]  # fmt: skip
    assert labels(results)[:3] + labels(results)[4:] == ["green"] * 4


def test_a_cut_array_gives_its_whole_rows(tmp_path: Path, model: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((4, 30, 40, 3), COLORS["green"], np.uint8))
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data[:-100])
    photo = write_photo(tmp_path, "red")
    results = list(run_inputs(Classifier(model), [tmp_path / "a.npy", photo], decoders=2))
    assert labels(results) == ["green"] * 3 + ["-", "red"]
    assert "cut off" in str(results[3].error)


def test_a_model_without_a_contract_takes_tensors_and_refuses_photos_at_once(
    tmp_path: Path,
) -> None:
    bare = write_model(tmp_path, contract=False)
    tensors = tmp_path / "a.npy"
    np.save(tensors, np.full((2, 16, 24, 3), (1, -1, -1), np.float32))
    results = list(run_inputs(open_for_run(bare, [tensors]), [tensors]))
    assert labels(results) == ["0", "0"]
    with pytest.raises(BadInputError, match="--preprocess"):
        open_for_run(bare, [tensors, "photo.jpg"])
    assert open_for_run(bare, ["photo.jpg"], preprocessing=PRESETS["mobilenet"])


def test_drafts_are_for_streams_and_move_no_answer(tmp_path: Path, model: Path) -> None:
    path = tmp_path / "large.jpg"
    with Image.open(PHOTOS / "coffee.png") as photo:
        photo.resize((1800, 1200), Image.Resampling.BICUBIC).save(path, quality=92)
    drafted, whole = open_for_run(model, [path]), open_for_run(model, [path], draft=False)
    assert not isinstance(drafted.decode(path), Image.Image)
    assert drafted.decode(path).image.size == (225, 150)  # type: ignore[union-attr]
    assert whole.decode(path).size == (1800, 1200)  # type: ignore[union-attr]
    assert Classifier(model).decode(path).size == (1800, 1200)  # type: ignore[union-attr]
    (ours,), (theirs,) = (list(run_inputs(opened, [path])) for opened in (drafted, whole))
    assert labels([ours]) == labels([theirs])
    assert abs(ours.answer.top[0].score - theirs.answer.top[0].score) < 0.005  # type: ignore[union-attr]


def test_a_process_that_may_use_one_core_has_one_decoder(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = mixed_folder(tmp_path / "photos", 9)
    monkeypatch.setattr(running, "default_threads", lambda: 1)
    assert labels(list(run_inputs(Classifier(model), [tmp_path / "photos"]))) == expected


class Scripted(FrameSource):
    """A camera that plays a function which yields pictures."""

    def __init__(self, play: Callable[[], Iterator[Image.Image]], live: bool = True) -> None:
        super().__init__("camera:0", Reports())
        self._play = play
        self.live = live

    def frames(self) -> Iterator[Frame]:
        for number, picture in enumerate(self._play()):
            yield Frame(f"camera:0#{number}", picture, number, 0.0)


def scripted(monkeypatch: pytest.MonkeyPatch, source: Scripted) -> None:
    """Have "camera:0" mean a scripted one."""
    monkeypatch.setattr(opening, "open_source", lambda *_, **__: source)


def picture(color: str) -> Image.Image:
    return Image.new("RGB", (30, 20), COLORS[color])


def test_of_a_camera_the_newest_picture_is_answered_also_after_a_pause(
    monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    begun, last = threading.Event(), threading.Event()

    def play() -> Iterator[Image.Image]:
        yield picture("red")
        assert begun.wait(20)
        for _ in range(30):
            yield picture("green")
        yield picture("red")
        last.set()

    scripted(monkeypatch, Scripted(play))
    found = []
    for result in run_inputs(Classifier(model), ["camera:0"]):
        found.append(result)
        begun.set()
        assert last.wait(20)
    assert [result.name for result in found] == ["camera:0#0", "camera:0#31"]
    assert labels(found) == ["red", "red"]
    assert [result.dropped for result in found] == [0, 30]


def test_nothing_that_is_watched_is_left_out(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    colors = ["red", "green"] * 5
    scripted(monkeypatch, Scripted(lambda: map(picture, colors), live=False))
    found = list(run_inputs(Classifier(model), ["camera:0"]))
    assert labels(found) == colors
    assert {result.dropped for result in found} == {0}


@pytest.mark.parametrize("live", [True, False])
def test_what_a_camera_gave_is_answered_before_its_failure_is_told(
    monkeypatch: pytest.MonkeyPatch, model: Path, live: bool
) -> None:
    def fail(error: Exception) -> Iterator[Image.Image]:
        yield picture("green")
        raise error

    scripted(monkeypatch, Scripted(lambda: fail(DeviceError("it was unplugged")), live))
    stream = run_inputs(Classifier(model), ["camera:0"])
    assert labels([next(stream)]) == ["green"]
    with pytest.raises(DeviceError, match="unplugged"):
        next(stream)
    scripted(monkeypatch, Scripted(lambda: fail(BadInputError("it is cut off")), live))
    found = list(run_inputs(Classifier(model), ["camera:0"]))
    assert labels(found) == ["green", "-"]
    assert found[1].to_json() == {"input": "camera:0", "error": "it is cut off"}


def test_kinds_of_inputs(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.npz", "a.mp4", "photo", "camera:0"):
        (tmp_path / name).touch()
    assert [kind_of(tmp_path / name) for name in ("a.jpg", "a.npz", "a.mp4", "photo")] == [
        "photo", "tensors", "video", "photo",
    ]  # fmt: skip
    assert kind_of(tmp_path) == kind_of("*.jpg") == kind_of("none.mp4") == "photos"
    for live in ("camera:0", "picamera:1", "/dev/video3", "watch:/srv/photos"):
        assert kind_of(live) == "live"
    assert kind_of(tmp_path / "camera:0") == "photo"  # a path says that it is a file


def test_a_moving_picture_is_one_photo(tmp_path: Path, model: Path) -> None:
    frames = [Image.new("RGB", (20, 20), COLORS[name]) for name in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert [item.content for item in iter_inputs([tmp_path / "a.gif"])] == [tmp_path / "a.gif"]
    assert labels(list(run_inputs(Classifier(model), [tmp_path / "a.gif"]))) == ["red"]
