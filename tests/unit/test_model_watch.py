"""A model that is swapped on disk: taken over if it is good, left alone while it is not."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.service.model_watch import ModelWatch, load
from edge_deploy_runner.tasks import open_model
from small_detectors import quarter_detector
from small_models_photo import color_classifier, write_model


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def checks(watch: ModelWatch) -> list[tuple[bool, str]]:
    """What three looks report."""
    return [found for _ in range(3) if (found := watch.check()) is not None]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path)


def test_a_good_new_model_is_loaded_with_its_contract(model: Path) -> None:
    watch = ModelWatch(model, lambda: open_model(model))
    old = watch.loaded
    assert checks(watch) == []
    assert old.sha256 == sha256(model)
    new = color_classifier(labels=("rot", "grün", "blau"))
    model.with_suffix(".part").write_bytes(new)
    model.with_suffix(".part").rename(model)
    ((changed, sentence),) = checks(watch)
    assert changed
    assert sha256(model) in sentence
    assert watch.loaded.sha256 == sha256(model) != old.sha256
    assert watch.loaded.model.labels == ("rot", "grün", "blau")
    assert old.model.labels == ("red", "green", "blue")
    assert checks(watch) == []


@pytest.mark.parametrize(
    "content", [b"", b"junk", color_classifier()[:2000], b"\0\0\0\0TFL3" + bytes(500)]
)
def test_a_damaged_one_is_reported_once_and_the_old_one_goes_on(
    model: Path, content: bytes
) -> None:
    watch = ModelWatch(model, lambda: open_model(model))
    old = watch.loaded
    model.write_bytes(content)
    ((changed, sentence),) = checks(watch)
    assert not changed
    assert "cannot be used" in sentence
    assert old.sha256[:16] in sentence
    assert watch.loaded is old
    model.write_bytes(quarter_detector())
    ((changed, _),) = checks(watch)
    assert changed


def test_a_model_that_answers_nan_is_not_taken(model: Path, tmp_path: Path) -> None:
    watch = ModelWatch(model, lambda: open_model(model))
    model.write_bytes(quarter_detector(encoding=(float("nan"),) * 4))
    ((changed, sentence),) = checks(watch)
    assert not changed
    assert "NaN" in sentence


def test_a_file_that_still_grows_is_left_alone(model: Path) -> None:
    watch = ModelWatch(model, lambda: open_model(model))
    new = color_classifier(labels=("a", "b", "c"))
    with model.open("wb") as file:
        for start in range(0, len(new), 1000):
            file.write(new[start : start + 1000])
            file.flush()
            assert watch.check() is None
    ((changed, _),) = checks(watch)
    assert changed


def test_a_removed_model_is_reported_and_its_return_is_no_news(model: Path) -> None:
    watch = ModelWatch(model, lambda: open_model(model))
    data = model.read_bytes()
    model.unlink()
    ((changed, sentence),) = checks(watch)
    assert not changed
    assert "there is no model at" in sentence
    model.write_bytes(data)
    assert checks(watch) == []


def test_touching_a_model_is_no_news(model: Path) -> None:
    watch = ModelWatch(model, lambda: open_model(model))
    model.touch()
    assert checks(watch) == []


def test_a_model_without_its_new_card_waits_for_it(model: Path) -> None:
    def card() -> None:
        record = {"format": "edge-deploy card", "model": {"sha256": sha256(model)}}
        model.with_suffix(".json").write_text(json.dumps(record))

    card()
    watch = ModelWatch(model, lambda: open_model(model))
    model.write_bytes(color_classifier(labels=("a", "b", "c")))
    ((changed, sentence),) = checks(watch)
    assert not changed
    assert "not the model that its card" in sentence
    card()
    ((changed, _),) = checks(watch)
    assert changed


def test_a_model_that_changes_while_it_is_read_is_refused(model: Path) -> None:
    def open_and_replace() -> object:
        opened = open_model(model)
        model.write_bytes(quarter_detector())
        return opened

    with pytest.raises(BadInputError, match="changes while it is being read"):
        load(model, open_and_replace)  # type: ignore[arg-type]
