"""How often quantized models answer as float does, on inputs that calibration did not see."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from edge_deploy_converters.conversion import convert
from edge_deploy_runner.classifier import Classifier
from edge_deploy_runner.contract import preset
from PIL import Image

from edge_deploy.demonstration import crops
from edge_deploy.evaluation import evaluate

from .measuring import BENCH, SCRIPTS, Row, left_out, say, seconds_of
from .subjects import ASSETS, CALIBRATION_CROPS, UNSEEN_CROPS, Subject, Subjects

_PHOTOS, _DIGITS, _DROP_POINTS = 0.97, 0.99, 0.3
_RECIPES, _TENSORFLOW = ("int8", "weight-int8"), "TensorFlow's int8"
# Which crops calibrate, and which ask: no set is in both.
_SEEDS = ((1, 2), (5, 3), (6, 4))


def agreement_rows(subjects: Subjects) -> list[Row]:
    """EfficientNet-Lite0 on crops of photos, then the digits on their held-out set."""
    return [*_photo_rows(subjects), *_digit_rows(subjects)]


def _photo_rows(subjects: Subjects) -> list[Row]:
    what = "share of crops answered as float does"
    subject = subjects.efficientnet
    if subject is None:
        name = "agreement, efficientnet int8"
        return [left_out(name, what, "there is no EfficientNet-Lite0 on this machine")]
    shares: dict[str, list[float]] = {recipe: [] for recipe in (*_RECIPES, _TENSORFLOW)}
    for calibration_seed, unseen_seed in _SEEDS[: 1 if subjects.quick else None]:
        say(f"agreement of efficientnet, calibrated on crops of seed {calibration_seed}")
        unseen = crops(subjects.photos, UNSEEN_CROPS, seed=unseen_seed)
        models = _calibrated_on(subjects, subject, calibration_seed)
        wanted = _best(models["float32"], subject, unseen)
        for recipe in _RECIPES:
            found = _best(models[recipe], subject, unseen)
            shares[recipe].append(float(np.mean(found == wanted)))
        if not shares[_TENSORFLOW] and not subjects.quick:
            say("agreement of efficientnet, int8 by TensorFlow's own converter")
            found = _best(_by_tensorflow(subjects, subject), subject, unseen)
            shares[_TENSORFLOW].append(float(np.mean(found == wanted)))
    note = f"{UNSEEN_CROPS} crops a run"
    rows = []
    for recipe, found in shares.items():
        if found:
            judged = recipe == "int8"
            bound = f">= {_PHOTOS:g}" if judged else ""
            inside = median(found) >= _PHOTOS if judged else None
            name = f"agreement, efficientnet {recipe}"
            rows.append(Row(name, what, tuple(found), bound, inside, "", note))
    return rows


def _calibrated_on(subjects: Subjects, subject: Subject, seed: int) -> dict[str, Path]:
    """The subject converted with other crops; from its float32 file, which needs no TensorFlow."""
    float_model = subjects.model(subject, "float32")
    calibration = subjects.folder / f"crops_{seed}.npz"
    np.savez(calibration, x=crops(subjects.photos, CALIBRATION_CROPS, seed=seed))
    made = convert(float_model, subjects.folder / f"{subject.name}_{seed}", _RECIPES,
                   calibration=calibration)  # fmt: skip
    return {"float32": float_model, **{model.recipe.name: model.path for model in made.models}}


def _best(model: Path, subject: Subject, photos: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The best class of each photo; TensorFlow's own model carries no contract."""
    classifier = Classifier(model, preprocessing=preset(subject.preprocessing), override=True)
    tensors = (classifier.prepare(Image.fromarray(photo)) for photo in photos)
    return np.array([int(classifier.scores(tensor).argmax()) for tensor in tensors])


def _by_tensorflow(subjects: Subjects, subject: Subject) -> Path:
    target = subjects.folder / "tensorflow_int8.tflite"
    seconds_of(
        [
            SCRIPTS / "python", BENCH / "bare_tensorflow_int8.py", subject.source,
            subject.calibration, target, *subject.bare_arguments(),
        ]
    )  # fmt: skip
    return target


def _digit_rows(subjects: Subjects) -> list[Row]:
    say("agreement of digits int8")
    accuracy = evaluate(
        subjects.model(subjects.digits, "int8"),
        ASSETS / "digits_heldout.npz",
        reference=subjects.model(subjects.digits, "float32"),
    ).to_json()
    share, drop = float(accuracy["agreement"]), float(accuracy["drop_points"])
    note = f"{accuracy['samples']} held-out digits"
    return [
        Row(
            "agreement, digits int8", "share of digits answered as float does", (share,),
            f">= {_DIGITS:g}", share >= _DIGITS, "", note,
        ),
        Row(
            "top-1 drop, digits int8", "points lost against float", (drop,),
            f"<= {_DROP_POINTS:g} pt", drop <= _DROP_POINTS, " pt", note,
        ),
    ]  # fmt: skip
